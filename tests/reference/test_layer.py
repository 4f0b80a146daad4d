"""The whole layer in the reference: every argument of the documentation, held against literal computations."""

import json
import math
from fractions import Fraction

import ml_dtypes  # noqa: F401  # NumPy has bfloat16 from it
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthwise_conformance.reference.bounds import Bounded
from depthwise_conformance.reference.constraints import FUZZ, MaxNorm, MinMaxNorm, NonNeg, UnitNorm, constraint
from depthwise_conformance.reference.functions import FUNCTIONS
from depthwise_conformance.reference.initializers import (
    CUT_DEVIATION,
    INITIALIZERS,
    Distribution,
    Independent,
    Orthogonal,
    fans,
    initializer,
)
from depthwise_conformance.reference.layer import DepthwiseConv2D, default_data_format
from depthwise_conformance.reference.regularizers import L1, L1L2, L2, regularizer

RANDOM = np.random.default_rng(0)
U32 = 2.0**-24


@pytest.fixture(autouse=True)
def no_configuration(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))


def literal(x, kernel, bias, stride=1):
    """Valid, channels last: the sums written out."""
    images, height, width, channels = x.shape
    rows, columns, _, multiplier = kernel.shape
    out = np.zeros((images, (height - rows) // stride + 1, (width - columns) // stride + 1, channels * multiplier))
    for n, i, j, c, m in np.ndindex(*out.shape[:3], channels, multiplier):
        window = x[n, i * stride : i * stride + rows, j * stride : j * stride + columns, c]
        out[n, i, j, c * multiplier + m] = (window * kernel[:, :, c, m]).sum() + bias[c * multiplier + m]
    return out


# The call


def test_the_example_of_the_page_runs_and_gives_what_its_signature_says():
    y = DepthwiseConv2D(3, 3, activation="relu")(np.random.default_rng(1).random((4, 10, 10, 12)))
    assert y.shape == (4, 3, 3, 12)  # the page prints (4, 8, 8, 36): see docs/findings.md
    assert (y >= 0).all()


def test_the_output_is_that_of_the_weights():
    layer = DepthwiseConv2D((2, 3), depth_multiplier=2, bias_initializer="ones", dtype="float64")
    x = RANDOM.standard_normal((2, 4, 5, 3))
    y = layer(x)
    assert set(layer.weights) == {"kernel", "bias"}
    np.testing.assert_allclose(y, literal(x, layer.kernel, layer.bias), rtol=1e-13, atol=1e-13)


def test_without_a_bias_there_is_no_weight_for_it():
    layer = DepthwiseConv2D(2, use_bias=False)
    layer.build((None, 4, 4, 3))
    assert list(layer.weights) == ["kernel"]
    assert layer.weights["kernel"].shape == (2, 2, 3, 1)


def test_a_function_is_an_activation():
    plain, halved = (
        DepthwiseConv2D(2, activation=a, depthwise_initializer="ones") for a in (None, FUNCTIONS["halved"])
    )
    x = RANDOM.integers(-3, 4, (1, 4, 4, 2)).astype(np.float32)
    np.testing.assert_array_equal(halved(x), plain(x) / 2)


@pytest.mark.parametrize("policy, compute", [("mixed_float16", "float16"), ("mixed_bfloat16", "bfloat16")])
def test_a_mixed_policy_computes_in_half_precision_on_float32_weights(policy, compute):
    layer = DepthwiseConv2D(2, dtype=policy)
    y = layer(np.ones((1, 3, 3, 2), np.float32))
    assert (layer.compute_dtype, layer.variable_dtype) == (compute, "float32")
    assert y.dtype.name == compute
    assert layer.kernel.dtype.name == "float32"


@pytest.mark.parametrize(
    "arguments",
    [
        {"kernel_size": 0},
        {"kernel_size": 2, "strides": 2, "dilation_rate": 2},
        {"kernel_size": 2, "padding": "full"},
        {"kernel_size": 2, "depth_multiplier": 1.5},
        {"kernel_size": 2, "data_format": "NHWC"},
        {"kernel_size": 2, "activation": "no_such"},
        {"kernel_size": 2, "depthwise_initializer": "no_such"},
        {"kernel_size": 2, "bias_initializer": 3},
        {"kernel_size": 2, "depthwise_regularizer": {"class_name": "L1", "config": {"l3": 1.0}}},
        {"kernel_size": 2, "activity_regularizer": "no_such"},
        {"kernel_size": 2, "bias_constraint": "no_such"},
        {"kernel_size": 2, "dtype": "float99"},
        {"kernel_size": 2, "filters": 3},
    ],
)
def test_what_the_documentation_excludes_is_refused(arguments):
    with pytest.raises(ValueError, match=r"accepted|incompatible"):
        DepthwiseConv2D(**arguments)


@pytest.mark.parametrize("shape", [(1, 4, 4), (1, 4, 4, 2, 1), (1, 4, 4, None), (1, 2, 4, 2)])
def test_inputs_of_no_use_are_refused(shape):
    with pytest.raises(ValueError, match=r"accepted|has to be known"):
        DepthwiseConv2D(3).build(shape)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("padding", ["valid", "SAME"])
def test_the_shape_is_stated_as_far_as_it_is_known(data_format, padding):
    layer = DepthwiseConv2D(3, 2, padding, 2, data_format)
    shape = (2, 7, 6, 3) if data_format == "channels_last" else (2, 3, 7, 6)
    known = layer.compute_output_shape(shape)
    assert known == layer(np.zeros(shape, np.float32)).shape
    assert layer.compute_output_shape((None, *shape[1:])) == (None, *known[1:])
    spatial = (1, 2) if data_format == "channels_last" else (2, 3)
    hidden = [None if axis in (0, *spatial) else size for axis, size in enumerate(shape)]
    assert [size for size in layer.compute_output_shape(hidden) if size is not None] == [6]


# The Keras configuration file


@pytest.mark.parametrize(
    "content, expected",
    [
        ('{"image_data_format": "channels_first"}', "channels_first"),
        ('{"image_data_format": "channels_last"}', "channels_last"),
        ('{"floatx": "float32"}', "channels_last"),
        ('{"image_data_format": "sideways"}', "channels_last"),
        ("[]", "channels_last"),
        ('{"image_data_format": ', "channels_last"),
    ],
)
def test_the_data_format_defaults_to_what_the_configuration_file_says(tmp_path, content, expected):
    assert default_data_format(tmp_path) == "channels_last"
    (tmp_path / ".keras").mkdir()
    (tmp_path / ".keras" / "keras.json").write_text(content)
    assert default_data_format(tmp_path) == expected
    assert DepthwiseConv2D(2).config.data_format == expected


# Configurations


@given(
    st.fixed_dictionaries(
        {"kernel_size": st.integers(1, 3)},
        optional={
            "padding": st.sampled_from(["valid", "SAME"]),
            "depth_multiplier": st.integers(1, 3),
            "activation": st.sampled_from([None, "relu", "softmax"]),
            "use_bias": st.booleans(),
            "depthwise_initializer": st.sampled_from([None, "ones", "he_normal"]),
            "bias_initializer": st.sampled_from([None, "ones"]),
            "depthwise_regularizer": st.sampled_from([None, "l1", L1L2(0.5, 0.25)]),
            "activity_regularizer": st.sampled_from([None, "l2"]),
            "depthwise_constraint": st.sampled_from([None, "non_neg", MaxNorm(1.0, [0, 1])]),
            "trainable": st.booleans(),
            "name": st.sampled_from([None, "mine"]),
            "dtype": st.sampled_from([None, "float64", "mixed_float16"]),
        },
    )
)
def test_a_configuration_makes_the_same_layer(arguments):
    first = DepthwiseConv2D(**arguments).get_config()
    assert DepthwiseConv2D.from_config(json.loads(json.dumps(first))).get_config() == first


def test_a_function_has_no_configuration():
    for arguments in ({"activation": abs}, {"depthwise_regularizer": abs}, {"bias_constraint": abs}):
        with pytest.raises(ValueError, match="is a function, which has no configuration"):
            DepthwiseConv2D(2, **arguments).get_config()


# Initializers


def test_fans_are_those_of_any_kernel():
    assert fans((3, 5, 7, 2)) == (3 * 5 * 7, 3 * 5 * 2)
    assert fans((6,)) == (6, 6)


@pytest.mark.parametrize(
    "name, spread",
    [
        ("glorot_uniform", math.sqrt(6 / (27 + 18))),
        ("he_uniform", math.sqrt(6 / 27)),
        ("lecun_uniform", math.sqrt(3 / 27)),
        ("glorot_normal", math.sqrt(2 / (27 + 18)) / CUT_DEVIATION),
        ("he_normal", math.sqrt(2 / 27) / CUT_DEVIATION),
        ("lecun_normal", math.sqrt(1 / 27) / CUT_DEVIATION),
        ("VarianceScaling", math.sqrt(1 / 27) / CUT_DEVIATION),
        ("random_normal", 0.05),
        ("random_uniform", 0.05),
        ("truncated_normal", 0.05),
    ],
)
def test_initializers_scale_as_their_documentation_says(name, spread):
    found = initializer("depthwise_initializer", name, "zeros")
    assert isinstance(found, Independent)
    assert found.drawn((3, 3, 3, 2)).spread == pytest.approx(spread, rel=1e-12)


@pytest.mark.parametrize("kind", ["uniform", "normal", "truncated_normal"])
def test_a_distribution_draws_what_its_cumulative_says(kind):
    found = Distribution(kind, 0.5, 0.25)
    draws = np.sort(found.sample((200_000,), np.random.default_rng(2)))
    empirical = (np.arange(draws.size) + 0.5) / draws.size
    assert np.abs(found.cumulative(draws) - empirical).max() < 0.005
    assert np.abs(draws - 0.5).max() <= found.reach


def test_the_deviation_of_the_cut_normal_is_that_of_its_draws():
    draws = Distribution("truncated_normal", 0.0, 1.0).sample((1_000_000,), np.random.default_rng(3))
    assert draws.std() == pytest.approx(CUT_DEVIATION, rel=0.003)


@pytest.mark.parametrize("shape", [(3, 3, 2, 4), (1, 1, 2, 5)])
def test_orthogonal_columns_or_rows_are_orthonormal(shape):
    w = Orthogonal(2.0).sample(shape, np.random.default_rng(0)).reshape(-1, shape[-1])
    product = w.T @ w if w.shape[0] >= w.shape[1] else w @ w.T
    np.testing.assert_allclose(product, 4.0 * np.eye(len(product)), atol=1e-12)


def test_seeds_repeat_and_none_means_the_default():
    config = {"class_name": "HeNormal", "config": {"seed": 7}}
    kernels = []
    for spec in (config, config, None, None):
        layer = DepthwiseConv2D(3, depthwise_initializer=spec, bias_initializer=None)
        layer.build((1, 4, 4, 8))
        kernels.append(layer.kernel)
        assert not layer.bias.any()
    assert (kernels[0] == kernels[1]).all()
    assert (kernels[2] != kernels[3]).any()
    assert np.abs(kernels[2]).max() <= math.sqrt(6 / (72 + 9))


def test_every_initializer_but_those_for_matrices_takes_a_kernel():
    for name in INITIALIZERS:
        layer = DepthwiseConv2D(2, depthwise_initializer=name)
        layer.build((1, 4, 4, 2))
        assert layer.kernel.shape == (2, 2, 2, 1)


# Regularizers

whole_arrays = st.lists(st.integers(-9, 9), min_size=1, max_size=12).map(lambda found: np.array(found, np.float64))


@given(whole_arrays, st.integers(0, 8), st.integers(0, 8))
def test_penalties_are_exact_on_whole_numbers(w, eighths, quarters):
    l1, l2 = Fraction(eighths, 8), Fraction(quarters, 4)
    exact = sum(l1 * abs(int(v)) + l2 * int(v) ** 2 for v in w)
    assert Fraction(L1L2(float(l1), float(l2)).penalty(w)) == exact


@pytest.mark.parametrize("penalty", [L1(0.3), L2(0.7), L1L2(0.2, 0.4), regularizer("r", FUNCTIONS["sum_of_squares"])])
def test_gradients_of_penalties_are_their_differences(penalty):
    w = RANDOM.standard_normal(7)
    step = 1e-6
    for i in range(w.size):
        ahead, behind = w.copy(), w.copy()
        ahead[i] += step
        behind[i] -= step
        difference = (penalty.penalty(ahead) - penalty.penalty(behind)) / (2 * step)
        assert penalty.gradient(w)[i] == pytest.approx(difference, rel=1e-6, abs=1e-8)


@given(st.integers(0, 1000))
def test_float32_penalties_are_within_their_bounds(seed):
    random = np.random.default_rng(seed)
    w = random.standard_normal(random.integers(1, 400)).astype(np.float32)
    off = Bounded(w.astype(np.float64) + 1e-3 * random.uniform(-1, 1, w.size), np.full(w.size, 1e-3))
    for penalty in (L1(0.01), L2(0.01), L1L2(0.3, 0.7)):
        l1, l2 = np.float32(penalty.l1), np.float32(penalty.l2)
        naive = np.float32(0)
        for value in w:
            naive = naive + l1 * abs(value) + l2 * value * value
        for known in (Bounded(w.astype(np.float64), np.zeros(w.size)), off):
            expected = penalty.bounded(known, U32)
            assert abs(float(naive) - expected.value) <= expected.bound


def test_by_its_name_alone_both_penalties_have_the_documented_defaults():
    assert regularizer("r", "l1_l2") == L1L2(0.01, 0.01)
    assert regularizer("r", "L1L2") == L1L2(0.0, 0.0)


def test_losses_are_those_of_kernel_bias_and_output():
    layer = DepthwiseConv2D(
        1, depthwise_initializer="ones", bias_initializer="ones", depthwise_regularizer="l1",
        bias_regularizer=L2(0.5), activity_regularizer=L1(1.0),
    )  # fmt: skip
    layer(np.full((4, 2, 3, 2), 2.0, np.float32))
    assert layer.losses == [pytest.approx(0.02), 1.0, 3.0 * 12]  # the output's, by image


# Constraints


def test_projections_are_those_of_the_documentation():
    w = RANDOM.standard_normal((3, 2, 4, 2))
    norms = np.sqrt((w * w).sum(axis=(0, 1), keepdims=True))
    np.testing.assert_allclose(MaxNorm(1.5, [0, 1]).project(w), w * np.minimum(norms, 1.5) / norms)
    np.testing.assert_allclose(UnitNorm((0, 1)).project(w), w / norms)
    found = MinMaxNorm(0.5, 1.0, 0.25, [0, 1]).project(w)
    np.testing.assert_allclose(found, w * (0.25 * np.clip(norms, 0.5, 1.0) + 0.75 * norms) / norms)
    np.testing.assert_array_equal(NonNeg().project(w), np.where(w > 0, w, 0))
    assert not UnitNorm().project(np.zeros((2, 2, 1, 1))).any()


@given(st.integers(0, 1000), st.sampled_from([0, 3, [0, 1], [0, 1, 2]]))
def test_float32_projections_are_within_their_bounds(seed, axis):
    random = np.random.default_rng(seed)
    w = (random.standard_normal((3, 2, 4, 2)) * 10.0 ** random.integers(-3, 2)).astype(np.float32)
    off = w.astype(np.float64) * (1.0 + 1e-4 * random.uniform(-1, 1, w.shape))
    axes = axis if isinstance(axis, int) else tuple(axis)
    for fuzz in (np.float32(0), np.float32(1e-7)):
        norms = np.sqrt((w * w).sum(axis=axes, keepdims=True, dtype=np.float32))
        for rule, wanted in (
            (MaxNorm(0.5, axis), np.minimum(norms, np.float32(0.5))),
            (UnitNorm(axis), np.ones_like(norms)),
            (MinMaxNorm(0.25, 0.5, 0.5, axis), np.float32(0.5) * np.clip(norms, 0.25, 0.5) + np.float32(0.5) * norms),
        ):
            got = w * (wanted / (fuzz + norms))
            for known in (Bounded(w.astype(np.float64), np.zeros(w.shape)), Bounded(off, 1e-4 * np.abs(off) * 1.01)):
                expected = rule.bounded(known, U32)
                assert (np.abs(got - expected.value) <= expected.bound).all()


def test_a_bound_of_a_projection_leaves_no_room_for_a_wrong_axis():
    w = RANDOM.standard_normal((3, 3, 4, 2))
    known = Bounded(w, np.zeros_like(w))
    right, wrong = MaxNorm(0.5, [0, 1]).bounded(known, U32), MaxNorm(0.5, 0).project(w)
    assert (np.abs(wrong - right.value) > right.bound).mean() > 0.9
    assert right.bound.max() < 1e-5
    assert FUZZ < 1.1e-7


def test_constraints_project_the_weights():
    layer = DepthwiseConv2D(
        2, depthwise_constraint="unit_norm", bias_constraint=FUNCTIONS["halved"], bias_initializer="ones"
    )
    layer.build((1, 3, 3, 2))
    layer.project()
    np.testing.assert_allclose((layer.kernel**2).sum(axis=0), 1.0, rtol=1e-6)
    np.testing.assert_array_equal(layer.bias, 0.5)
    assert constraint("c", None) is None
