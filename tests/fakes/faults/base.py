"""What the faults of several modules build on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from honest import Array, Honest

from depthwise_conformance.reference import LayerConfig


class Fault(Honest):
    """Honest, with room for what faults remember from call to call."""

    check: ClassVar[str] = "output"
    cause: ClassVar[str] = ""  # the named deviation that it computes, where there is one

    def __init__(self, device: str = "cpu", mode: str = "") -> None:
        super().__init__(device, mode)
        self.calls = 0
        self.kept: dict[Any, Any] = {}
        self.random = np.random.default_rng(0)


class Retouched(Fault):
    """Honest; its subclasses change the sums, laid out as (batch, height, width, channels * depth_multiplier)."""

    def convolve(self, config: LayerConfig, images: Array, weights: Array) -> Array:
        return self.retouch(config, images, super().convolve(config, images, weights))

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        return y


class Returned(Fault):
    """Honest; its subclasses change what `forward` returns."""

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        return self.returned(config, super().forward(config, x, kernel, bias))

    def returned(self, config: LayerConfig, y: Array) -> Any:
        return y


def rounded(array: Array, dtype: Any) -> Array:
    """The numbers of `array` rounded to `dtype`, in its own dtype."""
    return array.astype(dtype).astype(array.dtype)


def outputs_of(config: LayerConfig, shape: Sequence[int]) -> int:
    """The output channels for an input of this shape."""
    return shape[3 if config.channels_last else 1] * config.depth_multiplier


def strided(config: LayerConfig) -> bool:
    """Whether a stride is above one."""
    return max(config.strides) > 1


def dilated(config: LayerConfig) -> bool:
    """Whether a dilation rate is above one."""
    return max(config.dilation_rate) > 1
