"""Accuracy: inputs, weights, sums and results of fewer digits than they should have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import ml_dtypes
import numpy as np
from honest import Array, tf32

from depthwise_conformance.adapters.base import Gradients
from depthwise_conformance.reference import LayerConfig
from faults.base import Fault, Retouched, dilated, rounded


class Narrowed(Fault):
    """Honest; its subclasses round the products' arguments."""

    def convolve(self, config: LayerConfig, images: Array, weights: Array) -> Array:
        return super().convolve(config, self.narrow(config, images), self.narrow(config, weights))

    def narrow(self, config: LayerConfig, array: Array) -> Array:
        return array


class Tf32Products(Narrowed):
    """float32 layers: products are taken in TF32."""

    cause = "TF32 inputs"

    def narrow(self, config: LayerConfig, array: Array) -> Array:
        return tf32(array) if config.dtype == "float32" else array


class Bfloat16Products(Narrowed):
    """float32 layers: products are taken of bfloat16 numbers."""

    cause = "bfloat16 inputs"

    def narrow(self, config: LayerConfig, array: Array) -> Array:
        return rounded(array, ml_dtypes.bfloat16) if config.dtype == "float32" else array


class Float16ProductsOfManyChannels(Narrowed):
    """float32 layers of more than sixteen output channels: products are taken of float16 numbers."""

    def narrow(self, config: LayerConfig, array: Array) -> Array:
        wide = array.shape[-1] > 16 and config.dtype == "float32"
        return rounded(array, np.float16) if wide else array


class EightBitWeights(Fault):
    """Weights are quantised to eight bits where the kernel has more than nine taps."""

    cause = "eight-bit weights"

    def read_kernel(self, config: LayerConfig, kernel: Array) -> Array:
        read = super().read_kernel(config, kernel)
        scale = np.abs(read).max(initial=0) / 127
        many = kernel.shape[0] * kernel.shape[1] > 9 and scale > 0
        return (np.round(read / scale) * scale).astype(read.dtype) if many else read


class Accumulated(Fault):
    """Honest; its subclasses round the sum after every tap."""

    sums: ClassVar[Mapping[str, Any]] = {}

    def convolve(self, config: LayerConfig, images: Array, weights: Array) -> Array:
        self.narrow = self.sums.get(config.dtype)
        return super().convolve(config, images, weights)

    def multiply_add(self, total: Array, window: Array, weights: Array) -> Array:
        total = super().multiply_add(total, window, weights)
        return total if self.narrow is None else rounded(total, self.narrow)


class HalfSumsInFloat32(Accumulated):
    """float32 layers: sums are kept in float16."""

    sums: ClassVar = {"float32": np.float16}


class HalfSumsInFloat16(Accumulated):
    """float16 layers: sums are kept in float16."""

    sums: ClassVar = {"float16": np.float16}


class HalfSumsInBfloat16(Accumulated):
    """bfloat16 layers: sums are kept in bfloat16."""

    sums: ClassVar = {"bfloat16": ml_dtypes.bfloat16}


class SingleSumsInFloat64(Accumulated):
    """float64 layers: sums are kept in float32."""

    sums: ClassVar = {"float64": np.float32}


class SingleForFloat64WhenDilated(Fault):
    """float64 layers with dilation: everything is computed in float32."""

    def accumulator(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        return np.dtype(np.float32) if dtype == np.float64 and self.dilating else super().accumulator(dtype)

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        self.dilating = dilated(config)
        return super().forward(config, x, kernel, bias)

    def gradients(
        self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None, cotangent: Array
    ) -> Gradients:
        self.dilating = False
        return super().gradients(config, x, kernel, bias, cotangent)


class Float16RoundedTowardsZero(Fault):
    """float16 layers: the output is truncated."""

    cause = "results rounded towards zero"

    def store(self, y: Array, dtype: np.dtype[Any]) -> Array:
        stored = super().store(y, dtype)
        if dtype != np.float16:
            return stored
        return np.where(np.abs(stored) > np.abs(y), np.nextafter(stored, np.float16(0)), stored)


class Bfloat16RoundedTowardsZero(Fault):
    """bfloat16 layers: the output is truncated."""

    cause = "results rounded towards zero"

    def store(self, y: Array, dtype: np.dtype[Any]) -> Array:
        if dtype != ml_dtypes.bfloat16:
            return super().store(y, dtype)
        cut = np.ascontiguousarray(y, np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
        return cut.view(np.float32).astype(dtype)


class Float16RoundedThroughBfloat16(Fault):
    """float16 layers: the output is rounded to bfloat16 first."""

    def store(self, y: Array, dtype: np.dtype[Any]) -> Array:
        return super().store(rounded(y, ml_dtypes.bfloat16) if dtype == np.float16 else y, dtype)


class ScaledSlightly(Retouched):
    """float32 layers: sums are too large by one part in 32768, as by a folded constant that is off."""

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        return y * y.dtype.type(1 + 2.0**-15) if config.dtype == "float32" else y
