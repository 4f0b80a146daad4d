"""What a run shows at its end: targets by checks, the worst faults, how long it took, and where the report is."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from depthwise_conformance.reports.digest import Counts, Digest, read_digest
from depthwise_conformance.reports.families import Family, gather
from depthwise_conformance.reports.known import join_known, tell_counts, tell_idle
from depthwise_conformance.reports.layers import LAYERS, read_layers
from depthwise_conformance.reports.record import REFERENCE, Comparison, Verdict
from depthwise_conformance.reports.runs import COMPLETE, ENDINGS, ending
from depthwise_conformance.reports.words import counted, duration
from depthwise_conformance.running.terminal import shown

LAYERS_SHOWN, PAIRS_SHOWN = 40, 3
WORST, LONGEST = 10, 400  # faults, and characters of what is said of one


def print_summary(folder: Path, console: Console) -> None:
    """Targets by checks, the worst of what was found, what did not run, the time taken, and where the report is."""
    digest = read_digest(folder)
    for table in _tables(digest, console.width):
        console.print(table)
    if rows := read_layers(folder):
        _print_layers(rows, console)
    _print_worst(gather(folder, digest.found), console)
    for run in digest.runs:
        for target in run["targets"]:
            if target["status"] != "judged":
                console.print(f"{target['target']} {target['status']}: {target['message']}", soft_wrap=True)
            elif target.get("most") and (told := _tell_few(target)):
                console.print(told, style="dim", soft_wrap=True)
        for model in run.get("models", []):
            for name, why in (*model["notes"], *(("left out: " + name, why) for name, why in model["skipped"])):
                console.print(f"{model['file']}: {name}: {why}", soft_wrap=True)
        if run.get("stopped"):
            console.print("Stopped at the first discrepancy: what was not reached is not known.")
        elif (state := ending([run])) != COMPLETE:
            told = ENDINGS[state].replace("FOLDER", shlex.quote(str(folder)))
            console.print(told, style="red bold", soft_wrap=True)
        for told in (*run.get("thin", []), *run.get("cut_short", [])):
            console.print(told, style="red bold", soft_wrap=True)
    entries = join_known(digest.runs)
    for told in digest.outdated:
        console.print(told, style="red bold", soft_wrap=True)
    for told in tell_idle(entries):
        console.print(told, style="dim", soft_wrap=True)
    found = tell_counts(digest.found, bool(entries))
    console.print(f"Took {duration(digest.seconds)}.")
    console.print(f"{found}. Report: {folder / 'report.html'}", soft_wrap=True)


def _tell_few(target: Mapping[str, Any]) -> str:
    """How far the few cases go that a target is asked; nothing where that is not known."""
    if (covered := target.get("coverage")) is None:
        return ""
    words = {1: "values", 2: "pairs", 3: "triples"}[covered["strength"]]
    reached = f"{covered['covered']:,} of {covered['allowed']:,} {words} of argument values"
    return f"{target['target']} is asked {target['most']} cases at most: those judged cover {reached}."


def _tables(digest: Digest, width: int) -> Iterator[Table]:
    """Targets as columns where they fit; where they do not, targets as rows, and as many checks to a table as fit."""
    rows = [(check, [_cell(digest.cells.get((name, check))) for name in digest.targets]) for check in digest.checks]
    for title, figure in (("cases judged", _judged), ("cases declined", _declined), ("seconds", _seconds)):
        described = (digest.described.get(name) for name in digest.targets)
        rows.append((title, [Text(figure(one) if one else "", style="dim") for one in described]))
    widths = [
        max(len(name), *(cells[place].cell_len for _, cells in rows)) for place, name in enumerate(digest.targets)
    ]
    if max(len(title) for title, _ in rows) + sum(1 + one for one in widths) <= width:
        table = _empty("check", digest.targets)
        for title, cells in rows:
            table.add_row(title, *cells)
        yield table
        return
    left = rows
    while left:
        some = _fitting(left, width - max(map(len, digest.targets)))
        table = _empty("target", [title.replace("_", "_\n").replace(" ", "\n") for title, _ in some])
        table.title = table.title if left is rows else None
        for place, name in enumerate(digest.targets):
            table.add_row(name, *(cells[place] for _, cells in some))
        yield table
        left = left[len(some) :]


def _empty(first: str, others: Sequence[str]) -> Table:
    title = "Judged cases: passed/failed/declined"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(first, no_wrap=True, vertical="bottom")
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _fitting(rows: Sequence[tuple[str, list[Text]]], width: int) -> Sequence[tuple[str, list[Text]]]:
    """The first of the rows that, as columns, go into so many characters; one at least."""
    for count, (title, cells) in enumerate(rows):
        words = (len(word) + 1 for word in title.replace("_", "_ ").split())
        width -= 1 + max(*(cell.cell_len for cell in cells), *words)
        if width < 0:
            return rows[: max(count, 1)]
    return rows


def _print_worst(families: Sequence[Family], console: Console) -> None:
    """The worst faults: what is wrong, and on which targets."""
    if families:
        more = f" of {len(families)}" if len(families) > WORST else ""
        console.print(f"The worst faults{more}:" if more else "What was found:")
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for family in families[:WORST]:
        one, known = family.first.discrepancy, "" if family.new else "known: "
        told = shown(f"{known}{family.title}")[:LONGEST]
        where = shown(f"{one.check} in {counted(family.failing, 'case')} of {', '.join(family.targets)}")[:LONGEST]
        table.add_row(one.id, Text(shown(told), style="dim" if known else "red"))
        table.add_row("", Text(shown(where), style="dim"))
    console.print(table)


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


def _judged(target: Mapping[str, Any]) -> str:
    return str(target.get("judged", 0))


def _declined(target: Mapping[str, Any]) -> str:
    return str(sum(target.get("declined", {}).values()))


def _seconds(target: Mapping[str, Any]) -> str:
    return f"{target.get('seconds', 0.0):.1f}"


def _cell(counts: Counts | None) -> Text:
    if counts is None or counts == Counts():
        return Text("-", style="dim")
    return Text(str(counts), style="red bold" if counts.failed else "green" if counts.passed else "dim")
