"""What a run shows while it judges: how far it has come, and what fails."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from depthwise_conformance.reports.known import is_outdated, join_known
from depthwise_conformance.reports.runs import read_runs
from depthwise_conformance.reports.tables import read_discrepancies
from depthwise_conformance.running.actions import tell_actions
from depthwise_conformance.running.agenda import planned
from depthwise_conformance.running.plugin import ADDED, HOME, REPORT, RUN, TROUBLE
from depthwise_conformance.running.progress import Bars, Lines, Shown
from depthwise_conformance.running.run import ConformanceRun
from depthwise_conformance.running.shards import scope
from depthwise_conformance.running.summary import print_summary
from depthwise_conformance.running.targets import Target
from depthwise_conformance.running.terminal import Terminal


class RunConsole:
    """A pytest plugin that shows a run in place of pytest's own reporter: how far it is, what fails, a summary."""

    def __init__(self, run: ConformanceRun | None, home: Path) -> None:
        self.report: Path | None = None
        self.found = False  # anything that fails the run: a new discrepancy, a known entry that is stale or expired
        self._run = run
        self._home = home  # for what Hypothesis writes
        self._console = Terminal(stderr=True, markup=False, highlight=False)
        self._tell = partial(self._console.print, soft_wrap=True)
        self._shown: Shown = Bars(self._console) if self._console.is_terminal else Lines(self._tell)
        self._left: Counter[str] = Counter()  # items by target, where processes of xdist judge

    @pytest.hookimpl(trylast=True)  # when the terminal reporter is there
    def pytest_configure(self, config: pytest.Config) -> None:
        """Takes the place of the terminal reporter, and hands the run to the suite."""
        if self._run is not None:
            config.stash[RUN] = self._run
        config.pluginmanager.unregister(name="terminalreporter")

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tells a process of xdist the home of Hypothesis."""
        node.workerinput[HOME] = str(self._home)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Says what is about to be judged, and begins to show how far each target is."""
        run = session.config.stash.get(RUN, None)
        if run is None or not run.selected:
            return
        judged = [one for one in run.targets if one.name in run.selected]
        totals = {one.name: planned(run.engine.options, run.selected[one.name], one.claim, one.most) for one in judged}
        checks, given = len(set().union(*run.selected.values())), len(run.given.cases)
        drawn = run.options.examples if run.options.minutes is None else f"{run.options.minutes:g} minutes of"
        asked = f"{given} given case{'s' * (given > 1)} each" if given else f"{drawn} drawn cases each"
        self._console.print(
            f"Judging {len(totals)} target{'s' * (len(totals) > 1)} by {checks} check{'s' * (checks > 1)}, "
            f"{asked}, seed {run.options.seed}.",
            soft_wrap=True,
        )
        run.announce = self._tell
        if run.options.in_process:  # a debugger has the terminal
            return
        self._shown.expect(totals)
        run.progress = lambda target, done: self._shown.advance(target.name, done)
        run.engine.announce_end = lambda target: self._shown.end(target.name, _tell_end(target))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        """Begins to show how far each target is, where processes of xdist judge."""
        if not self._left:
            self._left = Counter(map(_target_of, ids))
            self._shown.expect(dict(self._left))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Shows that a target is begun, where processes of xdist judge."""
        if self._left:
            self._shown.advance(_target_of(nodeid), 0)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Tells each failure when it is known."""
        if report.failed:
            self._tell(f"\n{report.longreprtext}")
        if self._left and report.when == "teardown":
            name = _target_of(report.nodeid)
            self._left[name] -= 1
            self._shown.advance(name, 1)
            if not self._left[name]:
                self._shown.end(name, "every check")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Tells what could not be collected."""
        if report.failed:
            self._tell(report.longreprtext)

    def pytest_internalerror(self, excrepr: object) -> None:
        """Tells an error of our own."""
        self._tell(str(excrepr))

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Tells why the run was ended."""
        self._shown.stop()
        self._console.print(f"depthwise-conformance: {str(excinfo.value) or 'interrupted'}")

    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """The table and the report's path, on standard output."""
        self._shown.stop()
        if trouble := config.stash.get(TROUBLE, ""):
            self._tell(f"depthwise-conformance: {trouble}")
        if REPORT in config.stash:
            self.report = config.stash[REPORT]
            new = any(not one.known for one in read_discrepancies(self.report.parent))
            self.found = new or is_outdated(join_known(read_runs(self.report.parent)))
            console = Terminal(markup=False, highlight=False)
            print_summary(self.report.parent, console)
            console.print(config.stash.get(ADDED, ""), end="", soft_wrap=True)
            tell_actions(self.report.parent, print)


def _target_of(item: str) -> str:
    """The target of an item, by its id."""
    return scope(item).rpartition("[")[2]


def _tell_end(target: Target) -> str:
    if target.status != "judged":
        return f"{target.status}: {target.message}"
    declined = target.declined.total()
    idle = target.cases - target.judged - declined
    rest = f", {idle} for checks that were not chosen, or failing as their operation does" if idle > 0 else ""
    return f"{target.judged} of {target.cases} cases judged, {declined} declined{rest}"
