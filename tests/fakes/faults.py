"""Faulty implementations: each is honest but for one thing, which its docstring tells, and which a check has to find.

`check` is the check that the fault belongs to. A case that shows the fault may show it under other checks as well
(a padding that is wrong forwards is wrong backwards). LETHAL are those that kill, hang or starve their process,
RARE those that random cases may miss.
"""

from __future__ import annotations

import ctypes
import math
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import ml_dtypes
import numpy as np
from honest import HALVES, Array, Axis, Honest, Known, activation, erf, sigmoid, softmax, tf32
from layers import HonestLayer

from depthwise_conformance.adapters.base import Adapter, Description, Gradients, LayerHandle
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


def rounded(array: Array, dtype: Any) -> Array:
    """The numbers of `array` rounded to `dtype`, in its own dtype."""
    return array.astype(dtype).astype(array.dtype)


def outputs_of(config: LayerConfig, shape: Sequence[int]) -> int:
    return shape[3 if config.channels_last else 1] * config.depth_multiplier


def strided(config: LayerConfig) -> bool:
    return max(config.strides) > 1


def dilated(config: LayerConfig) -> bool:
    return max(config.dilation_rate) > 1


# Geometry: padding.


class SamePaddingOddZeroBefore(Fault):
    """padding="same": where the number of zeros is odd, the extra one comes before instead of after."""

    cause = "same padding with the odd zero before"

    def zeros_before(self, total: int) -> int:
        return (total + 1) // 2


class SamePaddingOddZeroAbove(Fault):
    """padding="same": the extra zero comes before along the height only."""

    cause = "same padding with the odd zero before along the height"

    def axis(self, config: LayerConfig, index: int, size: int) -> Axis:
        axis = super().axis(config, index, size)
        odd = config.padding == "same" and self.zeros_in_all(config, index, size) % 2
        return axis._replace(before=axis.before + 1) if index == 0 and odd else axis


class SamePaddingOddZeroLeft(Fault):
    """padding="same": the extra zero comes before along the width only."""

    cause = "same padding with the odd zero before along the width"

    def axis(self, config: LayerConfig, index: int, size: int) -> Axis:
        axis = super().axis(config, index, size)
        odd = config.padding == "same" and self.zeros_in_all(config, index, size) % 2
        return axis._replace(before=axis.before + 1) if index == 1 and odd else axis


class SamePaddingAsForStrideOne(Fault):
    """padding="same" with strides: pads as if the stride were one."""

    cause = "same padding as for stride one"

    def zeros_in_all(self, config: LayerConfig, index: int, size: int) -> int:
        return (config.kernel_size[index] - 1) * config.dilation_rate[index]


class SamePaddingAllBefore(Fault):
    """padding="same": all zeros come before."""

    cause = "same padding all before"

    def zeros_before(self, total: int) -> int:
        return total


class SamePaddingAllAfter(Fault):
    """padding="same": all zeros come after."""

    cause = "same padding all after"

    def zeros_before(self, total: int) -> int:
        return 0


class SamePaddingForgetsDilation(Fault):
    """padding="same": the zeros are counted for the kernel without its dilation."""

    cause = "same padding without the dilation"

    def zeros_in_all(self, config: LayerConfig, index: int, size: int) -> int:
        undilated = LayerConfig(config.kernel_size, config.strides, "same")
        return super().zeros_in_all(undilated, index, size)


class SamePaddingForgetsRemainder(Fault):
    """padding="same" with strides: counts the zeros as if every size were a multiple of the stride."""

    cause = "same padding without the remainder"

    def zeros_in_all(self, config: LayerConfig, index: int, size: int) -> int:
        extent = (config.kernel_size[index] - 1) * config.dilation_rate[index] + 1
        return max(extent - config.strides[index], 0)


class SamePaddingFromWrongSizes(Fault):
    """padding="same", channels_last: reads width and channels for height and width when it counts the zeros."""

    cause = "same padding of the sizes in the other data format"

    def axes(self, config: LayerConfig, images: Array) -> tuple[Axis, Axis]:
        rows, columns = super().axes(config, images)
        if config.padding == "valid" or not config.channels_last:
            return rows, columns
        wrong = [self.zeros_before(self.zeros_in_all(config, i, images.shape[2 + i])) for i in (0, 1)]
        return rows._replace(before=wrong[0]), columns._replace(before=wrong[1])


class SamePaddingOfTheOtherKernelSide(Fault):
    """padding="same": counts the zeros of a row with the kernel's height and of a column with its width."""

    cause = "same padding of the other kernel side"

    def zeros_in_all(self, config: LayerConfig, index: int, size: int) -> int:
        swapped = LayerConfig(
            config.kernel_size[::-1], config.strides, "same", dilation_rate=config.dilation_rate, strided_dilation=True
        )
        return super().zeros_in_all(swapped, index, size)


class SamePaddingOfTheOtherStride(Fault):
    """padding="same": counts the zeros along the width with the stride of the height."""

    cause = "same padding of the other stride along the width"

    def zeros_in_all(self, config: LayerConfig, index: int, size: int) -> int:
        height = (config.strides[0], config.strides[0])
        other = LayerConfig(
            config.kernel_size, height, "same", dilation_rate=config.dilation_rate, strided_dilation=True
        )
        return super().zeros_in_all(other, index, size)


class SamePaddingOfTheOtherDilation(Fault):
    """padding="same": counts the zeros of each axis with the other axis's dilation."""

    cause = "same padding of the other dilation"

    def zeros_in_all(self, config: LayerConfig, index: int, size: int) -> int:
        swapped = LayerConfig(
            config.kernel_size, config.strides, "same", dilation_rate=config.dilation_rate[::-1], strided_dilation=True
        )
        return super().zeros_in_all(swapped, index, size)


class SamePaddingCappedBySize(Fault):
    """padding="same": never more zeros before than the input has rows or columns less one."""

    cause = "same padding below the size"

    def axis(self, config: LayerConfig, index: int, size: int) -> Axis:
        axis = super().axis(config, index, size)
        return axis._replace(before=min(axis.before, size - 1))


class SamePaddingNegative(Fault):
    """padding="same" with a stride above the kernel's extent: a negative number of zeros cuts the input."""

    slack = 16

    def window(self, axis: Axis, tap: int) -> slice:
        total = (axis.output - 1) * axis.stride + axis.extent - axis.size
        same = axis.output == math.ceil(axis.size / axis.stride)
        cut = -total // 2 if same and total < 0 else 0
        seen = super().window(axis, tap)
        return slice(seen.start + cut, seen.stop + cut, seen.step)


