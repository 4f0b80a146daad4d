"""Judging: from numbers and outcomes to verdicts, without any worker."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import ml_dtypes
import numpy as np
import pytest

from depthwise_conformance.casebook.case import Case, Data, Refusal, canonical
from depthwise_conformance.casebook.recipes import numpy_dtype
from depthwise_conformance.judging.checks import FORWARD_CHECKS, GRADIENT_CHECKS, Step, judge_case, plan
from depthwise_conformance.judging.values import (
    Expectation,
    Judgement,
    expect,
    judge_dtype,
    judge_inferred,
    judge_same,
    judge_shape,
    judge_values,
)
from depthwise_conformance.layers.refusals import judge_refusal
from depthwise_conformance.reference import (
    Evaluation,
    LayerConfig,
    expected_arithmetic,
    narrower_arithmetics,
    output_shape,
)
from depthwise_conformance.reference.bounds import Bounded
from depthwise_conformance.reports.record import CHECKS, LAYER_CHECKS, Verdict
from depthwise_conformance.workers.outcomes import Outcome

DTYPES = ("float16", "bfloat16", "float32", "float64")
PARTS = ("output", "input", "kernel", "bias")


def case(dtype: str = "float32", recipe: str = "uniform", batch: int = 2, **arguments: object) -> Case:
    config = LayerConfig((3, 2), dtype=dtype, **{"padding": "same", "depth_multiplier": 2, **arguments})
    return Case(config, (batch, 5, 4, 3), Data(recipe, 1))


def bounded(value: float, bound: float) -> Expectation:
    """An expectation of four equal elements."""
    one = Case(LayerConfig((1, 1)), (1, 2, 2, 1), Data("zeros"))
    full = np.full((1, 2, 2, 1), 1.0)
    expectation = expect(one)
    vars(expectation)["output"] = Bounded(value * full, bound * full)  # as if it had been computed
    return expectation


def verdict(number: float, expectation: Expectation) -> Verdict:
    observed = expectation.output.value.copy()
    observed[0, 1, 0, 0] = number
    return judge_values(observed, expectation, "output").verdict


# Values


def test_an_error_is_told_in_units_of_its_bound():
    expectation = bounded(3.0, 0.5)
    for number, error in ((3.0, 0.0), (3.25, 0.5), (2.5, 1.0)):
        judged = judge_values(np.full((1, 2, 2, 1), number), expectation, "output")
        assert (judged.verdict, judged.error) == (Verdict.PASS, error)


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_bound_belongs_to_what_is_right(sign):
    expectation = bounded(0.0, 0.5)
    assert verdict(sign * 0.5, expectation) is Verdict.PASS
    assert verdict(sign * np.nextafter(0.5, 1.0), expectation) is Verdict.WRONG_VALUE


@pytest.mark.parametrize("number", [np.nan, -np.nan, np.inf, -np.inf])
def test_a_stray_nan_or_infinity_is_wrong(number):
    expectation = bounded(3.0, 0.5)
    assert verdict(number, expectation) is Verdict.WRONG_VALUE
    observed = np.full((1, 2, 2, 1), number)
    assert judge_values(observed, expectation, "output").error == np.inf


@pytest.mark.parametrize("number", [np.nan, np.inf, 7.0])
def test_where_anything_may_come_anything_is_right(number):
    assert verdict(number, bounded(3.0, np.inf)) is Verdict.PASS


def test_a_result_that_exceeds_the_format_may_overflow():
    config = LayerConfig((1, 1), dtype="float16", use_bias=False)
    expectation = expect(Case(config, (1, 1, 1, 1), Data("integers")))
    arrays = dataclasses.replace(
        expectation.arrays, x=np.full((1, 1, 1, 1), 60000, "float16"), kernel=np.full((1, 1, 1, 1), 4, "float16")
    )
    over = Expectation(expectation.case, arrays)
    for number in (np.inf, 65504.0):
        assert judge_values(np.full((1, 1, 1, 1), number, "float16"), over, "output").verdict is Verdict.PASS


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("part", PARTS)
def test_the_reference_rounded_once_is_right(dtype, part):
    expectation = expect(case(dtype, activation="tanh"))
    judged = judge_values(expectation.part(part).value.astype(numpy_dtype(dtype)), expectation, part)
    assert judged.verdict is Verdict.PASS
    assert judged.error <= 1.0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("part", PARTS)
def test_one_wrong_element_is_found_and_told(dtype, part):
    expectation = expect(case(dtype))
    observed = expectation.part(part).value.astype(numpy_dtype(dtype))
    place = tuple(size - 1 for size in observed.shape)
    observed[place] += 3
    judged = judge_values(observed, expectation, part)
    assert judged.verdict is Verdict.WRONG_VALUE
    assert judged.error > 10
    assert f"1 of {observed.size} elements are outside their bound" in judged.detail
    assert str(place).replace(" ", "") in judged.detail


def test_at_most_eight_elements_are_told():
    expectation = expect(case())
    judged = judge_values(np.full(expectation.output.value.shape, 99.0, "float32"), expectation, "output")
    assert "240 of 240 elements are outside" in judged.detail
    assert len(judged.detail.splitlines()) == 2 + 8


def rounded(array: np.ndarray, bits: int) -> np.ndarray:
    """The array with so many significant bits."""
    mantissa, exponent = np.frexp(array.astype(np.float64))
    return np.ldexp(np.rint(np.ldexp(mantissa, bits)), exponent - bits)


@pytest.mark.parametrize(("bits", "name"), [(11, "TF32 products"), (8, "bfloat16 products")])
def test_narrower_products_are_named(bits, name):
    c = case(use_bias=False)
    expectation = expect(c)
    a = expectation.arrays
    narrow = Evaluation(c.config, rounded(a.x, bits), rounded(a.kernel, bits), None).output(
        expected_arithmetic("float64")
    )
    judged = judge_values(narrow.value.astype("float32"), expectation, "output")
    assert (judged.verdict, judged.signature) == (Verdict.IMPRECISE, f"float32: {name}")
    assert judged.error > 1
    assert judged.detail.startswith(f"explained by {name}\n")


@pytest.mark.parametrize(("dtype", "narrow"), [("float64", "float32"), ("float32", "float16"), ("float32", "bfloat16")])
def test_a_result_that_was_kept_in_a_narrower_format_is_imprecise(dtype, narrow):
    expectation = expect(case(dtype))
    observed = expectation.output.value.astype(numpy_dtype(narrow)).astype(dtype)
    judged = judge_values(observed, expectation, "output")
    assert judged.verdict is Verdict.IMPRECISE
    assert judged.signature in [f"{dtype}: {arithmetic.name}" for arithmetic in narrower_arithmetics(dtype)]


# Shapes and dtypes


def test_a_wrong_shape_is_told_and_its_values_are_not_judged():
    expectation = expect(case())
    for shape in ((2, 5, 4), (2, 4, 5, 6), (1, 2, 5, 4, 6), (0,), ()):
        judged = judge_values(np.zeros(shape, "float32"), expectation, "output")
        assert judged.verdict is Verdict.WRONG_SHAPE
        assert judged == judge_shape(np.zeros(shape), expectation.output)
        assert "expected shape (2, 5, 4, 6)" in judged.detail


@pytest.mark.parametrize("dtype", ["float32", "complex64", "int64", "bool", "bfloat16"])
def test_a_wrong_dtype_is_told(dtype):
    judged = judge_dtype(np.zeros(1, numpy_dtype(dtype)), "float64")
    assert (judged.verdict, judged.signature) == (Verdict.WRONG_DTYPE, f"float64 -> {dtype}")


def test_a_narrower_dtype_is_judged_by_what_it_can_hold_and_a_wider_one_as_it_is():
    expectation = expect(case())
    for dtype in ("float16", ml_dtypes.bfloat16, "float64"):
        assert judge_values(expectation.output.value.astype(dtype), expectation, "output").verdict is Verdict.PASS


@pytest.mark.parametrize("dtype", ["complex64", "int32", "bool"])
def test_what_is_not_a_real_format_is_a_wrong_dtype(dtype):
    expectation = expect(case(recipe="zeros"))
    observed = np.zeros(expectation.output.value.shape, dtype)
    assert judge_values(observed, expectation, "output").verdict is Verdict.WRONG_DTYPE


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_empty_batch_has_its_shapes_and_gradients_of_zeros(dtype):
    expectation = expect(case(dtype, batch=0))
    for part in PARTS:
        value = expectation.part(part).value
        assert judge_values(np.zeros(value.shape, numpy_dtype(dtype)), expectation, part).verdict is Verdict.PASS
    ones = np.ones(expectation.part("kernel").value.shape, numpy_dtype(dtype))
    assert judge_values(ones, expectation, "kernel").verdict is Verdict.WRONG_VALUE
    assert judge_values(np.zeros((1, 5, 4, 6)), expectation, "output").verdict is Verdict.WRONG_SHAPE


# Repeated calls


def test_the_same_bits_are_the_same():
    for numbers in ([1.0, np.nan], [], [0.0, np.inf]):
        assert judge_same(np.array(numbers), np.array(numbers)).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (np.array([1.0, 2.5]), "1 of 2 elements differ between two calls on the same arguments"),
        (np.array([1.0, np.nan]), "element 1: first 2.0, then nan"),
        (np.array([1, 2], "float32"), "float64 (2,), then float32 (2,)"),
        (np.array([[1.0, 2.0]]), "float64 (2,), then float64 (1, 2)"),
    ],
)
def test_anything_else_is_not_deterministic(second, told):
    judged = judge_same(np.array([1.0, 2.0]), second)
    assert judged.verdict is Verdict.NOT_DETERMINISTIC
    assert told in judged.detail


# Inferred shapes


@pytest.mark.parametrize(
    ("inferred", "verdict"),
    [
        ((2, 5, 4, 6), Verdict.PASS),
        ((None, 5, 4, 6), Verdict.PASS),
        ((None, None, None, None), Verdict.PASS),
        ((3, 5, 4, 6), Verdict.WRONG_SHAPE),
        ((None, 5, 4, 3), Verdict.WRONG_SHAPE),
        ((5, 4, 6), Verdict.WRONG_SHAPE),
        ((2, 5, 4, 6, 1), Verdict.WRONG_SHAPE),
        ((), Verdict.WRONG_SHAPE),
        ((-1, 5, 4, 6), Verdict.WRONG_SHAPE),
    ],
)
def test_an_inferred_size_is_right_or_open(inferred, verdict):
    assert judge_inferred(inferred, (None, 5, 4, 3), (2, 5, 4, 6)).verdict is verdict


# Programs: what the checks ask, and what they conclude. The target is a function from a call to its outcome.


def honest(step: Step) -> Outcome:
    """What a right implementation answers."""
    if step.expectation is None:
        return Outcome("value", shape=(None, 5, 4, 6))
    parts = ("output",) if step.request.header["operation"] == "forward" else PARTS[1:]
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
ERROR = Outcome("error", "ValueError: cannot do it", classes=("ValueError", "Exception"))
UNSUPPORTED = Outcome("unsupported", "not on this device")
CRASHED = Outcome("crashed", "the worker died (killed by SIGSEGV)")


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
    assert len(roles) == len(set(roles)) == 11
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
    ("role", "check"), [("forward", "output"), ("gradients", "gradient_input"), ("output_shape", "shape_inference")]
)
def test_a_loss_is_told_once_by_the_check_that_asked(kind, role, check):
    found = verdicts(failing((role,), Outcome(kind, "lost")))
    assert not_passed(found) == {check: Verdict(kind)}


@pytest.mark.parametrize("role", ["altered x", "again"])
def test_a_loss_on_a_later_call_is_told_by_purity(role):
    assert not_passed(verdicts(failing((role,), CRASHED))) == {"purity": Verdict.CRASHED}


def test_a_wrong_type_is_told_by_the_dtype_check():
    assert not_passed(verdicts(lambda step: Outcome("bad_return", "forward returned list, not numpy.ndarray"))) == {
        "dtype": Verdict.WRONG_DTYPE
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
        operation = step.request.header["operation"]
        return first.setdefault(operation, honest(step))

    assert not_passed(verdicts(remembers)) == {"purity": Verdict.IMPURE}


def test_a_result_that_changes_after_other_calls_is_impure():
    found = verdicts(changing(("again",), "output", lambda array: np.nextafter(array, np.inf)))
    assert not_passed(found) == {"purity": Verdict.IMPURE}
    assert found["purity"].signature == "depends on earlier calls"


def test_what_is_not_deterministic_is_not_impure_too():
    answer = changing(("repeat", "again"), "output", lambda array: np.nextafter(array, np.inf))
    assert not_passed(verdicts(answer)) == {"determinism": Verdict.NOT_DETERMINISTIC}


def test_a_wrong_inferred_shape_is_told_with_what_was_given():
    found = verdicts(failing(("output_shape",), Outcome("value", shape=(None, 5, 4, 7))))
    assert not_passed(found) == {"shape_inference": Verdict.WRONG_SHAPE}
    assert str(output_shape(case().config, case().input_shape)) in found["shape_inference"].detail


# Refusals


def refusal(documented: str = "ValueError") -> Refusal:
    return Refusal(canonical({"kernel_size": 2, "strides": 2, "dilation_rate": 2}), (1, 16, 16, 3), documented)


@pytest.mark.parametrize(
    ("documented", "outcome", "verdict"),
    [
        ("ValueError", ERROR, Verdict.PASS),
        ("ValueError", Outcome("error", "", classes=("ShapeError", "ValueError", "Exception")), Verdict.PASS),
        ("ValueError", Outcome("error", "", classes=("TypeError", "Exception")), Verdict.ERROR_WRONG),
        ("", Outcome("error", "", classes=("TypeError", "Exception")), Verdict.PASS),
        ("ValueError", Outcome("value", shape=(1, 7, 7, 3)), Verdict.ERROR_MISSING),
        ("", Outcome("value", shape=(1, 7, 7, 3)), Verdict.ERROR_MISSING),
        ("ValueError", UNSUPPORTED, Verdict.UNSUPPORTED),
        ("ValueError", CRASHED, Verdict.CRASHED),
        ("ValueError", Outcome("timed_out", "no answer"), Verdict.TIMED_OUT),
        ("ValueError", Outcome("bad_return", "layer returned str"), Verdict.WRONG_DTYPE),
    ],
)
def test_a_layer_has_to_refuse_as_documented(documented, outcome, verdict):
    assert judge_refusal(refusal(documented), outcome).verdict is verdict


def test_a_missing_refusal_is_told_in_full():
    judged = judge_refusal(refusal(), Outcome("value", shape=(1, 7, 7, 3)))
    assert "expected ValueError" in judged.detail
    assert '"strides":2' in judged.detail
    assert "got through build, call" in judged.detail


def test_gradients_that_are_refused_are_no_matter_of_purity():
    """They fail on altered arguments as they do on the first: nothing was remembered."""
    found = verdicts(failing(("gradients", "repeated gradients", "altered gradients"), ERROR), ON_CASES)
    assert not_passed(found) == {"gradient_input": Verdict.REFUSED}


@pytest.mark.parametrize("role", ["altered x", "altered gradients", "again"])
def test_a_call_that_fails_after_others_only_is_impure(role):
    assert not_passed(verdicts(failing((role,), ERROR), ON_CASES)) == {"purity": Verdict.IMPURE}
