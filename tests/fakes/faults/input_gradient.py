"""The gradient of the input."""

from __future__ import annotations

import numpy as np
from honest import Array, Axis

from depthwise_conformance.adapters.base import Gradients
from depthwise_conformance.reference import LayerConfig
from faults.base import Fault, dilated, rounded, strided


class InputGradientWithoutPadding(Fault):
    """padding="same": the input's gradient is shifted by the zeros before."""

    check = "gradient_input"
    cause = "input gradient rolled by the zeros before"

    def input_gradient(self, config: LayerConfig, d: Array, weights: Array, images: Array) -> Array:
        found = super().input_gradient(config, d, weights, images)
        shifts = tuple(axis.before for axis in self.axes(config, images))
        return np.roll(found, shifts, axis=(1, 2))


class InputGradientZeroAtBorders(Fault):
    """padding="same": the input's gradient is zero in the first column."""

    check = "gradient_input"
    cause = "input gradient: first column zero"

    def input_gradient(self, config: LayerConfig, d: Array, weights: Array, images: Array) -> Array:
        found = super().input_gradient(config, d, weights, images)
        if self.axes(config, images)[1].before:
            found[:, :, 0] = 0
        return found


class InputGradientForgetsStride(Fault):
    """With strides, the input's gradient puts the cotangent side by side."""

    check = "gradient_input"
    cause = "stride ignored in the windows (input gradient)"

    def input_gradient(self, config: LayerConfig, d: Array, weights: Array, images: Array) -> Array:
        self.dense = True
        try:
            return super().input_gradient(config, d, weights, images)
        finally:
            self.dense = False

    def window(self, axis: Axis, tap: int) -> slice:
        dense = axis._replace(stride=1) if getattr(self, "dense", False) else axis
        return super().window(dense, tap)


class InputGradientOfFirstFilter(Fault):
    """depth_multiplier above one: the input's gradient comes from each channel's first filter."""

    check = "gradient_input"
    cause = "input gradient of the first filter"

    def input_gradient(self, config: LayerConfig, d: Array, weights: Array, images: Array) -> Array:
        first = np.arange(d.shape[3]) % config.depth_multiplier == 0
        return super().input_gradient(config, d * first, weights, images)


class InputGradientCorrelates(Fault):
    """The input's gradient uses the kernel flipped."""

    check = "gradient_input"
    cause = "kernel flipped (input gradient)"

    def input_gradient(self, config: LayerConfig, d: Array, weights: Array, images: Array) -> Array:
        return super().input_gradient(config, d, weights[::-1, ::-1], images)


class InputGradientWithoutActivation(Fault):
    """The input's gradient ignores the activation."""

    check = "gradient_input"
    cause = "input gradient without the activation"

    def gradients(
        self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None, cotangent: Array
    ) -> Gradients:
        linear = LayerConfig.from_json({**config.to_json(), "activation": None})
        wrong = super().gradients(linear, x, kernel, bias, cotangent)
        right = super().gradients(config, x, kernel, bias, cotangent)
        return Gradients(wrong.input, right.kernel, right.bias)


class InputGradientOfUnusedRows(Fault):
    """padding="valid": rows that no window reaches get a gradient of one instead of zero."""

    check = "gradient_input"

    def input_gradient(self, config: LayerConfig, d: Array, weights: Array, images: Array) -> Array:
        found = super().input_gradient(config, d, weights, images)
        rows = self.axes(config, images)[0]
        found[:, (rows.output - 1) * rows.stride + rows.extent - rows.before :] = 1
        return found


class InputGradientOfBatchBeyondOne(Fault):
    """Batch above one with strides: the second image's gradient is the first's."""

    check = "gradient_input"
    cause = "input gradient: second image repeating the first"

    def input_gradient(self, config: LayerConfig, d: Array, weights: Array, images: Array) -> Array:
        found = super().input_gradient(config, d, weights, images)
        if strided(config) and len(found) > 1:
            found[1] = found[0]
        return found


class InputGradientWithHalfSums(Fault):
    """float16 layers: the input's gradient is rounded for each filter before the filters are summed."""

    check = "gradient_input"

    def input_gradient(self, config: LayerConfig, d: Array, weights: Array, images: Array) -> Array:
        if config.dtype != "float16":
            return super().input_gradient(config, d, weights, images)
        total = np.zeros_like(images)
        for m in range(config.depth_multiplier):
            one = np.arange(d.shape[3]) % config.depth_multiplier == m
            total = rounded(total + rounded(super().input_gradient(config, d * one, weights, images), np.float16), "e")
        return total


class InputGradientInFloat64(Fault):
    """The input's gradient is always float64."""

    check = "gradient_input"

    def gradients(
        self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None, cotangent: Array
    ) -> Gradients:
        found = super().gradients(config, x, kernel, bias, cotangent)
        return Gradients(found.input.astype(np.float64), found.kernel, found.bias)


class InputGradientFromFirstCall(Fault):
    """The input's gradient is the first that was computed for its shape."""

    check = "gradient_input"

    def input_gradient(self, config: LayerConfig, d: Array, weights: Array, images: Array) -> Array:
        found = super().input_gradient(config, d, weights, images)
        return self.kept.setdefault((found.shape, found.dtype.name), found)


class CotangentIgnored(Fault):
    """The gradients are those of the plain sum of the output."""

    check = "gradient_input"
    cause = "cotangent ignored"

    def gradients(
        self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None, cotangent: Array
    ) -> Gradients:
        return super().gradients(config, x, kernel, bias, np.ones_like(cotangent))


class GradientsRefuseDilation(Fault):
    """With dilation, the gradients raise NotImplementedError."""

    check = "gradient_input"

    def gradients(
        self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None, cotangent: Array
    ) -> Gradients:
        if dilated(config):
            raise NotImplementedError("dilated gradients")
        return super().gradients(config, x, kernel, bias, cotangent)
