"""The pytest plugin: the run's options, one item for each target and check, and the run folder at the end.

It is registered for every pytest session of the environment, so it imports and does nothing until the suite is
collected.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from depthwise_conformance.running.junit import MARK
from depthwise_conformance.running.options import JUDGED, OPTIONS, decide, prefixed, read_options, undecided

if TYPE_CHECKING:
    from depthwise_conformance.running.fixture import Conformance
    from depthwise_conformance.running.run import ConformanceRun
    from depthwise_conformance.running.shards import Shards

SUITE = Path(__file__).parents[1] / "suite"
ASKED_FOR = pytest.StashKey[bool]()
RUN = pytest.StashKey["ConformanceRun"]()
SHARDS: pytest.StashKey[Shards] = pytest.StashKey()
REPORT = pytest.StashKey[Path]()
TROUBLE = pytest.StashKey[str]()
ADDED = pytest.StashKey[str]()  # what there is to say of known entries that were added
SCRATCH, HOME = "depthwise_conformance_scratch", "depthwise_conformance_home"  # what a process of xdist is told


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options of a run, under names that no other project has."""
    group = parser.getgroup("depthwise-conformance", "conformance of keras.layers.DepthwiseConv2D")
    for name in OPTIONS:
        group.addoption(prefixed(name), **undecided(name))


