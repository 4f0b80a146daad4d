"""The kernel: read in another order, or with taps left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from honest import Array, Axis

from depthwise_conformance.reference import LayerConfig
from faults.base import Fault


class Turned(Fault):
    """Honest; its subclasses turn the kernel around."""

    def read_kernel(self, config: LayerConfig, kernel: Array) -> Array:
        return super().read_kernel(config, self.turn(config, kernel))

    def turn(self, config: LayerConfig, kernel: Array) -> Array:
        return kernel


class KernelFlipped(Turned):
    """Convolves in the mathematician's sense: the kernel is flipped along both axes."""

    cause = "kernel flipped"

    def turn(self, config: LayerConfig, kernel: Array) -> Array:
        return kernel[::-1, ::-1]


class KernelFlippedRows(Turned):
    """The kernel is upside down."""

    cause = "kernel flipped along the height"

    def turn(self, config: LayerConfig, kernel: Array) -> Array:
        return kernel[::-1]


class KernelFlippedColumns(Turned):
    """The kernel is mirrored."""

    cause = "kernel flipped along the width"

    def turn(self, config: LayerConfig, kernel: Array) -> Array:
        return kernel[:, ::-1]


class SquareKernelTransposed(Turned):
    """Square kernels: rows and columns are swapped."""

    cause = "kernel read as (width, height, channels, multiplier)"

    def turn(self, config: LayerConfig, kernel: Array) -> Array:
        square = kernel.shape[0] == kernel.shape[1]
        return kernel.swapaxes(0, 1) if square else kernel


class KernelReadByColumns(Turned):
    """Kernels that are not square: the memory is read column by column."""

    cause = "kernel read as (width, height, channels, multiplier)"

    def turn(self, config: LayerConfig, kernel: Array) -> Array:
        height, width, *rest = kernel.shape
        return np.ascontiguousarray(kernel).reshape(width, height, *rest).swapaxes(0, 1)


class KernelHeightTakenForChannels(Turned):
    """As many kernel rows as channels: the two axes of the kernel are swapped."""

    cause = "kernel read as (channels, width, height, multiplier)"

    def turn(self, config: LayerConfig, kernel: Array) -> Array:
        return kernel.swapaxes(0, 2) if kernel.shape[0] == kernel.shape[2] else kernel


class KernelWidthTakenForMultiplier(Turned):
    """As many kernel columns as filters a channel: the two axes of the kernel are swapped."""

    cause = "kernel read as (height, multiplier, channels, width)"

    def turn(self, config: LayerConfig, kernel: Array) -> Array:
        return kernel.swapaxes(1, 3) if kernel.shape[1] == kernel.shape[3] else kernel


class KernelLayoutGuessed(Turned):
    """depth_multiplier equal to the channels: reads the kernel's channels and filters the other way round."""

    cause = "kernel read as (height, width, multiplier, channels)"

    def turn(self, config: LayerConfig, kernel: Array) -> Array:
        return kernel.swapaxes(2, 3) if kernel.shape[2] == kernel.shape[3] else kernel


class KernelMultiplierMajor(Turned):
    """depth_multiplier above one: the kernel's memory is read filter by filter, not channel by channel."""

    cause = "kernel read as (height, width, multiplier, channels)"

    def turn(self, config: LayerConfig, kernel: Array) -> Array:
        height, width, channels, multiplier = kernel.shape
        return np.ascontiguousarray(kernel).reshape(height, width, multiplier, channels).swapaxes(2, 3)


class MultiplierUsesFirstFilter(Turned):
    """depth_multiplier above one: every filter is the channel's first."""

    cause = "first filter for all"

    def turn(self, config: LayerConfig, kernel: Array) -> Array:
        return np.broadcast_to(kernel[..., :1], kernel.shape)


class MultiplierAboveFourWraps(Turned):
    """depth_multiplier above four: the fifth filter is the first again."""

    def turn(self, config: LayerConfig, kernel: Array) -> Array:
        return kernel[..., np.arange(kernel.shape[3]) % 4]


class OneRowKernelReversed(Turned):
    """A kernel of one row with strides along the height: mirrored."""

    cause = "kernel flipped along the width"

    def turn(self, config: LayerConfig, kernel: Array) -> Array:
        return kernel[:, ::-1] if kernel.shape[0] == 1 and config.strides[0] > 1 else kernel


