"""The reference against what does not share its code.

Literal loops written from the documentation, in floats and in exact rational numbers; finite differences; decimal
arithmetic of many digits for the activations; and the honest fakes, each of which has to stay within the bounds.
"""

import itertools
import math
from dataclasses import replace
from decimal import Decimal, localcontext
from fractions import Fraction

import faults
import honest
import ml_dtypes
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from depthwise_conformance.adapters.base import Unsupported
from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.casebook.fixed import activation_cases
from depthwise_conformance.casebook.strategies import ACTIVATIONS as DRAWN
from depthwise_conformance.judging.values import expect, judge_special, judge_values
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
    split_shape,
)
from depthwise_conformance.reference.activations import ACTIVATIONS, Activation
from depthwise_conformance.reference.rows import _excess, softmax
from depthwise_conformance.reports.record import Verdict

EXACT = Arithmetic("exact", 0.0, "float64", "float64")


def bounded_output(config, x, kernel, bias, arithmetic):
    return Evaluation(config, x, kernel, bias).output(arithmetic)


def bounded_gradients(config, x, kernel, bias, cotangent, arithmetic):
    return Evaluation(config, x, kernel, bias, cotangent).gradients(arithmetic)


DTYPES = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16, "float32": np.float32, "float64": np.float64}
SMOOTH = (
    *("linear", "tanh", "sigmoid", "softplus", "gelu", "softmax", "celu", "elu", "softsign", "squareplus", "silu"),
    *("sparse_plus", "swish", "glu", "tanh_shrink", "exponential", "mish", "log_softmax", "log_sigmoid"),
)
KINKS = {
    **{"relu": (0.0,), "relu6": (0.0, 6.0), "leaky_relu": (0.0,), "selu": (0.0,)},
    **dict.fromkeys(("soft_shrink", "hard_shrink"), (-0.5, 0.5)),
    **dict.fromkeys(("sparse_sigmoid", "hard_tanh"), (-1.0, 1.0)),
    **dict.fromkeys(("hard_sigmoid", "hard_silu", "hard_swish"), (-3.0, 3.0)),
}
ELEMENTWISE = [name for name, found in ACTIVATIONS.items() if isinstance(found, Activation)]


def examples(count):
    return settings(max_examples=count, derandomize=True, deadline=None, database=None)


# The literal implementation: nothing but loops and the sentences of the documentation.