class SamePaddingHalfKernelTimesDilation(Fault):
    """padding="same", even kernel, dilation above one: pads before by dilation * (kernel // 2)."""

    def axis(self, config: LayerConfig, index: int, size: int) -> Axis:
        axis = super().axis(config, index, size)
        wrong = config.padding == "same" and axis.kernel % 2 == 0 and axis.dilation > 1
        return axis._replace(before=axis.dilation * (axis.kernel // 2)) if wrong else axis


class SamePaddingOddWidthStrideThree(Fault):
    """padding="same", odd width, strides of 3 along it: shifted by one column."""

    cause = "one position early along the width"

    def axis(self, config: LayerConfig, index: int, size: int) -> Axis:
        axis = super().axis(config, index, size)
        wrong = config.padding == "same" and index == 1 and size % 2 and axis.stride == 3 and axis.kernel > 1
        return axis._replace(before=axis.before + 1) if wrong else axis


class SamePaddingRepeatsEdge(Fault):
    """padding="same": repeats the edge instead of adding zeros."""

    cause = "edge padding"

    def pad(self, images: Array, rows: Axis, columns: Axis) -> Array:
        after = (rows.padded - rows.before - rows.size, columns.padded - columns.before - columns.size)
        width = ((0, 0), (rows.before, after[0]), (columns.before, after[1]), (0, 0))
        return np.pad(images, width, mode="edge")


class SamePaddingRowsOfOneRowKernel(Fault):
    """padding="same", a kernel of one row and several columns: no zeros before the columns."""

    cause = "same padding all after along the width"

    def axis(self, config: LayerConfig, index: int, size: int) -> Axis:
        axis = super().axis(config, index, size)
        return axis._replace(before=0) if index == 1 and config.kernel_size[0] == 1 else axis


class SamePaddingOfOneColumnKernel(Fault):
    """padding="same", a kernel of one column and several rows: one zero too many above."""

    cause = "one position early along the height"

    def axis(self, config: LayerConfig, index: int, size: int) -> Axis:
        axis = super().axis(config, index, size)
        wrong = config.padding == "same" and index == 0 and config.kernel_size[1] == 1 and axis.kernel > 1
        return axis._replace(before=axis.before + 1) if wrong else axis


# Geometry: sizes of the output.


class SameFloorInsteadOfCeil(Fault):
    """padding="same" with strides that do not divide the size: one row or column too few."""

    check = "shape"
    cause = "same size rounded down after padding"

    def output_size(self, config: LayerConfig, index: int, size: int) -> int:
        if config.padding == "same":
            return max(size // config.strides[index], 1)
        return super().output_size(config, index, size)


class ValidCeilInsteadOfFloor(Fault):
    """padding="valid" with strides: keeps the last window although it reaches over the edge."""

    check = "shape"
    cause = "valid size rounded up"

    def output_size(self, config: LayerConfig, index: int, size: int) -> int:
        exact = super().output_size(config, index, size)
        extent = (config.kernel_size[index] - 1) * config.dilation_rate[index] + 1
        return exact + ((size - extent) % config.strides[index] > 0) if config.padding == "valid" else exact


class ValidSizeForgetsDilation(Fault):
    """padding="valid" with dilation: as many windows as without it."""

    check = "shape"
    cause = "valid size without the dilation"

    def output_size(self, config: LayerConfig, index: int, size: int) -> int:
        if config.padding == "valid":
            return (size - config.kernel_size[index]) // config.strides[index] + 1
        return super().output_size(config, index, size)


class SameTakenForValid(Fault):
    """padding="same" with an even kernel height: no padding at all, where the kernel fits."""

    check = "shape"
    cause = "same taken for valid"

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        sizes = self.dims(config, x.shape)[1:3]
        steps = zip(config.kernel_size, config.dilation_rate, sizes, strict=True)
        if config.padding == "same" and config.kernel_size[0] % 2 == 0 and all((k - 1) * d < s for k, d, s in steps):
            config = LayerConfig.from_json({**config.to_json(), "padding": "valid"})
        return super().forward(config, x, kernel, bias)


class OneRowMore(Fault):
    """Rows of the output beyond eight: one more than there should be."""

    check = "shape"
    cause = "one window more along the height"

    def output_size(self, config: LayerConfig, index: int, size: int) -> int:
        exact = super().output_size(config, index, size)
        return exact + 1 if index == 0 and exact > 8 else exact


# Geometry: strides and dilation.


class StridesSwapped(Fault):
    """Unequal strides: the height's are used for the width and the other way round."""

    check = "shape"
    cause = "strides swapped"

    def pairs(self, config: LayerConfig) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
        return config.kernel_size, config.strides[::-1], config.dilation_rate


class StrideOfHeightForBoth(Fault):
    """Unequal strides: the height's is used for both axes."""

    check = "shape"
    cause = "stride of the height along the width"

    def pairs(self, config: LayerConfig) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
        return config.kernel_size, (config.strides[0], config.strides[0]), config.dilation_rate


class ChannelsFirstStridesSwapped(Fault):
    """channels_first with unequal strides: the two are swapped."""

    check = "shape"
    cause = "strides swapped"

    def pairs(self, config: LayerConfig) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
        strides = config.strides if config.channels_last else config.strides[::-1]
        return config.kernel_size, strides, config.dilation_rate


class Windows(Fault):
    """Honest; its subclasses read the windows at wrong places, in an output of the right shape."""

    slack = 64

    def window(self, axis: Axis, tap: int) -> slice:
        first = tap * self.dilation(axis)
        stride = self.stride(axis)
        return slice(first, first + (axis.output - 1) * stride + 1, stride)

    def dilation(self, axis: Axis) -> int:
        return axis.dilation

    def stride(self, axis: Axis) -> int:
        return axis.stride


class DilationIgnoredOnWidth(Windows):
    """Dilation above one along the width: the taps lie side by side."""

    cause = "dilation ignored in the windows along the width"

    def dilation(self, axis: Axis) -> int:
        return 1 if axis.index == 1 else axis.dilation


class DilationIgnoredForTwoTaps(Windows):
    """A kernel of two rows or columns: its dilation is ignored."""

    def dilation(self, axis: Axis) -> int:
        return 1 if axis.kernel == 2 else axis.dilation


class DilationCappedAtThree(Windows):
    """Dilation above three: read as three."""

    def dilation(self, axis: Axis) -> int:
        return min(axis.dilation, 3)


class StrideCappedByKernel(Windows):
    """A stride larger than the kernel: reads the windows without the gaps between them."""

    cause = "stride at most the kernel"

    def stride(self, axis: Axis) -> int:
        return min(axis.stride, axis.kernel)


class StrideThreeAsTwoOnWidth(Windows):
    """A stride of three along the width: reads every second window."""

    def stride(self, axis: Axis) -> int:
        return 2 if axis.index == 1 and axis.stride == 3 else axis.stride


class OneRowKernelIgnoresRowStride(Windows):
    """A kernel of one row with a stride along the height: reads consecutive rows."""

    cause = "stride ignored in the windows along the height"

    def stride(self, axis: Axis) -> int:
        return 1 if axis.index == 0 and axis.kernel == 1 else axis.stride


class DilationSwapped(Fault):
    """padding="same" with unequal dilation: the height's is used for the width and the other way round."""

    cause = "dilation swapped"

    def pairs(self, config: LayerConfig) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
        dilation = config.dilation_rate[::-1] if config.padding == "same" else config.dilation_rate
        return config.kernel_size, config.strides, dilation


class ChannelsFirstDilationOfHeight(Fault):
    """channels_first, padding="same", unequal dilation: the height's is used for both axes."""

    cause = "dilation of the height along the width"

    def pairs(self, config: LayerConfig) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
        rate = config.dilation_rate
        wrong = not config.channels_last and config.padding == "same"
        return config.kernel_size, config.strides, (rate[0], rate[0]) if wrong else rate


class StridedDilationOffByOne(Windows):
    """Strides together with dilation (raw operations only): the last tap of the width is one column early."""

    def window(self, axis: Axis, tap: int) -> slice:
        seen = super().window(axis, tap)
        wrong = axis.index == 1 and axis.stride > 1 and axis.dilation > 1 and 0 < tap == axis.kernel - 1
        return slice(seen.start - 1, seen.stop - 1, seen.step) if wrong else seen


# Geometry: the kernel and the borders.


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


class StridedFiveByFiveLosesCentre(TapsLeftOut):
    """5x5 kernels with a stride along the height: the centre is left out."""

    cause = "centre tap lost"

    def keeps(self, rows: Axis, columns: Axis, p: int, q: int) -> bool:
        return not (rows.kernel == columns.kernel == 5 and rows.stride > 1 and p == q == 2)


class Retouched(Fault):
    """Honest; its subclasses change the sums, laid out as (batch, height, width, channels * depth_multiplier)."""

    def convolve(self, config: LayerConfig, images: Array, weights: Array) -> Array:
        return self.retouch(config, images, super().convolve(config, images, weights))

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        return y


class LastRowMissing(Retouched):
    """A height that the stride does not divide: the last row of the output stays zero."""

    cause = "sums: last row zero"

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        if images.shape[1] % config.strides[0]:
            y[:, -1] = 0
        return y


class LastColumnRepeated(Retouched):
    """A width that the stride does not divide: the last column of the output repeats the one before."""

    cause = "sums: last column repeating the one before"

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        if images.shape[2] % config.strides[1] and y.shape[2] > 1:
            y[:, :, -1] = y[:, :, -2]
        return y


class WidthTailByFour(Retouched):
    """Output widths above four that are no multiple of four: the tail repeats the last full column."""

    cause = "sums: columns beyond a multiple of 4 repeating the one before"

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        whole = y.shape[2] // 4 * 4
        if 0 < whole < y.shape[2]:
            y[:, :, whole:] = y[:, :, whole - 1 : whole]
        return y


class WidthSeventeen(Retouched):
    """Images 17 wide: the last column of the output is zero."""

    cause = "sums: last column zero"

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        if images.shape[2] == 17:
            y[:, :, -1] = 0
        return y


class ChannelTailByEight(Retouched):
    """More than eight output channels, no multiple of eight: the tail is zero."""

    cause = "sums: channels beyond a multiple of 8 zero"

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        if y.shape[3] > 8:
            y[..., y.shape[3] // 8 * 8 :] = 0
        return y


class ChannelSeventeen(Retouched):
    """More than sixteen channels: those after the sixteenth repeat the first."""

    cause = "sums: channels after 16 repeating the first"

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        if images.shape[3] > 16:
            y[..., 16:] = y[..., :1]
        return y


class ThirtyThreeChannels(Retouched):
    """Exactly 33 channels: the last is zero."""

    cause = "sums: last channel zero"

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        if images.shape[3] == 33:
            y[..., -1] = 0
        return y


class BatchOfManyChannels(Retouched):
    """Batch above one and more than sixteen output channels: the last channel is the first image's."""

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        if y.shape[0] > 1 and y.shape[3] > 16:
            y[1:, ..., -1] = y[:1, ..., -1]
        return y


class LastElementMissing(Retouched):
    """An odd number of elements in the output: the last stays zero."""

    cause = "sums: last element zero"

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        if y.size % 2:
            y[-1, -1, -1, -1] = 0
        return y


class MultiplierMajorOrder(Retouched):
    """depth_multiplier above one: output channel m * channels + c instead of c * depth_multiplier + m."""

    cause = "multiplier-major channel order"

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        split = y.reshape(*y.shape[:3], images.shape[3], config.depth_multiplier)
        return np.ascontiguousarray(split.swapaxes(3, 4)).reshape(y.shape)


class ChannelsMixed(Retouched):
    """More than four channels: a little of the first output channel leaks into the last."""

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        if images.shape[3] > 4:
            y[..., -1] += y[..., 0] * y.dtype.type(0.01)
        return y


class SecondImageFromFirst(Retouched):
    """Batch above one: the second image's output is the first's."""

    cause = "sums: second image repeating the first"

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        y[1:2] = y[:1] if y.shape[0] > 1 else y[1:2]
        return y


class BatchBeyondTwoMissing(Retouched):
    """Batch above two: the images after the second stay zero."""

    cause = "sums: images after the second zero"

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        y[2:] = 0
        return y


class OddBatchLosesLast(Retouched):
    """Odd batches above one with depth_multiplier above one: the last image stays zero."""

    cause = "sums: last image zero"

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        if y.shape[0] % 2 and y.shape[0] > 1 and config.depth_multiplier > 1:
            y[-1] = 0
        return y


class SinglePixelOutputDoubled(Retouched):
    """Outputs of 1x1 from larger images with depth_multiplier above one: twice the value."""

    cause = "sums doubled"

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        single = y.shape[1:3] == (1, 1) and images.shape[1] * images.shape[2] > 1
        return y * 2 if single and config.depth_multiplier > 1 else y


class SinglePixelIsZero(Retouched):
    """Images of one pixel: the output is zero."""

    cause = "sums: all zero"

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        return np.zeros_like(y) if images.shape[1:3] == (1, 1) else y


class DilatedTallImage(Retouched):
    """channels_last, dilation, an image higher than wide: the last row of the output repeats the first."""

    cause = "sums: last row repeating the first"

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        if dilated(config) and images.shape[1] > images.shape[2] and config.channels_last:
            y[:, -1] = y[:, 0]
        return y


class ManyElementsTruncated(Retouched):
    """Outputs of more than 4096 elements: those beyond stay zero."""

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        y.reshape(-1)[4096:] = 0
        return y


# Data format and coincidences of sizes.


class ChannelsFirstSwapsHeightAndWidth(Fault):
    """channels_first: height and width are read the other way round, and written so."""

    cause = "height and width swapped throughout"

    def read(self, config: LayerConfig, x: Array) -> Array:
        return x if config.channels_last else x.transpose(0, 3, 2, 1)

    def write(self, config: LayerConfig, y: Array) -> Array:
        return y if config.channels_last else y.transpose(0, 3, 2, 1)


class Misread(Fault):
    """Honest; its subclasses read (batch, height, width, channels) wrongly where sizes coincide."""

    def read(self, config: LayerConfig, x: Array) -> Array:
        return self.misread(config, super().read(config, x))

    def misread(self, config: LayerConfig, images: Array) -> Array:
        return images


class SquareImagesTransposed(Misread):
    """channels_last, as high as wide: rows and columns of the input are swapped."""

    cause = "height taken for width"

    def misread(self, config: LayerConfig, images: Array) -> Array:
        square = images.shape[1] == images.shape[2] and config.channels_last
        return images.swapaxes(1, 2) if square else images


class HeightTakenForChannels(Misread):
    """As high as there are channels: the two are swapped in the input."""

    cause = "height taken for channels"

    def misread(self, config: LayerConfig, images: Array) -> Array:
        return images.swapaxes(1, 3) if images.shape[1] == images.shape[3] else images


class WidthTakenForChannels(Misread):
    """channels_first, as wide as there are channels: the two are swapped in the input."""

    cause = "width taken for channels"

    def misread(self, config: LayerConfig, images: Array) -> Array:
        equal = images.shape[2] == images.shape[3] and not config.channels_last
        return images.swapaxes(2, 3) if equal else images


class BatchTakenForChannels(Misread):
    """As many images as channels: the two are swapped in the input."""

    cause = "batch taken for channels"

    def misread(self, config: LayerConfig, images: Array) -> Array:
        return images.swapaxes(0, 3) if images.shape[0] == images.shape[3] else images


class BatchTakenForHeight(Misread):
    """As many images as rows: the two are swapped in the input."""

    cause = "batch taken for height"

    def misread(self, config: LayerConfig, images: Array) -> Array:
        return images.swapaxes(0, 1) if images.shape[0] == images.shape[1] else images


class ChannelsFirstMemoryTakenForLast(Fault):
    """channels_first: the memory is read as if the channels came last."""

    cause = "input read in the other data format"

    def read(self, config: LayerConfig, x: Array) -> Array:
        images = super().read(config, x)
        return images if config.channels_last else np.ascontiguousarray(x).reshape(images.shape)


# Caches: right on the first call.


class OutputCachedByShape(Fault):
    """Returns the first output that it computed for arguments of these shapes and dtype."""

    check = "purity"

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        key = (x.shape, kernel.shape, x.dtype.name)
        if key not in self.kept:
            self.kept[key] = super().forward(config, x, kernel, bias)
        return self.kept[key].copy()


class OutputCachedByLayer(Fault):
    """Returns the first output that it computed for this layer and shape, whatever the data."""

    check = "purity"

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        if (config, x.shape) not in self.kept:
            self.kept[config, x.shape] = super().forward(config, x, kernel, bias)
        return self.kept[config, x.shape].copy()


class KernelCachedByShape(Fault):
    """Uses the first kernel that it saw of this shape and dtype."""

    def read_kernel(self, config: LayerConfig, kernel: Array) -> Array:
        key = (kernel.shape, kernel.dtype.name)
        return super().read_kernel(config, self.kept.setdefault(key, kernel.copy()))


class KernelCachedByLayer(Fault):
    """Prepacks the kernel once for each layer and number of channels, and misses that it changes."""

    check = "purity"

    def read_kernel(self, config: LayerConfig, kernel: Array) -> Array:
        return super().read_kernel(config, self.kept.setdefault((config, kernel.shape), kernel.copy()))


class BiasCachedByLength(Fault):
    """Uses the first bias that it saw of this length."""

    def add_bias(self, config: LayerConfig, y: Array, bias: Array) -> Array:
        return super().add_bias(config, y, self.kept.setdefault(bias.size, bias.copy()).astype(y.dtype))


class PlanCachedWithoutDilation(Fault):
    """Reuses the offsets of the taps of an earlier layer that differed in nothing but its dilation."""

    slack = 64

    def axis(self, config: LayerConfig, index: int, size: int) -> Axis:
        axis = super().axis(config, index, size)
        key = (config.kernel_size, config.strides, config.padding, size, index, axis.output)
        return axis._replace(dilation=self.kept.setdefault(key, axis.dilation))


class OutputBufferReused(Fault):
    """Returns one buffer for every output of the same shape and dtype, so that earlier results change."""

    check = "purity"

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        y = super().forward(config, x, kernel, bias)
        buffer = self.kept.setdefault((y.shape, y.dtype.name), np.empty_like(y))
        buffer[...] = y
        return buffer


# Bias.


class BiasMissing(Fault):
    """The bias is not added."""

    cause = "bias missing"

    def add_bias(self, config: LayerConfig, y: Array, bias: Array) -> Array:
        return y


class BiasTwice(Fault):
    """The bias is added twice with padding="same"."""

    cause = "bias doubled"

    def add_bias(self, config: LayerConfig, y: Array, bias: Array) -> Array:
        return y + bias * (2 if config.padding == "same" else 1)


class BiasAlongWidth(Fault):
    """channels_first, as many output channels as the output is wide: the bias runs along the width."""

    cause = "bias along the width"

    def add_bias(self, config: LayerConfig, y: Array, bias: Array) -> Array:
        wrong = not config.channels_last and y.shape[2] == y.shape[3]
        return y + (bias[:, None] if wrong else bias)


class BiasAlongHeight(Fault):
    """As many output channels as the output is high: the bias runs along the height."""

    cause = "bias along the height"

    def add_bias(self, config: LayerConfig, y: Array, bias: Array) -> Array:
        return y + (bias[:, None, None] if y.shape[1] == y.shape[3] else bias)


class BiasAlongBatch(Fault):
    """As many output channels as images: the bias runs along the batch."""

    cause = "bias along the batch"

    def add_bias(self, config: LayerConfig, y: Array, bias: Array) -> Array:
        return y + (bias[:, None, None, None] if y.shape[0] == y.shape[3] else bias)


class BiasOfFirstImageOnly(Fault):
    """Batch above one: only the first image gets the bias."""

    cause = "bias: images after the first without"

    def add_bias(self, config: LayerConfig, y: Array, bias: Array) -> Array:
        y[:1] += bias
        return y


class BiasMissingWithMultiplier(Fault):
    """depth_multiplier above one: the bias is not added."""

    cause = "bias missing"

    def add_bias(self, config: LayerConfig, y: Array, bias: Array) -> Array:
        return y + bias if config.depth_multiplier == 1 else y


class BiasOfChannelForAllFilters(Fault):
    """depth_multiplier above one: all filters of a channel get the bias of its first."""

    cause = "bias of the first filter for all"

    def add_bias(self, config: LayerConfig, y: Array, bias: Array) -> Array:
        return y + np.repeat(bias[:: config.depth_multiplier], config.depth_multiplier)


class BiasMissingInTail(Fault):
    """More than eight output channels, no multiple of four: the tail gets no bias."""

    cause = "bias: channels beyond a multiple of 4 without"

    def add_bias(self, config: LayerConfig, y: Array, bias: Array) -> Array:
        whole = bias.size // 4 * 4 if bias.size > 8 else bias.size
        y[..., :whole] += bias[:whole]
        return y


class BiasMissingAtBorders(Fault):
    """padding="same" with strides: the first row of the output gets no bias."""

    cause = "bias: first row without"

    def add_bias(self, config: LayerConfig, y: Array, bias: Array) -> Array:
        first = 1 if config.padding == "same" and strided(config) else 0
        y[:, first:] += bias
        return y


class BiasAfterActivation(Fault):
    """The bias is added to the activated sums."""

    cause = "bias after the activation"

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        y = super().forward(config, x, kernel, None)
        return y if bias is None else y + (bias if config.channels_last else bias[:, None, None])


class BiasInBfloat16(Fault):
    """float32 and float64 layers: the bias is rounded to bfloat16."""

    cause = "bfloat16 bias"

    def add_bias(self, config: LayerConfig, y: Array, bias: Array) -> Array:
        return y + (bias if config.dtype in HALVES else rounded(bias, ml_dtypes.bfloat16))


# Activation.


class Activated(Fault):
    """Honest; its subclasses replace one activation."""

    replaces: ClassVar[tuple[str, ...]] = ()

    def activate(self, config: LayerConfig, p: Array) -> Array:
        return self.replacement(config, p) if config.activation in self.replaces else super().activate(config, p)

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        return p


class ActivationMissing(Activated):
    """No activation is applied."""

    cause = "activation missing"

    replaces = ("relu", "relu6", "tanh", "sigmoid", "softplus", "gelu", "softmax")


class LinearIsRelu(Activated):
    """activation="linear" cuts at zero."""

    replaces = ("linear",)
    cause = "linear as relu"

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        return activation("relu", p)


class ReluLeaks(Activated):
    """relu passes a hundredth of what is negative."""

    replaces = ("relu",)
    cause = "relu leaking by 0.01"

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        return np.where(p > 0, p, p * p.dtype.type(0.01))


class ReluIsMagnitude(Activated):
    """relu in float16 and bfloat16 clears the sign of what is between -1 and 0."""

    replaces = ("relu",)

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        low = (p > -1) & (p < 0) & (config.dtype in HALVES)
        return np.where(low, -p, activation("relu", p))


class Relu6CutLate(Activated):
    """relu6 cuts at 6.5."""

    replaces = ("relu6",)

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        return np.clip(p, p.dtype.type(0), p.dtype.type(6.5))


class Relu6IsRelu(Activated):
    """relu6 does not cut at six."""

    replaces = ("relu6",)
    cause = "relu6 as relu"

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        return activation("relu", p)


class GeluByTanh(Activated):
    """gelu is the approximation by tanh."""

    replaces = ("gelu",)
    cause = "gelu by tanh"

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        inner = math.sqrt(2 / math.pi) * (p + 0.044715 * p * p * p)
        return (p * 0.5 * (1 + np.tanh(inner))).astype(p.dtype)


class GeluBySigmoid(Activated):
    """gelu is x * sigmoid(1.702 x)."""

    replaces = ("gelu",)
    cause = "gelu by sigmoid"

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        return (p * sigmoid((1.702 * p).astype(p.dtype))).astype(p.dtype)


class GeluConstantInSinglePrecision(Activated):
    """gelu in float64 uses the square root of a half in float32."""

    replaces = ("gelu",)
    cause = "gelu with a root in single precision"

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        half, root = p.dtype.type(0.5), p.dtype.type(np.float32(math.sqrt(0.5)))
        return p * half * (1 + erf(p * root))


class SoftmaxOverChannels(Activated):
    """softmax with channels_first normalises over the channels instead of the last axis."""

    replaces = ("softmax",)
    cause = "softmax over the channels"

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        return softmax(p, -1 if config.channels_last else 1)


class SoftmaxOverWidth(Activated):
    """softmax with channels_last normalises over the width."""

    replaces = ("softmax",)
    cause = "softmax over the width"

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        return softmax(p, 2 if config.channels_last else -1)


class SoftmaxOfWholeImage(Activated):
    """softmax normalises over the whole image where it is one pixel high."""

    replaces = ("softmax",)
    cause = "softmax over the whole image"

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        flat = p.shape[1 if config.channels_last else 2] == 1
        return softmax(p.reshape(p.shape[0], -1)).reshape(p.shape) if flat and p.size else softmax(p)


class SoftmaxOverflows(Activated):
    """softmax does not subtract the maximum, and exp is taken in half precision: NaN where a sum is above eleven."""

    replaces = ("softmax",)

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        e = np.exp(p)
        e = np.where(e > 65504, np.inf, e).astype(p.dtype)
        return e / e.sum(axis=-1, keepdims=True)


class SigmoidHard(Activated):
    """sigmoid is the piecewise linear one."""

    replaces = ("sigmoid",)
    cause = "sigmoid in three pieces of slope 1/6"

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        return np.clip(p / p.dtype.type(6) + p.dtype.type(0.5), p.dtype.type(0), p.dtype.type(1))


class SigmoidInSinglePrecision(Activated):
    """sigmoid and tanh in float64 are evaluated in float32."""

    replaces = ("sigmoid", "tanh")

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        return activation(config.activation, p.astype(np.float32)).astype(p.dtype)


class SoftplusThreshold(Activated):
    """softplus is the identity above 20, which only float64 can show."""

    replaces = ("softplus",)
    cause = "softplus linear above 20"

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        return np.where(p > 20, p, activation("softplus", p))


class SoftplusLowThreshold(Activated):
    """softplus is zero below -4."""

    replaces = ("softplus",)

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        return np.where(p < -4, p.dtype.type(0), activation("softplus", p))


class TanhRational(Activated):
    """tanh is a rational approximation, off by a few thousandths."""

    replaces = ("tanh",)
    cause = "tanh by a rational function"

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        cut = np.clip(p, p.dtype.type(-3), p.dtype.type(3))
        return cut * (27 + cut * cut) / (27 + 9 * cut * cut)


class TanhTwice(Activated):
    """tanh is applied twice where there is a bias."""

    replaces = ("tanh",)
    cause = "activation applied twice"

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        return np.tanh(np.tanh(p)) if config.use_bias else np.tanh(p)


class ActivationOfFirstImageOnly(Fault):
    """relu and relu6 with batch above one: only the first image is activated."""

    cause = "activation: images after the first without"

    def activate(self, config: LayerConfig, p: Array) -> Array:
        y = super().activate(config, p)
        return np.concatenate([y[:1], p[1:]]) if config.activation in ("relu", "relu6") else y


# Accuracy.


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

    def store(self, y: Array, dtype: np.dtype[Any]) -> Array:
        stored = super().store(y, dtype)
        if dtype != np.float16:
            return stored
        return np.where(np.abs(stored) > np.abs(y), np.nextafter(stored, np.float16(0)), stored)


class Bfloat16RoundedTowardsZero(Fault):
    """bfloat16 layers: the output is truncated."""

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


# Special sizes and refusals.


class EmptyBatchBecomesOne(Fault):
    """Batch zero: returns one image of zeros."""

    check = "shape"

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        y = super().forward(config, x, kernel, bias)
        return y if len(y) else np.zeros((1, *y.shape[1:]), y.dtype)


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


# Dtype and kind of what is returned.


class Returned(Fault):
    """Honest; its subclasses change what `forward` returns."""

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        return self.returned(config, super().forward(config, x, kernel, bias))

    def returned(self, config: LayerConfig, y: Array) -> Any:
        return y


class Float16ReturnsFloat32(Returned):
    """float16 layers return float32."""

    check = "dtype"

    def returned(self, config: LayerConfig, y: Array) -> Any:
        return y.astype(np.float32) if config.dtype == "float16" else y


class Bfloat16ReturnsFloat16(Returned):
    """bfloat16 layers return float16."""

    check = "dtype"

    def returned(self, config: LayerConfig, y: Array) -> Any:
        return y.astype(np.float16) if config.dtype == "bfloat16" else y


class Float64ReturnsFloat32(Returned):
    """float64 layers return float32."""

    check = "dtype"

    def returned(self, config: LayerConfig, y: Array) -> Any:
        return y.astype(np.float32) if config.dtype == "float64" else y


class AlwaysFloat64(Returned):
    """Every layer returns float64."""

    check = "dtype"

    def returned(self, config: LayerConfig, y: Array) -> Any:
        return y.astype(np.float64)


class DtypeOfActivation(Returned):
    """bfloat16 layers with an activation return float32."""

    check = "dtype"

    def returned(self, config: LayerConfig, y: Array) -> Any:
        wide = config.dtype == "bfloat16" and config.activation not in (None, "linear")
        return y.astype(np.float32) if wide else y


class ReturnsList(Returned):
    """Returns nested lists where there is one channel."""

    check = "dtype"

    def returned(self, config: LayerConfig, y: Array) -> Any:
        return y.tolist() if outputs_of(config, y.shape) == config.depth_multiplier else y


class ReturnsNone(Returned):
    """Returns None for 1x1 kernels."""

    check = "dtype"

    def returned(self, config: LayerConfig, y: Array) -> Any:
        return None if config.kernel_size == (1, 1) else y


class ReturnsObjects(Returned):
    """Returns an array of Python objects for kernels of two rows."""

    check = "dtype"

    def returned(self, config: LayerConfig, y: Array) -> Any:
        return y.astype(object) if config.kernel_size[0] == 2 else y


class ReturnsComplex(Returned):
    """float64 layers return complex numbers."""

    check = "dtype"

    def returned(self, config: LayerConfig, y: Array) -> Any:
        return y.astype(np.complex128) if config.dtype == "float64" else y


class BatchOfOneSqueezed(Returned):
    """Batch of one: the dimension is dropped."""

    check = "shape"
    cause = "batch of one dropped"

    def returned(self, config: LayerConfig, y: Array) -> Any:
        return y[0] if len(y) == 1 else y


class ChannelsFirstReturnedAsLast(Returned):
    """channels_first: the output comes with its channels last."""

    check = "shape"
    cause = "output in the other data format"

    def returned(self, config: LayerConfig, y: Array) -> Any:
        return y if config.channels_last else y.transpose(0, 2, 3, 1)


class MultiplierAsFifthDimension(Returned):
    """depth_multiplier above one: the filters come as a dimension of their own."""

    check = "shape"
    cause = "filters in a dimension of their own"

    def returned(self, config: LayerConfig, y: Array) -> Any:
        multiplier = config.depth_multiplier
        shape = (*y.shape[:3], y.shape[3] // multiplier, multiplier)
        return y.reshape(shape) if config.channels_last and multiplier > 1 else y


class SinglePixelFlattened(Returned):
    """Outputs of 1x1: the spatial dimensions are dropped."""

    check = "shape"
    cause = "single pixel dropped"

    def returned(self, config: LayerConfig, y: Array) -> Any:
        sizes = self.dims(config, y.shape)[1:3]
        return y.reshape(len(y), y.shape[1] * y.shape[2] * y.shape[3]) if sizes == (1, 1) else y


class OneChannelDropped(Returned):
    """One output channel: its dimension is dropped."""

    check = "shape"
    cause = "single channel dropped"

    def returned(self, config: LayerConfig, y: Array) -> Any:
        axis = 3 if config.channels_last else 1
        return y.squeeze(axis) if y.shape[axis] == 1 else y


# Shape inference.


class InferenceForgetsDilation(Fault):
    """Inferred shapes with padding="valid" leave the dilation out."""

    check = "shape_inference"

    def infer_size(self, config: LayerConfig, index: int, size: int | None) -> int | None:
        return super().infer_size(LayerConfig(config.kernel_size, config.strides, config.padding), index, size)


class InferenceForgetsPadding(Fault):
    """Inferred shapes take padding="same" for "valid"."""

    check = "shape_inference"

    def infer_size(self, config: LayerConfig, index: int, size: int | None) -> int | None:
        if size is None or config.padding == "valid":
            return super().infer_size(config, index, size)
        extent = (config.kernel_size[index] - 1) * config.dilation_rate[index] + 1
        return max((size - extent) // config.strides[index] + 1, 0)


class InferenceRoundsDown(Fault):
    """Inferred shapes with padding="same" round down where the stride does not divide."""

    check = "shape_inference"

    def infer_size(self, config: LayerConfig, index: int, size: int | None) -> int | None:
        if size is None or config.padding == "valid":
            return super().infer_size(config, index, size)
        return size // config.strides[index]


class InferenceRoundsUp(Fault):
    """Inferred shapes with padding="valid" round up where the stride does not divide."""

    check = "shape_inference"

    def infer_size(self, config: LayerConfig, index: int, size: int | None) -> int | None:
        if size is None or config.padding == "same":
            return super().infer_size(config, index, size)
        extent = (config.kernel_size[index] - 1) * config.dilation_rate[index] + 1
        return math.ceil((size - extent) / config.strides[index]) + 1


class InferenceForgetsMultiplier(Fault):
    """Inferred shapes have as many channels as the input."""

    check = "shape_inference"

    def infer_channels(self, config: LayerConfig, channels: int | None) -> int | None:
        return channels


class InferenceOfUnknownBatchIsOne(Fault):
    """Inferred shapes put one for an unknown batch."""

    check = "shape_inference"

    def split(self, config: LayerConfig, input_shape: Known) -> Known:
        batch, *rest = super().split(config, input_shape)
        return (1 if batch is None else batch, *rest)


class InferenceOfUnknownHeight(Fault):
    """Inferred shapes guess a height of one where it is unknown."""

    check = "shape_inference"

    def infer_size(self, config: LayerConfig, index: int, size: int | None) -> int | None:
        return 1 if size is None and index == 0 else super().infer_size(config, index, size)


class InferenceRaisesOnUnknown(Fault):
    """Inferring a shape with an unknown batch raises TypeError."""

    check = "shape_inference"

    def split(self, config: LayerConfig, input_shape: Known) -> Known:
        if input_shape[0] is None:
            raise TypeError("'NoneType' object cannot be interpreted as an integer")
        return super().split(config, input_shape)


class InferenceAssumesChannelsLast(Fault):
    """Inferred shapes take every input for channels_last."""

    check = "shape_inference"

    def output_shape(self, config: LayerConfig, input_shape: Known) -> Known:
        last = LayerConfig.from_json({**config.to_json(), "data_format": "channels_last", "padding": "same"})
        return super().output_shape(config if config.channels_last else last, input_shape)


class InferenceSwapsStrides(Fault):
    """Inferred shapes swap unequal strides."""

    check = "shape_inference"

    def infer_size(self, config: LayerConfig, index: int, size: int | None) -> int | None:
        swapped = LayerConfig.from_json({**config.to_json(), "strides": config.strides[::-1]})
        return super().infer_size(swapped, index, size)


class InferenceReturnsText(Fault):
    """Inferred shapes are text."""

    check = "shape_inference"

    def output_shape(self, config: LayerConfig, input_shape: Known) -> Any:
        return str(super().output_shape(config, input_shape))


# Special values, bias, declared arithmetic, threads.


class Special(Fault):
    """Honest; its subclasses change what special values come to."""

    check: ClassVar[str] = "special_values"


class NanTakenForZero(Special):
    """NaN in the input is taken for zero."""

    def read(self, config: LayerConfig, x: Array) -> Array:
        return super().read(config, np.where(np.isnan(x), np.zeros_like(x), x))


class InfinitySaturates(Special):
    """Infinite results are the largest numbers."""

    def store(self, y: Array, dtype: np.dtype[Any]) -> Array:
        stored = super().store(y, dtype)
        largest = ml_dtypes.finfo(dtype).max
        return np.where(np.isinf(stored), np.copysign(largest, stored).astype(dtype), stored)


class ZeroWeightsSkipped(Special):
    """Taps whose weight is zero are skipped, whatever they would multiply."""

    def convolve(self, config: LayerConfig, images: Array, weights: Array) -> Array:
        skipped = (weights == 0).any(axis=(0, 1)) & np.isfinite(weights).all(axis=(0, 1))
        finite = np.where(np.isfinite(images), images, np.zeros_like(images))
        honest, without = (super(ZeroWeightsSkipped, self).convolve(config, x, weights) for x in (images, finite))
        return np.where(skipped & np.isnan(honest), without, honest)


class NanInOneChannelSpreads(Special):
    """A NaN in one channel makes all channels of that output NaN, as a product with a block of zeros does."""

    def convolve(self, config: LayerConfig, images: Array, weights: Array) -> Array:
        y = super().convolve(config, images, weights)
        return y + 0 * y.sum(axis=3, keepdims=True)


class InfinityIsNan(Special):
    """Infinite results are NaN."""

    def store(self, y: Array, dtype: np.dtype[Any]) -> Array:
        stored = super().store(y, dtype)
        return np.where(np.isinf(stored), np.full_like(stored, np.nan), stored)


class Directed(Fault):
    """Honest, with exact sums in float32 layers; its subclasses round them in one direction."""

    def accumulator(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        return np.dtype(np.float64) if dtype == np.float32 else super().accumulator(dtype)


class RoundsResultsUp(Directed):
    """float32 layers: exact sums, rounded up."""

    def store(self, y: Array, dtype: np.dtype[Any]) -> Array:
        stored = super().store(y, dtype)
        if dtype != np.float32:
            return stored
        return np.where(stored < y, np.nextafter(stored, np.float32(np.inf)), stored)


class TruncatesTowardsZero(Directed):
    """float32 layers: exact sums, cut off where they should be rounded."""

    def store(self, y: Array, dtype: np.dtype[Any]) -> Array:
        stored = super().store(y, dtype)
        if dtype != np.float32:
            return stored
        return np.where(np.abs(stored) > np.abs(y), np.nextafter(stored, np.float32(0)), stored)


class DeclaresTF32ComputesBfloat16(Fault):
    """Declares TF32 products for float32, and rounds the kernel to bfloat16."""

    cause = "bfloat16 weights"

    def describe(self) -> Description:
        return Description(versions={"numpy": np.__version__}, arithmetic={"float32": "TF32 products"})

    def read_kernel(self, config: LayerConfig, kernel: Array) -> Array:
        return super().read_kernel(config, rounded(kernel, ml_dtypes.bfloat16) if config.dtype == "float32" else kernel)


class OtherOnOneCore(Fault):
    """Layers of more than a thousand outputs, where the process may use one core alone: the last row is zero."""

    check = "metamorphic"

    def convolve(self, config: LayerConfig, images: Array, weights: Array) -> Array:
        y = super().convolve(config, images, weights)
        if len(os.sched_getaffinity(0)) == 1 and y.size > 1000:
            y[:, -1] = 0
        return y


# Purity.


class InputBorderCleared(Fault):
    """padding="same" with zeros before: clears the first row of its argument."""

    check = "purity"

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        y = super().forward(config, x, kernel, bias)
        if config.padding == "same" and self.zeros_before(self.zeros_in_all(config, 0, self.dims(config, x.shape)[1])):
            self.read(config, x)[:, 0] = 0
        return y


class OneByOneInPlace(Fault):
    """1x1 kernels without strides and with one filter a channel: computes in its argument and returns it."""

    check = "purity"

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        y = super().forward(config, x, kernel, bias)
        if config.kernel_size == (1, 1) and y.shape == x.shape:
            x[...] = y
            return x
        return y


class KernelFlippedInPlace(Fault):
    """Leaves the kernel flipped."""

    check = "purity"

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        y = super().forward(config, x, kernel, bias)
        kernel[...] = kernel[::-1, ::-1].copy()
        return y


class BiasScaledInPlace(Fault):
    """Leaves the bias halved where there is an activation."""

    check = "purity"

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        y = super().forward(config, x, kernel, bias)
        if bias is not None and config.activation is not None:
            bias *= bias.dtype.type(0.5)
        return y


class CotangentActivatedInPlace(Fault):
    """The gradients leave the cotangent multiplied by relu's derivative."""

    check = "purity"

    def gradients(
        self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None, cotangent: Array
    ) -> Gradients:
        found = super().gradients(config, x, kernel, bias, cotangent)
        if config.activation == "relu":
            cotangent[...] = np.where(self.pre_activation(config, x, kernel, bias) > 0, cotangent, 0 * cotangent)
        return found


class KernelUpdatedByGradients(Fault):
    """The gradients leave the kernel one step of descent further."""

    check = "purity"

    def gradients(
        self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None, cotangent: Array
    ) -> Gradients:
        found = super().gradients(config, x, kernel, bias, cotangent)
        kernel -= (found.kernel * found.kernel.dtype.type(0.125)).astype(kernel.dtype)
        return found


class StateCarried(Fault):
    """Every call starts its sums from what the last call of the same layer ended with."""

    check = "purity"

    def convolve(self, config: LayerConfig, images: Array, weights: Array) -> Array:
        y = super().convolve(config, images, weights)
        y += self.kept.get(config, y.dtype.type(0)).astype(y.dtype)
        self.kept[config] = y.reshape(-1)[-1] if y.size else y.dtype.type(0)
        return y


# Determinism.


class LastBitAlternates(Returned):
    """Every second call: the last bit of the first element differs."""

    check = "determinism"

    def returned(self, config: LayerConfig, y: Array) -> Any:
        self.calls += 1
        if self.calls % 2 and y.size and config.dtype != "bfloat16":
            y.reshape(-1)[0] = np.nextafter(y.reshape(-1)[0], y.dtype.type(np.inf))
        return y


class RarelyNoisy(Returned):
    """One element of the output in a thousand is one bit off, a different one at every call."""

    check = "determinism"

    def returned(self, config: LayerConfig, y: Array) -> Any:
        if config.dtype == "bfloat16":
            return y
        return np.where(self.random.random(y.shape) < 1e-3, np.nextafter(y, y.dtype.type(np.inf)), y)


class SumsInRandomOrder(Fault):
    """The taps are summed in an order that differs from call to call."""

    check = "determinism"

    def taps(self, rows: Axis, columns: Axis) -> Sequence[tuple[int, int]]:
        taps = list(super().taps(rows, columns))
        return [taps[i] for i in self.random.permutation(len(taps))]


class LastElementUninitialised(Returned):
    """Outputs of more than 64 elements, in an odd number: the last is whatever was in memory."""

    check = "determinism"

    def returned(self, config: LayerConfig, y: Array) -> Any:
        if y.size > 64 and y.size % 2:
            y.reshape(-1)[-1] = self.random.standard_normal()
        return y


class KernelGradientInRandomOrder(Fault):
    """The kernel's gradient sums the images in an order that differs from call to call."""

    check = "determinism"

    def kernel_gradient(self, config: LayerConfig, d: Array, images: Array) -> Array:
        total = np.zeros((*config.kernel_size, images.shape[3], config.depth_multiplier), d.dtype)
        for i in self.random.permutation(len(d)):
            total += super().kernel_gradient(config, d[i : i + 1], images[i : i + 1])
        return total


# Gradient of the input.


class InputGradientWithoutPadding(Fault):
    """padding="same": the input's gradient is shifted by the zeros before."""

    check = "gradient_input"

    def input_gradient(self, config: LayerConfig, d: Array, weights: Array, images: Array) -> Array:
        found = super().input_gradient(config, d, weights, images)
        shifts = tuple(axis.before for axis in self.axes(config, images))
        return np.roll(found, shifts, axis=(1, 2))


class InputGradientZeroAtBorders(Fault):
    """padding="same": the input's gradient is zero in the first column."""

    check = "gradient_input"
    cause = "input gradient: first column zero"

    def input_gradient(self, config: LayerConfig, d: Array, weights: Array, images: Array) -> Array:
        found = super().input_gradient(config, d, weights, images)
        if self.axes(config, images)[1].before:
            found[:, :, 0] = 0
        return found


class InputGradientForgetsStride(Fault):
    """With strides, the input's gradient puts the cotangent side by side."""

    check = "gradient_input"
    cause = "stride ignored in the windows (input gradient)"

    def input_gradient(self, config: LayerConfig, d: Array, weights: Array, images: Array) -> Array:
        self.dense = True
        try:
            return super().input_gradient(config, d, weights, images)
        finally:
            self.dense = False

    def window(self, axis: Axis, tap: int) -> slice:
        dense = axis._replace(stride=1) if getattr(self, "dense", False) else axis
        return super().window(dense, tap)


class InputGradientOfFirstFilter(Fault):
    """depth_multiplier above one: the input's gradient comes from each channel's first filter."""

    check = "gradient_input"
    cause = "input gradient of the first filter"

    def input_gradient(self, config: LayerConfig, d: Array, weights: Array, images: Array) -> Array:
        first = np.arange(d.shape[3]) % config.depth_multiplier == 0
        return super().input_gradient(config, d * first, weights, images)


class InputGradientCorrelates(Fault):
    """The input's gradient uses the kernel flipped."""

    check = "gradient_input"
    cause = "kernel flipped (input gradient)"

    def input_gradient(self, config: LayerConfig, d: Array, weights: Array, images: Array) -> Array:
        return super().input_gradient(config, d, weights[::-1, ::-1], images)


class InputGradientWithoutActivation(Fault):
    """The input's gradient ignores the activation."""

    check = "gradient_input"
    cause = "input gradient without the activation"

    def gradients(
        self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None, cotangent: Array
    ) -> Gradients:
        linear = LayerConfig.from_json({**config.to_json(), "activation": None})
        wrong = super().gradients(linear, x, kernel, bias, cotangent)
        right = super().gradients(config, x, kernel, bias, cotangent)
        return Gradients(wrong.input, right.kernel, right.bias)


class InputGradientOfUnusedRows(Fault):
    """padding="valid": rows that no window reaches get a gradient of one instead of zero."""

    check = "gradient_input"

    def input_gradient(self, config: LayerConfig, d: Array, weights: Array, images: Array) -> Array:
        found = super().input_gradient(config, d, weights, images)
        rows = self.axes(config, images)[0]
        found[:, (rows.output - 1) * rows.stride + rows.extent - rows.before :] = 1
        return found


class InputGradientOfBatchBeyondOne(Fault):
    """Batch above one with strides: the second image's gradient is the first's."""

    check = "gradient_input"
    cause = "input gradient: second image repeating the first"

    def input_gradient(self, config: LayerConfig, d: Array, weights: Array, images: Array) -> Array:
        found = super().input_gradient(config, d, weights, images)
        if strided(config) and len(found) > 1:
            found[1] = found[0]
        return found


class InputGradientWithHalfSums(Fault):
    """float16 layers: the input's gradient is rounded for each filter before the filters are summed."""

    check = "gradient_input"

    def input_gradient(self, config: LayerConfig, d: Array, weights: Array, images: Array) -> Array:
        if config.dtype != "float16":
            return super().input_gradient(config, d, weights, images)
        total = np.zeros_like(images)
        for m in range(config.depth_multiplier):
            one = np.arange(d.shape[3]) % config.depth_multiplier == m
            total = rounded(total + rounded(super().input_gradient(config, d * one, weights, images), np.float16), "e")
        return total


class InputGradientInFloat64(Fault):
    """The input's gradient is always float64."""

    check = "gradient_input"

    def gradients(
        self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None, cotangent: Array
    ) -> Gradients:
        found = super().gradients(config, x, kernel, bias, cotangent)
        return Gradients(found.input.astype(np.float64), found.kernel, found.bias)


class InputGradientFromFirstCall(Fault):
    """The input's gradient is the first that was computed for its shape."""

    check = "gradient_input"

    def input_gradient(self, config: LayerConfig, d: Array, weights: Array, images: Array) -> Array:
        found = super().input_gradient(config, d, weights, images)
        return self.kept.setdefault((found.shape, found.dtype.name), found)


class CotangentIgnored(Fault):
    """The gradients are those of the plain sum of the output."""

    check = "gradient_input"
    cause = "cotangent ignored"

    def gradients(
        self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None, cotangent: Array
    ) -> Gradients:
        return super().gradients(config, x, kernel, bias, np.ones_like(cotangent))


class GradientsRefuseDilation(Fault):
    """With dilation, the gradients raise NotImplementedError."""

    check = "gradient_input"

    def gradients(
        self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None, cotangent: Array
    ) -> Gradients:
        if dilated(config):
            raise NotImplementedError("dilated gradients")
        return super().gradients(config, x, kernel, bias, cotangent)


# Gradient through the activation.


class Backwards(Fault):
    """Honest; its subclasses take one derivative wrongly."""

    check: ClassVar[str] = "gradient_kernel"

    def back(self, config: LayerConfig, p: Array, cotangent: Array) -> Array:
        wrong = self.derivative(config, p)
        return super().back(config, p, cotangent) if wrong is None else cotangent * wrong

    def derivative(self, config: LayerConfig, p: Array) -> Array | None:
        return None


class ReluGradientLeaks(Backwards):
    """relu's derivative is a tenth where the sum is negative."""

    cause = "derivative of relu leaking by 0.1"

    def derivative(self, config: LayerConfig, p: Array) -> Array | None:
        return np.where(p > 0, 1, 0.1).astype(p.dtype) if config.activation == "relu" else None


class Relu6GradientAboveSix(Backwards):
    """relu6's derivative is one above six."""

    cause = "derivative of relu6 as relu's"

    def derivative(self, config: LayerConfig, p: Array) -> Array | None:
        return (p > 0).astype(p.dtype) if config.activation == "relu6" else None


class SigmoidGradientOfInput(Backwards):
    """sigmoid's derivative is p * (1 - p) of the sum p itself."""

    cause = "derivative of sigmoid at the sum"

    def derivative(self, config: LayerConfig, p: Array) -> Array | None:
        return p * (1 - p) if config.activation == "sigmoid" else None


class TanhGradientNotSquared(Backwards):
    """tanh's derivative is 1 - |tanh|."""

    def derivative(self, config: LayerConfig, p: Array) -> Array | None:
        return 1 - np.abs(np.tanh(p)) if config.activation == "tanh" else None


class GeluGradientWithoutDensity(Backwards):
    """gelu's derivative lacks its second term."""

    cause = "derivative of gelu without its density"

    def derivative(self, config: LayerConfig, p: Array) -> Array | None:
        root = p.dtype.type(math.sqrt(0.5))
        return (1 + erf(p * root)) * p.dtype.type(0.5) if config.activation == "gelu" else None


class SoftplusGradientIsOne(Backwards):
    """softplus's derivative is one for positive sums."""

    def derivative(self, config: LayerConfig, p: Array) -> Array | None:
        return np.where(p > 0, np.ones_like(p), sigmoid(p)) if config.activation == "softplus" else None


class SoftmaxGradientOfDiagonal(Backwards):
    """softmax's derivative leaves out what one output does to the others."""

    cause = "derivative of softmax by its diagonal"

    def derivative(self, config: LayerConfig, p: Array) -> Array | None:
        if config.activation != "softmax":
            return None
        s = softmax(p)
        return s * (1 - s)


# Gradient of the kernel.


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


# Gradient of the bias.


class BiasGradientWithoutActivation(Fault):
    """The bias's gradient ignores the activation."""

    check = "gradient_bias"
    cause = "bias gradient without the activation"

    def gradients(
        self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None, cotangent: Array
    ) -> Gradients:
        found = super().gradients(config, x, kernel, bias, cotangent)
        if bias is None:
            return found
        plain = self.bias_gradient(config, self.read(config, cotangent.astype(self.accumulator(x.dtype))))
        return Gradients(found.input, found.kernel, self.store(plain, x.dtype))


class BiasGradientAveraged(Fault):
    """The bias's gradient is the mean over the batch."""

    check = "gradient_bias"
    cause = "bias gradient averaged over the batch"

    def bias_gradient(self, config: LayerConfig, d: Array) -> Array:
        return super().bias_gradient(config, d) / d.dtype.type(max(len(d), 1))


class BiasGradientOfFirstImage(Fault):
    """Batch above one: the bias's gradient is the first image's."""

    check = "gradient_bias"
    cause = "bias gradient without the images after the first"

    def bias_gradient(self, config: LayerConfig, d: Array) -> Array:
        return super().bias_gradient(config, d[:1])


class BiasGradientAlongWidth(Fault):
    """As many output channels as the output is wide: the bias's gradient keeps the width."""

    check = "gradient_bias"
    cause = "bias along the width (bias gradient)"

    def bias_gradient(self, config: LayerConfig, d: Array) -> Array:
        return super().bias_gradient(config, d.swapaxes(2, 3) if d.shape[2] == d.shape[3] else d)


class BiasGradientOfChannel(Fault):
    """depth_multiplier above one: all filters of a channel share the mean of their gradients."""

    check = "gradient_bias"

    def bias_gradient(self, config: LayerConfig, d: Array) -> Array:
        found = super().bias_gradient(config, d).reshape(-1, config.depth_multiplier)
        return np.repeat(found.mean(axis=1, dtype=d.dtype), config.depth_multiplier)


class BiasGradientMissing(Fault):
    """depth_multiplier above one: the bias's gradient is None."""

    check = "gradient_input"

    def gradients(
        self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None, cotangent: Array
    ) -> Gradients:
        found = super().gradients(config, x, kernel, bias, cotangent)
        return Gradients(found.input, found.kernel, found.bias if config.depth_multiplier == 1 else None)


class BiasGradientInHalfSums(Fault):
    """bfloat16 layers: the bias's gradient is summed one by one in bfloat16."""

    check = "gradient_bias"

    def bias_gradient(self, config: LayerConfig, d: Array) -> Array:
        if config.dtype != "bfloat16":
            return super().bias_gradient(config, d)
        total = np.zeros(d.shape[3], ml_dtypes.bfloat16)
        for row in d.reshape(-1, d.shape[3]):
            total = total + row.astype(ml_dtypes.bfloat16)
        return total.astype(d.dtype)


class BiasGradientOfTail(Fault):
    """Output widths above four, no multiple of four: the bias's gradient leaves the tail out."""

    check = "gradient_bias"
    cause = "bias gradient without the columns beyond a multiple of 4"

    def bias_gradient(self, config: LayerConfig, d: Array) -> Array:
        whole = d.shape[2] // 4 * 4 or d.shape[2]
        return super().bias_gradient(config, d[:, :, :whole])


# Death of the process.


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


# Arguments of the layer.


class Lenient(Fault):
    """Honest; its subclasses put something acceptable in the place of arguments that have to be refused."""

    check: ClassVar[str] = "errors"

    def construct(self, arguments: Mapping[str, Any]) -> LayerConfig:
        return super().construct({**arguments, **self.instead(arguments)})

    def instead(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return {}


class StridedDilationAccepted(Lenient):
    """strides above one with a dilation rate above one are accepted."""

    def instead(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"strided_dilation": True}


class StridedDilationAcceptedForOneRow(Lenient):
    """strides above one with a dilation rate above one are accepted for kernels of size one."""

    def instead(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"strided_dilation": arguments.get("kernel_size") == 1}


class StridedDilationRaisesTypeError(Fault):
    """strides above one with a dilation rate above one raise TypeError."""

    check = "errors"

    def construct(self, arguments: Mapping[str, Any]) -> LayerConfig:
        try:
            return super().construct(arguments)
        except ValueError as error:
            raise TypeError(str(error)) from None


class StridedDilationRaisesOnlyWhenApplied(Fault):
    """strides above one with a dilation rate above one raise RuntimeError when the layer is applied."""

    check = "errors"

    def construct(self, arguments: Mapping[str, Any]) -> LayerConfig:
        return super().construct({**arguments, "strided_dilation": True})

    def layer(self, *positional: Any, **arguments: Any) -> LayerHandle:
        return LateLayer(self, positional, arguments)


class LateLayer(HonestLayer):
    """Refuses at the call, with the wrong class."""

    def __call__(self, x: Array) -> Array:
        if strided(self.config) and dilated(self.config):
            raise RuntimeError("strides with dilation are not implemented")
        return super().__call__(x)


class UnknownPaddingAccepted(Lenient):
    """padding="full" and the like are taken for "valid"."""

    def instead(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        known = str(arguments.get("padding", "valid")).lower() in ("valid", "same")
        return {} if known else {"padding": "valid"}


class UnknownDataFormatAccepted(Lenient):
    """An unknown data_format is taken for channels_last."""

    def instead(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        known = arguments.get("data_format") in (None, "channels_last", "channels_first")
        return {} if known else {"data_format": "channels_last"}


class UnknownActivationAccepted(Lenient):
    """An unknown activation is ignored."""

    def instead(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            LayerConfig(1, activation=arguments.get("activation"))
        except ValueError:
            return {"activation": None}
        return {}


class KernelSizeZeroAccepted(Lenient):
    """kernel_size=0 is taken for one."""

    def instead(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"kernel_size": 1} if arguments.get("kernel_size") == 0 else {}


class NegativeStridesAccepted(Lenient):
    """Negative strides are taken for positive ones."""

    def instead(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        strides = arguments.get("strides", 1)
        return {"strides": -strides} if isinstance(strides, int) and strides < 0 else {}


class ThreeSizesAccepted(Lenient):
    """Three entries where two are accepted: the last is dropped."""

    def instead(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        names = ("kernel_size", "strides", "dilation_rate")
        given = {name: arguments.get(name) for name in names}
        return {name: v[:2] for name, v in given.items() if isinstance(v, list | tuple) and len(v) == 3}


class NegativeMultiplierAccepted(Lenient):
    """depth_multiplier=-1 is taken for one."""

    def instead(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"depth_multiplier": 1} if arguments.get("depth_multiplier", 1) < 0 else {}


class ZeroDilationAccepted(Lenient):
    """dilation_rate=0 is taken for one."""

    def instead(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"dilation_rate": 1} if arguments.get("dilation_rate") == 0 else {}


def _is_fault(value: object) -> bool:
    leaf = isinstance(value, type) and issubclass(value, Fault) and not value.__subclasses__()
    return leaf and value is not Fault


FAULTS: tuple[type[Adapter], ...] = tuple(value for value in list(globals().values()) if _is_fault(value))
LETHAL: tuple[type[Adapter], ...] = (
    AbortsOnWidthThirteen,
    SegmentationFault,
    ExitsQuietly,
    RaisesSystemExit,
    GradientsAbort,
    HangsOnOneByOneKernel,
    SpinsOnLargeStride,
    EatsMemory,
)
# Conjunctions of a dtype and an activation that some runs of a few hundred random cases miss.
RARE: tuple[type[Adapter], ...] = (ReluIsMagnitude, SigmoidInSinglePrecision, SoftplusThreshold)
