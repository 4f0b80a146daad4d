"""Shapes and padding, against the sentences of the documentation and the literal loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from literal import literal_shape, literal_terms
from problems import EXACT, bounded_output, configs, examples

from depthwise_conformance.casebook.case import Case
from depthwise_conformance.reference import LayerConfig, kernel_shape, output_shape, split_shape


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


@pytest.mark.parametrize(
    "shape", [(1, 4, 4), (1, 4, 4, 1, 1), (), (1, 0, 4, 1), (1, 4, 0, 1), (1, 4, 4, 0), (-1, 4, 4, 1)]
)
def test_inputs_that_are_no_images_are_refused(shape):
    with pytest.raises(ValueError, match="accepted are"):
        output_shape(LayerConfig(1), shape)


def test_glu_halves_the_last_axis_whatever_it_is():
    assert output_shape(LayerConfig(2, activation="glu"), (2, 5, 5, 4)) == (2, 4, 4, 2)
    assert output_shape(LayerConfig(2, activation="glu", depth_multiplier=2), (2, 5, 5, 3)) == (2, 4, 4, 3)
    assert output_shape(LayerConfig(2, activation="glu", data_format="channels_first"), (2, 3, 5, 5)) == (2, 3, 4, 2)
    with pytest.raises(ValueError, match=r"glu.*even"):
        Case(LayerConfig(2, activation="glu"), (2, 5, 5, 3))
