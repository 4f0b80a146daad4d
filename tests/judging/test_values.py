"""Judging one array: its values, its shape, its dtype, and whether it is the same again."""

from __future__ import annotations

import dataclasses

import ml_dtypes
import numpy as np
import pytest
from asked import DTYPES, PARTS, case

from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.casebook.recipes import numpy_dtype
from depthwise_conformance.judging.values import (
    Expectation,
    expect,
    judge_dtype,
    judge_inferred,
    judge_same,
    judge_shape,
    judge_values,
)
from depthwise_conformance.reference import Evaluation, LayerConfig, expected_arithmetic, narrower_arithmetics
from depthwise_conformance.reference.bounds import Bounded
from depthwise_conformance.reports.record import Verdict


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
    over = Expectation(expectation.case, given=arrays)
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
