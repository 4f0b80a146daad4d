"""Sizes and paddings: integers only, one axis at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from depthwise_conformance.reference.config import LayerConfig

Shape4 = tuple[int, int, int, int]


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
    def padded(self) -> int:
        return self.before + self.input + self.after


def effective_extent(kernel: int, dilation: int) -> int:
    """The number of input positions that a dilated kernel spans."""
    return (kernel - 1) * dilation + 1


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
    """The documented shape of the output: `channels * depth_multiplier` channels, the windows of each axis."""
    batch, height, width, channels = split_shape(config, input_shape)
    rows, columns = spatial_axes(config, height, width)
    return join_shape(config, batch, rows.output, columns.output, channels * config.depth_multiplier)


def kernel_shape(config: LayerConfig, channels: int) -> Shape4:
    """`(kernel_height, kernel_width, channels, depth_multiplier)`."""
    return (*config.kernel_size, channels, config.depth_multiplier)
