"""The bounds: every honest implementation is inside, narrower arithmetic is outside."""

import itertools

import faults
import honest
import numpy as np
import pytest
from hypothesis import given
from problems import DTYPES, EXACT, bounded_gradients, bounded_output, examples, parts, problems

from depthwise_conformance.adapters.base import Unsupported
from depthwise_conformance.casebook.strategies import ACTIVATIONS as DRAWN
from depthwise_conformance.reference import (
    FORMATS,
    Arithmetic,
    Evaluation,
    LayerConfig,
    arithmetics,
    expected_arithmetic,
    kernel_shape,
    narrower_arithmetics,
    output_shape,
)

WHOLE = [adapter for adapter in honest.HONEST if adapter not in (honest.Talkative, honest.OnlyForward)]


def declared(adapter, dtype):
    """The arithmetic that an adapter declares, or has to achieve."""
    name = adapter().describe().arithmetic.get(dtype, expected_arithmetic(dtype).name)
    return next(arithmetic for arithmetic in arithmetics(dtype) if arithmetic.name == name)


def errors_in_bounds(adapter, problem, arithmetic):
    """The worst error of the output and of every gradient, in units of its bound."""
    found = adapter.forward(*problem[:4])
    pairs = [("output", found, bounded_output(*problem[:4], arithmetic))]
    gradients = adapter.gradients(*problem)
    pairs += [(name, getattr(gradients, name), b) for name, b in parts(bounded_gradients(*problem, arithmetic))]
    for name, array, bounded in pairs:
        assert (array.shape, array.dtype) == (bounded.value.shape, problem[1].dtype)
        assert not np.isnan(bounded.bound).any()
        with np.errstate(invalid="ignore"):
            error = np.abs(array.astype(np.float64) - bounded.value)
        inside = (error <= bounded.bound) | np.isinf(bounded.bound)
        yield name, inside


@pytest.mark.parametrize("adapter", WHOLE)
@pytest.mark.parametrize("dtype", DTYPES)
def test_bounds_hold_for_every_honest_implementation(adapter, dtype):
    scales = (1.0, 2.0**-9, 3.0) if dtype == "float16" else (1.0, 2.0**-9, 2.0**-66, 3.0, 100.0)

    @examples(40)
    @given(
        problems(
            activations=tuple(dict.fromkeys(DRAWN)),
            dtypes=(dtype,),
            size=9,
            channels=9,
            batch=3,
            scales=scales,
            multipliers=4,
        )
    )
    def check(problem):
        try:
            found = dict(errors_in_bounds(adapter(), problem, declared(adapter, dtype)))
        except Unsupported:
            return
        assert {name for name, inside in found.items() if not inside.all()} == set()

    check()


def cancelling(dtype, terms=49, seed=0):
    """One large tap, many small ones, and the large one taken back: what a narrow accumulator loses."""
    random = np.random.default_rng(seed)
    config = LayerConfig((1, terms), use_bias=False, dtype=dtype)
    kernel = random.uniform(-0.25, 0.25, (1, terms, 4, 1))
    kernel[0, 0], kernel[0, -1] = 16, -16
    x = np.ones((2, 4, terms + 3, 4)) + random.integers(0, 2, (2, 4, terms + 3, 4)) / 8
    arrays = [x, kernel, None, np.ones((2, 4, 4, 4))]
    return (config, *(a if a is None else a.astype(DTYPES[dtype]) for a in arrays))


@pytest.mark.parametrize(
    ("fault", "dtype", "narrower"),
    [
        (faults.HalfSumsInFloat16, "float16", "float16 accumulation"),
        (faults.HalfSumsInBfloat16, "bfloat16", "bfloat16 accumulation"),
        (faults.HalfSumsInFloat32, "float32", "float16 arithmetic"),
        (faults.Tf32Products, "float32", "TF32 products"),
        (faults.Bfloat16Products, "float32", "bfloat16 arithmetic"),
        (faults.SingleSumsInFloat64, "float64", "float32 arithmetic"),
    ],
)
def test_narrower_arithmetic_is_outside_the_bound_and_inside_its_own(fault, dtype, narrower):
    problem = cancelling(dtype)
    y = fault().forward(*problem[:4]).astype(np.float64)
    expected = bounded_output(*problem[:4], expected_arithmetic(dtype))
    assert (np.abs(y - expected.value) > expected.bound).any()
    named = next(a for a in narrower_arithmetics(dtype) if a.name == narrower)
    wider = bounded_output(*problem[:4], named)
    assert (np.abs(y - wider.value) <= wider.bound).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("adapter", WHOLE)
def test_cancelling_data_is_within_the_bound_of_honest_implementations(adapter, dtype):
    try:
        found = dict(errors_in_bounds(adapter(), cancelling(dtype), declared(adapter, dtype)))
    except Unsupported:
        return
    assert all(inside.all() for inside in found.values())


