"""Suites of stored tensors, which channels-first models bring along: ONNX's node tests and StableHLO's.

ONNX (onnx/onnx, commit f754691, backend tests): the same shape and dtype, and numpy.testing.assert_allclose with
rtol=1e-3, atol=1e-7. The tensors are redrawn here by the law of the stored ones. StableHLO has one case that is
depthwise, of shape 2x3x9x9 with twelve filters of 3x3, and an absolute 1e-4.
"""

from __future__ import annotations

import numpy as np

from peers.calls import Random, case, normal, output_channels_first, ramp, uniform
from peers.cases import Case, Pads
from peers.judges import within
from peers.suites import Suite

ONE: Pads = ((1, 1), (1, 1))
NONE: Pads = ((0, 0), (0, 0))


def onnx_cases(random: Random) -> list[Case]:
    """Six cases of an image and a kernel of ones, four of depthwise layers."""
    judge, ones = within(1e-7, 1e-3), np.ones((3, 3, 1, 1), np.float32)
    square, tall = ramp((1, 1, 5, 5)), ramp((1, 1, 7, 5))
    plain = (
        ("conv_with_padding", square, ONE, 1),
        ("conv_without_padding", square, NONE, 1),
        ("conv_with_strides_padding", tall, ONE, 2),
        ("conv_with_strides_no_padding", tall, NONE, 2),
        ("conv_with_strides_and_asymmetric_padding", tall, ((1, 1), (0, 0)), 2),
        ("conv_with_autopad_same", square, ONE, 2),
    )
    found = [
        case(name, x, ones, judge, pads=pads, strides=strides, data_format="channels_first")
        for name, x, pads, strides in plain
    ]
    layers = (("", NONE, 1, 4), ("_padded", ONE, 1, 4), ("_strided", NONE, 2, 4), ("_with_multiplier", NONE, 1, 8))
    for suffix, pads, strides, outputs in layers:
        x, weights = normal(random, (2, 4, 6, 6)), uniform(random, (outputs, 1, 3, 3), -1 / 6, 1 / 6)
        found.append(
            case(
                f"Conv2d_depthwise{suffix}",
                x,
                output_channels_first(weights, 4),
                judge,
                bias=uniform(random, (outputs,), -1 / 6, 1 / 6),
                pads=pads,
                strides=strides,
                data_format="channels_first",
            )
        )
    return found


def stablehlo_cases(random: Random) -> list[Case]:
    """The one."""
    x, weights = normal(random, (2, 3, 9, 9)), normal(random, (12, 1, 3, 3))
    kernel = output_channels_first(weights, 3)
    return [case("feature_group_count=3", x, kernel, within(1e-4), data_format="channels_first")]


SUITES = (
    Suite("ONNX node tests", "onnx/onnx f754691", onnx_cases, random=False),
    Suite("StableHLO", "openxla/stablehlo", stablehlo_cases, random=False),
)
