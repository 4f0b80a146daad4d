"""The arguments of the layer: defaults, spellings, refusals, and JSON both ways."""

import numpy as np
import pytest
from hypothesis import given
from problems import DTYPES, configs, examples

from depthwise_conformance.reference import LayerConfig
from depthwise_conformance.reference.activations import ACTIVATIONS


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


@examples(100)
@given(configs(activations=tuple(ACTIVATIONS), dtypes=tuple(DTYPES)))
def test_arguments_survive_json(config):
    assert LayerConfig.from_json(config.to_json()) == config
