"""Smallest cases, asked once more of what is installed: those that a new run was not asked, and those worse in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from depthwise_conformance.adapters.loading import adapter_names
from depthwise_conformance.casebook.case import AnyCase
from depthwise_conformance.judging.values import Judgement
from depthwise_conformance.reports.changes import FIXED, NEW, OPEN, REGRESSED, UNSTABLE, Change
from depthwise_conformance.reports.record import Verdict
from depthwise_conformance.reports.runs import read_runs
from depthwise_conformance.running.casefiles import read_cases
from depthwise_conformance.running.examining import Examiner
from depthwise_conformance.running.spelling import spelled
from depthwise_conformance.running.targets import Target, open_targets, requests
from depthwise_conformance.workers.worker import WorkerBrokenError

TIMEOUT = 20.0  # seconds a call
WORSE = (REGRESSED, NEW)
ASKED = 3  # times that a regression is asked once more


def settle(changes: Sequence[Change], old: Path, new: Path) -> list[Change]:
    """The changes, after smallest cases were replayed where the new run's target and its versions are to be had.

    Those of the `old` run that the `new` one was not asked: what still fails is no change. Those of the new run that
    are worse, where they are the only case: what passes once comes and goes.
    """
    versions = {entry["target"]: entry.get("versions") for run in read_runs(new) for entry in run["targets"]}
    asked = [one for one in changes if one.kind == OPEN or (_is_worse(one) and _file(one, old, new).exists())]
    answers: dict[Change, Change | None] = {}
    for name in dict.fromkeys(one.target for one in asked):
        mine = [(one, _file(one, old, new)) for one in asked if one.target == name]
        answers.update(_settled(name, mine, versions))
    settled = (answers.get(one, one) for one in changes)
    return [one for one in settled if one is not None]


def _is_worse(one: Change) -> bool:
    """Whether a change is for the worse, and its example speaks for all of it: a family's, or the only case."""
    return one.kind in WORSE and (bool(one.what) or one.cases == 1)


def _file(one: Change, old: Path, new: Path) -> Path:
    return (old if one.kind == OPEN else new) / "cases" / f"{one.example}.json"


def _settled(
    name: str, mine: Sequence[tuple[Change, Path]], versions: Mapping[str, object]
) -> Iterator[tuple[Change, Change | None]]:
    if "[" in name:  # a folder may come from somebody else, and what is installed, runs
        told = f": nothing is installed because a folder names it; `replay --target {name!r}` does"
        yield from ((one, _unanswered(one, told)) for one, _ in mine)
        return
    if (asked := spelled(name)) is None or asked.name not in adapter_names():
        yield from ((one, _unanswered(one, f": {name} cannot be asked for by name")) for one, _ in mine)
        return
    full = next(known for known in versions if name in (known, known.partition("@")[0]))  # on a device of the new run
    (target,) = open_targets(requests([full], []), TIMEOUT)
    try:
        for one, file in mine:
            yield one, _answer(one, file, target, versions[full])
    finally:
        target.worker.close()


def _unanswered(one: Change, why: str) -> Change:
    return replace(one, new=f"{one.new}{why}") if one.kind == OPEN else one


def _answer(one: Change, file: Path, target: Target, versions: object) -> Change | None:
    if target.status != "judged":
        return _unanswered(one, f", and cannot be: {target.name} is not to be had")
    if dict(target.versions) != versions:
        return _unanswered(one, f", and cannot be: installed is {target.version_text}")
    (case,) = read_cases(str(file), file.parent.parent)
    if one.kind in WORSE:
        again = [_judge(target, case, one.check) for _ in range(ASKED)]
        passed = sum(judgement is not None and judgement.verdict is Verdict.PASS for judgement in again)
        return replace(one, kind=UNSTABLE, new=f"{one.new}; passes {passed} of {ASKED} times") if passed else one
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
