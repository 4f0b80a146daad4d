"""The table of targets by checks, from the summary of the results and the targets of `run.json`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from depthwise_conformance.reports.record import NOT_JUDGED, Discrepancy, Record, Verdict, rank
from depthwise_conformance.reports.words import MEANINGS, Meaning, by_numbers

JUDGED = "judged"  # the status, in run.json, of a target with which all went well
_GRAVEST_FIRST = ("fail", "warn", "broken", "pass", "none")


class Subject(NamedTuple):
    """What is judged: a target, where it ran, in which versions."""

    target: str
    device: str
    versions: str


class Link(NamedTuple):
    """To a discrepancy of the page, with what it means."""

    anchor: str
    meaning: Meaning


@dataclass(frozen=True)
class Line:
    """One count in a cell; `anchor` is that of the discrepancy to link to, empty for none."""

    count: int
    meaning: Meaning
    anchor: str


@dataclass(frozen=True)
class Cell:
    """One target's results of one check: cases judged, discrepancies among them, those not judged, the worst error."""

    lines: tuple[Line, ...]
    judged: int
    departing: int
    declined: int
    worst: float

    @property
    def first(self) -> Line:
        """The gravest line: the most frequent one of its tone."""
        return min(self.lines, key=lambda line: (_GRAVEST_FIRST.index(line.meaning.tone), -line.count))

    @property
    def tone(self) -> str:
        """That of the gravest line."""
        return self.first.meaning.tone

    @property
    def others(self) -> int:
        """How many cases depart in other ways than the gravest line says."""
        return self.departing - self.first.count if self.departing else 0


@dataclass(frozen=True)
class Row:
    """One target's results by check; `status` is that of run.json."""

    subject: Subject
    status: str
    cells: Mapping[str, Cell]

    @property
    def judged(self) -> int:
        """How many cases were judged, over all checks."""
        return sum(cell.judged for cell in self.cells.values())

    @property
    def departing(self) -> int:
        """How many of them are discrepancies."""
        return sum(cell.departing for cell in self.cells.values())


def subject_of(row: Record | Discrepancy) -> Subject:
    """The subject of a row of the tables."""
    return _normal(row.target, row.device, row.versions)


def build_rows(
    summary: Sequence[Mapping[str, Any]], runs: Sequence[Mapping[str, Any]], links: Mapping[tuple[str, ...], Link]
) -> list[Row]:
    """A row for every target that has records, and for every other one of run.json.

    `links` are those to the discrepancies, by subject, check and verdict; "" stands for any verdict.
    """
    cells: dict[Subject, dict[str, Cell]] = {}
    for figures in summary:
        subject = _normal(*(figures[field] for field in Subject._fields))
        cells.setdefault(subject, {})[figures["check"]] = _cell(figures, subject, links)
    status = _statuses(runs, cells)
    subjects = sorted({*cells, *status}, key=lambda subject: [by_numbers(part) for part in subject])
    return [Row(subject, status.get(subject, ""), cells.get(subject, {})) for subject in subjects]


def in_order(checks: Iterable[str]) -> tuple[str, ...]:
    """Checks as CHECKS has them, then others."""
    return tuple(sorted(checks, key=rank))


def _normal(target: str, device: str, versions: str) -> Subject:
    """The subject with its versions in one order: the files may list them in different ones."""
    return Subject(target, device, ", ".join(sorted(versions.split(", "))))


def _cell(figures: Mapping[str, Any], subject: Subject, links: Mapping[tuple[str, ...], Link]) -> Cell:
    present = sorted((verdict for verdict in Verdict if figures[verdict]), key=lambda verdict: verdict in NOT_JUDGED)
    place = (*subject, figures["check"])

    def line(verdict: Verdict) -> Line:
        own = links.get((*place, verdict))
        other = links.get((*place, "")) if verdict.is_discrepancy else None
        meaning = own.meaning if own else MEANINGS[verdict]
        return Line(figures[verdict], meaning, (own or other or Link("", meaning)).anchor)

    lines = tuple(map(line, present))
    departing = sum(figures[verdict] for verdict in present if verdict.is_discrepancy)
    declined = sum(figures[verdict] for verdict in NOT_JUDGED)
    return Cell(lines, figures["judged"], departing, declined, figures["worst_error"])


def _statuses(runs: Sequence[Mapping[str, Any]], cells: Mapping[Subject, Mapping[str, Cell]]) -> dict[Subject, str]:
    listed = [target for run in runs for target in run.get("targets", [])]
    listed.sort(key=lambda target: target.get("status") != JUDGED)  # where runs differ, the trouble is what to show
    return {_row_of(target, cells): str(target.get("status", "")) for target in listed}


def _row_of(target: Mapping[str, Any], cells: Mapping[Subject, Mapping[str, Cell]]) -> Subject:
    """The row that a target of run.json belongs to; records of a worker that did not start lack what it never told."""
    versions = ", ".join(f"{name} {version}" for name, version in target.get("versions", {}).items())
    subject = _normal(str(target["target"]), str(target.get("device", "")), versions)
    if subject in cells:
        return subject
    judged = target.get("status") == JUDGED
    alike = (
        other
        for other, row in cells.items()
        if other.target == subject.target and any(cell.judged for cell in row.values()) == judged
    )
    return next(alike, subject)
