"""Caches: right on the first call."""

from __future__ import annotations

import numpy as np
from honest import Array, Axis

from depthwise_conformance.reference import LayerConfig
from faults.base import Fault


class OutputCachedByShape(Fault):
    """Returns the first output that it computed for arguments of these shapes and dtype."""

    check = "purity"

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        key = (x.shape, kernel.shape, x.dtype.name)
        if key not in self.kept:
            self.kept[key] = super().forward(config, x, kernel, bias)
        return self.kept[key].copy()


class OutputCachedByLayer(Fault):
    """Returns the first output that it computed for this layer and shape, whatever the data."""

    check = "purity"

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        if (config, x.shape) not in self.kept:
            self.kept[config, x.shape] = super().forward(config, x, kernel, bias)
        return self.kept[config, x.shape].copy()


class KernelCachedByShape(Fault):
    """Uses the first kernel that it saw of this shape and dtype."""

    def read_kernel(self, config: LayerConfig, kernel: Array) -> Array:
        key = (kernel.shape, kernel.dtype.name)
        return super().read_kernel(config, self.kept.setdefault(key, kernel.copy()))


class KernelCachedByLayer(Fault):
    """Prepacks the kernel once for each layer and number of channels, and misses that it changes."""

    check = "purity"

    def read_kernel(self, config: LayerConfig, kernel: Array) -> Array:
        return super().read_kernel(config, self.kept.setdefault((config, kernel.shape), kernel.copy()))


class BiasCachedByLength(Fault):
    """Uses the first bias that it saw of this length."""

    def add_bias(self, config: LayerConfig, y: Array, bias: Array) -> Array:
        return super().add_bias(config, y, self.kept.setdefault(bias.size, bias.copy()).astype(y.dtype))


class PlanCachedWithoutDilation(Fault):
    """Reuses the offsets of the taps of an earlier layer that differed in nothing but its dilation."""

    slack = 64

    def axis(self, config: LayerConfig, index: int, size: int) -> Axis:
        axis = super().axis(config, index, size)
        key = (config.kernel_size, config.strides, config.padding, size, index, axis.output)
        return axis._replace(dilation=self.kept.setdefault(key, axis.dilation))


class OutputBufferReused(Fault):
    """Returns one buffer for every output of the same shape and dtype, so that earlier results change."""

    check = "purity"

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        y = super().forward(config, x, kernel, bias)
        buffer = self.kept.setdefault((y.shape, y.dtype.name), np.empty_like(y))
        buffer[...] = y
        return buffer
