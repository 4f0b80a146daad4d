"""What a run shows on a terminal at its end: targets by checks, and where the report is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from depthwise_conformance.reports.record import CHECKS, Verdict
from depthwise_conformance.reports.runs import read_runs
from depthwise_conformance.reports.tables import read_discrepancies, summarise_folder


def print_summary(folder: Path, console: Console) -> None:
    """The table of targets by checks of a run folder, what did not run, and where the report is."""
    console.print(_table(folder))
    for run in read_runs(folder):
        for target in run["targets"]:
            if target["status"] != "judged":
                console.print(f"{target['target']} {target['status']}: {target['message']}", soft_wrap=True)
        if run.get("stopped"):
            console.print("Stopped at the first discrepancy: what was not reached is not known.")
        elif not run.get("complete"):
            console.print("The run is incomplete: what it did not reach is not known.", style="red bold")
        for told in run.get("thin", []):
            console.print(told, style="red bold", soft_wrap=True)
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
    described = {target["target"]: target for run in read_runs(folder) for target in run["targets"]}
    for word, count in (("judged", _judged), ("declined", _declined)):
        figures = (str(count(described[target])) if target in described else "" for target in targets)
        table.add_row(f"cases {word}", *figures, style="dim")
    return table


def _judged(target: Mapping[str, Any]) -> int:
    return int(target.get("judged", 0))


def _declined(target: Mapping[str, Any]) -> int:
    return sum(target.get("declined", {}).values())


def _cell(row: Any) -> Text:
    passed = int(row[Verdict.PASS.value])
    failed = sum(int(row[verdict.value]) for verdict in Verdict if verdict.is_discrepancy)
    if passed + failed == 0:
        return Text("-", style="dim")
    return Text(f"{failed} fail", style="red bold") if failed else Text(str(passed), style="green")
