"""Determinism: other results for the same arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from honest import Array, Axis

from depthwise_conformance.reference import LayerConfig
from faults.base import Fault, Returned


class LastBitAlternates(Returned):
    """Every second call: the last bit of the first element differs."""

    check = "determinism"

    def returned(self, config: LayerConfig, y: Array) -> Any:
        self.calls += 1
        if self.calls % 2 and y.size and config.dtype != "bfloat16":
            y.reshape(-1)[0] = np.nextafter(y.reshape(-1)[0], y.dtype.type(np.inf))
        return y


class RarelyNoisy(Returned):
    """One element of the output in a thousand is one bit off, a different one at every call."""

    check = "determinism"

    def returned(self, config: LayerConfig, y: Array) -> Any:
        if config.dtype == "bfloat16":
            return y
        return np.where(self.random.random(y.shape) < 1e-3, np.nextafter(y, y.dtype.type(np.inf)), y)


class SumsInRandomOrder(Fault):
    """The taps are summed in an order that differs from call to call."""

    check = "determinism"

    def taps(self, rows: Axis, columns: Axis) -> Sequence[tuple[int, int]]:
        taps = list(super().taps(rows, columns))
        return [taps[i] for i in self.random.permutation(len(taps))]


class LastElementUninitialised(Returned):
    """Outputs of more than 64 elements, in an odd number: the last is whatever was in memory."""

    check = "determinism"

    def returned(self, config: LayerConfig, y: Array) -> Any:
        if y.size > 64 and y.size % 2:
            y.reshape(-1)[-1] = self.random.standard_normal()
        return y


class KernelGradientInRandomOrder(Fault):
    """The kernel's gradient sums the images in an order that differs from call to call."""

    check = "determinism"

    def kernel_gradient(self, config: LayerConfig, d: Array, images: Array) -> Array:
        total = np.zeros((*config.kernel_size, images.shape[3], config.depth_multiplier), d.dtype)
        for i in self.random.permutation(len(d)):
            total += super().kernel_gradient(config, d[i : i + 1], images[i : i + 1])
        return total
