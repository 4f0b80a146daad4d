"""What a run shows on a terminal while it judges: progress, and what fails."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from depthwise_conformance.reports.known import is_outdated, join_known
from depthwise_conformance.reports.runs import read_runs
from depthwise_conformance.reports.tables import read_discrepancies
from depthwise_conformance.running.agenda import planned
from depthwise_conformance.running.plugin import ADDED, HOME, REPORT, RUN, TROUBLE
from depthwise_conformance.running.run import ConformanceRun
from depthwise_conformance.running.summary import print_summary


class RunConsole:
    """A pytest plugin that shows a run in place of pytest's own reporter: bars while it judges, what fails, a table."""

    def __init__(self, run: ConformanceRun | None, home: Path) -> None:
        self.report: Path | None = None
        self.found = False  # anything that fails the run: a new discrepancy, a known entry that is stale or expired
        self._run = run
        self._home = home  # for what Hypothesis writes
        self._console = Console(stderr=True, markup=False, highlight=False)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bars = Progress(*columns, console=self._console, transient=True)

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
        """Says what is about to be judged, and shows a bar for each target."""
        run = session.config.stash.get(RUN, None)
        if run is None or not run.selected:
            return
        tasks = {
            one.name: self._bars.add_task(
                one.name, total=planned(run.engine.options, run.selected[one.name], one.claim)
            )
            for one in run.targets
            if one.name in run.selected
        }
        checks, given = len(set().union(*run.selected.values())), len(run.given.cases)
        asked = f"{given} given case{'s' * (given > 1)} each" if given else f"{run.options.examples} drawn cases each"
        self._console.print(
            f"Judging {len(tasks)} target{'s' * (len(tasks) > 1)} by {checks} check{'s' * (checks > 1)}, "
            f"{asked}, seed {run.options.seed}."
        )
        run.progress = lambda target, done: self._bars.advance(tasks[target.name], done)
        run.announce = partial(self._console.print, soft_wrap=True)
        if not run.options.in_process:  # where a debugger has the terminal
            self._bars.start()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Tells each failure when it is known."""
        if report.failed:
            self._console.print(f"\n{report.longreprtext}", soft_wrap=True)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Tells what could not be collected."""
        if report.failed:
            self._console.print(report.longreprtext, soft_wrap=True)

    def pytest_internalerror(self, excrepr: object) -> None:
        """Tells an error of our own."""
        self._console.print(str(excrepr), soft_wrap=True)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Tells why the run was ended."""
        self._bars.stop()
        self._console.print(f"depthwise-conformance: {str(excinfo.value) or 'interrupted'}")

    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """The table and the report's path, on standard output."""
        self._bars.stop()
        if trouble := config.stash.get(TROUBLE, ""):
            self._console.print(f"depthwise-conformance: {trouble}", soft_wrap=True)
        if REPORT in config.stash:
            self.report = config.stash[REPORT]
            new = any(not one.known for one in read_discrepancies(self.report.parent))
            self.found = new or is_outdated(join_known(read_runs(self.report.parent)))
            console = Console(markup=False, highlight=False)
            print_summary(self.report.parent, console)
            console.print(config.stash.get(ADDED, ""), end="", soft_wrap=True)
