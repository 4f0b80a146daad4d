"""The depthwise convolution and its three gradients, in float64.

Everything here works on `(batch, height, width, channels)` inside and accepts and returns arrays laid out
as `config.data_format` says. Arguments of any floating dtype are widened to float64 first, exactly.

Each sum is one `einsum` over a view of the windows, of shape `(batch, rows, kernel_height, kernel_width, columns, run)`
with the channels of one column in a run. The rest serves speed, and changes no result: einsum is fast where its inner
loop, over the run, is long; so few channels are joined with those of the next columns (`_joinable`), a run is worked
off in pieces that stay in the first cache (`_pieces`), and of a large input only the borders are padded (`_blocks`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.reference.config import LayerConfig
from depthwise_conformance.reference.geometry import Axis, Shape4, spatial_axes, split_shape, transposed_axes

Array = NDArray[np.float64]

PIECE = 1024  # numbers in one inner loop: a few such pieces fit into the first cache
FEW = 256  # channels: einsum gains from joining columns that have fewer
LARGE = 1 << 17  # numbers in an input: padding a copy of it costs more than treating its borders apart


def widen(array: NDArray[Any]) -> Array:
    """The same numbers in float64."""
    return np.asarray(array, dtype=np.float64)


def depthwise_conv2d(
    config: LayerConfig, x: NDArray[Any], kernel: NDArray[Any], bias: NDArray[Any] | None = None
) -> Array:
    """`y[b, i, j, c*M + m] = sum over p, q of x[b, i*stride + p*dilation - before, ...] * kernel[p, q, c, m]`.

    `x` is an input of the layer, zeros beyond its borders; `kernel` has shape
    `(kernel_height, kernel_width, channels, depth_multiplier)`; `bias[c*M + m]` is added if there is one.
    """
    x, k = _channels_last(config, widen(x)), _merge(widen(kernel))
    rows, columns = spatial_axes(config, x.shape[1], x.shape[2])
    y = np.empty((x.shape[0], rows.output, columns.output, k.shape[2]))
    _correlate(x, k, rows, columns, y, repeat=config.depth_multiplier)
    if bias is not None:
        y += widen(bias)
    return _as_configured(config, y)


def input_gradient(config: LayerConfig, cotangent: NDArray[Any], kernel: NDArray[Any], shape: Shape4) -> Array:
    """The gradient of `sum(cotangent * depthwise_conv2d(x, kernel))` for x, of `shape`.

    It is a correlation too, of the cotangent with the reversed kernel: one for all input positions that the same
    taps reach, so one in all if the strides are 1. An input channel gets the sum of its `depth_multiplier` shares.
    """
    d, k = _channels_last(config, widen(cotangent)), _merge(widen(kernel))
    batch, height, width, channels = split_shape(config, shape)
    rows, columns = spatial_axes(config, height, width)
    shares = np.empty((batch, height, width, channels * config.depth_multiplier))
    for at_rows, row_taps, way_rows in transposed_axes(rows):
        for at_columns, column_taps, way_columns in transposed_axes(columns):
            part, taps = shares[:, at_rows, at_columns], k[row_taps, column_taps]
            if taps.size:
                _correlate(d, taps[::-1, ::-1], way_rows, way_columns, part)
            else:  # a stride larger than the kernel leaves positions that no window sees
                part[...] = 0.0
    shares = shares.reshape(batch, height, width, channels, config.depth_multiplier)
    gradient = shares[..., 0]
    for m in range(1, config.depth_multiplier):
        gradient = gradient + shares[..., m]
    return _as_configured(config, gradient)


def kernel_gradient(config: LayerConfig, cotangent: NDArray[Any], x: NDArray[Any]) -> Array:
    """The gradient of `sum(cotangent * depthwise_conv2d(x, kernel))` for the kernel."""
    d, x = np.ascontiguousarray(_channels_last(config, widen(cotangent))), _channels_last(config, widen(x))
    rows, columns = spatial_axes(config, x.shape[1], x.shape[2])
    channels = d.shape[3]
    gradient = np.zeros((rows.kernel, columns.kernel, channels))
    for i, j, windows in _blocks(x, rows, columns, _joinable(columns, d), config.depth_multiplier):
        batch, height, _, _, width, run = windows.shape
        block = d[:, i, j].reshape(batch, height, width, run)
        sums = np.empty((rows.kernel, columns.kernel, run))
        for piece in _pieces(run, channels):
            for p in range(rows.kernel):  # all rows of the kernel in one sum are slower, and no shorter
                np.einsum("biqjn,bijn->qn", windows[:, :, p, ..., piece], block[..., piece], out=sums[p, :, piece])
        gradient += sums.reshape(rows.kernel, columns.kernel, run // channels, channels).sum(axis=2)
    return gradient.reshape(rows.kernel, columns.kernel, x.shape[3], config.depth_multiplier)


def bias_gradient(config: LayerConfig, cotangent: NDArray[Any]) -> Array:
    """The gradient of `sum(cotangent * (y + bias))` for the bias."""
    return np.asarray(widen(cotangent).sum(axis=(0, 1, 2) if config.channels_last else (0, 2, 3)))


def add_bias(config: LayerConfig, y: Array, bias: NDArray[Any]) -> Array:
    """Adds `bias`, of shape `(channels * depth_multiplier,)`, along the channels."""
    return y + (widen(bias) if config.channels_last else widen(bias)[:, None, None])


def _correlate(x: Array, kernel: Array, rows: Axis, columns: Axis, out: Array, repeat: int = 1) -> None:
    """Writes to `out`, for every window of x, the sum over the taps of what each sees times what it weighs.

    `kernel` has shape `(kernel_height, kernel_width, channels * repeat)`.
    """
    channels = kernel.shape[2]
    joined = _joinable(columns, out)
    copies = min(_piece(channels) // channels, columns.output) if joined else 1
    weights = np.concatenate([kernel] * copies, axis=2) if copies > 1 else kernel
    for i, j, windows in _blocks(x, rows, columns, joined, repeat):
        batch, height, _, _, width, run = windows.shape
        block = out[:, i, j].reshape(batch, height, width, run)  # a view: joined columns adjoin in `out`
        for piece in _pieces(run, channels):
            taps = weights[..., : piece.stop - piece.start]
            np.einsum("bipqjn,pqn->bijn", windows[..., piece], taps, out=block[..., piece])


def _joinable(columns: Axis, output: Array) -> bool:
    """Whether columns have few channels, and adjoin in memory: those that a tap sees, and those of the output."""
    adjoin = columns.stride == 1 and output.strides[2] == output.shape[3] * output.itemsize
    return adjoin and output.shape[3] < FEW


def _piece(channels: int) -> int:
    """The length of a piece: whole columns, about `PIECE` numbers."""
    return max(PIECE // channels, 1) * channels


def _pieces(run: int, channels: int) -> list[slice]:
    piece = _piece(channels)
    return [slice(start, min(start + piece, run)) for start in range(0, run, piece)]


def _blocks(x: Array, rows: Axis, columns: Axis, joined: bool, repeat: int = 1) -> Iterator[tuple[slice, slice, Array]]:
    """Rows and columns of the output, and the view of their windows; every channel of x counts `repeat` times in a row.

    A small input is one block, of a padded copy if need be. A large one is up to nine: the windows that lie wholly
    inside are seen in place, and only what the windows across a border see is copied.
    """
    in_place = repeat == 1 and x.flags.c_contiguous
    apart = in_place and x.size >= LARGE
    for i in rows.parts() if apart else (slice(0, rows.output),):
        for j in columns.parts() if apart else (slice(0, columns.output),):
            seen_rows, seen_columns = rows.positions(i), columns.positions(j)
            if in_place and _within(seen_rows, x.shape[1]) and _within(seen_columns, x.shape[2]):
                source, top, left = x[..., None], seen_rows.start, seen_columns.start
            else:
                source, top, left = _zero_padded(x, seen_rows, seen_columns, repeat), 0, 0
            image, row, column = source.strides[:3]
            run, width, height = x.shape[3] * repeat, j.stop - j.start, i.stop - i.start
            shape = (x.shape[0], height, rows.kernel, columns.kernel, *((1, width * run) if joined else (width, run)))
            steps = (rows.stride * row, rows.dilation * row, columns.dilation * column, columns.stride * column)
            # The constructor, unlike `as_strided`, refuses a view that leaves the source.
            start = top * row + left * column
            yield i, j, np.ndarray(shape, np.float64, source, start, (image, *steps, source.itemsize))


def _within(positions: range, size: int) -> bool:
    return positions.start >= 0 and positions.stop <= size


def _zero_padded(x: Array, rows: range, columns: range, repeat: int) -> Array:
    """Rows and columns of x, zeros for those it does not have: `(batch, rows, columns, channels, repeat)`."""
    batch, height, width, channels = x.shape
    padded = np.zeros((batch, len(rows), len(columns), channels, repeat))
    to_rows, from_rows = _inside(rows, height)
    to_columns, from_columns = _inside(columns, width)
    padded[:, to_rows, to_columns] = x[:, from_rows, from_columns, :, None]
    return padded


def _inside(positions: range, size: int) -> tuple[slice, slice]:
    """Which of these positions are among `0 ... size - 1`: their places in the range, and themselves."""
    start = min(max(positions.start, 0), size)
    stop = min(max(positions.stop, 0), size)
    return slice(start - positions.start, stop - positions.start), slice(start, stop)


def _channels_last(config: LayerConfig, array: Array) -> Array:
    return array if config.channels_last else array.transpose(0, 2, 3, 1)


def _as_configured(config: LayerConfig, array: Array) -> Array:
    return array if config.channels_last else array.transpose(0, 3, 1, 2)


def _merge(kernel: Array) -> Array:
    """The kernel with channel and multiplier as one axis: the order of the output's channels."""
    return kernel.reshape(*kernel.shape[:2], kernel.shape[2] * kernel.shape[3])
