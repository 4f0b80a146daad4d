"""Recipes, bias and variance, special values, declared and inferred arithmetic."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import honest
import numpy as np
import pytest
from honest import tf32

from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.casebook.recipes import RECIPES, SPECIAL, make_arrays
from depthwise_conformance.judging.moments import DEVIATIONS, ELEMENTS, RANDOM, describe_moments
from depthwise_conformance.judging.traits import Traits
from depthwise_conformance.judging.values import Expectation, expect, in_units, judge_special, judge_values
from depthwise_conformance.reference import FORMATS, Bounded, LayerConfig, arithmetics, expected_arithmetic
from depthwise_conformance.reference.activations import ACTIVATIONS, Activation
from depthwise_conformance.reference.special import LIMITS
from depthwise_conformance.reports.record import Verdict
from depthwise_conformance.running.drawing import draw_block

ROOT = Path(__file__).parents[2]
DTYPES = tuple(FORMATS)
FINITE = [name for name in RECIPES if name != SPECIAL]


def large(dtype: str = "float32", recipe: str = "normal", seed: int = 0, **arguments: object) -> Expectation:
    """A layer of 4096 outputs."""
    return expect(Case(LayerConfig(3, padding="same", dtype=dtype, **arguments), (1, 16, 16, 16), Data(recipe, seed)))


# Recipes


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_recipe_fills_every_argument_with_what_the_dtype_holds(recipe, dtype):
    a = make_arrays(Case(LayerConfig((2, 3), dtype=dtype, depth_multiplier=2), (2, 5, 4, 3), Data(recipe, 1)))
    for array in (a.x, a.kernel, a.bias, a.cotangent):
        assert array.dtype.name == dtype
        assert recipe == SPECIAL or np.isfinite(array.astype(np.float64)).all()


@pytest.mark.parametrize("recipe", ["s1", "s5"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_large_numbers_are_large_and_their_sums_do_not_overflow(recipe, dtype):
    expectation = expect(Case(LayerConfig(3, dtype=dtype, use_bias=False), (2, 8, 8, 4), Data(recipe, 3)))
    largest = np.abs(expectation.output.value).max() / FORMATS[dtype].largest
    assert 0.01 < largest < 1.0
    assert np.isfinite(expectation.output.bound).mean() > 0.9


@pytest.mark.parametrize("dtype", DTYPES)
def test_underflow_reaches_below_the_smallest_normal_number(dtype):
    y = np.abs(expect(Case(LayerConfig(3, dtype=dtype), (2, 8, 8, 4), Data("underflow", 3))).output.value)
    assert (y < FORMATS[dtype].smallest).any()
    assert (y > FORMATS[dtype].smallest / 4).any()


def test_every_sum_of_set_0_is_exactly_zero_and_none_of_its_arguments():
    expectation = expect(Case(LayerConfig((2, 3), depth_multiplier=2), (2, 5, 6, 4), Data("s0", 1)))
    assert not expectation.output.value.any()
    assert not expectation.output.bound.any() or expectation.output.bound.max() < 1e-6
    assert expectation.arrays.x.any() and expectation.arrays.kernel.any()


def test_the_normal_recipe_is_near_a_normal_distribution():
    x = make_arrays(Case(LayerConfig(1, dtype="float64"), (1, 100, 100, 10), Data("normal", 0))).x
    assert abs(x.mean()) < 0.01
    assert abs(x.var() - 1.0) < 0.02
    assert 0.62 < (np.abs(x) < 1.0).mean() < 0.70


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("recipe", ["s2", "s3"])
def test_sets_2_and_3_show_a_narrow_accumulator(dtype, recipe):
    expectation = large(dtype, recipe)
    a, kind = expectation.arrays, expectation.arrays.x.dtype
    x = np.pad(a.x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    total = np.zeros(a.x.shape, kind)
    for p in range(3):
        for q in range(3):
            total = total + x[:, p : p + 16, q : q + 16] * a.kernel[p, q, :, 0]
    judgement = judge_values((total + a.bias).astype(kind), expectation, "output")
    assert (judgement.verdict, judgement.signature) == (Verdict.IMPRECISE, f"{dtype}: {dtype} accumulation")


def test_the_page_of_numerics_lists_the_recipes():
    page = (ROOT / "docs" / "numerics.md").read_text(encoding="utf-8")
    for name, recipe in RECIPES.items():
        assert f"| `{name}` | {recipe.__doc__.strip().splitlines()[0]} |" in page


def test_no_honest_kernel_leaves_its_bound_or_the_quality_tier():
    command = [sys.executable, str(ROOT / "benchmarks" / "slack.py"), "--products", "20000"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = [cell.split("/") for line in done.stdout.splitlines() if "│" in line for cell in line.split("│")[2:-1]]
    assert len(figures) == len(FINITE) * len(DTYPES)
    assert max(float(quality) for _, quality in figures) <= 1.0


# Bias and variance


def rounded_by(expectation: Expectation, rounding) -> np.ndarray:
    """The exact output, rounded to float32 by a rule of one's own."""
    exact = expectation.output.value
    below = np.nextafter(exact.astype(np.float32), np.float32(-np.inf)).astype(np.float64)
    near = exact.astype(np.float32).astype(np.float64)
    floor = np.where(near <= exact, near, below)
    ceiling = np.where(floor == exact, floor, np.nextafter(floor.astype(np.float32), np.float32(np.inf)))
    return rounding(exact, floor, ceiling.astype(np.float64))


