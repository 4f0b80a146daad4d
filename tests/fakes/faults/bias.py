"""The bias: missing, doubled, in the wrong place or along the wrong dimension."""

from __future__ import annotations

import ml_dtypes
import numpy as np
from honest import HALVES, Array

from depthwise_conformance.reference import LayerConfig
from faults.base import Fault, rounded, strided


class BiasMissing(Fault):
    """The bias is not added."""

    cause = "bias missing"

    def add_bias(self, config: LayerConfig, y: Array, bias: Array) -> Array:
        return y


class BiasTwice(Fault):
    """The bias is added twice with padding="same"."""

    cause = "bias doubled"

    def add_bias(self, config: LayerConfig, y: Array, bias: Array) -> Array:
        return y + bias * (2 if config.padding == "same" else 1)


class BiasAlongWidth(Fault):
    """channels_first, as many output channels as the output is wide: the bias runs along the width."""

    cause = "bias along the width"

    def add_bias(self, config: LayerConfig, y: Array, bias: Array) -> Array:
        wrong = not config.channels_last and y.shape[2] == y.shape[3]
        return y + (bias[:, None] if wrong else bias)


class BiasAlongHeight(Fault):
    """As many output channels as the output is high: the bias runs along the height."""

    cause = "bias along the height"

    def add_bias(self, config: LayerConfig, y: Array, bias: Array) -> Array:
        return y + (bias[:, None, None] if y.shape[1] == y.shape[3] else bias)


class BiasAlongBatch(Fault):
    """As many output channels as images: the bias runs along the batch."""

    cause = "bias along the batch"

    def add_bias(self, config: LayerConfig, y: Array, bias: Array) -> Array:
        return y + (bias[:, None, None, None] if y.shape[0] == y.shape[3] else bias)


class BiasOfFirstImageOnly(Fault):
    """Batch above one: only the first image gets the bias."""

    cause = "bias: images after the first without"

    def add_bias(self, config: LayerConfig, y: Array, bias: Array) -> Array:
        y[:1] += bias
        return y


class BiasMissingWithMultiplier(Fault):
    """depth_multiplier above one: the bias is not added."""

    cause = "bias missing"

    def add_bias(self, config: LayerConfig, y: Array, bias: Array) -> Array:
        return y + bias if config.depth_multiplier == 1 else y


class BiasOfChannelForAllFilters(Fault):
    """depth_multiplier above one: all filters of a channel get the bias of its first."""

    cause = "bias of the first filter for all"

    def add_bias(self, config: LayerConfig, y: Array, bias: Array) -> Array:
        return y + np.repeat(bias[:: config.depth_multiplier], config.depth_multiplier)


class BiasMissingInTail(Fault):
    """More than eight output channels, no multiple of four: the tail gets no bias."""

    cause = "bias: channels beyond a multiple of 4 without"

    def add_bias(self, config: LayerConfig, y: Array, bias: Array) -> Array:
        whole = bias.size // 4 * 4 if bias.size > 8 else bias.size
        y[..., :whole] += bias[:whole]
        return y


class BiasMissingAtBorders(Fault):
    """padding="same" with strides: the first row of the output gets no bias."""

    cause = "bias: first row without"

    def add_bias(self, config: LayerConfig, y: Array, bias: Array) -> Array:
        first = 1 if config.padding == "same" and strided(config) else 0
        y[:, first:] += bias
        return y


class BiasAfterActivation(Fault):
    """The bias is added to the activated sums."""

    cause = "bias after the activation"

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        y = super().forward(config, x, kernel, None)
        return y if bias is None else y + (bias if config.channels_last else bias[:, None, None])


class BiasInBfloat16(Fault):
    """float32 and float64 layers: the bias is rounded to bfloat16."""

    cause = "bfloat16 bias"

    def add_bias(self, config: LayerConfig, y: Array, bias: Array) -> Array:
        return y + (bias if config.dtype in HALVES else rounded(bias, ml_dtypes.bfloat16))
