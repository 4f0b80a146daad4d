"""What changed between two run folders: releases, devices, machines. Nothing is called gone that was not asked."""

from __future__ import annotations

import collections
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from depthwise_conformance.reports.frames import read_results
from depthwise_conformance.reports.record import NOT_JUDGED, Discrepancy, Verdict
from depthwise_conformance.reports.runs import read_runs
from depthwise_conformance.reports.tables import read_discrepancies

REGRESSED, NEW, FIXED, CAUSE, VERDICT = "regressed", "new", "fixed", "changed cause", "changed verdict"
ACCURACY, JUDGED, NO_LONGER = "changed accuracy", "newly judged", "no longer judged"
BROKEN, OPEN, UNSTABLE = "broken", "not asked", "comes and goes"
# In the order told
KINDS = (REGRESSED, NEW, FIXED, CAUSE, VERDICT, ACCURACY, JUDGED, NO_LONGER, BROKEN, OPEN, UNSTABLE)
NOISE = 1.5  # the ratio of errors up to which accuracy is the same: cases differ where they were drawn anew
FEW = 10  # shared cases of a dtype, at least, by which accuracy is told
KEYS = ["target", "check", "case"]


@dataclass(frozen=True)
class Change:
    """What became of a target's check. `what` is a family, a dtype or nothing; `cases` counts those it was seen on.

    `example` is a case's id, by which `replay` finds it in the folder that has its file.
    """

    kind: str
    target: str
    check: str
    what: str
    old: str
    new: str
    cases: int
    example: str = ""


def compare_folders(old: Path, new: Path) -> list[Change]:
    """The changes from one run folder to another, worst first.

    By case where both judged the same one, by family where not. Targets are the same by name; where no name is the
    same, by their names without the device. Raises ValueError that names the folder and what is wrong, or says that
    the two have no target in common.
    """
    frames = [_judged(read_results(folder)) for folder in (old, new)]
    found = [read_discrepancies(folder) for folder in (old, new)]
    if not set(frames[0].target) & set(frames[1].target):
        frames = [frame.assign(target=frame.target.map(bare)) for frame in frames]
        found = [[_renamed(one) for one in some] for some in found]
    common = set(frames[0].target) & set(frames[1].target)
    if not common:
        names = "; ".join(", ".join(sorted(set(frame.target))) or "nothing" for frame in frames)
        raise ValueError(f"{old} and {new} have no target in common that was judged: {names}")
    both = frames[0].merge(frames[1], on=KEYS, suffixes=("_old", "_new"))
    changes = [
        *_by_case(both),
        *_by_family(found[0], found[1], frames, common),
        *_accuracy(both),
        *_coverage(frames),
        *_broken(old, new),
    ]
    return sorted(changes, key=lambda one: (KINDS.index(one.kind), one.target, one.check, one.what))


def _judged(frame: pd.DataFrame) -> pd.DataFrame:
    """The records that say something, each case of a target and check once."""
    chosen = frame[~frame.verdict.isin(NOT_JUDGED)]
    columns = [*KEYS, "verdict", "dtype", "error"]
    return chosen[columns].astype(dict.fromkeys([*KEYS, "verdict", "dtype"], str)).drop_duplicates(KEYS)


def _by_case(both: pd.DataFrame) -> Iterator[Change]:
    passed_old, passed_new = both.verdict_old == Verdict.PASS, both.verdict_new == Verdict.PASS
    for kind, rows in (
        (REGRESSED, both[passed_old & ~passed_new]),
        (FIXED, both[~passed_old & passed_new]),
        (VERDICT, both[~passed_old & ~passed_new & (both.verdict_old != both.verdict_new)]),
    ):
        groups = rows.groupby(["target", "check", "verdict_old", "verdict_new"], sort=True)
        for (target, check, before, after), group in groups:
            yield Change(kind, str(target), str(check), "", str(before), str(after), len(group), min(group.case))


def _by_family(
    before: Sequence[Discrepancy], after: Sequence[Discrepancy], frames: Sequence[pd.DataFrame], common: set[str]
) -> Iterator[Change]:
    """Discrepancies by target and family: told anew, told no more, or told otherwise."""
    known = {(one.target, one.family): one for one in before if one.target in common}
    told = {(one.target, one.family): one for one in after if one.target in common}
    verdicts = [frame.set_index(KEYS).verdict.to_dict() for frame in frames]
    for key, one in told.items():
        if key not in known:
            was = verdicts[0].get((one.target, one.check, one.smallest_case), "")
            kind = REGRESSED if was == Verdict.PASS else NEW
            yield _of(kind, one, was or "not asked", one.says or one.verdict.value)
        elif one.says != known[key].says:
            yield _of(CAUSE, one, known[key].says or "none known", one.says or "none known")
    for key, one in known.items():
        if key not in told:
            became = verdicts[1].get((one.target, one.check, one.smallest_case), "")
            if became in ("", Verdict.PASS):
                was = one.says or one.verdict.value
                yield _of(FIXED if became else OPEN, one, was, became or "its smallest case was not asked")


def _accuracy(both: pd.DataFrame) -> Iterator[Change]:
    """Worst and median errors, in units of the bound, of the cases that passed both times."""
    passed = both[(both.verdict_old == Verdict.PASS) & (both.verdict_new == Verdict.PASS)]
    measured = passed.dropna(subset=["error_old", "error_new"])
    for (target, check, dtype), group in measured.groupby(["target", "check", "dtype_new"], sort=True):
        if len(group) < FEW:
            continue
        old, new = ((group[name].max(), group[name].median()) for name in ("error_old", "error_new"))
        if _differ(old[0], new[0]) or _differ(old[1], new[1]):
            yield Change(ACCURACY, str(target), str(check), str(dtype), _figures(*old), _figures(*new), len(group))


def _coverage(frames: Sequence[pd.DataFrame]) -> Iterator[Change]:
    """Checks of targets that one of the two judged, and the other did not at all."""
    old, new = (collections.Counter(zip(frame.target, frame.check, strict=True)) for frame in frames)
    for kind, here, there in ((NO_LONGER, old, new), (JUDGED, new, old)):
        known = {target for target, _ in there}
        missing = collections.Counter[tuple[str, str]]()
        for (target, check), count in here.items():
            if (target, check) not in there:  # of a target that is not there at all, once
                missing[target, check if target in known else ""] += count
        texts = ("judged", "not judged") if kind == NO_LONGER else ("not judged", "judged")
        for (target, check), count in missing.items():
            yield Change(kind, target, check, "", *texts, count)


def _broken(old: Path, new: Path) -> Iterator[Change]:
    """Targets that were judged, and could not be judged, or not to the end, in the new run."""
    status = [
        {entry["target"]: str(entry.get("status", "")) for run in read_runs(folder) for entry in run["targets"]}
        for folder in (old, new)
    ]
    for name, after in status[1].items():
        if after != "judged" and status[0].get(name) == "judged":
            yield Change(BROKEN, name, "", "", "judged", after, 0)


def _differ(one: float, other: float) -> bool:
    low, high = sorted((one, other))
    return high > NOISE * low and high - low > 0.01


def _figures(worst: float, median: float) -> str:
    return f"worst {worst:.3g}, median {median:.3g}"


def _of(kind: str, one: Discrepancy, old: str, new: str) -> Change:
    return Change(kind, one.target, one.check, one.family, old, new, one.failing, one.smallest_case)


def bare(name: str) -> str:
    """A target's name without its device."""
    return name.partition("@")[0]


def _renamed(one: Discrepancy) -> Discrepancy:
    return replace(one, target=bare(one.target))
