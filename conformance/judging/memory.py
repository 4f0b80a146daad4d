"""The check `memory`: the same numbers, laid out otherwise in memory, have to give what they give when contiguous."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from depthwise_conformance.adapters.base import LAYOUTS
from depthwise_conformance.casebook.case import Case
from depthwise_conformance.judging.repeating import Step, expected
from depthwise_conformance.judging.values import (
    AnyArray,
    Expectation,
    Judgement,
    in_units,
    judge_dtype,
    judge_unanswered,
    judge_values,
)
from depthwise_conformance.reference import Bounded
from depthwise_conformance.reports.record import Verdict
from depthwise_conformance.workers.outcomes import Outcome

MEMORY_CHECK, LAID_OUT = "memory", "laid out "
NEW_AXES = "new_axes"  # which takes an axis of size 1
PARTS = {"forward": ("output",), "gradients": ("input", "kernel", "bias")}
Answers = Mapping[str, tuple[Step, Outcome]]


def layouts_of(case: Case, every: bool) -> tuple[str, ...]:
    """The layouts that a case is asked for: `every` one, or one by its id; `new_axes` wherever it says something."""
    usual = tuple(layout for layout in LAYOUTS if layout != NEW_AXES)
    one = int(case.id[-8:], 16) % len(usual)
    chosen = usual if every else usual[one : one + 1]
    return (*chosen, NEW_AXES) if 1 in case.input_shape[1:] else chosen


def judge_memory(answers: Answers) -> Judgement | None:
    """That of the first layout that gives something else; None where no contiguous call gave anything.

    Its detail says of which layouts that is so, and which give the same.
    """
    laid = [answer for role, answer in answers.items() if role.startswith(LAID_OUT)]
    judged = [(step.request.header["layout"], _judge(step, outcome, answers)) for step, outcome in laid]
    found: list[tuple[str, Judgement]] = [(layout, one) for layout, one in judged if one is not None]
    wrong = [(layout, one) for layout, one in found if one.verdict.is_discrepancy]
    right = [(layout, one) for layout, one in found if one.verdict is Verdict.PASS]
    if not wrong:
        return next((one for _, one in (*right, *found)), None)
    names = dict.fromkeys(layout for layout, _ in wrong)
    same = [layout for layout in dict.fromkeys(layout for layout, _ in right) if layout not in names]
    story = f"not with arrays that are {', '.join(names)}" + (f"; with {', '.join(same)}" if same else "")
    return dataclasses.replace(wrong[0][1], detail=f"{story}\n{wrong[0][1].detail}")


def _judge(step: Step, outcome: Outcome, answers: Answers) -> Judgement | None:
    """Of one call; None where the same call on contiguous arrays gave nothing, which other checks tell."""
    layout, of = step.request.header["layout"], step.request.header["of"]
    if of not in answers or answers[of][1].kind != "value":
        return None
    story = f"{of} with arrays that are {layout} ({LAYOUTS[layout]})"
    if outcome.kind != "value":
        told = judge_unanswered(expected(step).case, outcome)
        if told.verdict is Verdict.UNSUPPORTED:
            return told
        detail = f"{story}: nothing, where contiguous ones gave a result\n{told.detail}"
        return dataclasses.replace(told, detail=detail)
    worst, expectation = 0.0, expected(step)
    for part in PARTS[of] if expectation.arrays.bias is not None else PARTS[of][:2]:
        judgement = _judge_part(outcome.arrays[part], answers[of][1].arrays[part], expectation, part)
        if judgement.verdict is not Verdict.PASS:
            return dataclasses.replace(judgement, detail=f"{story}, {part}:\n{judgement.detail}")
        worst = max(worst, judgement.error)
    return Judgement(Verdict.PASS, worst)


def _judge_part(laid: AnyArray, contiguous: AnyArray, expectation: Expectation, part: str) -> Judgement:
    """By the reference; what contiguous arrays get wrong too is told by other checks.

    That is the same deviation, within both bounds, or an arithmetic that is as narrow for either.
    """
    now = _by_reference(laid, expectation, part)
    if now.verdict is Verdict.PASS:
        return now
    before = _by_reference(contiguous, expectation, part)
    if before.verdict is Verdict.PASS:
        return now
    alike = (now.verdict, now.signature) == (before.verdict, before.signature)
    if (alike and now.verdict is not Verdict.WRONG_VALUE) or _close(laid, contiguous, expectation.part(part)):
        return Judgement(Verdict.PASS)
    return now


def _by_reference(array: AnyArray, expectation: Expectation, part: str) -> Judgement:
    values = judge_values(array, expectation, part)
    return values if values.verdict is not Verdict.PASS else judge_dtype(array, expectation.case.dtype)


def _close(laid: AnyArray, contiguous: AnyArray, expected: Bounded) -> bool:
    if laid.shape != contiguous.shape or laid.shape != expected.value.shape:
        return False
    one, other = laid.astype(np.float64), contiguous.astype(np.float64)
    errors = in_units(one, Bounded(other, 2.0 * expected.bound))
    return bool(np.all((errors <= 1.0) | np.isnan(one) & np.isnan(other)))
