"""padding="same": zeros counted by a formula that is next to the documented one."""

from __future__ import annotations

from honest import Axis

from depthwise_conformance.reference import LayerConfig
from faults.base import Fault


class SamePaddingForKernelTimesDilation(Fault):
    """padding="same": counts the zeros for an extent of kernel * dilation."""

    cause = "same padding for kernel * dilation"

    def zeros_in_all(self, config: LayerConfig, index: int, size: int) -> int:
        kernel, stride, dilation = (pair[index] for pair in self.pairs(config))
        return max((-(-size // stride) - 1) * stride + kernel * dilation - size, 0)


class SamePaddingForKernelTimesDilationRoundedUp(Fault):
    """padding="same": (kernel * dilation - stride + 1) // 2 zeros come before."""

    cause = "same padding for kernel * dilation without the remainder with the odd zero before"

    def axis(self, config: LayerConfig, index: int, size: int) -> Axis:
        axis = super().axis(config, index, size)
        zeros = max(axis.kernel * axis.dilation - axis.stride + 1, 0) // 2
        return axis._replace(before=zeros) if config.padding == "same" else axis


class SamePaddingForSizeOverStride(Fault):
    """padding="same": counts the zeros for size // stride windows, of which there may be one more."""

    cause = "same padding for size // stride windows"

    def zeros_in_all(self, config: LayerConfig, index: int, size: int) -> int:
        kernel, stride, dilation = (pair[index] for pair in self.pairs(config))
        return max((size // stride - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)


class SamePaddingForTheNextStride(Fault):
    """padding="same", strides above one: counts the zeros for a stride that is larger by one."""

    cause = "same padding for the next stride"

    def zeros_in_all(self, config: LayerConfig, index: int, size: int) -> int:
        kernel, stride, dilation = (pair[index] for pair in self.pairs(config))
        step = stride + (stride > 1)
        return max((-(-size // stride) - 1) * step + (kernel - 1) * dilation + 1 - size, 0)


class SamePaddingRoundsTapsDown(Fault):
    """padding="same" along the height: (kernel - 1) // 2 * dilation zeros come before."""

    cause = "same padding of the taps before the middle along the height"

    def axis(self, config: LayerConfig, index: int, size: int) -> Axis:
        axis = super().axis(config, index, size)
        wrong = config.padding == "same" and index == 0
        return axis._replace(before=(axis.kernel - 1) // 2 * axis.dilation) if wrong else axis


class SamePaddingEvenZeroBehind(Fault):
    """padding="same": of an even number of zeros, one that should come before comes after."""

    cause = "same padding with an even zero behind"

    def zeros_before(self, total: int) -> int:
        return max(total - 1, 0) // 2


class WindowsCountedWithTheOtherSide(Fault):
    """Kernels that are not square: windows and zeros are counted with the kernel's other side."""

    check = "shape"
    cause = "size of the kernel's other side"

    def output_size(self, config: LayerConfig, index: int, size: int) -> int:
        return super().output_size(_turned(config), index, size)

    def zeros_in_all(self, config: LayerConfig, index: int, size: int) -> int:
        return super().zeros_in_all(_turned(config), index, size)


def _turned(config: LayerConfig) -> LayerConfig:
    return LayerConfig.from_json({**config.to_json(), "kernel_size": list(config.kernel_size[::-1])})
