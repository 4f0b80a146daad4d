"""NaN and infinities."""

from __future__ import annotations

from typing import Any, ClassVar

import ml_dtypes
import numpy as np
from honest import Array

from depthwise_conformance.reference import LayerConfig
from faults.base import Fault


class Special(Fault):
    """Honest; its subclasses change what special values come to."""

    check: ClassVar[str] = "special_values"


class NanTakenForZero(Special):
    """NaN in the input is taken for zero."""

    cause = "NaN in the input taken for zero"

    def read(self, config: LayerConfig, x: Array) -> Array:
        return super().read(config, np.where(np.isnan(x), np.zeros_like(x), x))


class InfinitySaturates(Special):
    """Infinite results are the largest numbers."""

    cause = "infinity replaced by the largest number"

    def store(self, y: Array, dtype: np.dtype[Any]) -> Array:
        stored = super().store(y, dtype)
        largest = ml_dtypes.finfo(dtype).max
        return np.where(np.isinf(stored), np.copysign(largest, stored).astype(dtype), stored)


class ZeroWeightsSkipped(Special):
    """Taps whose weight is zero are skipped, whatever they would multiply."""

    cause = "taps of weight zero skipped"

    def multiply_add(self, total: Array, window: Array, weights: Array) -> Array:
        return np.where(weights == 0, total, super().multiply_add(total.copy(), window, weights))


class NanInOneChannelSpreads(Special):
    """A NaN in one channel makes all channels of that output NaN, as a product with a block of zeros does."""

    def convolve(self, config: LayerConfig, images: Array, weights: Array) -> Array:
        y = super().convolve(config, images, weights)
        return y + 0 * y.sum(axis=3, keepdims=True)


class InfinityIsNan(Special):
    """Infinite results are NaN."""

    cause = "infinity replaced by NaN"

    def store(self, y: Array, dtype: np.dtype[Any]) -> Array:
        stored = super().store(y, dtype)
        return np.where(np.isinf(stored), np.full_like(stored, np.nan), stored)


class NanWeightsSkipped(Special):
    """NaN in the kernel is taken for zero."""

    cause = "NaN in the kernel taken for zero"

    def read_kernel(self, config: LayerConfig, kernel: Array) -> Array:
        return super().read_kernel(config, np.where(np.isnan(kernel), np.zeros_like(kernel), kernel))


class NanResultsAreOne(Special):
    """NaN among the results becomes a one."""

    cause = "NaN replaced by a number"

    def store(self, y: Array, dtype: np.dtype[Any]) -> Array:
        stored = super().store(y, dtype)
        return np.where(np.isnan(stored), np.ones_like(stored), stored)
