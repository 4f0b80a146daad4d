"""Valid cases that are refused, and an empty batch that is not kept empty."""

from __future__ import annotations

import numpy as np
from honest import Array

from depthwise_conformance.reference import LayerConfig
from faults.base import Fault, strided


class EmptyBatchBecomesOne(Fault):
    """Batch zero: returns one image of zeros."""

    check = "shape"

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        y = super().forward(config, x, kernel, bias)
        return y if len(y) else np.zeros((1, *y.shape[1:]), y.dtype)


class EmptyBatchAsItCame(Fault):
    """Batch zero: returns the input, or raises ValueError where the bias does not fit that."""

    check = "shape"

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        if len(x):
            return super().forward(config, x, kernel, bias)
        if bias is not None and bias.size != kernel.shape[2]:
            raise ValueError("as many biases as channels are wanted")
        return x


class Refusing(Fault):
    """Honest; its subclasses raise on valid cases."""

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        if reason := self.refusal(config, x):
            raise ValueError(reason)
        return super().forward(config, x, kernel, bias)

    def refusal(self, config: LayerConfig, x: Array) -> str:
        return ""


class EmptyBatchRefused(Refusing):
    """Batch zero: raises ValueError."""

    def refusal(self, config: LayerConfig, x: Array) -> str:
        return "" if len(x) else "the batch is empty"


class EvenKernelsRefused(Refusing):
    """Kernels of even height and width: raises ValueError."""

    def refusal(self, config: LayerConfig, x: Array) -> str:
        return "kernels must be odd" if not any(k % 2 for k in config.kernel_size) else ""


class MultiplierSixRefused(Refusing):
    """depth_multiplier=6: raises ValueError."""

    def refusal(self, config: LayerConfig, x: Array) -> str:
        return "no kernel for a multiplier of 6" if config.depth_multiplier == 6 else ""


class UnequalStridesRefused(Refusing):
    """Unequal strides: raises ValueError."""

    def refusal(self, config: LayerConfig, x: Array) -> str:
        return "strides must be equal" if config.strides[0] != config.strides[1] else ""


class StridesRefusedWithoutDilation(Refusing):
    """strides above one with a dilation rate of one: refused as if they were incompatible."""

    def refusal(self, config: LayerConfig, x: Array) -> str:
        return "strides > 1 not supported in conjunction with dilation_rate" if strided(config) else ""


class RecursesWithoutEnd(Fault):
    """depth_multiplier=5: recurses until Python stops it."""

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        if config.depth_multiplier == 5:
            return self.forward(config, x, kernel, bias)
        return super().forward(config, x, kernel, bias)


class UnprintableError(Exception):
    """An exception whose message cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no message")


class RaisesWhatCannotBePrinted(Fault):
    """depth_multiplier=4: raises an exception whose __str__ raises."""

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        if config.depth_multiplier == 4:
            raise UnprintableError
        return super().forward(config, x, kernel, bias)