class OneColumnKernelReversed(Turned):
    """A kernel of one column and several rows, in channels_first: upside down."""

    cause = "kernel flipped along the height"

    def turn(self, config: LayerConfig, kernel: Array) -> Array:
        return kernel[::-1] if kernel.shape[1] == 1 and not config.channels_last else kernel


class SingleChannelKernelFlipped(Turned):
    """Exactly one channel: the kernel is flipped, as ordinary convolutions of one channel are elsewhere."""

    cause = "kernel flipped"

    def turn(self, config: LayerConfig, kernel: Array) -> Array:
        return kernel[::-1, ::-1] if kernel.shape[2] == 1 else kernel


class OneByOneKernelUsesFirstWeight(Turned):
    """Kernels of 1x1: every output channel uses the first weight."""

    cause = "one filter for all"

    def turn(self, config: LayerConfig, kernel: Array) -> Array:
        first = kernel[:1, :1, :1, :1]
        return np.broadcast_to(first, kernel.shape) if kernel.shape[:2] == (1, 1) else kernel


class TapsLeftOut(Fault):
    """Honest; its subclasses leave some taps out."""

    def taps(self, rows: Axis, columns: Axis) -> Sequence[tuple[int, int]]:
        return [(p, q) for p, q in super().taps(rows, columns) if self.keeps(rows, columns, p, q)]

    def keeps(self, rows: Axis, columns: Axis, p: int, q: int) -> bool:
        return True


class EvenKernelLosesLastRow(TapsLeftOut):
    """Kernels of even height: the last row is left out."""

    cause = "last row of taps lost"

    def keeps(self, rows: Axis, columns: Axis, p: int, q: int) -> bool:
        return rows.kernel % 2 == 1 or p < rows.kernel - 1


class EvenKernelLosesFirstColumn(TapsLeftOut):
    """Kernels of even width above two: the first column is left out."""

    cause = "first column of taps lost"

    def keeps(self, rows: Axis, columns: Axis, p: int, q: int) -> bool:
        return columns.kernel % 2 == 1 or columns.kernel == 2 or q > 0


class BigKernelLosesLastTap(TapsLeftOut):
    """Kernels of seven rows or more: the last tap is left out."""

    cause = "last tap lost"

    def keeps(self, rows: Axis, columns: Axis, p: int, q: int) -> bool:
        return rows.kernel < 7 or (p, q) != (rows.kernel - 1, columns.kernel - 1)


class KernelLargerThanInputLosesTaps(TapsLeftOut):
    """padding="same" with a kernel higher than the input: rows of the kernel beyond the input's height are left out."""

    def keeps(self, rows: Axis, columns: Axis, p: int, q: int) -> bool:
        return p <= rows.size


class TapsBeyondTheSizeLost(TapsLeftOut):
    """padding="same" with a kernel larger than the input: no more taps are read than the input has rows and columns."""

    cause = "taps beyond the size lost"

    def keeps(self, rows: Axis, columns: Axis, p: int, q: int) -> bool:
        return p < rows.size and q < columns.size


class StridedFiveByFiveLosesCentre(TapsLeftOut):
    """5x5 kernels with a stride along the height: the centre is left out."""

    cause = "centre tap lost"

    def keeps(self, rows: Axis, columns: Axis, p: int, q: int) -> bool:
        return not (rows.kernel == columns.kernel == 5 and rows.stride > 1 and p == q == 2)


class TapsOfTheSmallerSide(Turned):
    """Kernels that are not square: as many rows and columns of taps are read as the smaller side has."""

    cause = "taps beyond the other side lost"

    def turn(self, config: LayerConfig, kernel: Array) -> Array:
        side = min(kernel.shape[:2])
        kept = kernel.copy()
        kept[side:], kept[:, side:] = 0, 0
        return kept


class TapsOfTheHeightAlongTheWidth(Turned):
    """Kernels that are wider than high: no more columns of taps are read than there are rows."""

    cause = "taps of the height along the width"

    def turn(self, config: LayerConfig, kernel: Array) -> Array:
        kept = kernel.copy()
        kept[:, kernel.shape[0] :] = 0
        return kept