@pytest.mark.parametrize(
    ("rounding", "name"),
    [
        (lambda exact, floor, ceiling: floor, "errors biased"),
        (lambda exact, floor, ceiling: np.where(exact > 0, floor, ceiling), "errors biased by sign towards zero"),
        (lambda exact, floor, ceiling: np.where(exact > 0, ceiling, floor), "errors biased by sign away from zero"),
    ],
)
def test_directed_rounding_is_seen_though_no_element_leaves_its_bound(rounding, name):
    config = LayerConfig(2, use_bias=False)
    expectation = expect(Case(config, (4, 32, 32, 32), Data("normal", 1)))
    judgement = judge_values(rounded_by(expectation, rounding).astype(np.float32), expectation, "output")
    assert judgement.error <= 1.0
    assert (judgement.verdict, judgement.signature) == (Verdict.IMPRECISE, f"float32: {name}")


def test_rounding_to_nearest_is_not_blamed():
    for seed in range(50):
        expectation = large(seed=seed)
        judgement = judge_values(expectation.output.value.astype(np.float32), expectation, "output")
        assert judgement.verdict is Verdict.PASS


def test_errors_that_are_too_large_on_the_whole_are_seen():
    value, variance = np.zeros(4000), np.ones(4000)
    noise = np.random.default_rng(0).choice([-1.3, 1.3], 4000)
    assert describe_moments(noise, Bounded(value, 9 * variance, variance))[0] == "errors spread too far"
    assert describe_moments(noise / 1.3, Bounded(value, 9 * variance, variance))[0] == ""


def test_the_worst_that_the_model_allows_is_hardly_ever_blamed():
    random = np.random.default_rng(1)
    sums = random.choice([-1.0, 1.0], (20_000, ELEMENTS)).sum(axis=1) / np.sqrt(ELEMENTS)
    assert np.abs(sums).max() < DEVIATIONS - 2.0  # 2 exp(-12.5) of 20,000 is a tenth


def test_a_shift_that_the_weights_of_one_channel_may_bring_is_not_blamed():
    """As ONNX's evaluator has it on the largest image of the fixed cases: one of 0.013, in 396,000 elements."""
    random, zeros = np.random.default_rng(0), np.zeros(396_000)
    noise = random.choice([-1.0, 1.0], zeros.size) / np.sqrt(3)
    for shift, name in ((0.013, ""), (0.1, "errors biased")):
        errors = noise - noise.mean() + shift
        assert describe_moments(errors, Bounded(zeros, 9 + zeros, 1 + zeros))[0] == name


@pytest.mark.parametrize("elements", [ELEMENTS - 1, ELEMENTS])
def test_few_elements_are_judged_one_by_one_only(elements):
    ones = np.ones(elements)
    assert bool(describe_moments(ones, Bounded(0 * ones, 9 * ones, ones))[0]) == (elements == ELEMENTS)


def test_bias_is_asked_of_random_numbers_only():
    assert set(RANDOM) <= set(RECIPES)
    expectation = expect(Case(LayerConfig(2, use_bias=False), (4, 32, 32, 32), Data("wide", 1)))
    observed = rounded_by(expectation, lambda exact, floor, ceiling: floor).astype(np.float32)
    assert judge_values(observed, expectation, "output").verdict is Verdict.PASS


