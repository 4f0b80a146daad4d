"""Programs: what the checks ask, and what they conclude. The target is a function from a call to its outcome."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from asked import CRASHED, ERROR, PARTS, UNSUPPORTED, case

from depthwise_conformance.casebook.case import Case
from depthwise_conformance.casebook.recipes import numpy_dtype
from depthwise_conformance.judging.checks import FORWARD_CHECKS, GRADIENT_CHECKS, Step, judge_case, plan
from depthwise_conformance.judging.values import Judgement, expect
from depthwise_conformance.reference import output_shape
from depthwise_conformance.reports.record import CHECKS, LAYER_CHECKS, Verdict
from depthwise_conformance.workers.outcomes import Outcome


def honest(step: Step) -> Outcome:
    """What a right implementation answers."""
    if step.expectation is None:
        return Outcome("value", shape=(None, 5, 4, 6))
    header = step.request.header
    parts = ("output",) if header.get("of", header["operation"]) == "forward" else PARTS[1:]
    dtype = numpy_dtype(step.expectation.case.dtype)
    values = {
        part: step.expectation.part(part).value.astype(dtype) for part in parts if part != "bias" or has_bias(step)
    }
    return Outcome("value", arrays=values)


def has_bias(step: Step) -> bool:
    return "bias" in step.request.arrays


def verdicts(
    answer: Callable[[Step], Outcome], checks: tuple[str, ...] = CHECKS, of: Case | None = None
) -> dict[str, Judgement]:
    """Every judgement of a target that answers so; a lost worker answers no further calls."""
    expectation = expect(of or case())
    steps = plan(expectation, checks, thorough=True)
    outcomes: list[Outcome] = []
    for step in steps:
        outcomes.append(answer(step))
        if outcomes[-1].kind in ("crashed", "timed_out"):
            break
    found = list(judge_case(expectation, steps, tuple(outcomes), checks))
    assert len(found) == len(dict(found)), "a check judges a case once"
    assert set(dict(found)) <= set(checks)
    return dict(found)


def failing(roles: tuple[str, ...], outcome: Outcome) -> Callable[[Step], Outcome]:
    return lambda step: outcome if step.role in roles else honest(step)


def changing(
    roles: tuple[str, ...], part: str, change: Callable[[np.ndarray], np.ndarray]
) -> Callable[[Step], Outcome]:
    def answer(step: Step) -> Outcome:
        outcome = honest(step)
        if step.role not in roles:
            return outcome
        return dataclasses.replace(outcome, arrays={**outcome.arrays, part: change(outcome.arrays[part].copy())})

    return answer


def not_passed(found: dict[str, Judgement]) -> dict[str, Verdict]:
    return {check: judgement.verdict for check, judgement in found.items() if judgement.verdict is not Verdict.PASS}


ON_CASES = [check for check in CHECKS if check not in (*LAYER_CHECKS, "special_values")]


def test_a_right_implementation_passes_every_check():
    found = verdicts(honest)
    assert set(found) == set(ON_CASES)
    assert not_passed(found) == {}


@pytest.mark.parametrize("check", ON_CASES)
def test_a_check_alone_judges_alone(check):
    assert list(verdicts(honest, (check,))) == [check]


def test_without_a_bias_there_is_no_gradient_for_it():
    assert set(ON_CASES) - set(verdicts(honest, of=case(use_bias=False))) == {"gradient_bias"}


def test_a_case_asks_for_little_unless_it_is_one_of_the_sample():
    expectation = expect(case())
    roles = [step.role for step in plan(expectation, CHECKS, thorough=True)]
    assert roles[:3] == ["forward", "repeat", "gradients"]
    assert len(roles) == len(set(roles)) == 26
    assert [step.role for step in plan(expectation, ("output",))] == ["forward"]
    assert [step.role for step in plan(expectation, ("gradient_kernel",))] == ["gradients"]
    assert plan(expectation, ("errors",)) == ()


def test_a_refusal_of_a_valid_case_is_told_once():
    found = verdicts(lambda step: ERROR)
    assert not_passed(found) == {"output": Verdict.REFUSED}
    assert found["output"].signature == "ValueError: cannot do it"
    assert not_passed(verdicts(lambda step: ERROR, ("dtype", "shape", "purity"))) == {"shape": Verdict.REFUSED}


def test_gradients_that_raise_are_told_once_by_the_first_of_them():
    assert not_passed(verdicts(failing(("gradients", "repeated gradients"), ERROR))) == {
        "gradient_input": Verdict.REFUSED
    }


def test_what_is_not_claimed_is_told_for_each_check():
    forward = verdicts(failing(("forward", "repeat"), UNSUPPORTED))
    assert not_passed(forward) == dict.fromkeys(FORWARD_CHECKS, Verdict.UNSUPPORTED)
    gradients = verdicts(failing(("gradients", "repeated gradients"), UNSUPPORTED))
    assert not_passed(gradients) == dict.fromkeys(GRADIENT_CHECKS, Verdict.UNSUPPORTED)
    assert {judgement.signature for judgement in gradients.values()} == {"not on this device", ""}


def test_strides_with_dilation_need_not_be_computed():
    both = case(strides=2, dilation_rate=2, strided_dilation=True)
    assert set(not_passed(verdicts(lambda step: ERROR, of=both)).values()) == {Verdict.UNSUPPORTED}


@pytest.mark.parametrize("kind", ["crashed", "timed_out"])
@pytest.mark.parametrize(
    ("role", "check"), [("forward", "output"), ("gradients", "gradient_input"), ("output_shape 0", "shape_inference")]
)
def test_a_loss_is_told_once_by_the_check_that_asked(kind, role, check):
    found = verdicts(failing((role,), Outcome(kind, "lost")))
    assert not_passed(found) == {check: Verdict(kind)}


@pytest.mark.parametrize("role", ["altered x", "again"])
def test_a_loss_on_a_later_call_is_told_by_purity(role):
    assert not_passed(verdicts(failing((role,), CRASHED))) == {"purity": Verdict.CRASHED}


def test_a_wrong_type_is_told_by_the_dtype_check():
    assert not_passed(verdicts(lambda step: Outcome("bad_return", "forward returned list, not numpy.ndarray"))) == {
        "dtype": Verdict.BAD_RETURN
    }


FORWARD_ROLES = ("forward", "repeat", "again", "altered x", "altered kernel", "altered bias", "related 0")


def test_a_wrong_value_is_told_by_its_own_check():
    for part, roles in (
        ("output", FORWARD_ROLES),
        *((part, ("gradients", "repeated gradients", "altered gradients")) for part in PARTS[1:]),
    ):
        found = verdicts(changing(roles, part, lambda array: array + 9))
        assert not_passed(found) == {part if part == "output" else f"gradient_{part}": Verdict.WRONG_VALUE}


def test_a_gradient_of_another_dtype_is_told():
    both = ("gradients", "repeated gradients", "altered gradients")
    found = verdicts(changing(both, "kernel", lambda array: array.astype("float64")))
    assert not_passed(found) == {"gradient_kernel": Verdict.WRONG_DTYPE}


@pytest.mark.parametrize(("role", "part"), [("repeat", "output"), ("repeated gradients", "kernel")])
def test_a_call_that_differs_when_repeated_is_not_deterministic(role, part):
    found = verdicts(changing((role,), part, lambda array: np.nextafter(array, np.inf)))
    assert not_passed(found) == {"determinism": Verdict.NOT_DETERMINISTIC}
    assert f"{part}: " in found["determinism"].detail


@pytest.mark.parametrize("outcome", [ERROR, UNSUPPORTED, CRASHED], ids=lambda outcome: outcome.kind)
def test_a_call_that_fails_when_repeated_is_not_deterministic(outcome):
    found = verdicts(failing(("repeat",), outcome))
    assert found["determinism"].verdict is Verdict.NOT_DETERMINISTIC
    assert outcome.message in found["determinism"].detail


@pytest.mark.parametrize("role", ["forward", "gradients", "altered bias"])
def test_what_a_call_does_to_its_arguments_is_impure(role):
    found = verdicts(
        lambda step: dataclasses.replace(honest(step), impurities=("changed its argument x",) * (step.role == role))
    )
    assert not_passed(found) == {"purity": Verdict.IMPURE}
    assert found["purity"].signature == "changed its argument x"
    assert role in found["purity"].detail


def test_a_result_that_ignores_new_values_is_stale():
    first = {}

    def remembers(step: Step) -> Outcome:
        header = step.request.header
        return first.setdefault(header.get("of", header["operation"]), honest(step))

    assert not_passed(verdicts(remembers)) == {"purity": Verdict.IMPURE}


def test_a_result_that_changes_after_other_calls_is_impure():
    found = verdicts(changing(("again",), "output", lambda array: np.nextafter(array, np.inf)))
    assert not_passed(found) == {"purity": Verdict.IMPURE}
    assert found["purity"].signature == "depends on earlier calls"


def test_what_is_not_deterministic_is_not_impure_too():
    answer = changing(("repeat", "again"), "output", lambda array: np.nextafter(array, np.inf))
    assert not_passed(verdicts(answer)) == {"determinism": Verdict.NOT_DETERMINISTIC}


def test_a_wrong_inferred_shape_is_told_with_what_was_given():
    found = verdicts(failing(("output_shape 5",), Outcome("value", shape=(None, 5, 4, 7))))
    assert not_passed(found) == {"shape_inference": Verdict.WRONG_SHAPE}
    assert str(output_shape(case().config, case().input_shape)) in found["shape_inference"].detail


def test_gradients_that_are_refused_are_no_matter_of_purity():
    """They fail on altered arguments as they do on the first: nothing was remembered."""
    found = verdicts(failing(("gradients", "repeated gradients", "altered gradients"), ERROR), ON_CASES)
    assert not_passed(found) == {"gradient_input": Verdict.REFUSED}


@pytest.mark.parametrize("role", ["altered x", "altered gradients", "again"])
def test_a_call_that_fails_after_others_only_is_impure(role):
    assert not_passed(verdicts(failing((role,), ERROR), ON_CASES)) == {"purity": Verdict.IMPURE}


def test_the_seconds_of_a_call_are_those_of_the_first_check_that_it_is_made_for():
    program = plan(expect(case()), CHECKS, thorough=True)
    answers = tuple(dataclasses.replace(honest(step), seconds=1.0) for step in program)
    found = dict(judge_case(expect(case()), program, answers, CHECKS))
    seconds = {check: judgement.seconds for check, judgement in found.items()}
    assert sum(seconds.values()) == len(program)
    assert (seconds["output"], seconds["shape"], seconds["gradient_input"], seconds["gradient_bias"]) == (1, 0, 1, 0)
    assert seconds["purity"] == sum(step.role.startswith(("altered", "again")) for step in program) > 0


def test_a_call_whose_check_tells_nothing_counts_all_the_same():
    program = plan(expect(case()), ("output",))
    answers = tuple(dataclasses.replace(ERROR, seconds=2.0) for _ in program)
    ((_, judgement),) = judge_case(expect(case()), program, answers, ("output",))
    assert judgement.seconds == 2.0 * len(program)
