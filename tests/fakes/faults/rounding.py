"""float32 layers that round to one side, or more coarsely than they declare."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
from honest import Array, DeclaresFlushing, flushed

from depthwise_conformance.adapters.base import Description
from depthwise_conformance.reference import LayerConfig
from faults.base import Fault, rounded


class Directed(Fault):
    """Honest, with exact sums in float32 layers; its subclasses round them in one direction."""

    def accumulator(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        return np.dtype(np.float64) if dtype == np.float32 else super().accumulator(dtype)


class RoundsResultsUp(Directed):
    """float32 layers: exact sums, rounded up."""

    cause = "results rounded up"

    def store(self, y: Array, dtype: np.dtype[Any]) -> Array:
        stored = super().store(y, dtype)
        if dtype != np.float32:
            return stored
        return np.where(stored < y, np.nextafter(stored, np.float32(np.inf)), stored)


class TruncatesTowardsZero(Directed):
    """float32 layers: exact sums, cut off where they should be rounded."""

    cause = "results rounded towards zero"

    def store(self, y: Array, dtype: np.dtype[Any]) -> Array:
        stored = super().store(y, dtype)
        if dtype != np.float32:
            return stored
        return np.where(np.abs(stored) > np.abs(y), np.nextafter(stored, np.float32(0)), stored)


class HalfSubnormalsFlushed(Fault):
    """float16 layers: subnormal results are zeros."""

    cause = "subnormals taken for zero"

    def store(self, y: Array, dtype: np.dtype[Any]) -> Array:
        return flushed(super().store(y, dtype))


class HalfSubnormalArgumentsFlushed(DeclaresFlushing, Fault):
    """float16 layers: subnormal numbers are taken for zero, in arguments and in results; nothing is declared."""

    cause = "subnormals taken for zero"

    def describe(self) -> Description:
        return Description(versions={"numpy": np.__version__})


class DeclaresTF32ComputesBfloat16(Fault):
    """Declares TF32 products for float32, and rounds the kernel to bfloat16."""

    cause = "bfloat16 weights"

    def describe(self) -> Description:
        return Description(versions={"numpy": np.__version__}, arithmetic={"float32": "TF32 products"})

    def read_kernel(self, config: LayerConfig, kernel: Array) -> Array:
        return super().read_kernel(config, rounded(kernel, ml_dtypes.bfloat16) if config.dtype == "float32" else kernel)
