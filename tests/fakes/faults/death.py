"""Death of the process: faults that kill, hang or starve it."""

from __future__ import annotations

import ctypes
import os
import time

import numpy as np
from honest import Array

from depthwise_conformance.adapters.base import Gradients
from depthwise_conformance.reference import LayerConfig
from faults.base import Fault, dilated


class AbortsOnWidthThirteen(Fault):
    """Images 13 wide: abort()."""

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        if self.dims(config, x.shape)[2] == 13:
            os.abort()
        return super().forward(config, x, kernel, bias)


class SegmentationFault(Fault):
    """Kernels of nine rows: reads address zero."""

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        if config.kernel_size[0] == 9:
            ctypes.string_at(0)
        return super().forward(config, x, kernel, bias)


class ExitsQuietly(Fault):
    """Batch of five: the process exits with status 0."""

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        if len(x) == 5:
            os._exit(0)
        return super().forward(config, x, kernel, bias)


class RaisesSystemExit(Fault):
    """depth_multiplier=6: raises SystemExit."""

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        if config.depth_multiplier == 6:
            raise SystemExit(3)
        return super().forward(config, x, kernel, bias)


class GradientsAbort(Fault):
    """float64 gradients with dilation: abort()."""

    check = "gradient_input"

    def gradients(
        self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None, cotangent: Array
    ) -> Gradients:
        if config.dtype == "float64" and dilated(config):
            os.abort()
        return super().gradients(config, x, kernel, bias, cotangent)


class HangsOnOneByOneKernel(Fault):
    """1x1 kernels with batch above two: never returns."""

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        while config.kernel_size == (1, 1) and len(x) > 2:
            time.sleep(60)
        return super().forward(config, x, kernel, bias)


class SpinsOnLargeStride(Fault):
    """A stride of five or more along the height: computes for ever."""

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        while config.strides[0] >= 5:
            pass
        return super().forward(config, x, kernel, bias)


class EatsMemory(Fault):
    """Kernels of seven rows in channels_first: fills 16 GiB (an end only so that an uncapped machine survives)."""

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        if config.kernel_size[0] == 7 and not config.channels_last:
            hoard = [np.empty(2**30, np.uint8) for _ in range(16)]
            for block in hoard:
                block[::4096] = 1
        return super().forward(config, x, kernel, bias)


def on_one_core() -> bool:
    """Whether the process may use one core alone."""
    return len(os.sched_getaffinity(0)) == 1


def has_gaps(kernel: Array) -> bool:
    """Whether every second row of a kernel is zero and the others are not: what a dilation is unfolded to."""
    rows = np.abs(kernel.astype(np.float64)).sum(axis=(1, 2, 3))
    return len(rows) > 2 and not rows[1::2].any() and bool(rows[::2].all())


class AbortsOnOneCore(Fault):
    """Where the process may use one core alone: abort()."""

    check = "metamorphic"

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        if on_one_core():
            os.abort()
        return super().forward(config, x, kernel, bias)


class AbortsOnKernelsWithGaps(Fault):
    """Kernels of which every second row is zero, as those of related calls alone are: abort()."""

    check = "metamorphic"

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        if has_gaps(kernel):
            os.abort()
        return super().forward(config, x, kernel, bias)