def test_products_of_one_weight_round_alike_and_are_judged_one_by_one_only():
    # perfectly rounded; with 255/4096 for its weight nearly every bfloat16 product rounds down
    case = Case(LayerConfig(1, use_bias=False, dtype="bfloat16"), (1, 40, 40, 1), Data("uniform", 121))
    expectation = expect(case)
    observed = expectation.output.value.astype(np.float32).astype(expectation.arrays.x.dtype)
    assert judge_values(observed, expectation, "output").verdict is Verdict.PASS
    assert expectation.output.variance is None


def test_factors_that_are_rounded_first_are_shared_and_judged_one_by_one_only():
    declared = next(arithmetic for arithmetic in arithmetics("float32") if arithmetic.name == "TF32 products")
    assert large().evaluation.output(declared).variance is None
    assert large().output.variance is not None


# Special values


def special(dtype: str = "float32", **arguments: object) -> Expectation:
    config = LayerConfig(**{"kernel_size": (2, 2), "use_bias": False, "dtype": dtype, **arguments})
    expectation = expect(Case(config, (1, 3, 3, 2), Data(SPECIAL, 0)))
    a = expectation.arrays
    ones = [np.ones_like(array) if array is not None else None for array in (a.x, a.kernel, a.bias, a.cotangent)]
    return dataclasses.replace(expectation, given=type(a)(*ones))


def planted(expectation: Expectation, **where: tuple[tuple[int, ...], float]) -> Expectation:
    arrays = {name: getattr(expectation.arrays, name).copy() for name in where}
    for name, (index, number) in where.items():
        arrays[name][index] = number
    return dataclasses.replace(expectation, given=dataclasses.replace(expectation.arrays, **arrays))


@pytest.mark.parametrize(
    ("x", "weight", "expected"),
    [
        (np.nan, 1.0, np.nan),
        (1.0, np.nan, np.nan),
        (np.inf, 1.0, np.inf),
        (np.inf, -1.0, -np.inf),
        (-np.inf, np.inf, -np.inf),
        (np.inf, 0.0, np.nan),
        (0.0, -np.inf, np.nan),
        (-0.0, np.inf, np.nan),
    ],
)
def test_what_ieee_754_settles_of_one_product(x, weight, expected):
    # output (0, 0) alone sees the input's first element, by the kernel's first tap
    one = planted(special(), x=((0, 0, 0, 0), x), kernel=((0, 0, 0, 0), weight))
    value = one.special.expected.value
    np.testing.assert_equal(value[0, 0, 0, 0], expected)
    assert np.isfinite(value[..., 1]).all()  # the other channel has nothing to do with it
    if np.isfinite(weight):
        assert np.isfinite(value[0, 1:]).all()


def test_infinities_of_both_signs_make_nan():
    one = planted(planted(special(), x=((0, 0, 0, 0), np.inf)), x=((0, 1, 1, 0), -np.inf))
    np.testing.assert_equal(one.special.expected.value[0, 0, 0, 0], np.nan)
    np.testing.assert_equal(one.special.expected.value[0, 1, 1, 0], -np.inf)


@pytest.mark.parametrize("number", [np.nan, 4.0])
def test_an_infinite_weight_on_the_padding_may_be_multiplied_or_skipped(number):
    one = planted(special(padding="same"), kernel=((1, 1, 0, 0), np.inf))
    output = one.special.expected.value.astype(np.float32)
    assert np.isinf(output[0, 0, 0, 0])
    corner = output[0, 2, 2, 0]
    assert corner == 1.0
    output[0, 2, 2, 0] = number if np.isnan(number) else corner
    assert judge_special(output, one).verdict is Verdict.PASS
    output[0, 2, 2, 0] = 2.0
    assert judge_special(output, one).verdict is Verdict.WRONG_SPECIAL


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        *[("relu", np.inf), ("relu6", 6.0), ("tanh", 1.0), ("sigmoid", 1.0), ("softplus", np.inf), ("gelu", np.inf)],
        *[("selu", np.inf), ("hard_shrink", np.inf), ("exponential", np.inf), ("hard_tanh", 1.0), ("log_sigmoid", 0.0)],
    ],
)
def test_activations_have_limits(activation, expected):
    one = planted(special(activation=activation), x=((0, 0, 0, 0), np.inf))
    assert one.special.expected.value[0, 0, 0, 0] == expected
    output = one.special.expected.value.astype(np.float32)
    assert judge_special(output, one).verdict is Verdict.PASS
    output[0, 0, 0, 0] = np.nan
    assert judge_special(output, one).verdict is Verdict.WRONG_SPECIAL


