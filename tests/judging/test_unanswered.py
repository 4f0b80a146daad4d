"""Every call that a target was asked and did not answer has a row, whichever checks were selected."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection

import pytest
from honest import Honest

from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.judging.checks import ONE_CORE, judge_case, judge_threads, plan
from depthwise_conformance.judging.repeating import Step
from depthwise_conformance.judging.values import Expectation, Judgement, expect
from depthwise_conformance.reference import LayerConfig, output_shape
from depthwise_conformance.reports.record import CHECKS, LAYER_CHECKS, Verdict
from depthwise_conformance.workers.outcomes import LOST, Outcome

ON_CASES = tuple(check for check in CHECKS if check not in (*LAYER_CHECKS, "special_values"))
OUTCOMES = {
    "error": Outcome("error", "ValueError: cannot do it", classes=("ValueError", "Exception")),
    "bad_return": Outcome("bad_return", "forward returned list, not numpy.ndarray"),
    "crashed": Outcome("crashed", "the worker died (killed by SIGSEGV)"),
    "timed_out": Outcome("timed_out", "no answer within 20 s"),
}
UNSUPPORTED = Outcome("unsupported", "not on this device")
SELECTIONS = [ON_CASES, *((check,) for check in ON_CASES), *itertools.combinations(ON_CASES, 2)]


def case(recipe: str = "uniform", **arguments: object) -> Case:
    config = LayerConfig((3, 2), **{"padding": "same", "depth_multiplier": 2, **arguments})
    return Case(config, (2, 5, 4, 3), Data(recipe, 1))


def answer(step: Step) -> Outcome:
    """What an honest target returns."""
    of = step.expectation
    if of is None:
        return Outcome("value", shape=output_shape(case().config, case().input_shape))
    a, config, target = of.arrays, of.case.config, Honest()
    header = step.request.header
    if header.get("of", header["operation"]) == "forward":
        return Outcome("value", arrays={"output": target.forward(config, a.x, a.kernel, a.bias)})
    found = target.gradients(config, a.x, a.kernel, a.bias, a.cotangent)
    parts = {"input": found.input, "kernel": found.kernel, "bias": found.bias}
    return Outcome("value", arrays={name: array for name, array in parts.items() if array is not None})


def found(
    answers: Callable[[Step], Outcome], checks: Collection[str], expectation: Expectation
) -> dict[str, Judgement]:
    steps, outcomes = plan(expectation, checks, thorough=True), []
    for step in steps:
        outcomes.append(answers(step))
        if outcomes[-1].kind in LOST:
            break
    return dict(judge_case(expectation, steps, tuple(outcomes), checks))


def discrepancies(judgements: dict[str, Judgement]) -> dict[str, Judgement]:
    return {check: one for check, one in judgements.items() if one.verdict.is_discrepancy}


@pytest.mark.parametrize("kind", OUTCOMES)
@pytest.mark.parametrize("bias", [True, False])
def test_a_call_without_an_answer_has_a_row_whichever_checks_asked_for_it(kind, bias):
    expectation = expect(case(use_bias=bias))
    for checks in SELECTIONS:
        for asked in plan(expectation, checks, thorough=True):
            judged = found(
                lambda step, role=asked.role: OUTCOMES[kind] if step.role == role else answer(step), checks, expectation
            )
            rows = discrepancies(judged)
            assert rows, f"{asked.role} for {checks}"
            assert set(judged) <= set(checks)
            told = [one for one in rows.values() if OUTCOMES[kind].message in one.detail]
            assert told, f"{asked.role} for {checks}: {rows}"


@pytest.mark.parametrize("kind", LOST)
@pytest.mark.parametrize("first", [OUTCOMES["error"], UNSUPPORTED], ids=lambda outcome: outcome.kind)
def test_a_loss_has_a_row_even_where_the_first_call_gave_nothing_either(first, kind):
    expectation = expect(case())
    for asked in plan(expectation, ON_CASES, thorough=True)[1:]:

        def answers(step: Step, role: str = asked.role) -> Outcome:
            return OUTCOMES[kind] if step.role == role else first if step.role == "forward" else answer(step)

        verdicts = {one.verdict for one in discrepancies(found(answers, ON_CASES, expectation)).values()}
        assert Verdict(kind) in verdicts or Verdict.NOT_DETERMINISTIC in verdicts, asked.role


@pytest.mark.parametrize("role", ["gradients", "output_shape 3"])
def test_what_raises_has_a_row_where_the_forward_pass_is_not_claimed(role):
    def answers(step: Step) -> Outcome:
        return OUTCOMES["error"] if step.role == role else UNSUPPORTED

    (one,) = discrepancies(found(answers, ON_CASES, expect(case()))).values()
    assert one.verdict is Verdict.REFUSED


def test_a_related_call_that_is_lost_says_which_it_was():
    judged = found(lambda s: OUTCOMES["crashed"] if s.relation else answer(s), ("metamorphic",), expect(case()))
    (one,) = judged.values()
    assert one.verdict is Verdict.CRASHED
    assert "a result at first, then none for the related call" in one.detail
    assert "SIGSEGV" in one.detail


def test_a_related_call_that_is_not_claimed_is_counted_as_such():
    judged = found(lambda step: UNSUPPORTED if step.relation else answer(step), ON_CASES, expect(case()))
    assert judged["metamorphic"].verdict is Verdict.UNSUPPORTED
    assert discrepancies(judged) == {}


@pytest.mark.parametrize(
    ("change", "verdict"),
    [(lambda y: y[:, :-1], Verdict.WRONG_SHAPE), (lambda y: y.astype("float64"), Verdict.WRONG_DTYPE)],
)
def test_a_related_answer_that_cannot_be_compared_has_a_row(change, verdict):
    def answers(step: Step) -> Outcome:
        outcome = answer(step)
        return Outcome("value", arrays={"output": change(outcome.arrays["output"])}) if step.relation else outcome

    rows = discrepancies(found(answers, ON_CASES, expect(case())))
    assert {check: one.verdict for check, one in rows.items()} == {"metamorphic": verdict}


def test_a_malformed_return_is_told_in_its_own_words():
    judged = found(lambda step: OUTCOMES["bad_return"], ("output", "shape"), expect(case()))
    (one,) = judged.values()
    assert one.verdict is Verdict.BAD_RETURN
    assert one.signature == "bad_return: forward returned list, not numpy.ndarray"


# One core against all


def threads(many: Outcome, one: Outcome) -> Judgement | None:
    return judge_threads(expect(case()), many, one)


def right() -> Outcome:
    (step,) = plan(expect(case()), ("output",))
    return answer(step)


@pytest.mark.parametrize("kind", OUTCOMES)
def test_one_core_that_gives_nothing_has_a_row(kind):
    judged = threads(right(), OUTCOMES[kind])
    assert judged is not None
    assert judged.verdict.is_discrepancy
    assert judged.signature.startswith(ONE_CORE)
    assert OUTCOMES[kind].message in judged.detail


@pytest.mark.parametrize("kind", OUTCOMES)
def test_all_cores_that_give_nothing_have_a_row(kind):
    judged = threads(OUTCOMES[kind], right())
    assert judged is not None
    assert judged.verdict.is_discrepancy


def test_what_no_core_claims_is_no_matter_of_cores():
    assert threads(UNSUPPORTED, UNSUPPORTED) is None
    assert threads(right(), UNSUPPORTED).verdict is Verdict.UNSUPPORTED


# A check that judges nothing of a case asks nothing


def test_gradients_that_no_selected_check_judges_are_not_asked_for():
    expectation = expect(case(use_bias=False))
    assert plan(expectation, ("gradient_bias",), thorough=True) == ()
    roles = [step.role for step in plan(expectation, ("gradient_bias", "determinism", "purity"), thorough=True)]
    assert not any("gradients" in role for role in roles)


def test_a_time_limit_has_one_signature_however_long_it_is():
    """The first call of a worker has more time than others."""
    told = {
        one.signature
        for seconds in (80, 20)
        for one in found(
            lambda step, s=seconds: Outcome("timed_out", f"no answer within {s} s"), ON_CASES, expect(case())
        ).values()
    }
    assert told == {"no answer within # s"}
