"""What adapters share in translating a case, as those of others may use it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from depthwise_conformance.adapters.translate import claim_of, explicit_pads, grouped_kernel
from depthwise_conformance.casebook.case import Case
from depthwise_conformance.casebook.claims import Claim
from depthwise_conformance.casebook.covering import catalogue
from depthwise_conformance.reference import LayerConfig, split_shape
from depthwise_conformance.reference.geometry import spatial_axes


@pytest.mark.parametrize("shape", [(3, 2, 4, 1), (1, 1, 4, 3), (2, 2, 1, 3)])
def test_a_grouped_kernel_has_a_row_for_each_output(shape):
    kernel = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    height, width, channels, multiplier = shape
    grouped = grouped_kernel(kernel)
    assert grouped.flags.c_contiguous
    assert grouped.shape == (channels * multiplier, 1, height, width)
    for c, m in np.ndindex(channels, multiplier):
        assert np.array_equal(grouped[c * multiplier + m, 0], kernel[:, :, c, m])


@pytest.mark.parametrize("case", catalogue(1), ids=lambda case: case.id)
def test_explicit_pads_are_the_references(case):
    _, height, width, _ = split_shape(case.config, case.input_shape)
    axes = spatial_axes(case.config, height, width)
    pads = explicit_pads(case.config, height, width)
    if case.config.padding == "same":
        assert pads == tuple((axis.before, axis.after) for axis in axes)
    else:
        assert pads == ((0, 0), (0, 0))


@pytest.mark.parametrize("case", catalogue(1), ids=lambda case: case.id)
def test_the_claim_of_a_layer_is_this_layer_and_no_other(case):
    _, height, width, _ = split_shape(case.config, case.input_shape)
    pads = explicit_pads(case.config, height, width)
    exact, free = claim_of(case.config, case.input_shape, pads), claim_of(case.config, (None,) * 4)
    assert Claim(exact).covers(case) and Claim(free).covers(case)
    others = [other for other in catalogue(1) if other.config != case.config]
    assert not any(Claim(claim).covers(other) for claim in (exact, free) for other in others)


def test_pads_by_number_narrow_the_sizes_that_are_claimed():
    config = LayerConfig(3, strides=2, padding="same")
    claim = Claim(claim_of(config, (None, None, None, 2), ((0, 1), (0, 1))))
    even = Case(config, (1, 8, 8, 2))
    assert claim.covers(even)
    assert not claim.covers(replace(even, input_shape=(1, 7, 8, 2)))
    assert not claim.covers(replace(even, input_shape=(1, 8, 8, 3)))