def test_every_activation_has_its_limits():
    assert set(LIMITS) == set(ACTIVATIONS)
    for name, limits in LIMITS.items():
        activation = ACTIVATIONS[name]
        for number, limit in zip((-1e300, 1e300), limits, strict=False):
            if limit is not None and isinstance(activation, Activation):
                with np.errstate(over="ignore"):
                    far = activation.value(np.array([number]))[0]
                assert far == pytest.approx(limit) or (np.isinf(limit) and abs(far) > 1e299 and far * limit > 0)


@pytest.mark.parametrize("activation", ["softmax", "log_softmax", "sparsemax", "glu"])
def test_a_special_value_opens_its_row_and_no_other(activation):
    one = planted(special(activation=activation), x=((0, 0, 0, 0), np.nan))
    bound = one.special.expected.bound
    assert np.isinf(bound[0, 0, 0]).all()
    assert np.isfinite(bound[0, 1:]).all()


@pytest.mark.parametrize("activation", ["relu", "relu6"])
def test_relu_of_nan_is_open(activation):
    one = planted(special(activation=activation), x=((0, 0, 0, 0), np.nan))
    for number in (np.nan, 0.0):
        output = one.special.expected.value.astype(np.float32)
        output[0, 0, 0, 0] = number
        assert judge_special(output, one).verdict is Verdict.PASS


def test_a_subnormal_that_hardware_takes_for_zero_widens_the_bound():
    one = special(kernel_size=(1, 2))
    arrays = {name: np.zeros_like(getattr(one.arrays, name)) for name in ("x", "kernel")}
    arrays["x"][0, 0, :2, 0] = 2.0**-127, 6291455.5
    arrays["kernel"][0, :, 0, 0] = 2.2 * 2.0**126, 1.0 + 2.0**-23
    one = dataclasses.replace(one, given=dataclasses.replace(one.arrays, **arrays))
    output = one.special.expected.value.astype(np.float32)
    output[0, 0, 0, 0] = arrays["x"][0, 0, 1, 0] * arrays["kernel"][0, 1, 0, 0]
    assert judge_special(output, one).verdict is Verdict.PASS


HONEST = [honest.Honest, honest.FusedMultiplyAdd, honest.MatrixProduct, honest.RoundedStages]


@pytest.mark.parametrize("adapter", HONEST)
def test_honest_implementations_treat_special_values_well(adapter):
    for case in draw_block(3, 150):
        expectation = expect(dataclasses.replace(case, data=Data(SPECIAL, 5)))
        a = expectation.arrays
        output = adapter().forward(case.config, a.x, a.kernel, a.bias)
        judgement = judge_special(output, expectation)
        assert judgement.verdict is Verdict.PASS, f"{case}\n{judgement.detail}"


# The arithmetic that explains what was seen


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_arithmetic_of_an_honest_implementation_is_recognised(dtype):
    traits = Traits()
    for recipe in ("uniform", "cancellation", "s3"):
        expectation = large(dtype, recipe)
        a = expectation.arrays
        output = honest.Honest().forward(expectation.case.config, a.x, a.kernel, a.bias)
        traits.observe(expectation, output, judge_values(output, expectation, "output"))
    found = traits.to_json()["arithmetic"][dtype]
    assert found["explained_by"] == expected_arithmetic(dtype).name
    assert found["cases"] == 3
    assert set(found["refuted"]) == ({"float64 accumulation"} if dtype == "float32" else set())
    assert 0.0 <= found["quality"] <= 1.0


def test_declared_arithmetic_is_what_a_target_is_judged_by():
    declared = next(arithmetic for arithmetic in arithmetics("float32") if arithmetic.name == "TF32 products")
    expectation = large()
    a = expectation.arrays
    output = honest.Honest().forward(expectation.case.config, tf32(a.x), tf32(a.kernel), a.bias)
    assert judge_values(output, expectation, "output").verdict is not Verdict.PASS
    declaring = dataclasses.replace(expectation, declared=declared)
    assert judge_values(output, declaring, "output").verdict is Verdict.PASS
    output[0, 0, 0, 0] += 1.0
    assert judge_values(output, declaring, "output").verdict is Verdict.WRONG_VALUE


def test_errors_are_told_in_units_of_a_bound_that_may_be_zero():
    units = in_units(np.array([1.0, 2.0, np.nan]), Bounded(np.ones(3), np.zeros(3)))
    np.testing.assert_array_equal(units, [0.0, np.inf, np.inf])
