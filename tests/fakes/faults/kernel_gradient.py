"""The gradient of the kernel."""

from __future__ import annotations

import numpy as np
from honest import Array, Axis

from depthwise_conformance.reference import LayerConfig
from faults.base import Fault, rounded


class KernelGradientOfFirstImage(Fault):
    """Batch above one: the kernel's gradient is the first image's."""

    check = "gradient_kernel"
    cause = "kernel gradient without the images after the first"

    def kernel_gradient(self, config: LayerConfig, d: Array, images: Array) -> Array:
        return super().kernel_gradient(config, d[:1], images[:1])


class KernelGradientAveraged(Fault):
    """Batch above one: the kernel's gradient is divided by the batch."""

    check = "gradient_kernel"
    cause = "kernel gradient averaged over the batch"

    def kernel_gradient(self, config: LayerConfig, d: Array, images: Array) -> Array:
        return super().kernel_gradient(config, d, images) / d.dtype.type(max(len(d), 1))


class KernelGradientFlipped(Fault):
    """The kernel's gradient is flipped."""

    check = "gradient_kernel"
    cause = "kernel flipped (kernel gradient)"

    def kernel_gradient(self, config: LayerConfig, d: Array, images: Array) -> Array:
        return super().kernel_gradient(config, d, images)[::-1, ::-1]


class KernelGradientMissesLastRow(Fault):
    """More than four rows of output: the kernel's gradient leaves the last out."""

    check = "gradient_kernel"
    cause = "kernel gradient without the last row"

    def kernel_gradient(self, config: LayerConfig, d: Array, images: Array) -> Array:
        kept = np.arange(d.shape[1]) < max(d.shape[1] - 1, 4)
        return super().kernel_gradient(config, d * kept[:, None, None], images)


class KernelGradientIgnoresStride(Fault):
    """With strides, the kernel's gradient reads the input without them."""

    check = "gradient_kernel"
    cause = "stride ignored in the windows (kernel gradient)"

    def kernel_gradient(self, config: LayerConfig, d: Array, images: Array) -> Array:
        self.dense = True
        try:
            return super().kernel_gradient(config, d, images)
        finally:
            self.dense = False

    def window(self, axis: Axis, tap: int) -> slice:
        dense = axis._replace(stride=1) if getattr(self, "dense", False) else axis
        return super().window(dense, tap)


class KernelGradientDoubledWithMultiplier(Fault):
    """depth_multiplier above two: the kernel's gradient is twice as large."""

    check = "gradient_kernel"
    cause = "kernel gradient doubled"

    def kernel_gradient(self, config: LayerConfig, d: Array, images: Array) -> Array:
        return super().kernel_gradient(config, d, images) * (2 if config.depth_multiplier > 2 else 1)


class KernelGradientOrderedByFilter(Fault):
    """depth_multiplier above one: the kernel's gradient has channels and filters in the wrong order in memory."""

    check = "gradient_kernel"
    cause = "kernel read as (height, width, multiplier, channels) (kernel gradient)"

    def kernel_gradient(self, config: LayerConfig, d: Array, images: Array) -> Array:
        found = super().kernel_gradient(config, d, images)
        return np.ascontiguousarray(found.swapaxes(2, 3)).reshape(found.shape)


class KernelGradientOfSquareTransposed(Fault):
    """Square kernels with channels_first: the kernel's gradient has rows and columns swapped."""

    check = "gradient_kernel"
    cause = "kernel read as (width, height, channels, multiplier) (kernel gradient)"

    def kernel_gradient(self, config: LayerConfig, d: Array, images: Array) -> Array:
        found = super().kernel_gradient(config, d, images)
        square = found.shape[0] == found.shape[1] and not config.channels_last
        return found.swapaxes(0, 1) if square else found


class KernelGradientWithHalfSums(Fault):
    """float16 layers: the kernel's gradient is summed row by row in float16."""

    check = "gradient_kernel"

    def kernel_gradient(self, config: LayerConfig, d: Array, images: Array) -> Array:
        total = super().kernel_gradient(config, d, images)
        if config.dtype != "float16":
            return total
        total[...] = 0
        for row in range(d.shape[1]):
            kept = (np.arange(d.shape[1]) == row)[:, None, None]
            total = rounded(total + rounded(super().kernel_gradient(config, d * kept, images), np.float16), np.float16)
        return total


class KernelGradientAccumulated(Fault):
    """The kernel's gradient is added to that of the last call with the same layer and shape."""

    check = "gradient_kernel"

    def kernel_gradient(self, config: LayerConfig, d: Array, images: Array) -> Array:
        found = super().kernel_gradient(config, d, images)
        self.kept[found.shape] = (found + self.kept.get(found.shape, found.dtype.type(0))).astype(found.dtype)
        return self.kept[found.shape].copy()