def pytest_configure(config: pytest.Config) -> None:
    """Where the suite is asked for, reads its options; with xdist, makes a private folder for what processes write."""
    pytest.register_assert_rewrite("depthwise_conformance.suite")
    config.addinivalue_line("markers", f"{MARK}(target, check): on the items of depthwise-conformance, for -m")
    if not any(map(_is_suite, config.args)):
        return
    from depthwise_conformance.running.folder import check_folder
    from depthwise_conformance.running.junit import ItemsInJUnit
    from depthwise_conformance.running.knownfile import read_known
    from depthwise_conformance.running.shards import Shards
    from depthwise_conformance.running.usage import UsageError

    config.stash[ASKED_FOR] = True
    config.pluginmanager.register(ItemsInJUnit(config))
    try:
        given = _given(config)
        out = given["--out"].absolute()
        if _is_controller(config):
            check_folder(out)
            read_known(given["--known"])
            config.stash[SHARDS] = Shards(out)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_unconfigure(config: pytest.Config) -> None:
    """Removes the private folder."""
    if SHARDS in config.stash:
        config.stash[SHARDS].remove()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tells a process of xdist where to write."""
    if SHARDS in node.config.stash:
        node.workerinput[SCRATCH] = str(node.config.stash[SHARDS].scratch)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: list[str]) -> None:
    """Notes which targets are to be judged."""
    if SHARDS in node.config.stash:
        node.config.stash[SHARDS].expect(ids)


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """Heeds every Ctrl-C while cases are drawn, be it only to count them."""
    with _heeded(session.config):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Iterator[None]:
    """Heeds every Ctrl-C."""
    with _heeded(session.config):
        return (yield)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keeps all the items of a target in one process of xdist, which judges its cases once."""
    if ASKED_FOR not in config.stash:
        return None
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # ships no types

    class ByTarget(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            from depthwise_conformance.running.shards import scope

            return scope(nodeid)

    return ByTarget(config, log)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One item for each target and check."""
    if not {"conformance_run", "target", "check"} <= set(metafunc.fixturenames):
        return
    run = _run(metafunc.config)
    checks = run.options.checks
    pairs = [(one.name, check) for one in run.targets for check in checks if check in (one.checks or checks)]
    metafunc.parametrize(("target", "check"), [_parameters(target, check) for target, check in pairs])


def _parameters(target: str, check: str) -> Any:
    """Those of an item, with its marks."""
    marks = [pytest.mark.dwc(target=target, check=check)]
    if importlib.util.find_spec("pytest_timeout"):
        marks.append(pytest.mark.timeout(0))  # the first item of a target judges all of its cases
    return pytest.param(target, check, id=f"{target}-{check}", marks=marks)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves a run that is resumed what it was asked for."""
    run = config.stash.get(RUN, None)
    if run is not None and run.options.resumed:
        wanted = run.options.resumed.selected
        marks = [(item, item.get_closest_marker(MARK)) for item in items]
        items[:] = [item for item, mark in marks if mark and (mark.kwargs["target"], mark.kwargs["check"]) in wanted]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Tells the run what is left after `-k` and the like, and JUnit what the items are about."""
    run = session.config.stash.get(RUN, None)
    for item in session.items if run else ():
        if run and (mark := item.get_closest_marker(MARK)):
            run.selected.setdefault(mark.kwargs["target"], set()).add(mark.kwargs["check"])
            item.user_properties += mark.kwargs.items()
            run.engine.stop_early = session.config.option.maxfail == 1


@pytest.fixture
def conformance_run(pytestconfig: pytest.Config) -> ConformanceRun:
    """The run of this session."""
    return _run(pytestconfig)


@pytest.fixture
def conformance(request: pytest.FixtureRequest) -> Conformance:
    """Judges an adapter or a function on catalogue and draws: `conformance(my_kernel, only="kernel_size == 3")`."""
    from depthwise_conformance.running.fixture import Conformance
    from depthwise_conformance.running.usage import UsageError

    try:
        given = {**_given(request.config), **dict.fromkeys(JUDGED, ())}
        options = read_options(given, given["--out"])
    except UsageError as error:
        pytest.fail(str(error), pytrace=False)
    return Conformance(options, lambda name, value: request.node.user_properties.append((name, value)))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Writes the run folder; a run that could not be done in full ends with exit status 2."""
    config = session.config
    ended = config.stash.get(RUN, None) or config.stash.get(SHARDS, None)
    if ended is None:
        return
    if (report := ended.close()) is not None:
        config.stash[REPORT] = report
    config.stash[TROUBLE] = ended.trouble or _update_known(config)
    if (ended.undone or config.stash[TROUBLE]) and not config.option.collectonly:
        session.exitstatus = 2


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The table of targets by checks, and where the report is."""
    from depthwise_conformance.running.terminal import shown

    if trouble := config.stash.get(TROUBLE, ""):
        terminalreporter.section("conformance")
        terminalreporter.write_line(shown(trouble))
    if REPORT in config.stash:
        from depthwise_conformance.running.actions import tell_actions
        from depthwise_conformance.running.summary import print_summary
        from depthwise_conformance.running.terminal import Terminal

        terminalreporter.section("conformance")
        print_summary(config.stash[REPORT].parent, Terminal(markup=False, highlight=False))
        tell_actions(config.stash[REPORT].parent, terminalreporter.write_line)
    if added := config.stash.get(ADDED, ""):
        terminalreporter.write_line(shown(added))


def _update_known(config: pytest.Config) -> str:
    """Adds what is new to the file that is asked for, once for all processes of xdist; what went wrong, in words."""
    given = _given(config)
    file = given["--update-known"]
    if file is None or REPORT not in config.stash or _workerinput(config):
        return ""
    from depthwise_conformance.reports.tables import read_discrepancies
    from depthwise_conformance.running.knownfile import add_new
    from depthwise_conformance.running.usage import UsageError

    try:
        found = read_discrepancies(config.stash[REPORT].parent)
        config.stash[ADDED] = add_new(file, found, read_options(given, given["--out"]).today)
    except (OSError, UsageError) as error:
        return f"known entries could not be added to {file}: {error}"
    return ""


def _run(config: pytest.Config) -> ConformanceRun:
    if RUN not in config.stash:
        from depthwise_conformance.running.run import ConformanceRun
        from depthwise_conformance.running.usage import UsageError

        given = _given(config)
        out, merged = given["--out"].absolute(), None
        if home := _workerinput(config).get(HOME):
            from hypothesis.configuration import set_hypothesis_home_dir

            set_hypothesis_home_dir(home)  # it would make a folder of its own where the user is
        if scratch := _workerinput(config).get(SCRATCH):
            out, merged = Path(scratch) / _workerinput(config)["workerid"], out
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


@contextmanager
def _heeded(config: pytest.Config) -> Iterator[None]:
    """While Ctrl-C is heeded, where the suite is asked for."""
    if ASKED_FOR not in config.stash:
        yield
        return
    from depthwise_conformance.running import interrupts

    with interrupts.heeded():
        yield


def _workerinput(config: pytest.Config) -> dict[str, str]:
    """What a process of xdist was told; nothing, in any other process."""
    return getattr(config, "workerinput", {})


def _is_controller(config: pytest.Config) -> bool:
    """Whether this process has others run the suite."""
    option = config.option
    distributes = getattr(option, "numprocesses", None) or getattr(option, "dist", "no") != "no"
    return ASKED_FOR in config.stash and bool(distributes) and not _workerinput(config) and not option.collectonly


def _given(config: pytest.Config) -> dict[str, Any]:
    """The options by their names, as this session and the project's file have them. Raises UsageError."""
    from depthwise_conformance.running.settings import FILE, read_settings

    typed = {name: config.getoption(prefixed(name)) for name in OPTIONS}
    return decide(typed, read_settings(config.rootpath / FILE))
