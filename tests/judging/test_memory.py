"""The check `memory`: what is asked, and what is concluded from the answers."""

from __future__ import annotations

import collections
from collections.abc import Callable

import numpy as np
import pytest
from asked import CRASHED, ERROR, UNSUPPORTED, case
from honest import Honest

from depthwise_conformance.adapters.base import LAYOUTS
from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.casebook.covering import catalogue
from depthwise_conformance.judging.checks import Step, judge_case, plan
from depthwise_conformance.judging.memory import LAID_OUT
from depthwise_conformance.judging.values import Judgement, expect
from depthwise_conformance.reference import LayerConfig
from depthwise_conformance.reports.record import Verdict
from depthwise_conformance.workers.outcomes import Outcome

CHECKS = ("output", "gradient_kernel", "memory")
Change = Callable[[np.ndarray], np.ndarray]


def laid_out(checks: tuple[str, ...], of: Case, **options: bool) -> list[tuple[str, str]]:
    """The layouts that a case is asked for, each with the operation."""
    steps = plan(expect(of), checks, **options)
    return [(s.request.header["layout"], s.request.header["of"]) for s in steps if s.role.startswith(LAID_OUT)]


def answers(step: Step) -> Outcome:
    a, config = step.expectation.arrays, step.expectation.case.config
    if step.request.header.get("of", step.request.header["operation"]) == "forward":
        return Outcome("value", arrays={"output": Honest().forward(config, a.x, a.kernel, a.bias)})
    found = Honest().gradients(config, a.x, a.kernel, a.bias, a.cotangent)
    return Outcome("value", arrays={"input": found.input, "kernel": found.kernel, "bias": found.bias})


def judged(answer: Callable[[Step], Outcome], of: Case | None = None) -> Judgement | None:
    expectation = expect(of or case())
    steps = plan(expectation, CHECKS, thorough=True)
    outcomes = []
    for step in steps:
        outcomes.append(answer(step))
        if outcomes[-1].kind == "crashed":
            break
    return dict(judge_case(expectation, steps, tuple(outcomes), CHECKS)).get("memory")


def with_layout(layout: str, of: str, outcome: Outcome | Change) -> Callable[[Step], Outcome]:
    """Honest, but for one operation on arrays laid out so: another outcome, or its arrays changed."""

    def answer(step: Step) -> Outcome:
        header = step.request.header
        if (header.get("layout"), header.get("of")) != (layout, of):
            return answers(step)
        return changed(answers(step), outcome) if callable(outcome) else outcome

    return answer


def changed(outcome: Outcome, change: Change) -> Outcome:
    return Outcome("value", arrays={part: change(array) for part, array in outcome.arrays.items()})


# What is asked


def test_every_layout_of_both_formats_is_asked_of_the_catalogue():
    asked = collections.Counter(
        (layout, one.config.data_format)
        for one in catalogue()
        for layout, _ in laid_out(("memory",), one, crossed=True)
    )
    assert set(asked) == {(layout, form) for layout in LAYOUTS for form in ("channels_last", "channels_first")}
    assert min(asked.values()) >= 3
    assert sum(asked.values()) < 2 * len(catalogue())


@pytest.mark.parametrize("size", [1, 4])
def test_axes_of_size_one_are_asked_for_where_there_are_some(size):
    one = Case(LayerConfig((1, 1)), (2, size, 4, 3), Data("uniform", 1))
    assert (("new_axes", "forward") in laid_out(("memory",), one, crossed=True)) is (size == 1)


def test_gradients_are_asked_for_beside_their_checks_alone():
    every = [layout for layout in LAYOUTS if layout != "new_axes"]
    assert laid_out(("memory",), case(), thorough=True) == [(layout, "forward") for layout in every]
    both = laid_out(("memory", "gradient_kernel"), case(), thorough=True)
    assert both == [(layout, of) for layout in every for of in ("forward", "gradients")]
    assert laid_out(("gradient_kernel",), case(), thorough=True) == []


