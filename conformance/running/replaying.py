"""Smallest cases of an earlier run, asked of what is installed: is a fault still there that nobody asked about?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from depthwise_conformance.adapters.loading import adapter_names
from depthwise_conformance.casebook.case import AnyCase
from depthwise_conformance.judging.values import Judgement
from depthwise_conformance.reports.changes import FIXED, OPEN, Change
from depthwise_conformance.reports.record import Verdict
from depthwise_conformance.reports.runs import read_runs
from depthwise_conformance.running.casefiles import read_cases
from depthwise_conformance.running.examining import Examiner
from depthwise_conformance.running.targets import Target, open_targets, requests
from depthwise_conformance.workers.worker import WorkerBrokenError

TIMEOUT = 20.0  # seconds a call


def settle(changes: Sequence[Change], old: Path, new: Path) -> list[Change]:
    """The changes, with an answer where a discrepancy of the `old` run was not asked about in the `new` one.

    Its smallest case is replayed where the new run's target can be asked for by name, and has the new run's versions.
    What still fails is no change.
    """
    versions = {entry["target"]: entry.get("versions") for run in read_runs(new) for entry in run["targets"]}
    open_ones = [one for one in changes if one.kind == OPEN]
    answers: dict[Change, Change | None] = {}
    for name in dict.fromkeys(one.target for one in open_ones):
        mine = [one for one in open_ones if one.target == name]
        answers.update(_settled(name, mine, old, versions))
    settled = (answers.get(one, one) for one in changes)
    return [one for one in settled if one is not None]


def _settled(
    name: str, mine: Sequence[Change], old: Path, versions: Mapping[str, object]
) -> Iterator[tuple[Change, Change | None]]:
    if name.partition("@")[0].partition(":")[0] not in adapter_names():
        yield from ((one, replace(one, new=f"{one.new}: {name} cannot be asked for by name")) for one in mine)
        return
    full = next(known for known in versions if name in (known, known.partition("@")[0]))  # on a device of the new run
    (target,) = open_targets(requests([full], []), TIMEOUT)
    try:
        for one in mine:
            yield one, _answer(one, target, old, versions[full])
    finally:
        target.worker.close()


def _answer(one: Change, target: Target, old: Path, versions: object) -> Change | None:
    if target.status != "judged":
        return replace(one, new=f"{one.new}, and cannot be: {target.name} is not to be had")
    if dict(target.versions) != versions:
        return replace(one, new=f"{one.new}, and cannot be: installed is {target.version_text}")
    (case,) = read_cases(str(old / "cases" / f"{one.example}.json"), old)
    judgement = _judge(target, case, one.check)
    if judgement is None or judgement.verdict in (Verdict.UNSUPPORTED, Verdict.BROKEN):
        return replace(one, new="replayed, it is not judged")
    if judgement.verdict.is_discrepancy:
        return None
    return replace(one, kind=FIXED, new="pass, replayed")


def _judge(target: Target, case: AnyCase, check: str) -> Judgement | None:
    try:
        return Examiner((check,)).judge(target, case, check)
    except WorkerBrokenError:
        return None
