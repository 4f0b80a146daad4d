"""Memory: arrays that are not contiguous, read as if they were, or by a guess at what their strides mean."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from honest import Array

from depthwise_conformance.adapters.base import LAYOUTS, Gradients
from depthwise_conformance.reference import LayerConfig
from faults.base import Fault


def dense(array: Array, order: tuple[int, ...] = ()) -> Array:
    """What lies in memory from the first element on, taken for an array whose axes stand there in this order."""
    order = order or tuple(range(array.ndim))
    shape = [array.shape[axis] for axis in order]
    steps = [int(np.prod(shape[place + 1 :])) * array.itemsize for place in range(array.ndim)]
    return np.lib.stride_tricks.as_strided(array, shape, steps).transpose(np.argsort(order))


class Seen(Fault):
    """Honest; its subclasses change how an array is read."""

    check = "memory"
    layouts: ClassVar[tuple[str, ...]] = tuple(layout for layout in LAYOUTS if layout != "reversed")

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        return super().forward(config, self.seen(config, x), kernel, bias)

    def seen(self, config: LayerConfig, x: Array) -> Array:
        return x


class StridesIgnored(Seen):
    """The input is read as if it were contiguous."""

    def seen(self, config: LayerConfig, x: Array) -> Array:
        return dense(x)


class GapsIgnored(Seen):
    """The input's axes are taken in the order of their strides, and as if nothing lay between the elements."""

    def seen(self, config: LayerConfig, x: Array) -> Array:
        return dense(x, tuple(np.argsort([-stride for stride in x.strides], kind="stable").tolist()))


class FormatByStrides(Seen):
    """Channels are taken to stand last in memory if their stride is the least, which axes of size 1 may undercut."""

    layouts: ClassVar[tuple[str, ...]] = ("transposed", "new_axes")

    def seen(self, config: LayerConfig, x: Array) -> Array:
        channels, rows, columns = (3, 1, 2) if config.channels_last else (1, 2, 3)
        last = x.strides[channels] <= min(x.strides[rows], x.strides[columns])
        return dense(x, (0, rows, columns, channels) if last else (0, channels, rows, columns))


class KernelStridesIgnored(Fault):
    """With several filters a channel, the kernel is read as if it were contiguous."""

    check = "memory"
    layouts: ClassVar[tuple[str, ...]] = Seen.layouts

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        return super().forward(config, x, dense(kernel) if config.depth_multiplier > 1 else kernel, bias)


class CotangentStridesIgnored(Fault):
    """The gradients read the cotangent as if it were contiguous."""

    check = "memory"
    layouts: ClassVar[tuple[str, ...]] = Seen.layouts

    def gradients(
        self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None, cotangent: Array
    ) -> Gradients:
        return super().gradients(config, x, kernel, bias, dense(cotangent))


class NegativeStridesRefused(Fault):
    """Negative strides raise, though the adapter says that it passes them on."""

    check = "memory"

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        if min(x.strides) < 0:
            raise ValueError("at least one stride is negative")
        return super().forward(config, x, kernel, bias)
