"""What a run shows on a terminal: progress while it runs, a table at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from depthwise_conformance.plugin import REPORT, RUN
from depthwise_conformance.reports.record import CHECKS, Verdict
from depthwise_conformance.reports.runs import read_runs
from depthwise_conformance.reports.tables import read_discrepancies, summarise_folder
from depthwise_conformance.run import ConformanceRun


class RunConsole:
    """A pytest plugin that shows a run in place of pytest's own reporter: bars while it judges, what fails, a table."""

    def __init__(self, run: ConformanceRun | None) -> None:
        self._run = run
        self._console = Console(stderr=True, markup=False, highlight=False)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bars = Progress(*columns, console=self._console, transient=True)

    @pytest.hookimpl(trylast=True)  # when the terminal reporter is there
    def pytest_configure(self, config: pytest.Config) -> None:
        """Takes the place of the terminal reporter, and hands the run to the suite."""
        if self._run is not None:
            config.stash[RUN] = self._run
        config.pluginmanager.unregister(name="terminalreporter")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Says what is about to be judged, and shows a bar for each target."""
        run = session.config.stash.get(RUN, None)
        if run is None or not run.selected:
            return
        tasks = {
            name: self._bars.add_task(name, total=run.engine.planned(checks)) for name, checks in run.selected.items()
        }
        checks = len(set().union(*run.selected.values()))
        self._console.print(
            f"Judging {len(tasks)} target{'s' * (len(tasks) > 1)} by {checks} check{'s' * (checks > 1)}, "
            f"{run.options.examples} drawn cases each, seed {run.options.seed}."
        )
        run.progress = lambda target, done: self._bars.advance(tasks[target.name], done)
        run.announce = self._console.print
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
        self._console.print(f"depthwise-conformance: {excinfo.value or 'interrupted'}")

    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """The table and the report's path, on standard output."""
        self._bars.stop()
        if REPORT in config.stash:
            print_summary(config.stash[REPORT].parent, Console(markup=False, highlight=False))


def print_summary(folder: Path, console: Console) -> None:
    """The table of targets by checks of a run folder, what did not run, and where the report is."""
    console.print(_table(folder))
    for run in read_runs(folder):
        for target in run["targets"]:
            if target["status"] != "judged":
                console.print(f"{target['target']} {target['status']}: {target['message']}", soft_wrap=True)
    distinct = len(read_discrepancies(folder))
    noun = "discrepancy" if distinct == 1 else "discrepancies"
    console.print(f"{distinct} distinct {noun}. Report: {folder / 'report.html'}", soft_wrap=True)


def _table(folder: Path) -> Table:
    rows = summarise_folder(folder).to_dict("records")
    cells = {(row["check"], row["target"]): _cell(row) for row in rows}
    targets = list(dict.fromkeys(str(row["target"]) for row in rows))
    title = "Judged cases: how many passed, or how many failed"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    table.add_column("check", no_wrap=True)
    for target in targets:
        table.add_column(target, justify="right", overflow="fold", min_width=len("99 fail"))
    for check in [check for check in CHECKS if any(row["check"] == check for row in rows)]:
        table.add_row(check, *(cells.get((check, target), Text("")) for target in targets))
    return table


def _cell(row: Any) -> Text:
    passed = int(row[Verdict.PASS.value])
    failed = sum(int(row[verdict.value]) for verdict in Verdict if verdict.is_discrepancy)
    if passed + failed == 0:
        return Text("-", style="dim")
    return Text(f"{failed} fail", style="red bold") if failed else Text(str(passed), style="green")
