"""The pytest plugin: the run's options, one item for each target and check, and the run folder at the end.

It is registered for every pytest session of the environment, so it imports and does nothing until the suite is
collected.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from depthwise_conformance.run import ConformanceRun

RUN = pytest.StashKey["ConformanceRun"]()
TOGETHER, ALONE = 250, 1000  # cases by default: with frameworks, and for adapters alone
REPORT = pytest.StashKey[Path]()
OPTIONS: dict[str, dict[str, Any]] = {
    "--target": {
        "action": "append",
        "default": [],
        "help": "judge this target, name[:mode][@device] (repeatable; default: all)",
    },
    "--adapter": {
        "action": "append",
        "default": [],
        "metavar": "FILE:CLASS",
        "help": "judge this adapter (repeatable)",
    },
    "--check": {"action": "append", "default": [], "help": "only this check (repeatable; default: all)"},
    "--device": {"default": "", "help": "only devices whose name begins so: cpu, cuda, cuda:1"},
    "--examples": {"type": int, "help": f"cases drawn (default: {TOGETHER}; {ALONE} for --adapter alone)"},
    "--seed": {"type": int, "default": 0, "help": "the same seed draws the same cases (default: %(default)s)"},
    "--out": {"type": Path, "default": Path("conformance-run"), "help": "the run folder (default: %(default)s)"},
    "--timeout": {"type": float, "default": 20.0, "help": "seconds that one call may take (default: %(default)s)"},
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options of a run, but for one that another plugin already has (pytest-timeout's, in seconds too)."""
    group = parser.getgroup("depthwise-conformance", "conformance of keras.layers.DepthwiseConv2D")
    for name, settings in OPTIONS.items():
        if name == "--timeout" and importlib.util.find_spec("pytest_timeout"):
            continue
        group.addoption(name, **settings)


def pytest_configure(config: pytest.Config) -> None:
    """Lets asserts of the suite explain themselves."""
    pytest.register_assert_rewrite("depthwise_conformance.suite")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One item for each target and check."""
    if not {"conformance_run", "target", "check"} <= set(metafunc.fixturenames):
        return
    run = _run(metafunc.config)
    pairs = [(target.name, check) for target in run.targets for check in run.options.checks]
    marks = [pytest.mark.timeout(0)] if importlib.util.find_spec("pytest_timeout") else []
    parameters = [
        pytest.param(target, check, id=f"{target}-{check}", marks=[*marks, *_group(metafunc.config, target)])
        for target, check in pairs
    ]
    metafunc.parametrize(("target", "check"), parameters)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Tells the run what is left after `-k` and the like."""
    run = session.config.stash.get(RUN, None)
    for item in session.items if run else ():
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if run and {"target", "check"} <= set(parameters):
            run.selected.setdefault(parameters["target"], set()).add(parameters["check"])


@pytest.fixture
def conformance_run(pytestconfig: pytest.Config) -> ConformanceRun:
    """The run of this session."""
    return _run(pytestconfig)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Writes the run folder; a run that could not be done in full ends with exit status 2."""
    config = session.config
    run = config.stash.get(RUN, None)
    if run is not None:
        config.stash[REPORT] = run.close()
        if run.targets and not config.option.collectonly and any(t.status != "judged" for t in run.targets):
            session.exitstatus = 2
    elif _is_controller(config):
        _merge_shards(config)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The table of targets by checks, and where the report is."""
    if REPORT in config.stash:
        from rich.console import Console

        from depthwise_conformance.display import print_summary

        terminalreporter.section("conformance")
        print_summary(config.stash[REPORT].parent, Console(markup=False, highlight=False))


def _run(config: pytest.Config) -> ConformanceRun:
    if RUN not in config.stash:
        from depthwise_conformance.run import ConformanceRun
        from depthwise_conformance.targets import UsageError

        try:
            config.stash[RUN] = ConformanceRun(_options(config), eager=not _is_xdist_worker(config))
        except UsageError as error:
            pytest.exit(str(error), returncode=2)
    return config.stash[RUN]


def _options(config: pytest.Config) -> Any:
    from depthwise_conformance.reports.record import CHECKS
    from depthwise_conformance.run import RunOptions

    given = {name: config.getoption(name) for name in OPTIONS}
    out = given["--out"].absolute()
    if _is_xdist_worker(config):
        out = _shards(out) / config.workerinput["workerid"]  # type: ignore[attr-defined]
    return RunOptions(
        targets=tuple(given["--target"]),
        adapters=tuple(given["--adapter"]),
        checks=tuple(given["--check"]) or CHECKS,
        device=given["--device"],
        examples=_examples(given),
        seed=given["--seed"],
        out=out,
        timeout=OPTIONS["--timeout"]["default"] if given["--timeout"] is None else given["--timeout"],
        stop_early=config.option.maxfail == 1,
    )


def _examples(given: dict[str, Any]) -> int:
    """As many as asked for; without a word, more where no framework has to compile each of them."""
    alone = given["--adapter"] and not given["--target"]
    return given["--examples"] if given["--examples"] is not None else ALONE if alone else TOGETHER


def _is_xdist_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _is_controller(config: pytest.Config) -> bool:
    return bool(getattr(config.option, "numprocesses", None)) and not _is_xdist_worker(config)


def _group(config: pytest.Config, target: str) -> list[Any]:
    """Keeps a target's items in one process of xdist, where it is installed."""
    return [pytest.mark.xdist_group(target)] if config.pluginmanager.hasplugin("xdist") else []


def _shards(out: Path) -> Path:
    return out.with_name(out.name + ".shards")


def _merge_shards(config: pytest.Config) -> None:
    import shutil

    from depthwise_conformance.reports.page import write_page
    from depthwise_conformance.reports.tables import merge

    out = config.getoption("--out").absolute()
    folders = sorted(_shards(out).glob("gw*"))
    if folders:
        merge(folders, out)
        config.stash[REPORT] = write_page(out)
        shutil.rmtree(_shards(out))
