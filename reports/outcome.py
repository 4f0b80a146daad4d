"""The result of a run, first of all: what is new, what is known, what could not be judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from depthwise_conformance.reports.families import Family
from depthwise_conformance.reports.known import join_known
from depthwise_conformance.reports.matrix import Row
from depthwise_conformance.reports.words import counted


@dataclass(frozen=True)
class Share:
    """The faults that are new, or known: how many, on which targets, in how many failing cases, and the worst."""

    families: Sequence[Family]

    @property
    def targets(self) -> list[str]:
        """The targets that have any."""
        return sorted({target for family in self.families for target in family.targets})

    @property
    def failing(self) -> int:
        """How many judged cases show them."""
        return sum(family.failing for family in self.families)


@dataclass(frozen=True)
class Outcome:
    """What came of a run; `listed` is whether it was held against a list of known discrepancies.

    `untold` are cases that fail checks of which no discrepancy tells, `declined` judgements that targets do not claim.
    """

    new: Share
    known: Share
    listed: bool
    unjudged: Sequence[Row]
    judged: Sequence[Row]
    untold: int
    declined: int

    @property
    def judgements(self) -> int:
        """How many judgements there are, each of one check on one case of one target."""
        return sum(row.judged for row in self.judged)

    @property
    def headline(self) -> str:
        """The result in a sentence."""
        lost = f" {counted(len(self.unjudged), 'target')} could not be judged." if self.unjudged else ""
        if not self.judged:
            return f"Nothing was judged.{lost}"
        new, known = len(self.new.families), len(self.known.families)
        targets = counted(len(self.judged), "target")
        departing = sum(row.departing > 0 for row in self.judged)
        where = f"on {departing} of {targets}"
        if not (new or known):
            return f"{f'Cases fail {where}' if departing else f'No fault was found on {targets}'}.{lost}"
        if not self.listed:
            return f"{counted(new, 'fault')} {where}.{lost}"
        if not new:
            return f"Nothing new: {counted(known, 'known fault')} {where}.{lost}"
        return f"{counted(new, 'new fault')}{f', {known} known' if known else ''}, {where}.{lost}"


def conclude(families: Sequence[Family], rows: Sequence[Row], runs: Sequence[Mapping[str, Any]]) -> Outcome:
    """The outcome of a run, from what is found and the table of targets by checks."""
    told = {
        (member.subject, check)
        for family in families
        for member in family.members
        for check in member.discrepancy.checks
    }
    cells = [((row.subject, check), cell) for row in rows for check, cell in row.cells.items()]
    return Outcome(
        new=Share([family for family in families if family.new]),
        known=Share([family for family in families if not family.new]),
        listed=bool(join_known(runs)),
        unjudged=[row for row in rows if not row.judged],
        judged=[row for row in rows if row.judged],
        untold=sum(cell.departing for place, cell in cells if place not in told),
        declined=sum(cell.declined for _, cell in cells),
    )
