"""The depthwise convolution and its three gradients, in float64.

Everything here works on `(batch, height, width, channels)` inside and accepts and returns arrays laid out
as `config.data_format` says. Arguments of any floating dtype are widened to float64 first, exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from depthwise_conformance.reference.config import LayerConfig
from depthwise_conformance.reference.geometry import Axis, Shape4, effective_extent, spatial_axes, split_shape

Array = NDArray[np.float64]


def widen(array: NDArray[Any]) -> Array:
    """The same numbers in float64."""
    return np.asarray(array, dtype=np.float64)


def depthwise_conv2d(config: LayerConfig, x: NDArray[Any], kernel: NDArray[Any]) -> Array:
    """`y[b, i, j, c*M + m] = sum over p, q of x[b, i*stride + p*dilation - before, ...] * kernel[p, q, c, m]`.

    `x` is an input of the layer, `kernel` has shape `(kernel_height, kernel_width, channels, depth_multiplier)`.
    """
    windows = _windows(config, _to_channels_last(config, widen(x)))
    y = np.einsum("bhwcpq,pqcm->bhwcm", windows, widen(kernel))
    return _from_channels_last(config, _merge(y))


def input_gradient(config: LayerConfig, cotangent: NDArray[Any], kernel: NDArray[Any], shape: Shape4) -> Array:
    """The gradient of `sum(cotangent * depthwise_conv2d(x, kernel))` for x, of `shape`: each tap's share, put back."""
    d = _split(_to_channels_last(config, widen(cotangent)), config.depth_multiplier)
    k = widen(kernel)
    batch, height, width, channels = split_shape(config, shape)
    rows, columns = spatial_axes(config, height, width)
    padded = np.zeros((batch, rows.padded, columns.padded, channels))
    for p in range(rows.kernel):
        for q in range(columns.kernel):
            padded[:, _tap(rows, p), _tap(columns, q)] += np.einsum("bhwcm,cm->bhwc", d, k[p, q])
    inside = padded[:, rows.before : rows.before + height, columns.before : columns.before + width]
    return _from_channels_last(config, inside)


def kernel_gradient(config: LayerConfig, cotangent: NDArray[Any], x: NDArray[Any]) -> Array:
    """The gradient of `sum(cotangent * depthwise_conv2d(x, kernel))` for the kernel."""
    d = _split(_to_channels_last(config, widen(cotangent)), config.depth_multiplier)
    return np.einsum("bhwcpq,bhwcm->pqcm", _windows(config, _to_channels_last(config, widen(x))), d)


def bias_gradient(config: LayerConfig, cotangent: NDArray[Any]) -> Array:
    """The gradient of `sum(cotangent * (y + bias))` for the bias."""
    return widen(cotangent).sum(axis=(0, 1, 2) if config.channels_last else (0, 2, 3))


def add_bias(config: LayerConfig, y: Array, bias: NDArray[Any]) -> Array:
    """Adds `bias`, of shape `(channels * depth_multiplier,)`, along the channels."""
    return y + (widen(bias) if config.channels_last else widen(bias)[:, None, None])


def _windows(config: LayerConfig, x: Array) -> Array:
    """A view `(batch, out_height, out_width, channels, kernel_height, kernel_width)` of the padded input."""
    rows, columns = spatial_axes(config, x.shape[1], x.shape[2])
    padded = np.pad(x, ((0, 0), (rows.before, rows.after), (columns.before, columns.after), (0, 0)))
    spans = (effective_extent(rows.kernel, rows.dilation), effective_extent(columns.kernel, columns.dilation))
    view = sliding_window_view(padded, spans, axis=(1, 2))
    return view[:, :: rows.stride, :: columns.stride, :, :: rows.dilation, :: columns.dilation]


def _tap(axis: Axis, index: int) -> slice:
    """The padded positions that tap `index` of the kernel sees, one for each window."""
    first = index * axis.dilation
    return slice(first, first + (axis.output - 1) * axis.stride + 1, axis.stride)


def _to_channels_last(config: LayerConfig, array: Array) -> Array:
    return array if config.channels_last else array.transpose(0, 2, 3, 1)


def _from_channels_last(config: LayerConfig, array: Array) -> Array:
    return array if config.channels_last else array.transpose(0, 3, 1, 2)


def _merge(y: Array) -> Array:
    return y.reshape(*y.shape[:3], y.shape[3] * y.shape[4])


def _split(y: Array, depth_multiplier: int) -> Array:
    return y.reshape(*y.shape[:3], y.shape[3] // depth_multiplier, depth_multiplier)
