"""What a run shows on a terminal at its end: targets by checks, and where the report is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from depthwise_conformance.reports.known import join_known, tell_counts, tell_idle, tell_outdated
from depthwise_conformance.reports.layers import LAYERS, read_layers
from depthwise_conformance.reports.record import CHECKS, REFERENCE, Comparison, Verdict
from depthwise_conformance.reports.runs import read_runs
from depthwise_conformance.reports.tables import read_discrepancies, summarise_folder

LAYERS_SHOWN, PAIRS_SHOWN = 40, 3


def print_summary(folder: Path, console: Console) -> None:
    """The table of targets by checks of a run folder, what did not run, and where the report is."""
    console.print(_table(folder))
    if rows := read_layers(folder):
        _print_layers(rows, console)
    for run in read_runs(folder):
        for target in run["targets"]:
            if target["status"] != "judged":
                console.print(f"{target['target']} {target['status']}: {target['message']}", soft_wrap=True)
        for model in run.get("models", []):
            for name, why in (*model["notes"], *(("left out: " + name, why) for name, why in model["skipped"])):
                console.print(f"{model['file']}: {name}: {why}", soft_wrap=True)
        if run.get("stopped"):
            console.print("Stopped at the first discrepancy: what was not reached is not known.")
        elif not run.get("complete"):
            console.print("The run is incomplete: what it did not reach is not known.", style="red bold")
        for told in (*run.get("thin", []), *run.get("cut_short", [])):
            console.print(told, style="red bold", soft_wrap=True)
    entries = join_known(read_runs(folder))
    for told in tell_outdated(entries):
        console.print(told, style="red bold", soft_wrap=True)
    for told in tell_idle(entries):
        console.print(told, style="dim", soft_wrap=True)
    found = tell_counts(read_discrepancies(folder), bool(entries))
    console.print(f"{found}. Report: {folder / 'report.html'}", soft_wrap=True)


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


def _print_layers(rows: Sequence[Comparison], console: Console) -> None:
    """Layers by what was held against what: the worst errors."""
    columns = _columns(rows)
    title = "Layers: the worst error, in units of what rounding may do"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    table.add_column("layer", overflow="fold", min_width=12)
    for name in columns:
        table.add_column(name, justify="right", overflow="fold", min_width=8)
    layers = list(dict.fromkeys((row.layer, row.case) for row in rows))
    cells = {(row.layer, row.case, name): row for name, chosen in columns.items() for row in chosen}
    for layer in layers[:LAYERS_SHOWN]:
        found = (cells.get((*layer, name)) for name in columns)
        table.add_row(layer[0], *(Text("") if row is None else _distance(row) for row in found))
    console.print(table)
    if (further := len(layers) - LAYERS_SHOWN) > 0:
        console.print(f"And {further} further layers, in {LAYERS}.")


def _columns(rows: Sequence[Comparison]) -> dict[str, list[Comparison]]:
    """The rows by target, then by pairs of targets; of many pairs, the rows of those that are furthest apart alone."""
    columns: dict[str, list[Comparison]] = {}
    pairs: dict[str, list[Comparison]] = {}
    for row in rows:
        name, kind = (row.target, columns) if row.against == REFERENCE else (f"{row.target} / {row.against}", pairs)
        kind.setdefault(name, []).append(row)
    if len(pairs) > PAIRS_SHOWN:
        among = sorted((row for found in pairs.values() for row in found), key=lambda row: row.error)
        pairs = {"two targets, at most": among}  # the last of a layer counts
    return columns | pairs


def _distance(row: Comparison) -> Text:
    figure = "" if math.isnan(row.error) else f"{row.error:.3g}"
    if row.verdict is Verdict.PASS:
        return Text(figure or "pass", style="green")
    style = "red bold" if row.verdict.is_discrepancy else "dim"
    return Text(f"{row.verdict.value} {figure}".rstrip(), style=style)


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
