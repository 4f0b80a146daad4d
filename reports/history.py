"""Verdicts and accuracy of targets over many runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from depthwise_conformance.reports.counting import summarise_folder
from depthwise_conformance.reports.frames import read_results
from depthwise_conformance.reports.record import NOT_JUDGED, Verdict
from depthwise_conformance.reports.runs import read_runs
from depthwise_conformance.reports.tables import read_discrepancies


@dataclass(frozen=True)
class Standing:
    """How a target stood in a run: cases of all checks by how they came out, and errors of those that passed.

    `discrepancies` are the distinct ones, `known` those of them that a list covers. Errors are in units of the bound.
    """

    target: str
    started: str
    versions: str
    folder: str
    judged: int
    failing: int
    declined: int
    discrepancies: int
    known: int
    worst_error: float
    median_error: float


def read_history(folders: Sequence[Path]) -> list[Standing]:
    """The standings of every target, each by when its run was started.

    Raises ValueError that names the folder and what is wrong.
    """
    found = [one for folder in folders for one in _standings(folder)]
    return sorted(found, key=lambda one: (one.target, one.started, one.folder))


def _standings(folder: Path) -> list[Standing]:
    results, discrepancies = read_results(folder), read_discrepancies(folder)
    counts = {row["target"]: row for row in summarise_folder(folder, ("target",))}
    found = []
    for run in read_runs(folder):
        for entry in run["targets"]:
            name = str(entry["target"])
            count = counts.get(name, dict.fromkeys(("judged", Verdict.PASS.value, *NOT_JUDGED), 0))
            mine = [one for one in discrepancies if one.target == name]
            errors = results[(results.target == name) & (results.verdict == Verdict.PASS)].error
            versions = entry.get("versions") or {}
            found.append(
                Standing(
                    target=name,
                    started=str(run.get("started", "")),
                    versions=", ".join(f"{name} {version}" for name, version in versions.items()),
                    folder=folder.name,
                    judged=int(count["judged"]),
                    failing=int(count["judged"] - count[Verdict.PASS.value]),
                    declined=int(sum(count[verdict] for verdict in NOT_JUDGED)),
                    discrepancies=len(mine),
                    known=sum(bool(one.known) for one in mine),
                    worst_error=float(errors.max()),
                    median_error=float(errors.median()),
                )
            )
    return found