def windows(size, kernel, stride, dilation, padding):
    """For each window of one axis, the input positions that its taps see; None where a tap sees padding."""
    reach = (kernel - 1) * dilation + 1
    if padding == "valid":  # "no padding": every window lies inside
        firsts = [first for first in range(0, size, stride) if first + reach <= size]
    else:  # one window for each stride; "padding evenly", the odd zero comes after
        count = len(range(0, size, stride))
        zeros = 0
        while zeros + size < (count - 1) * stride + reach:
            zeros += 1
        firsts = [window * stride - zeros // 2 for window in range(count)]
    seen = [[first + tap * dilation for tap in range(kernel)] for first in firsts]
    return [[position if 0 <= position < size else None for position in taps] for taps in seen]


def literal_terms(config, shape):
    """Every product of the layer: the indices of its output, its input and its weight."""
    batch, height, width, channels = shape if config.channels_last else (shape[0], *shape[2:], shape[1])
    rows, columns = (
        windows(size, config.kernel_size[i], config.strides[i], config.dilation_rate[i], config.padding)
        for i, size in enumerate((height, width))
    )
    for b, (i, row), (j, column) in itertools.product(range(batch), enumerate(rows), enumerate(columns)):
        for (p, y), (q, x) in itertools.product(enumerate(row), enumerate(column)):
            if y is None or x is None:
                continue
            for c, m in itertools.product(range(channels), range(config.depth_multiplier)):
                o = c * config.depth_multiplier + m
                if config.channels_last:
                    yield (b, i, j, o), (b, y, x, c), (p, q, c, m)
                else:
                    yield (b, o, i, j), (b, c, y, x), (p, q, c, m)


def literal_shape(config, shape):
    sizes = shape[1:3] if config.channels_last else shape[2:4]
    channels = shape[3 if config.channels_last else 1] * config.depth_multiplier
    new = [
        len(windows(size, config.kernel_size[i], config.strides[i], config.dilation_rate[i], config.padding))
        for i, size in enumerate(sizes)
    ]
    return (shape[0], *new, channels) if config.channels_last else (shape[0], channels, *new)


def literal_sums(config, x, kernel, bias):
    """`depthwise_conv2d(x, kernel) + bias`."""
    y = np.zeros(literal_shape(config, x.shape), x.dtype)
    if x.dtype == object:
        y[...] = Fraction(0)
    for out, at, weight in literal_terms(config, x.shape):
        y[out] += x[at] * kernel[weight]
    for out in np.ndindex(y.shape):
        y[out] += 0 if bias is None else bias[out[3 if config.channels_last else 1]]
    return y


def literal_gradients(config, x, kernel, bias, d):
    """The gradients of `sum(d * (depthwise_conv2d(x, kernel) + bias))`: each product's share, put where it belongs."""
    by_input, by_kernel = np.zeros_like(x), np.zeros_like(kernel)
    by_bias = None if bias is None else np.zeros_like(bias)
    for out, at, weight in literal_terms(config, x.shape):
        by_input[at] += d[out] * kernel[weight]
        by_kernel[weight] += d[out] * x[at]
    for out in np.ndindex(d.shape) if bias is not None else ():
        by_bias[out[3 if config.channels_last else 1]] += d[out]
    return by_input, by_kernel, by_bias


# Small cases.


@st.composite
def configs(draw, activations=(None,), dtypes=("float64",), sizes=3, multipliers=3):
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    return LayerConfig(
        kernel,
        draw(pair),
        draw(st.sampled_from(("valid", "same"))),
        draw(st.integers(1, multipliers)),
        draw(st.sampled_from(("channels_last", "channels_first"))),
        draw(pair),
        draw(st.sampled_from(activations)),
        draw(st.booleans()),
        dtype=draw(st.sampled_from(dtypes)),
        strided_dilation=True,
    )


@st.composite
def problems(draw, size=6, channels=3, batch=2, scales=(1.0,), **kwargs):
    """A layer and its arrays: x, kernel, bias and cotangent."""
    config = draw(configs(**kwargs))
    shape = (draw(st.integers(0, batch)), draw(st.integers(1, size)), draw(st.integers(1, size)))
    c = draw(st.integers(1, channels))
    shape = (*shape, c) if config.channels_last else (shape[0], c, *shape[1:])
    outputs = literal_shape(config, shape)
    assume(min(outputs[1:]) > 0)
    if config.activation == "glu":
        assume(outputs[3] % 2 == 0)
        outputs = (*outputs[:3], outputs[3] // 2)
    random = np.random.default_rng(draw(st.integers(0, 10_000)))

    def array(*sizes):
        return (random.standard_normal(sizes) * draw(st.sampled_from(scales))).astype(DTYPES[config.dtype])

    bias = array(c * config.depth_multiplier) if config.use_bias else None
    return config, array(*shape), array(*kernel_shape(config, c)), bias, array(*outputs)


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


def parts(gradients):
    found = [("input", gradients.input), ("kernel", gradients.kernel), ("bias", gradients.bias)]
    return [(name, part) for name, part in found if part is not None]


# Against the literal loops, in floats and exactly.


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


# Gradients against finite differences.


def loss(config, x, kernel, bias, cotangent):
    return (cotangent * bounded_output(config, x, kernel, bias, EXACT).value).sum()


def slope(problem, which, index, step=2.0**-17):
    """The central difference of the loss for one element of one argument."""
    config, *arrays = problem
    ends = []
    for sign in (1, -1):
        moved = [a if a is None else a.copy() for a in arrays]
        moved[which][index] += sign * step
        ends.append(loss(config, *moved))
    return (ends[0] - ends[1]) / (2 * step)


def check_slopes(problem):
    found = bounded_gradients(*problem, EXACT)
    for which, part in enumerate((found.input, found.kernel, found.bias)):
        for index in itertools.islice(np.ndindex(() if part is None else part.value.shape), 0, None, 3):
            if part is not None:
                assert part.value[index] == pytest.approx(slope(problem, which, index), rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("activation", SMOOTH)
def test_gradients_are_slopes(activation):
    @examples(12)
    @given(problems(activations=(activation,), size=4, channels=2, multipliers=2))
    def check(problem):
        check_slopes(problem)

    check()


@pytest.mark.parametrize("activation", KINKS)
def test_gradients_are_slopes_away_from_kinks(activation):
    @examples(12)
    @given(problems(activations=(activation,), size=4, channels=2, multipliers=2, scales=(1.0, 2.0)))
    def check(problem):
        config, x, kernel, bias, _ = problem
        sums = literal_sums(config, x, kernel, bias)
        assume(all((np.abs(sums - kink) > 1e-3).all() for kink in KINKS[activation]))
        check_slopes(problem)

    check()


@pytest.mark.parametrize(("activation", "kink"), [(name, kink) for name, kinks in KINKS.items() for kink in kinks])
def test_at_a_kink_either_slope_is_within_the_bound(activation, kink):
    config = LayerConfig(1, activation=activation)
    one = np.ones((1, 1, 1, 1), np.float32)
    found = bounded_gradients(config, one, one, one.reshape(1) * kink - 1, one, expected_arithmetic("float32"))
    for _, part in parts(found):
        for side in (-(2.0**-20), 2.0**-20):
            slope = ACTIVATIONS[activation].derivative(np.array(kink + side))
            assert np.abs(part.value - slope).max() <= part.bound.min()


# The documentation, sentence by sentence.


def test_example_of_the_documentation_contradicts_its_signature():
    """The second argument is `strides`: the shape that the page prints is what `depth_multiplier=3` gives."""
    as_signed = LayerConfig(3, 3, activation="relu")
    assert as_signed.strides == (3, 3)
    assert output_shape(as_signed, (4, 10, 10, 12)) == (4, 3, 3, 12)
    as_printed = LayerConfig(3, depth_multiplier=3, activation="relu")
    assert output_shape(as_printed, (4, 10, 10, 12)) == (4, 8, 8, 36)
    random = np.random.default_rng(0)
    for config, shape in ((as_signed, (4, 3, 3, 12)), (as_printed, (4, 8, 8, 36))):
        kernel = random.standard_normal(kernel_shape(config, 12))
        y = bounded_output(config, random.random((4, 10, 10, 12)), kernel, None, EXACT).value
        assert y.shape == shape
        assert y.min() == 0


def test_defaults_are_those_of_the_signature():
    config = LayerConfig(3)
    assert (config.strides, config.padding, config.depth_multiplier) == ((1, 1), "valid", 1)
    assert (config.data_format, config.dilation_rate, config.activation) == ("channels_last", (1, 1), None)
    assert config.use_bias is True
    assert (config.depthwise_initializer, config.bias_initializer) == ("glorot_uniform", "zeros")
    assert config.depthwise_regularizer is config.bias_regularizer is config.activity_regularizer is None
    assert config.depthwise_constraint is config.bias_constraint is None


def test_default_arguments_may_be_none():
    assert LayerConfig(3, data_format=None) == LayerConfig(3, data_format="channels_last")
    assert LayerConfig(3, activation=None).activation is None


@pytest.mark.parametrize("name", ["kernel_size", "strides", "dilation_rate"])
def test_sizes_are_an_int_or_two_ints(name):
    def given_as(value):
        return getattr(LayerConfig(**{"kernel_size": 1, name: value}), name)

    assert given_as(2) == given_as((2, 2)) == given_as([2, 2]) == given_as(np.int64(2)) == (2, 2)
    assert given_as((2, 3)) == given_as([2, 3]) == (2, 3)
    assert all(type(size) is int for size in given_as([np.int64(2), np.int64(3)]))


@pytest.mark.parametrize("padding", ["valid", "VALID", "Valid", "same", "SAME", "sAmE"])
def test_padding_is_case_insensitive(padding):
    assert LayerConfig(3, padding=padding).padding == padding.lower()


@given(configs(), st.integers(1, 40), st.integers(1, 40))
@examples(100)
def test_valid_means_no_padding(config, height, width):
    config = LayerConfig.from_json({**config.to_json(), "padding": "valid"})
    shape = (1, height, width, 1) if config.channels_last else (1, 1, height, width)
    seen = {at for _, at, _ in literal_terms(config, shape)}
    if not seen:
        with pytest.raises(ValueError, match="does not fit"):
            output_shape(config, shape)
        return
    taps = config.kernel_size[0] * config.kernel_size[1] * config.depth_multiplier
    new = split_shape(config, output_shape(config, shape))[1:3]
    assert len(list(literal_terms(config, shape))) == new[0] * new[1] * taps


@given(configs(), st.integers(1, 40), st.integers(1, 40), st.integers(0, 3), st.integers(1, 5))
@examples(200)
def test_shapes_are_those_of_the_literal_loops(config, height, width, batch, channels):
    last = config.channels_last
    shape = (batch, height, width, channels) if last else (batch, channels, height, width)
    expected = literal_shape(config, shape)
    if 0 in expected[1:]:
        with pytest.raises(ValueError, match="does not fit"):
            output_shape(config, shape)
        return
    assert output_shape(config, shape) == expected
    assert expected[3 if last else 1] == channels * config.depth_multiplier


@given(configs(), st.integers(1, 12), st.integers(1, 12))
@examples(100)
def test_same_padding_with_strides_of_one_keeps_the_size(config, height, width):
    config = LayerConfig.from_json({**config.to_json(), "padding": "same", "strides": 1})
    shape = (2, height, width, 3) if config.channels_last else (2, 3, height, width)
    assert split_shape(config, output_shape(config, shape))[:3] == (2, height, width)


@pytest.mark.parametrize(("size", "kernel", "stride"), [(8, 4, 1), (8, 3, 2), (7, 4, 3), (5, 2, 1), (3, 6, 1)])
def test_same_padding_is_even_and_its_odd_zero_comes_after(size, kernel, stride):
    config = LayerConfig((1, kernel), (1, stride), "same")
    ones, x = np.ones((1, kernel, 1, 1)), np.ones((1, 1, size, 1))
    covered = bounded_output(config, x, ones, None, EXACT).value.ravel()
    before, after = kernel - covered[0], kernel - covered[-1]
    assert after - before in (0, 1)


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


@pytest.mark.parametrize("strides", [2, (2, 1), (1, 3)])
@pytest.mark.parametrize("dilation", [2, (2, 1), (1, 3)])
def test_strides_with_dilation_are_refused(strides, dilation):
    with pytest.raises(ValueError, match=r"strides=.*dilation_rate=.*incompatible"):
        LayerConfig(3, strides, dilation_rate=dilation)
    assert LayerConfig(3, strides, dilation_rate=dilation, strided_dilation=True)
    assert LayerConfig(3, strides)
    assert LayerConfig(3, dilation_rate=dilation)


OUTSIDE = [
    *[(name, v) for name in ("kernel_size", "strides", "dilation_rate") for v in (0, -1, 1.5, "2", None, True, (1, 0))],
    *[(name, v) for name in ("kernel_size", "strides", "dilation_rate") for v in ((1,), (1, 2, 3), [], (2.0, 2))],
    *[("depth_multiplier", v) for v in (0, -1, 1.5, "2", None, True, (1, 1))],
    *[("padding", v) for v in ("full", "causal", "", None, 1, " same")],
    *[("data_format", v) for v in ("NHWC", "channels_middle", "", 1, False)],
    *[("activation", v) for v in ("", "no_such", 1, False)],
    *[("use_bias", v) for v in (None, 0, 1, "yes")],
    *[("dtype", v) for v in ("float8", None, 1)],
]


@pytest.mark.parametrize(("name", "value"), OUTSIDE)
def test_refusals_name_the_argument_what_was_given_and_what_is_accepted(name, value):
    with pytest.raises(ValueError, match=name) as refused:
        LayerConfig(**{"kernel_size": 1, name: value})
    wrong = [repr(part) for part in (value, *(value if isinstance(value, tuple) else ()))]
    assert any(part in str(refused.value) for part in wrong)
    assert "accepted are" in str(refused.value)


def test_unknown_and_missing_arguments_are_refused():
    with pytest.raises(ValueError, match=r"\['filters'\].*accepted are.*kernel_size"):
        LayerConfig.from_json({"kernel_size": 1, "filters": 3})
    with pytest.raises(ValueError, match="kernel_size is missing"):
        LayerConfig.from_json({})


@pytest.mark.parametrize(
    "shape", [(1, 4, 4), (1, 4, 4, 1, 1), (), (1, 0, 4, 1), (1, 4, 0, 1), (1, 4, 4, 0), (-1, 4, 4, 1)]
)
def test_inputs_that_are_no_images_are_refused(shape):
    with pytest.raises(ValueError, match="accepted are"):
        output_shape(LayerConfig(1), shape)


@examples(100)
@given(configs(activations=tuple(ACTIVATIONS), dtypes=tuple(DTYPES)))
def test_arguments_survive_json(config):
    assert LayerConfig.from_json(config.to_json()) == config


# The activations, against decimal arithmetic of forty digits.

PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494")
POINTS = sorted({s * v for v in (0.0, 2.0**-40, 1e-3, 0.3, 0.5, 1.0, 1.7, 2.5, 4.0, 5.99, 6.5, 9.0) for s in (1, -1)})


def decimal_erf(x):
    """The Taylor series of erf, with digits to spare."""
    term, total, n = x, x, 0
    while abs(term) > Decimal("1e-70"):
        n += 1
        term = -term * x * x / n
        total += term / (2 * n + 1)
    return 2 * total / PI.sqrt()


def decimal_activation(name, x):
    up, down = x.exp(), (-x).exp()
    cdf = (1 + decimal_erf(x / Decimal(2).sqrt())) / 2
    return {
        "relu": lambda: max(x, Decimal(0)),
        "relu6": lambda: min(max(x, Decimal(0)), Decimal(6)),
        "tanh": lambda: (up - down) / (up + down),
        "sigmoid": lambda: 1 / (1 + down),
        "softplus": lambda: (1 + up).ln(),
        "gelu": lambda: x * cdf,
        **{other: lambda y=pair[0]: y for other, pair in decimal_further(x, up, down).items()},
    }[name]()


def decimal_further(x, up, down):
    """The other activations of one number: (value, derivative), by the page."""
    one, half, six = Decimal(1), Decimal("0.5"), Decimal(6)
    sigmoid, root = 1 / (1 + down), (x * x + 4).sqrt()
    tanh, t = (up - down) / (up + down), 1 - 2 / ((1 + up) ** 2 + 1)
    silu = x * sigmoid, sigmoid * (1 + x * (1 - sigmoid))
    elu = (x, one) if x > 0 else (up - 1, up)
    scale, alpha = Decimal("1.0507009873554804934193349852946"), Decimal("1.6732632423543772848170429916717")
    hard = (0, 0) if x < -3 else (x, 1) if x > 3 else (x * (x + 3) / six, (2 * x + 3) / six)
    return {
        "leaky_relu": (max(x, x / 5), one if x > 0 else Decimal("0.2")),
        **dict.fromkeys(("celu", "elu"), elu),
        "selu": (scale * x, scale) if x > 0 else (scale * alpha * (up - 1), scale * alpha * up),
        "softsign": (x / (abs(x) + 1), 1 / (abs(x) + 1) ** 2),
        "squareplus": ((x + root) / 2, (1 + x / root) / 2),
        "soft_shrink": (x - half, 1) if x > half else (x + half, 1) if x < -half else (0, 0),
        "hard_shrink": (x, 1) if abs(x) > half else (0, 0),
        "sparse_plus": (0, 0) if x <= -1 else ((x + 1) ** 2 / 4, (x + 1) / 2) if x < 1 else (x, 1),
        **dict.fromkeys(("silu", "swish"), silu),
        "tanh_shrink": (x - tanh, tanh**2),
        "sparse_sigmoid": (0, 0) if x <= -1 else ((x + 1) / 2, half) if x < 1 else (1, 0),
        "exponential": (up, up),
        "hard_sigmoid": (0, 0) if x <= -3 else (x / six + half, 1 / six) if x < 3 else (1, 0),
        **dict.fromkeys(("hard_silu", "hard_swish"), hard),
        "hard_tanh": (-1, 0) if x <= -1 else (x, 1) if x < 1 else (1, 0),
        "mish": (x * t, t + x * (1 - t * t) * sigmoid),
        "log_sigmoid": (-((1 + down).ln()), 1 - sigmoid),
    }


def decimal_derivative(name, x):
    up, down = x.exp(), (-x).exp()
    cdf = (1 + decimal_erf(x / Decimal(2).sqrt())) / 2
    return {
        "tanh": lambda: 4 / (up + down) ** 2,
        "sigmoid": lambda: 1 / ((1 + down) * (1 + up)),
        "softplus": lambda: 1 / (1 + down),
        "gelu": lambda: cdf + x * (-x * x / 2).exp() / (2 * PI).sqrt(),
        **{other: lambda y=pair[1]: y for other, pair in decimal_further(x, up, down).items()},
    }[name]()


@pytest.mark.parametrize("name", [name for name in ELEMENTWISE if name not in (None, "linear")])
def test_activations_err_by_no_more_than_their_bound_allows_and_common_ones_by_a_third(name):
    activation, p = ACTIVATIONS[name], np.array(POINTS)
    found = activation.value(p)
    allowed = activation.rounding(p) * 2.0**-53 / (3 if name in DRAWN else 1)
    with localcontext() as context:
        context.prec = 100
        exact = [decimal_activation(name, Decimal(x)) for x in POINTS]
        errors = [abs(float(Decimal(float(y)) - e)) for y, e in zip(found, exact, strict=True)]
    assert (errors <= allowed).all()


@pytest.mark.parametrize("name", [name for name in ELEMENTWISE if name not in (None, "linear", "relu", "relu6")])
def test_derivatives_err_by_no_more_than_their_bound_allows_and_common_ones_by_a_third(name):
    p = np.array(POINTS)
    found = ACTIVATIONS[name].derivative(p)
    with localcontext() as context:
        context.prec = 100
        exact = [decimal_derivative(name, Decimal(x)) for x in POINTS]
        errors = [abs(float(Decimal(float(y)) - e)) for y, e in zip(found, exact, strict=True)]
    allowed = ACTIVATIONS[name].derivative_rounding(p) * 2.0**-53 / (3 if name in DRAWN else 1)
    assert (errors <= allowed).all()


def test_softmax_is_accurate_and_normalises_the_last_axis():
    p = np.array([[0.0, 1.0, -2.5], [700.0, 690.0, -700.0], [0.1, 0.1, 0.1]])
    with localcontext() as context:
        context.prec = 60
        powers = [[Decimal(x).exp() for x in row] for row in p]
        exact = [[float(e / sum(row)) for e in row] for row in powers]
    np.testing.assert_allclose(softmax(p), exact, rtol=1e-13)
    random = np.random.default_rng(2).standard_normal((2, 3, 4, 5))
    np.testing.assert_allclose(softmax(random).sum(axis=-1), 1.0, rtol=1e-14)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_lipschitz_and_curvature_constants_hold(name):
    activation = ACTIVATIONS[name]
    p = np.linspace(-12, 12, 240_001)
    slopes = activation.derivative(p)
    smooth = np.ones(len(p) - 1, bool)
    for kink in activation.kinks:
        smooth &= np.abs(p[1:] - kink) > 1e-3
    assert np.abs(slopes).max() <= activation.lipschitz
    steep = np.abs(np.diff(activation.value(p)) / np.diff(p))[smooth].max()
    assert steep <= activation.lipschitz * (1 + 1e-9)
    assert (np.abs(np.diff(slopes) / np.diff(p))[smooth]).max() <= activation.curvature * (1 + 1e-6)
    assert activation.is_steep or steep >= activation.lipschitz * 0.9  # and they are not idle


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("size", [1e-6, 0.1, 4.0])
def test_what_activations_move_by_is_no_less_than_they_do(name, size):
    activation, random = ACTIVATIONS[name], np.random.default_rng(1)
    p = np.concatenate(
        [random.uniform(-5, 5, 20_000), *(kink + random.uniform(-1, 1, 1000) * size for kink in KINKS.get(name, ()))]
    )
    e = np.full_like(p, size)
    for other in (p - size, p + size, p + size * random.uniform(-1, 1, p.size)):
        moved = np.abs(activation.value(other) - activation.value(p))
        assert (moved <= activation.moved(p, e) * (1 + 1e-9) + 1e-14).all()
        turned = np.abs(activation.derivative(other) - activation.derivative(p))
        assert (turned <= activation.turned(p, e, 0.0) * (1 + 1e-9) + 1e-14).all()


def test_a_jump_admits_both_sides_and_no_more():
    activation = ACTIVATIONS["hard_shrink"]
    p = np.array([0.5, 0.5, 0.6, 0.4, -0.501, 0.0])
    e = np.array([0.0, 1e-3, 1e-3, 1e-3, 2e-3, 1e-3])
    np.testing.assert_allclose(activation.moved(p, e), [0.0, 0.501, 1e-3, 1e-3, 0.502, 1e-3])


def literal_row(name, row):
    """What the activations over the last axis make of one row, in fractions as far as they go."""
    if name == "glu":
        half = len(row) // 2
        return [float(a) / (1 + math.exp(-b)) for a, b in zip(row[:half], row[half:], strict=True)]
    if name == "sparsemax":  # the projection on the simplex: of all supports the one whose threshold fits
        exact = [Fraction(x) for x in row]
        for size in range(1, len(row) + 1):
            tau = (sum(sorted(exact, reverse=True)[:size]) - 1) / size
            found = [max(x - tau, Fraction(0)) for x in exact]
            if sum(found) == 1:
                return [float(y) for y in found]
    total = math.fsum(math.exp(x) for x in row)
    return [x - math.log(total) if name == "log_softmax" else math.exp(x) / total for x in row]


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "sparsemax", "glu"])
def test_activations_over_the_last_axis_are_the_literal_ones(name):
    rows = np.random.default_rng(3).standard_normal((40, 3, 4)) * np.array([[[0.2]], [[1.0]], [[9.0]], [[0.0]]] * 10)
    expected = [[literal_row(name, row) for row in image] for image in rows]
    np.testing.assert_allclose(ACTIVATIONS[name].value(rows), expected, rtol=1e-12, atol=1e-13)


def test_the_gradient_of_sparsemax_is_its_slope_where_the_support_stays():
    random = np.random.default_rng(4)
    p, c = random.standard_normal((500, 5)), random.standard_normal((500, 5))
    activation, step = ACTIVATIONS["sparsemax"], 2.0**-20
    clear = (np.abs(_excess(p)) > 8 * step).all(axis=-1)
    assert clear.sum() > 400
    for index in range(5):
        moved = np.eye(5)[index] * step
        slope = (c * (activation.value(p + moved) - activation.value(p - moved))).sum(axis=-1) / (2 * step)
        np.testing.assert_allclose(activation.back(p, c)[clear, index], slope[clear], atol=1e-8)


def test_glu_halves_the_last_axis_whatever_it_is():
    assert output_shape(LayerConfig(2, activation="glu"), (2, 5, 5, 4)) == (2, 4, 4, 2)
    assert output_shape(LayerConfig(2, activation="glu", depth_multiplier=2), (2, 5, 5, 3)) == (2, 4, 4, 3)
    assert output_shape(LayerConfig(2, activation="glu", data_format="channels_first"), (2, 3, 5, 5)) == (2, 3, 4, 2)
    with pytest.raises(ValueError, match=r"glu.*even"):
        Case(LayerConfig(2, activation="glu"), (2, 5, 5, 3))


# The bounds: every honest implementation is inside, narrower arithmetic is outside.

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


# Every activation: honest implementations are inside the bounds, plausible wrong ones are not.


def with_data(case, dtype, recipe, seed):
    return replace(case, config=replace(case.config, dtype=dtype), data=Data(recipe, seed))


EVERY = sorted({case.config.activation for case in activation_cases()})


def test_the_activation_cases_are_a_few_of_every_activation_that_is_not_drawn():
    cases = activation_cases()
    assert {*EVERY} | {*DRAWN} == {*ACTIVATIONS}
    assert not {*EVERY} & {*DRAWN}
    assert len({case.id for case in cases}) == len(cases) < 100
    for name in EVERY:
        configs = [case.config for case in cases if case.config.activation == name]
        assert len({config.data_format for config in configs}) == len({config.padding for config in configs}) == 2
        assert [config.dtype for config in configs].count("float32") == 2
        assert {case.data.recipe for case in cases if case.config.activation == name} >= {"normal", "special"}
    assert {case.dtype for case in cases} == {*FORMATS}
    for case in cases:
        *_, columns, last = output_shape(case.config, case.input_shape)
        assert case.config.channels_last or 3 not in (columns, last)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("dtype", DTYPES)
def test_no_honest_activation_is_blamed(name, dtype):
    adapters = (honest.Honest(), honest.RoundedActivation(), honest.RoundedStages(), honest.WideAccumulator())
    cases = [case for case in activation_cases() if case.config.activation == name]
    for case, recipe, seed in itertools.product(cases, ("normal", "uniform", "integers", "wide", "special"), range(3)):
        expectation = expect(with_data(case, dtype, recipe, seed))
        a = expectation.arrays
        for adapter in adapters:
            y = adapter.forward(expectation.case.config, a.x, a.kernel, a.bias)
            if recipe == "special":
                assert judge_special(y, expectation).verdict is Verdict.PASS
                continue
            found = adapter.gradients(expectation.case.config, a.x, a.kernel, a.bias, a.cotangent)
            for part, array in (("output", y), ("input", found.input), ("kernel", found.kernel), ("bias", found.bias)):
                assert judge_values(array, expectation, part).error <= 1.0


def gelu_by_tanh(p):
    return 0.5 * p * (1 + np.tanh(math.sqrt(2 / math.pi) * (p + 0.044715 * p**3)))


WRONG = {  # the activation, and what a careless implementation has in its place
    "gelu by tanh": ("gelu", gelu_by_tanh),
    "silu for mish": ("mish", lambda p: honest.activation("silu", p)),
    "mish for silu": ("silu", lambda p: honest.activation("mish", p)),
    "hard_sigmoid of slope 0.2": ("hard_sigmoid", lambda p: np.clip(0.2 * p + 0.5, 0, 1)),
    "hard_silu by that": ("hard_silu", lambda p: p * np.clip(0.2 * p + 0.5, 0, 1)),
    "elu of alpha 1.67": ("elu", lambda p: np.where(p > 0, p, 1.67 * np.expm1(p))),
    "celu of alpha 1.67": ("celu", lambda p: np.where(p > 0, p, 1.67 * np.expm1(p))),
    "selu without its scale": ("selu", lambda p: np.where(p > 0, p, 1.6732632 * np.expm1(p))),
    "leaky_relu of slope 0.3": ("leaky_relu", lambda p: np.where(p > 0, p, 0.3 * p)),
    "leaky_relu of slope 0.01": ("leaky_relu", lambda p: np.where(p > 0, p, 0.01 * p)),
    "sparse_plus without its quarter": ("sparse_plus", lambda p: np.where(p >= 1, p, np.clip(p + 1, 0, 2) ** 2)),
    "sparse_sigmoid of slope 1": ("sparse_sigmoid", lambda p: np.clip(p + 0.5, 0, 1)),
    "squareplus of b = 1": ("squareplus", lambda p: (p + np.sqrt(p * p + 1)) / 2),
    "soft_shrink for hard_shrink": ("hard_shrink", lambda p: honest.activation("soft_shrink", p)),
    "hard_shrink for soft_shrink": ("soft_shrink", lambda p: honest.activation("hard_shrink", p)),
    "softsign squared": ("softsign", lambda p: p / (1 + p * p)),
    "tanh for hard_tanh": ("hard_tanh", np.tanh),
    "tanh_shrink the other way": ("tanh_shrink", lambda p: np.tanh(p) - p),
    "expm1 for exponential": ("exponential", np.expm1),
    "sigmoid for log_sigmoid": ("log_sigmoid", honest.sigmoid),
    "softmax over the channels": ("softmax", lambda p: honest.softmax(p, 1)),
    "log_softmax over the channels": ("log_softmax", lambda p: np.log(honest.softmax(p, 1))),
    "sparsemax for softmax": ("softmax", lambda p: honest.activation("sparsemax", p)),
    "softmax for sparsemax": ("sparsemax", honest.softmax),
    "glu with its halves swapped": ("glu", lambda p: honest.activation("glu", np.roll(p, p.shape[-1] // 2, axis=-1))),
}


# No half precision tells gelu from its approximation by tanh.
TOLD = [(name, dtype) for name in WRONG for dtype in FORMATS if dtype != "bfloat16"]
TOLD.remove(("gelu by tanh", "float16"))


@pytest.mark.parametrize(("wrong", "dtype"), TOLD)
def test_plausible_wrong_activations_are_caught(wrong, dtype):

    class Careless(honest.Honest):
        def activate(self, config, p):
            return np.asarray(WRONG[wrong][1](p.astype(np.float64))).astype(p.dtype)

    config = LayerConfig((2, 2), activation=WRONG[wrong][0], data_format="channels_first", dtype=dtype)
    expectation = expect(Case(config, (2, 3, 6, 5), Data("normal", 1)))
    a = expectation.arrays
    judgement = judge_values(Careless().forward(config, a.x, a.kernel, a.bias), expectation, "output")
    assert judgement.verdict.is_discrepancy
    assert judge_values(honest.Honest().forward(config, a.x, a.kernel, a.bias), expectation, "output").error <= 1.0