@pytest.mark.parametrize(
    ("fault", "dtype"),
    [
        (faults.Float16RoundedTowardsZero, "float16"),
        (faults.Bfloat16RoundedTowardsZero, "bfloat16"),
        (faults.Float16RoundedThroughBfloat16, "float16"),
    ],
)
def test_wrong_rounding_is_outside_the_bound(fault, dtype):
    random = np.random.default_rng(3)
    config = LayerConfig(1, use_bias=False, dtype=dtype)
    x, kernel = (random.uniform(1, 2, shape).astype(DTYPES[dtype]) for shape in ((1, 8, 8, 4), (1, 1, 4, 1)))
    expected = bounded_output(config, x, kernel, None, expected_arithmetic(dtype))
    y = fault().forward(config, x, kernel, None)
    assert (np.abs(y.astype(np.float64) - expected.value) > expected.bound).any()


# Sizes at which an implementation may take another path, against the honest fake in float64.

GEOMETRIES = (
    {"kernel_size": 3, "padding": "same"},
    {"kernel_size": (2, 5), "strides": (2, 3), "padding": "same"},
    {"kernel_size": (4, 1), "strides": (3, 2), "depth_multiplier": 2},
    {"kernel_size": (3, 4), "dilation_rate": (2, 3), "padding": "same", "depth_multiplier": 3},
    {"kernel_size": (1, 2), "strides": (2, 4), "padding": "same"},
    {"kernel_size": (3, 2), "strides": (2, 3), "dilation_rate": (3, 2), "padding": "same", "strided_dilation": True},
    {"kernel_size": (7, 6), "strides": 4, "dilation_rate": (2, 6), "strided_dilation": True, "depth_multiplier": 2},
)
SIZES = ((2, 65, 63, 40), (1, 331, 450, 1), (1, 13, 5003, 3), (2, 15, 37, 700), (33, 17, 33, 2), (1, 40, 31, 257))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_large_inputs_are_computed_like_small_ones(geometry, size):
    seed = GEOMETRIES.index(geometry) + SIZES.index(size)
    data_format = ("channels_last", "channels_first")[seed % 2]
    config = LayerConfig(**geometry, data_format=data_format, dtype="float64")
    batch, height, width, channels = size
    shape = size if config.channels_last else (batch, channels, height, width)
    random = np.random.default_rng(seed)
    shapes = (shape, kernel_shape(config, channels), (channels * config.depth_multiplier,), output_shape(config, shape))
    problem = (config, *(random.uniform(-1, 1, s) for s in shapes))
    assert all(inside.all() for _, inside in errors_in_bounds(honest.Honest(), problem, EXACT))


# How wide they are.


def test_bounds_grow_from_the_widest_arithmetic_to_the_narrowest():
    problem = cancelling("float32", terms=9)
    formats = [Arithmetic(name, 0.0, name, name) for name in ("float64", "float32", "float16", "bfloat16")]
    bounds = [bounded_output(*problem[:4], arithmetic).bound for arithmetic in formats]
    assert all((a < b).all() for a, b in itertools.pairwise(bounds))


@pytest.mark.parametrize("dtype", DTYPES)
def test_bounds_are_a_few_roundoffs_of_a_single_product(dtype):
    config = LayerConfig(1, use_bias=False, dtype=dtype)
    one = np.full((1, 1, 1, 1), 1.125, DTYPES[dtype])
    bound = bounded_output(config, one, one, None, expected_arithmetic(dtype)).bound.item()
    assert 1.0 <= bound / FORMATS[dtype].roundoff <= 4.0


@pytest.mark.parametrize("dtype", DTYPES)
def test_whole_numbers_that_the_formats_hold_leave_no_room(dtype):
    config = LayerConfig(3, padding="same", depth_multiplier=2, dtype=dtype, activation="relu")
    x, kernel = np.full((2, 4, 4, 3), 2, DTYPES[dtype]), np.full((3, 3, 3, 2), -3, DTYPES[dtype])
    bias, cotangent = np.ones(6, DTYPES[dtype]), np.ones((2, 4, 4, 6), DTYPES[dtype])
    for arithmetic in arithmetics(dtype)[:2]:
        evaluation = Evaluation(config, x, kernel, bias, cotangent)
        assert not evaluation.output(arithmetic).bound.any()
        assert not any(part.bound.any() for _, part in parts(evaluation.gradients(arithmetic)))
        if dtype in ("float16", "bfloat16"):  # 16 * 16 * 6 * 9 is more than they hold
            assert Evaluation(config, x * 16, kernel * 16, bias, cotangent).output(arithmetic).bound.any()


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_what_may_overflow_has_no_bound(dtype):
    config = LayerConfig(1, use_bias=False, dtype=dtype)
    large = np.full((1, 1, 1, 1), np.sqrt(FORMATS[dtype].largest) * 1.01).astype(DTYPES[dtype])
    assert np.isinf(bounded_output(config, large, large, None, expected_arithmetic(dtype)).bound).all()


@pytest.mark.parametrize("activation", ["relu", "softmax"])
def test_bounds_are_numbers_even_where_something_overflows(activation):
    config = LayerConfig(1, activation=activation, use_bias=False, dtype="float16")
    x = np.array([300, 1], np.float16).reshape(1, 1, 1, 2)
    arrays = (x, x.reshape(1, 1, 2, 1), None)
    bounds = [bounded_output(config, *arrays, expected_arithmetic("float16"))]
    bounds += [p for _, p in parts(bounded_gradients(config, *arrays, 0 * x, expected_arithmetic("float16")))]
    assert not any(np.isnan(b.bound).any() for b in bounds)
