"""The pytest plugin: the run's options, one item for each target and check, and the run folder at the end.

It is registered for every pytest session of the environment, so it imports and does nothing until the suite is
collected.
"""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from depthwise_conformance.running.options import OPTIONS, read_options

if TYPE_CHECKING:
    from depthwise_conformance.running.run import ConformanceRun

SUITE = Path(__file__).parents[1] / "suite"
ASKED_FOR = pytest.StashKey[bool]()
RUN = pytest.StashKey["ConformanceRun"]()
REPORT = pytest.StashKey[Path]()


def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    """Adds the options of a run where the suite is asked for: other projects may have options of the same names."""
    if not any(map(_is_suite, args)):
        return
    early_config.stash[ASKED_FOR] = True
    group = parser.getgroup("depthwise-conformance", "conformance of keras.layers.DepthwiseConv2D")
    for name, settings in OPTIONS.items():
        if name != "--timeout" or not importlib.util.find_spec("pytest_timeout"):  # which has it too, in seconds too
            group.addoption(name, **settings)


def pytest_configure(config: pytest.Config) -> None:
    """Lets the suite's asserts explain themselves; with xdist, readies the folder."""
    pytest.register_assert_rewrite("depthwise_conformance.suite")
    if _is_controller(config):
        from depthwise_conformance.running.folder import check_folder, clear_folder
        from depthwise_conformance.running.usage import UsageError

        try:
            check_folder(_out(config))
        except UsageError as error:
            raise pytest.UsageError(str(error)) from None
        clear_folder(_out(config))
        shutil.rmtree(_shards(config), ignore_errors=True)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keeps all the items of a target in one process of xdist, which judges its cases once."""
    if ASKED_FOR not in config.stash:
        return None
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # ships no types

    class ByTarget(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return nodeid.rpartition("-")[0]

    return ByTarget(config, log)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One item for each target and check."""
    if not {"conformance_run", "target", "check"} <= set(metafunc.fixturenames):
        return
    run = _run(metafunc.config)
    pairs = [(target.name, check) for target in run.targets for check in run.options.checks]
    marks = [pytest.mark.timeout(0)] if importlib.util.find_spec("pytest_timeout") else []
    parameters = [pytest.param(target, check, id=f"{target}-{check}", marks=marks) for target, check in pairs]
    metafunc.parametrize(("target", "check"), parameters)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Tells the run what is left after `-k` and the like."""
    run = session.config.stash.get(RUN, None)
    for item in session.items if run else ():
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if run and {"target", "check"} <= set(parameters):
            run.selected.setdefault(parameters["target"], set()).add(parameters["check"])
            run.engine.stop_early = session.config.option.maxfail == 1


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
        undone = run.failed or bool(run.thin) or any(target.status != "judged" for target in run.targets)
    else:
        undone = _is_controller(config) and _merge_shards(config)
    if undone and not config.option.collectonly:
        session.exitstatus = 2


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The table of targets by checks, and where the report is."""
    if REPORT in config.stash:
        from rich.console import Console

        from depthwise_conformance.running.summary import print_summary

        terminalreporter.section("conformance")
        print_summary(config.stash[REPORT].parent, Console(markup=False, highlight=False))


def _run(config: pytest.Config) -> ConformanceRun:
    if RUN not in config.stash:
        from depthwise_conformance.running.run import ConformanceRun
        from depthwise_conformance.running.usage import UsageError

        given = {name: config.getoption(name, settings.get("default")) for name, settings in OPTIONS.items()}
        out, merged = _out(config), None
        if _is_xdist_worker(config):
            out, merged = _shards(config) / config.workerinput["workerid"], out  # type: ignore[attr-defined]
        try:
            config.stash[RUN] = ConformanceRun(read_options(given, out, merged))
        except UsageError as error:
            raise pytest.Collector.CollectError(str(error)) from None
    return config.stash[RUN]


def _is_suite(argument: str) -> bool:
    """Whether a command line's argument names the suite, as a package or by its folder."""
    if "depthwise_conformance.suite" in argument:
        return True
    path = Path(argument.partition("::")[0]).absolute()
    return path.exists() and path.resolve().is_relative_to(SUITE.resolve())


def _is_xdist_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _is_controller(config: pytest.Config) -> bool:
    """Whether this process has others run the suite."""
    distributes = bool(getattr(config.option, "numprocesses", None))
    return ASKED_FOR in config.stash and distributes and not _is_xdist_worker(config)


def _out(config: pytest.Config) -> Path:
    return Path(config.getoption("--out", OPTIONS["--out"]["default"])).absolute()


def _shards(config: pytest.Config) -> Path:
    out = _out(config)
    return out.with_name(out.name + ".shards")


def _merge_shards(config: pytest.Config) -> bool:
    """Makes the run's folder of those of the processes; whether the run could not be done in full."""
    from depthwise_conformance.reports.page import write_page
    from depthwise_conformance.reports.runs import read_runs
    from depthwise_conformance.reports.tables import merge

    folders = sorted(_shards(config).glob("gw*"))
    if not folders:
        return False
    merge(folders, _out(config))
    shutil.rmtree(_shards(config))
    config.stash[REPORT] = write_page(_out(config))
    return any(target["status"] != "judged" for run in read_runs(_out(config)) for target in run["targets"])
