"""Sizes and paddings: integers only, one axis at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import gcd
from typing import Any, TypeVar

from depthwise_conformance.reference.config import LayerConfig

Shape4 = tuple[int, int, int, int]
T = TypeVar("T", int, int | None)


@dataclass(frozen=True)
class Axis:
    """One spatial axis: `before` and `after` are zeros added to the input, `output` the number of windows."""

    input: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int
    output: int

    @property
    def span(self) -> int:
        """The number of input positions that one window spans."""
        return effective_extent(self.kernel, self.dilation)

    def positions(self, windows: slice) -> range:
        """The positions that these windows span together; those outside `0 ... input - 1` are padding."""
        start = windows.start * self.stride - self.before
        return range(start, start + (windows.stop - windows.start - 1) * self.stride + self.span)

    def parts(self) -> list[slice]:
        """The windows before, inside and beyond the input's borders: those that lie wholly inside are the middle."""
        first = min(max(-(-self.before // self.stride), 0), self.output)
        last = max(min((self.input + self.before - self.span) // self.stride + 1, self.output), first)
        parts = (slice(0, first), slice(first, last), slice(last, self.output))
        return [part for part in parts if part.start < part.stop]


def effective_extent(kernel: int, dilation: int) -> int:
    """The number of input positions that a dilated kernel spans."""
    return (kernel - 1) * dilation + 1


@lru_cache(maxsize=1024)
def axis_geometry(size: int, kernel: int, stride: int, dilation: int, padding: str) -> Axis:
    """The geometry of one axis.

    "valid" takes the windows that lie wholly inside the input. "same" gives ceil(size / stride) windows
    and spreads the zeros that this needs evenly; where their number is odd, the extra one comes after
    (the seed says "evenly"; the odd one's side is the convention that Keras documents elsewhere).

    Raises ValueError when a valid window does not fit into the input.
    """
    extent = effective_extent(kernel, dilation)
    if padding == "valid":
        if extent > size:
            raise ValueError(
                f"a kernel spanning {extent} does not fit into an input of {size} with padding='valid'; "
                "accepted are inputs at least as large as the dilated kernel"
            )
        return Axis(size, kernel, stride, dilation, 0, 0, (size - extent) // stride + 1)
    output = -(-size // stride)
    total = max((output - 1) * stride + extent - size, 0)
    return Axis(size, kernel, stride, dilation, total // 2, total - total // 2, output)


@lru_cache(maxsize=1024)
def transposed_axes(axis: Axis) -> tuple[tuple[slice, slice, Axis], ...]:
    """The way back, from windows to input: positions, the taps that reach them, and the axis that leads there.

    Tap p of window o sees position `i = o*stride + p*dilation - before`. So position i is seen by window
    `o = (i + before - p*dilation) / stride` through each tap p for which that is a whole number. Those taps are
    `stride / g` apart, their windows `dilation / g` apart and in reverse order, where g is the greatest common divisor
    of stride and dilation; all positions with the same remainder modulo the stride share them. Hence, for each
    remainder: the positions, the taps, and an axis of stride 1 from the windows to the positions, by the taps reversed.
    """
    common = gcd(axis.stride, axis.dilation)
    ways = []
    for start in range(min(axis.stride, axis.input)):
        taps = [p for p in range(axis.kernel) if (start + axis.before - p * axis.dilation) % axis.stride == 0]
        first, last = (taps[0], taps[-1]) if taps else (0, -1)
        before = (last * axis.dilation - axis.before - start) // axis.stride
        count = len(range(start, axis.input, axis.stride))
        way = Axis(axis.output, len(taps), 1, axis.dilation // common, before, 0, count)
        ways.append((slice(start, None, axis.stride), slice(first, last + 1, axis.stride // common), way))
    return tuple(ways)


def spatial_axes(config: LayerConfig, height: int, width: int) -> tuple[Axis, Axis]:
    """The geometry of both axes."""
    rows, columns = (
        axis_geometry(size, kernel, stride, dilation, config.padding)
        for size, kernel, stride, dilation in zip(
            (height, width), config.kernel_size, config.strides, config.dilation_rate, strict=True
        )
    )
    return rows, columns


def split_shape(config: LayerConfig, input_shape: Sequence[int]) -> Shape4:
    """`(batch, height, width, channels)` of an input laid out as `data_format` says.

    Raises ValueError unless there are four dimensions, none negative, with spatial sizes and channels of 1 or more.
    """
    if len(input_shape) != 4:
        raise ValueError(f"input shape {tuple(input_shape)} has {len(input_shape)} dimensions; accepted are 4")
    batch, *rest = input_shape
    if batch < 0 or min(rest) < 1:
        raise ValueError(
            f"input shape {tuple(input_shape)}: accepted are a batch of 0 or more, other sizes of 1 or more"
        )
    height, width, channels = rest if config.channels_last else (rest[1], rest[2], rest[0])
    return batch, height, width, channels


def join_shape(config: LayerConfig, batch: int, height: int, width: int, channels: int) -> Shape4:
    """The inverse of `split_shape`."""
    return (batch, height, width, channels) if config.channels_last else (batch, channels, height, width)


def output_shape(config: LayerConfig, input_shape: Sequence[int]) -> Shape4:
    """The documented shape of the output: `channels * depth_multiplier` channels, the windows of each axis.

    The activation glu halves the last dimension, whatever it is. Raises ValueError where that is odd.
    """
    batch, height, width, channels = activated_shape(config, sums_shape(config, input_shape))
    return batch, height, width, channels


def activated_shape(config: LayerConfig, sums: Sequence[T]) -> tuple[T, ...]:
    """The output's shape by that of the sums before the activation, either with None where a size is unknown."""
    last: Any = sums[-1]
    if config.activation != "glu" or last is None:
        return tuple(sums)
    if last % 2:
        raise ValueError(f"activation='glu' on sums of shape {tuple(sums)}: accepted is a last dimension that is even")
    return (*sums[:-1], last // 2)


def sums_shape(config: LayerConfig, input_shape: Sequence[int]) -> Shape4:
    """The shape before the activation."""
    batch, height, width, channels = split_shape(config, input_shape)
    rows, columns = spatial_axes(config, height, width)
    return join_shape(config, batch, rows.output, columns.output, channels * config.depth_multiplier)


def kernel_shape(config: LayerConfig, channels: int) -> Shape4:
    """`(kernel_height, kernel_width, channels, depth_multiplier)`."""
    return (*config.kernel_size, channels, config.depth_multiplier)
