"""What depends on the cores that the process may use, or happens in related calls alone."""

from __future__ import annotations

from honest import Array

from depthwise_conformance.reference import LayerConfig
from faults.base import Fault
from faults.death import has_gaps, on_one_core


class OtherOnOneCore(Fault):
    """Layers of more than a thousand outputs, where the process may use one core alone: the last row is zero."""

    check = "metamorphic"

    def convolve(self, config: LayerConfig, images: Array, weights: Array) -> Array:
        y = super().convolve(config, images, weights)
        if on_one_core() and y.size > 1000:
            y[:, -1] = 0
        return y


class RefusedOnOneCore(Fault):
    """Where the process may use one core alone: raises RuntimeError."""

    check = "metamorphic"

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        if on_one_core():
            raise RuntimeError("one core is not enough")
        return super().forward(config, x, kernel, bias)


class KernelsWithGapsRefused(Fault):
    """Kernels of which every second row is zero, as those of related calls alone are: raises ValueError."""

    check = "metamorphic"

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        if has_gaps(kernel):
            raise ValueError("a sparse kernel")
        return super().forward(config, x, kernel, bias)


class KernelsWithGapsFlattened(Fault):
    """Kernels of which every second row is zero, as those of related calls alone are: the output is flattened."""

    check = "metamorphic"

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        y = super().forward(config, x, kernel, bias)
        return y.reshape(-1) if has_gaps(kernel) else y
