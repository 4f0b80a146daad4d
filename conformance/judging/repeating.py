"""What calls tell that are made again: the same ones, and those with other values in their arguments."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from depthwise_conformance.casebook.case import Case
from depthwise_conformance.judging.relation import Relation
from depthwise_conformance.judging.values import (
    Expectation,
    Judgement,
    is_within,
    judge_same,
    judge_unanswered,
    judge_values,
)
from depthwise_conformance.reports.record import Verdict
from depthwise_conformance.workers.outcomes import LOST, Outcome
from depthwise_conformance.workers.protocol import Message

ALTERED = ("altered x", "altered kernel", "altered bias", "altered gradients")
STALE, REMEMBERS = "stale result for ", "depends on earlier calls"
BRIEF = 200  # characters of a message that are told


@dataclass(frozen=True)
class Step:
    """One call: its role in the program, the request, and what is expected of it."""

    role: str
    request: Message
    expectation: Expectation | None = None
    relation: Relation | None = None  # that the call is made for


def expected(step: Step) -> Expectation:
    """What is expected of a step that gives arrays."""
    assert step.expectation is not None
    return step.expectation


def judge_repeated(answers: dict[str, tuple[Step, Outcome]]) -> Judgement:
    """Whether calls that were made twice gave the same."""
    for first, second in (("forward", "repeat"), ("gradients", "repeated gradients")):
        if second not in answers:
            continue
        one, two = answers[first][1], answers[second][1]
        if one.kind != two.kind:
            return Judgement(Verdict.NOT_DETERMINISTIC, detail=f"first {_brief(one)}\nthen  {_brief(two)}")
        for name in one.arrays:
            same = judge_same(one.arrays[name], two.arrays[name])
            if same.verdict is not Verdict.PASS:
                return dataclasses.replace(same, detail=f"{first}: {name}: {same.detail}")
    return Judgement(Verdict.PASS)


def judge_purity(case: Case, answers: dict[str, tuple[Step, Outcome]]) -> Judgement:
    """Whether the calls left their arguments alone, and none remembered another."""
    for role, (_, outcome) in answers.items():
        if outcome.kind in LOST and role in (*ALTERED, "again"):
            return judge_unanswered(case, outcome)
        if outcome.impurities:
            what = "; ".join(outcome.impurities)
            return Judgement(Verdict.IMPURE, signature=what, detail=f"the call ({role}) {what}")
    for role in ALTERED:
        if role in answers and (stale := _stale(role, *answers[role], answers)) is not None:
            return stale
    if "again" in answers and answers["again"][1].kind != "value":
        story = f"raised after other calls:\n{_brief(answers['again'][1])}"
        return Judgement(Verdict.IMPURE, signature=REMEMBERS, detail=story)
    if "again" in answers and answers["again"][1].kind == "value":
        first, again = answers["forward"][1].arrays["output"], answers["again"][1].arrays["output"]
        repeated = answers["repeat"][1].arrays.get("output", first) if "repeat" in answers else first
        steady = judge_same(first, repeated).verdict is Verdict.PASS
        if steady and (same := judge_same(first, again)).verdict is not Verdict.PASS:
            return Judgement(Verdict.IMPURE, signature=REMEMBERS, detail=same.detail)
    return Judgement(Verdict.PASS)


def _stale(role: str, step: Step, outcome: Outcome, answers: dict[str, tuple[Step, Outcome]]) -> Judgement | None:
    """A wrong result, or none, for altered arguments where the first gave a right one: something was remembered."""
    original = answers.get("gradients" if role == "altered gradients" else "forward")
    if original is None or original[1].kind != "value" or step.expectation is None:
        return None
    if outcome.kind in ("error", "bad_return"):
        story = f"a result at first, then, with other values in its arguments ({role}):\n{_brief(outcome)}"
        return Judgement(Verdict.IMPURE, signature=STALE + role, detail=story)
    for part, array in outcome.arrays.items():
        if is_within(array, step.expectation, part):
            continue
        first = judge_values(original[1].arrays[part], expected(original[0]), part)
        now = judge_values(array, step.expectation, part)
        if first.verdict is Verdict.PASS and now.verdict in (Verdict.WRONG_VALUE, Verdict.WRONG_SHAPE):
            story = f"right at first, then, with other values in its arguments ({role}), the {part} was wrong:"
            return Judgement(Verdict.IMPURE, now.error, STALE + role, f"{story}\n{now.detail}")
    return None


def _brief(outcome: Outcome) -> str:
    return "a result" if outcome.kind == "value" else f"{outcome.kind}: {outcome.message[:BRIEF]}"
