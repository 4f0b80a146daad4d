"""Purity: arguments that are changed, and state that is carried from call to call."""

from __future__ import annotations

import numpy as np
from honest import Array

from depthwise_conformance.adapters.base import Gradients
from depthwise_conformance.reference import LayerConfig
from faults.base import Fault


class InputBorderCleared(Fault):
    """padding="same" with zeros before: clears the first row of its argument."""

    check = "purity"

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        y = super().forward(config, x, kernel, bias)
        if config.padding == "same" and self.zeros_before(self.zeros_in_all(config, 0, self.dims(config, x.shape)[1])):
            self.read(config, x)[:, 0] = 0
        return y


class OneByOneInPlace(Fault):
    """1x1 kernels without strides and with one filter a channel: computes in its argument and returns it."""

    check = "purity"

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        y = super().forward(config, x, kernel, bias)
        if config.kernel_size == (1, 1) and y.shape == x.shape:
            x[...] = y
            return x
        return y


class KernelFlippedInPlace(Fault):
    """Leaves the kernel flipped."""

    check = "purity"

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        y = super().forward(config, x, kernel, bias)
        kernel[...] = kernel[::-1, ::-1].copy()
        return y


class BiasScaledInPlace(Fault):
    """Leaves the bias halved where there is an activation."""

    check = "purity"

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        y = super().forward(config, x, kernel, bias)
        if bias is not None and config.activation is not None:
            bias *= bias.dtype.type(0.5)
        return y


class CotangentActivatedInPlace(Fault):
    """The gradients leave the cotangent multiplied by relu's derivative."""

    check = "purity"

    def gradients(
        self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None, cotangent: Array
    ) -> Gradients:
        found = super().gradients(config, x, kernel, bias, cotangent)
        if config.activation == "relu":
            cotangent[...] = np.where(self.pre_activation(config, x, kernel, bias) > 0, cotangent, 0 * cotangent)
        return found


class KernelUpdatedByGradients(Fault):
    """The gradients leave the kernel one step of descent further."""

    check = "purity"

    def gradients(
        self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None, cotangent: Array
    ) -> Gradients:
        found = super().gradients(config, x, kernel, bias, cotangent)
        kernel -= (found.kernel * found.kernel.dtype.type(0.125)).astype(kernel.dtype)
        return found


class StateCarried(Fault):
    """Every call starts its sums from what the last call of the same layer ended with."""

    check = "purity"

    def convolve(self, config: LayerConfig, images: Array, weights: Array) -> Array:
        y = super().convolve(config, images, weights)
        y += self.kept.get(config, y.dtype.type(0)).astype(y.dtype)
        self.kept[config] = y.reshape(-1)[-1] if y.size else y.dtype.type(0)
        return y
