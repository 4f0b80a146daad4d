"""Output and gradients against literal loops, in floats and in exact rational numbers."""

from fractions import Fraction

import honest
import numpy as np
import pytest
from hypothesis import given
from literal import literal_gradients, literal_sums
from problems import ELEMENTWISE, EXACT, bounded_gradients, bounded_output, examples, parts, problems

from depthwise_conformance.reference import LayerConfig, expected_arithmetic, output_shape
from depthwise_conformance.reference.activations import ACTIVATIONS


def rational(array):
    """The same numbers as fractions."""
    if array is None:
        return None
    exact = np.empty(array.shape, object)
    for index in np.ndindex(array.shape):
        exact[index] = Fraction(float(array[index]))
    return exact


def far(observed, exact):
    """|observed - exact| in float64, the difference taken in fractions where there are any."""
    if exact.dtype != object:
        return np.abs(observed.astype(np.float64) - exact)
    return np.array([abs(float(Fraction(float(a)) - b)) for a, b in zip(observed.flat, exact.flat, strict=True)])


@examples(250)
@given(problems())
def test_output_is_the_literal_loops(problem):
    config, x, kernel, bias, _ = problem
    expected = literal_sums(config, x, kernel, bias)
    value = bounded_output(config, x, kernel, bias, EXACT).value
    assert value.shape == expected.shape == output_shape(config, x.shape)
    np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-12)


@examples(150)
@given(problems())
def test_gradients_are_the_literal_loops(problem):
    config, x, kernel, bias, cotangent = problem
    found = bounded_gradients(config, x, kernel, bias, cotangent, EXACT)
    for part, expected in zip((found.input, found.kernel, found.bias), literal_gradients(*problem), strict=True):
        assert (part is None) == (expected is None)
        if part is not None:
            np.testing.assert_allclose(part.value, expected, rtol=1e-12, atol=1e-12)


@examples(60)
@given(problems(activations=(None, "relu", "relu6"), size=5, channels=2))
def test_output_errs_by_at_most_half_its_float64_bound(problem):
    config, x, kernel, bias, _ = problem
    sums = literal_sums(config, rational(x), rational(kernel), rational(bias))
    cut = {None: lambda s: s, "relu": lambda s: max(s, 0), "relu6": lambda s: min(max(s, 0), 6)}[config.activation]
    exact = np.array([Fraction(cut(s)) for s in sums.flat], object)
    found = bounded_output(config, x, kernel, bias, EXACT)
    assert (far(found.value, exact) <= found.bound.ravel() / 2).all()


@examples(40)
@given(problems(size=5, channels=2))
def test_gradients_err_by_at_most_half_their_float64_bounds(problem):
    config, x, kernel, bias, cotangent = problem
    found = bounded_gradients(config, x, kernel, bias, cotangent, EXACT)
    exact = literal_gradients(config, *(rational(a) for a in (x, kernel, bias, cotangent)))
    for part, expected in zip((found.input, found.kernel, found.bias), exact, strict=True):
        if part is not None:
            assert (far(part.value, expected) <= part.bound.ravel() / 2).all()


@examples(60)
@given(problems(dtypes=("float32", "float16", "bfloat16"), size=5, channels=2, scales=(1.0, 2.0**-9)))
def test_honest_results_are_within_the_bound_of_the_exact_ones(problem):
    config, x, kernel, bias, cotangent = problem
    arithmetic = expected_arithmetic(config.dtype)
    sums = literal_sums(config, rational(x), rational(kernel), rational(bias))
    bound = bounded_output(config, x, kernel, bias, arithmetic).bound
    assert (far(honest.Honest().forward(config, x, kernel, bias), sums) <= bound.ravel()).all()
    exact = literal_gradients(config, *(rational(a) for a in (x, kernel, bias, cotangent)))
    found = honest.Honest().gradients(*problem)
    bounds = bounded_gradients(config, x, kernel, bias, cotangent, arithmetic)
    for name, part in parts(bounds):
        expected = dict(zip(("input", "kernel", "bias"), exact, strict=True))[name]
        assert (far(getattr(found, name), expected) <= part.bound.ravel()).all()


def test_integers_are_computed_exactly():
    config = LayerConfig(3, (2, 1), "same", 2)
    x = np.arange(2 * 5 * 4 * 3, dtype=np.float32).reshape(2, 5, 4, 3) - 60
    kernel = np.arange(3 * 3 * 3 * 2, dtype=np.float32).reshape(3, 3, 3, 2) - 20
    bias = np.arange(6, dtype=np.float32)
    found = bounded_output(config, x, kernel, bias, EXACT).value
    assert (found == literal_sums(config, x.astype(np.int64), kernel.astype(np.int64), bias.astype(np.int64))).all()


# The documentation, sentence by sentence.


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_each_channel_is_convolved_alone_and_the_filters_are_concatenated(data_format):
    random = np.random.default_rng(1)
    config = LayerConfig((2, 3), padding="same", depth_multiplier=2, data_format=data_format)
    axis = 3 if config.channels_last else 1
    x, kernel = random.standard_normal((2, 4, 4, 4)), random.standard_normal((2, 3, 4, 2))
    whole = bounded_output(config, x, kernel, None, EXACT).value
    for c in range(4):
        one = bounded_output(config, np.take(x, [c], axis), kernel[:, :, [c]], None, EXACT).value
        np.testing.assert_allclose(np.take(whole, [2 * c, 2 * c + 1], axis), one, rtol=1e-13, atol=1e-13)


@examples(50)
@given(problems(activations=ELEMENTWISE))
def test_data_formats_differ_by_a_transpose_only(problem):
    config, x, kernel, bias, _ = problem
    other = "channels_first" if config.channels_last else "channels_last"
    swapped = LayerConfig.from_json({**config.to_json(), "data_format": other})
    to, back = ((0, 3, 1, 2), (0, 2, 3, 1)) if config.channels_last else ((0, 2, 3, 1), (0, 3, 1, 2))
    y = bounded_output(swapped, x.transpose(to), kernel, bias, EXACT).value.transpose(back)
    np.testing.assert_array_equal(y, bounded_output(config, x, kernel, bias, EXACT).value)


@examples(60)
@given(problems(activations=tuple(ACTIVATIONS)))
def test_output_is_the_activation_of_the_sums_with_the_bias(problem):
    config, x, kernel, bias, _ = problem
    activation = ACTIVATIONS[config.activation]
    sums = literal_sums(config, x, kernel, bias)
    expected = activation.value(sums)
    np.testing.assert_allclose(bounded_output(config, x, kernel, bias, EXACT).value, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_an_empty_batch_gives_an_empty_output_and_zero_gradients(data_format, activation):
    config = LayerConfig(3, padding="same", depth_multiplier=2, data_format=data_format, activation=activation)
    x, kernel, bias = np.zeros((0, 6, 6, 6)), np.ones((3, 3, 6, 2)), np.ones(12)
    *shape, last = (0, 6, 6, 12) if config.channels_last else (0, 12, 6, 6)
    shape = (*shape, last // 2 if activation == "glu" else last)
    found = bounded_output(config, x, kernel, bias, EXACT)
    assert found.value.shape == found.bound.shape == output_shape(config, x.shape) == shape
    gradients = bounded_gradients(config, x, kernel, bias, np.zeros(shape), EXACT)
    assert gradients.input.value.shape == x.shape
    assert not gradients.kernel.value.any()
    assert not gradients.bias.value.any()