@pytest.mark.parametrize(
    "one",
    [Case(LayerConfig((1, 1)), (0, 1, 4, 3)), Case(LayerConfig((1, 1)), (1, 1, 4, 3), Data("special", 0))],
    ids=["empty", "special"],
)
def test_where_nothing_is_said_nothing_is_asked(one):
    assert laid_out(("memory",), one, thorough=True) == []


# What is concluded


def test_the_same_numbers_pass():
    assert judged(answers).verdict is Verdict.PASS
    assert judged(answers).error <= 1.0


@pytest.mark.parametrize("layout", ["transposed", "sliced", "every_second", "reversed"])
@pytest.mark.parametrize("of", ["forward", "gradients"])
def test_other_numbers_are_told_with_their_layout(layout, of):
    told = judged(with_layout(layout, of, lambda array: array[::-1].copy()))
    assert told.verdict is Verdict.WRONG_VALUE
    others = ", ".join(name for name in LAYOUTS if name not in (layout, "new_axes"))
    first, second, *_ = told.detail.splitlines()
    assert first == f"not with arrays that are {layout}; with {others}"
    assert second.startswith(f"{of} with arrays that are {layout} ({LAYOUTS[layout]}), ")
    assert "elements are outside their bound" in told.detail


@pytest.mark.parametrize(
    ("change", "verdict", "signature"),
    [
        (lambda array: array[..., :1], Verdict.WRONG_SHAPE, ""),
        (lambda array: array.astype(np.float64), Verdict.WRONG_DTYPE, "float32 -> float64"),
        (
            lambda array: array.astype(np.float16).astype(np.float32),
            Verdict.IMPRECISE,
            "float32: TF32 products",
        ),
    ],
    ids=["shape", "dtype", "precision"],
)
def test_what_else_may_differ_is_told_too(change, verdict, signature):
    told = judged(with_layout("sliced", "forward", change))
    assert told.verdict is verdict
    assert told.signature == signature
    assert told.detail.startswith("not with arrays that are sliced; with ")


def test_no_result_is_told_with_its_layout():
    told = judged(with_layout("reversed", "forward", ERROR))
    assert (told.verdict, told.signature) == (Verdict.REFUSED, "ValueError: cannot do it")
    assert "forward with arrays that are reversed (" in told.detail
    assert "nothing, where contiguous ones gave a result" in told.detail
    assert judged(with_layout("reversed", "gradients", CRASHED)).verdict is Verdict.CRASHED


def test_what_is_declined_is_no_pass():
    told = judged(lambda step: UNSUPPORTED if step.role.startswith(LAID_OUT) else answers(step))
    assert (told.verdict, told.signature) == (Verdict.UNSUPPORTED, "not on this device")
    some = judged(with_layout("reversed", "forward", UNSUPPORTED))
    assert some.verdict is Verdict.PASS


def test_what_contiguous_arrays_get_wrong_too_is_told_by_others():
    def always(change: Change) -> Callable[[Step], Outcome]:
        return lambda step: changed(answers(step), change)

    assert judged(always(lambda array: array + 1)).verdict is Verdict.PASS
    assert judged(always(lambda array: array.astype(np.float16).astype(np.float32))).verdict is Verdict.PASS
    assert judged(always(lambda array: array[..., :1])).verdict is Verdict.PASS
    wrong = judged(lambda step: changed(answers(step), lambda array: array + 1 + step.role.startswith(LAID_OUT)))
    assert wrong.verdict is Verdict.WRONG_VALUE
    assert wrong.detail.startswith("not with arrays that are transposed, sliced, every_second, reversed\nforward with ")


def test_where_contiguous_arrays_give_nothing_nothing_is_said():
    assert judged(lambda step: answers(step) if step.role.startswith(LAID_OUT) else ERROR) is None
