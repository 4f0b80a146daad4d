"""padding="same": too many zeros, too few, or on the wrong side."""

from __future__ import annotations

import math

import numpy as np
from honest import Array, Axis

from depthwise_conformance.reference import LayerConfig
from faults.base import Fault


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

    cause = "same padding of half the dilated kernel"

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
