"""The gradient of the bias."""

from __future__ import annotations

import ml_dtypes
import numpy as np
from honest import Array

from depthwise_conformance.adapters.base import Gradients
from depthwise_conformance.reference import LayerConfig
from faults.base import Fault


class BiasGradientWithoutActivation(Fault):
    """The bias's gradient ignores the activation."""

    check = "gradient_bias"
    cause = "bias gradient without the activation"

    def gradients(
        self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None, cotangent: Array
    ) -> Gradients:
        found = super().gradients(config, x, kernel, bias, cotangent)
        if bias is None:
            return found
        plain = self.bias_gradient(config, self.read(config, cotangent.astype(self.accumulator(x.dtype))))
        return Gradients(found.input, found.kernel, self.store(plain, x.dtype))


class BiasGradientAveraged(Fault):
    """The bias's gradient is the mean over the batch."""

    check = "gradient_bias"
    cause = "bias gradient averaged over the batch"

    def bias_gradient(self, config: LayerConfig, d: Array) -> Array:
        return super().bias_gradient(config, d) / d.dtype.type(max(len(d), 1))


class BiasGradientOfFirstImage(Fault):
    """Batch above one: the bias's gradient is the first image's."""

    check = "gradient_bias"
    cause = "bias gradient without the images after the first"

    def bias_gradient(self, config: LayerConfig, d: Array) -> Array:
        return super().bias_gradient(config, d[:1])


class BiasGradientAlongWidth(Fault):
    """As many output channels as the output is wide: the bias's gradient keeps the width."""

    check = "gradient_bias"
    cause = "bias along the width (bias gradient)"

    def bias_gradient(self, config: LayerConfig, d: Array) -> Array:
        return super().bias_gradient(config, d.swapaxes(2, 3) if d.shape[2] == d.shape[3] else d)


class BiasGradientOfChannel(Fault):
    """depth_multiplier above one: all filters of a channel share the mean of their gradients."""

    check = "gradient_bias"

    def bias_gradient(self, config: LayerConfig, d: Array) -> Array:
        found = super().bias_gradient(config, d).reshape(-1, config.depth_multiplier)
        return np.repeat(found.mean(axis=1, dtype=d.dtype), config.depth_multiplier)


class BiasGradientMissing(Fault):
    """depth_multiplier above one: the bias's gradient is None."""

    check = "gradient_input"

    def gradients(
        self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None, cotangent: Array
    ) -> Gradients:
        found = super().gradients(config, x, kernel, bias, cotangent)
        return Gradients(found.input, found.kernel, found.bias if config.depth_multiplier == 1 else None)


class BiasGradientInHalfSums(Fault):
    """bfloat16 layers: the bias's gradient is summed one by one in bfloat16."""

    check = "gradient_bias"

    def bias_gradient(self, config: LayerConfig, d: Array) -> Array:
        if config.dtype != "bfloat16":
            return super().bias_gradient(config, d)
        total = np.zeros(d.shape[3], ml_dtypes.bfloat16)
        for row in d.reshape(-1, d.shape[3]):
            total = total + row.astype(ml_dtypes.bfloat16)
        return total.astype(d.dtype)


class BiasGradientOfTail(Fault):
    """Output widths above four, no multiple of four: the bias's gradient leaves the tail out."""

    check = "gradient_bias"
    cause = "bias gradient without the columns beyond a multiple of 4"

    def bias_gradient(self, config: LayerConfig, d: Array) -> Array:
        whole = d.shape[2] // 4 * 4 or d.shape[2]
        return super().bias_gradient(config, d[:, :, :whole])
