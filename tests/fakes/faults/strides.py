"""Strides and dilation: swapped, ignored, capped, or those of the other axis."""

from __future__ import annotations

from honest import Axis

from depthwise_conformance.reference import LayerConfig
from faults.base import Fault


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
