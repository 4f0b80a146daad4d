"""Very large and very small numbers: no narrower arithmetic excuses there what it would not excuse elsewhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from faults.accuracy import HalfSumsInFloat32, Tf32Products
from faults.rounding import HalfSubnormalArgumentsFlushed, HalfSubnormalsFlushed
from honest import DeclaresFlushing, Honest

from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.judging.values import Expectation, Judgement, expect, judge_values
from depthwise_conformance.reference import LayerConfig, arithmetics
from depthwise_conformance.reports.record import Verdict

Change = Callable[[np.ndarray], np.ndarray]
WRONG: dict[str, Change] = {
    "negated": lambda y: -y,
    "flipped": lambda y: y[:, ::-1, ::-1],
    "zeros": np.zeros_like,
    "halved": lambda y: y / 2,
    "one element": lambda y: np.where(np.arange(y.size).reshape(y.shape) == 7, -y - y.max(), y),
}
PARTS = ("output", "input", "kernel", "bias")


def expectation(recipe: str, dtype: str = "float32", scale: float = 1.0, **arguments: object) -> Expectation:
    """A case whose input and weights are scaled by a power of two."""
    config = LayerConfig((3, 3), dtype=dtype, **{"depth_multiplier": 2, **arguments})
    made = expect(Case(config, (2, 9, 9, 4), Data(recipe, 1)))
    a = made.arrays
    bias = None if a.bias is None else a.bias * scale**2
    scaled = dataclasses.replace(a, x=a.x * a.x.dtype.type(scale), kernel=a.kernel * a.x.dtype.type(scale), bias=bias)
    return dataclasses.replace(made, given=scaled)


def answer(adapter: Honest, of: Expectation, part: str = "output") -> np.ndarray:
    a, config = of.arrays, of.case.config
    with np.errstate(all="ignore"):
        if part == "output":
            return adapter.forward(config, a.x, a.kernel, a.bias)
        return getattr(adapter.gradients(config, a.x, a.kernel, a.bias, a.cotangent), part)


def judged(observed: np.ndarray, of: Expectation, part: str = "output") -> Judgement:
    return judge_values(observed.astype(of.case.dtype), of, part)


EXTREMES = [
    *((recipe, dtype, 1.0) for recipe in ("s1", "s5") for dtype in ("float32", "float64")),
    *(("uniform", "float32", 2.0**power) for power in (-60, -40, -13, -11, 20, 60)),
    *(("normal", "float64", 2.0**power) for power in (-400, -60, -13, 20, 60, 400)),
]


@pytest.mark.parametrize("change", WRONG)
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(("recipe", "dtype", "scale"), EXTREMES)
def test_a_wrong_result_is_wrong_at_any_magnitude(recipe, dtype, scale, part, change):
    of = expectation(recipe, dtype, scale)
    right = answer(Honest(), of, part)
    assert judged(right, of, part).verdict is Verdict.PASS
    if part == "bias" and change not in ("negated", "zeros"):
        return  # it has one dimension, and few elements, of long sums that cancel
    assert judged(WRONG[change](right), of, part).verdict is Verdict.WRONG_VALUE


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "softplus", "gelu", "elu"])
@pytest.mark.parametrize("recipe", ["s1", "s5"])
def test_a_wrong_result_is_wrong_behind_an_activation_too(recipe, activation):
    of = expectation(recipe, activation=activation)
    right = answer(Honest(), of)
    for change in (WRONG["negated"], WRONG["zeros"]):
        assert judged(change(right), of).verdict is Verdict.WRONG_VALUE


@pytest.mark.parametrize("activation", [None, "relu"])
@pytest.mark.parametrize(
    ("fake", "name"),
    [(HalfSumsInFloat32, "float32: float16 arithmetic"), (Tf32Products, "float32: TF32 products")],
    ids=lambda found: getattr(found, "__name__", ""),
)
def test_a_narrow_arithmetic_is_recognised_where_it_overflows_and_where_it_does_not(fake, name, activation):
    for recipe in ("s1", "s5", "uniform", "normal", "wide", "s3", "cancellation"):
        of = expectation(recipe, activation=activation)
        found = judged(answer(fake(), of), of)
        assert found.verdict in (Verdict.IMPRECISE, Verdict.PASS), recipe
        if recipe in ("s1", "s5"):
            assert (found.verdict, found.signature) == (Verdict.IMPRECISE, name)


@pytest.mark.parametrize("overflow", [np.inf, -np.inf, np.nan, 65504.0])
def test_what_overflow_gives_is_that_of_the_format_in_which_it_happens(overflow):
    of = expectation("s1")
    found = judged(np.full_like(answer(Honest(), of), overflow), of)
    assert (found.verdict, found.signature) == (Verdict.IMPRECISE, "float32: float16 arithmetic")
    ordinary = expectation("uniform")
    assert judged(np.full_like(answer(Honest(), ordinary), overflow), ordinary).verdict is Verdict.WRONG_VALUE


def test_some_overflow_does_not_excuse_the_rest():
    of = expectation("s1")
    observed = -answer(Honest(), of)
    observed[0] = np.inf
    assert judged(observed, of).verdict is Verdict.WRONG_VALUE


def test_a_few_small_elements_that_underflow_are_no_objection_to_a_narrow_arithmetic():
    of = expectation("uniform")
    of.arrays.x[0, :3, :3, 0] *= np.float32(2.0**-24)
    assert judged(answer(HalfSumsInFloat32(), of), of).verdict is Verdict.IMPRECISE


SMALL = 2.0**-6  # of float16 arguments whose products are about as large as the smallest normal number


@pytest.mark.parametrize("activation", [None, "relu", "gelu"])
@pytest.mark.parametrize("fake", [HalfSubnormalsFlushed, HalfSubnormalArgumentsFlushed])
@pytest.mark.parametrize("part", ["output", "input", "kernel"])
def test_flushed_subnormals_are_named_in_half_precision(part, fake, activation):
    of = expectation("uniform", "float16", SMALL / 2, activation=activation)
    assert judged(answer(Honest(), of, part), of, part).verdict is Verdict.PASS
    found = judged(answer(fake(), of, part), of, part)
    named = (found.verdict, found.signature) == (Verdict.IMPRECISE, "float16: subnormals taken for zero")
    assert named or (found.verdict is Verdict.PASS and part != "output")  # gradients are seldom so small


def test_flushed_arguments_are_named_where_their_products_are_not_small():
    of = expectation("uniform", "float16", activation=None)
    of.arrays.x[:, ::2] = np.float16(5e-5)
    of.arrays.kernel[...] = np.sign(of.arrays.kernel) * np.float16(900)
    found = judged(answer(HalfSubnormalArgumentsFlushed(), of), of)
    assert (found.verdict, found.signature) == (Verdict.IMPRECISE, "float16: subnormals taken for zero")


@pytest.mark.parametrize("change", WRONG)
@pytest.mark.parametrize("scale", [1.0, SMALL, SMALL / 2])
def test_what_is_wrong_among_subnormals_is_not_taken_for_flushed(scale, change):
    of = expectation("uniform", "float16", scale)
    assert judged(WRONG[change](answer(Honest(), of)), of).verdict is Verdict.WRONG_VALUE
    assert judged(WRONG[change](answer(HalfSubnormalsFlushed(), of)), of).verdict is Verdict.WRONG_VALUE


def test_a_target_may_declare_that_it_flushes():
    of = expectation("uniform", "float16", SMALL / 2)
    declared = next(one for one in arithmetics("float16") if one.flushing)
    assert DeclaresFlushing().describe().arithmetic == {"float16": declared.name}
    wide = dataclasses.replace(of, declared=declared)
    for part in PARTS:
        assert judged(answer(DeclaresFlushing(), of, part), wide, part).verdict is Verdict.PASS
