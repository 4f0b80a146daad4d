"""The linear map of a `Program` and its transposes: sums, and the gradients of input, kernel and bias."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from depthwise_conformance.diagnosis.program import Array, Index, Map, Program


def take(array: Array, index: Index | None) -> Array:
    """The elements at `index`; -1 is a zero, None every element at its own place."""
    return array if index is None else np.append(array.reshape(-1), 0.0)[index]


def _put(values: Array, index: Index, size: int) -> Array:
    """The transpose of `take`: what each of `size` elements was taken for."""
    at = np.broadcast_to(index, values.shape).reshape(-1)
    counts = np.bincount(np.where(at < 0, size, at), weights=values.reshape(-1), minlength=size + 1)
    return np.asarray(counts[:size], np.float64)


def scatter(values: Array, index: Index | None) -> Array:
    """The transpose of `take`, into an array of the shape of `values`."""
    return values if index is None else _put(values, index, values.size).reshape(values.shape)


def windows_of(m: Map, x: Array) -> Array:
    """What the windows see of x: `(batch, output_height, kernel_height, output_width, kernel_width, channels)`."""
    batch, height, width, channels = m.images.shape
    padded = np.zeros((batch, height + 1, width + 1, channels))  # position -1 is the zero behind
    padded[:, :height, :width] = take(x, m.images)
    rows, columns = m.rows.positions(), m.columns.positions()
    return padded[:, rows[:, :, None, None], columns[None, None]]


def correlate(m: Map, windows: Array, kernel: Array) -> Array:
    """The sums: `(batch, output_height, output_width, channels * depth_multiplier)`."""
    y = np.einsum("bipjqc,pqcm->bijcm", windows, take(kernel, m.kernel)).reshape(m.shape)
    return m.scale * take(y, m.sums)


def input_gradient(m: Map, d: Array, kernel: Array) -> Array:
    """The gradient of the input, flat in the order of the input given, from those of the sums."""
    batch, height, width, channels = m.images.shape
    d = scatter(d, m.sums).reshape(*m.shape[:3], *m.kernel.shape[2:])
    shares = m.scale * np.einsum("bijcm,pqcm->bipjqc", d, take(kernel, m.kernel))
    rows, columns = m.rows.positions(), m.columns.positions()
    inside = (rows >= 0)[:, :, None, None] & (columns >= 0)
    at = np.where(inside, rows[:, :, None, None] * width + columns, -1)
    image = np.arange(batch)[:, None, None, None, None] * (height * width)
    pixel = np.where(at < 0, -1, image + at)[..., None] * channels + np.arange(channels)  # negative: beyond the input
    found = _put(shares, pixel, m.images.size).reshape(m.images.shape)
    return _put(found, m.images, m.images.size)


def kernel_gradient(m: Map, d: Array, x: Array) -> Array:
    """The gradient of the kernel, flat, from those of the sums."""
    d = scatter(d, m.sums).reshape(*m.shape[:3], *m.kernel.shape[2:])
    found = m.scale * np.einsum("bipjqc,bijcm->pqcm", windows_of(m, x), d)
    return _put(found, m.kernel, m.kernel.size)


def bias_gradient(program: Program) -> Callable[[Map, Array, Array], Array]:
    """The same for the bias: its places are those of the program."""

    def apply(m: Map, d: Array, bias: Array) -> Array:
        return program.bias_scale * _put(d, program.bias_back, m.shape[3])

    return apply
