"""A run folder in a few figures: what a terminal, a badge and a CI job show of it."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from depthwise_conformance.reports.counting import summarise_folder
from depthwise_conformance.reports.families import SEVERITY
from depthwise_conformance.reports.known import join_known, tell_outdated
from depthwise_conformance.reports.matrix import in_order
from depthwise_conformance.reports.record import NOT_JUDGED, Discrepancy, Verdict
from depthwise_conformance.reports.runs import COMPLETE, ending, read_runs
from depthwise_conformance.reports.tables import read_discrepancies


@dataclass(frozen=True)
class Counts:
    """How many records say what: of a target and a check, or of several."""

    passed: int = 0
    failed: int = 0
    declined: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.passed + other.passed, self.failed + other.failed, self.declined + other.declined)

    def __str__(self) -> str:
        return f"{self.passed}/{self.failed}/{self.declined}"


@dataclass(frozen=True)
class Digest:
    """What there is to say of a run folder: `cells` by target and check, all targets, and what was found."""

    runs: Sequence[Mapping[str, Any]]
    cells: Mapping[tuple[str, str], Counts]
    targets: Sequence[str]
    found: Sequence[Discrepancy]

    @property
    def checks(self) -> tuple[str, ...]:
        """The checks by which any target was judged, in their order."""
        return in_order({check for _, check in self.cells})

    @functools.cached_property
    def described(self) -> dict[str, Mapping[str, Any]]:
        """What `run.json` says of each target."""
        return {str(one["target"]): one for run in self.runs for one in run["targets"]}

    @functools.cached_property
    def new(self) -> list[Discrepancy]:
        """The discrepancies that are not known, worst first."""
        return [one for one in self.worst_first if not one.known]

    @functools.cached_property
    def worst_first(self) -> list[Discrepancy]:
        """The discrepancies: new ones, wrong ones, and those that show most often, before others."""

        def order(one: Discrepancy) -> tuple[object, ...]:
            often = one.failing / max(one.failing + one.passing, 1)
            return bool(one.known), SEVERITY.index(one.verdict), -often, one.target, one.id

        return sorted(self.found, key=order)

    @property
    def outdated(self) -> list[str]:
        """What there is to say of known entries that are stale or have expired."""
        return tell_outdated(join_known(self.runs))

    @property
    def state(self) -> str:
        """How the runs ended, by a key of `ENDINGS`."""
        return ending(self.runs)

    @property
    def complete(self) -> bool:
        """Whether every run got to its end."""
        return self.state == COMPLETE

    @property
    def judged(self) -> int:
        """How many judgements there are: what was declined is none."""
        return sum(one.passed + one.failed for one in self.cells.values())

    @property
    def seconds(self) -> float:
        """How long the runs took."""
        return float(sum(run.get("seconds", 0.0) for run in self.runs))

    @property
    def figures(self) -> dict[str, Any]:
        """All of it in numbers, for machines."""
        counts = sum(self.cells.values(), Counts())
        return {
            "complete": self.complete,
            "state": self.state,
            "targets": len(self.targets),
            **asdict(counts),
            "new": len(self.new),
            "known": len(self.found) - len(self.new),
            "outdated": len(self.outdated),
            "seconds": self.seconds,
        }

    def of(self, target: str) -> Counts:
        """The counts of a target, over all checks."""
        return sum((counts for (name, _), counts in self.cells.items() if name == target), Counts())


def read_digest(folder: Path, runs: Sequence[Mapping[str, Any]] = ()) -> Digest:
    """Reads a run folder, but for `runs` where they are given. Raises ValueError that names it and what is wrong."""
    runs = runs or read_runs(folder)
    rows = summarise_folder(folder)
    cells = {(str(row["target"]), str(row["check"])): _counts(row) for row in rows}
    names = [*(target for target, _ in cells), *(str(one["target"]) for run in runs for one in run["targets"])]
    return Digest(runs, cells, tuple(dict.fromkeys(names)), read_discrepancies(folder))


def _counts(row: Mapping[str, Any]) -> Counts:
    passed, judged = int(row[Verdict.PASS.value]), int(row["judged"])
    return Counts(passed, judged - passed, sum(int(row[verdict]) for verdict in NOT_JUDGED))
