"""Other ways to do what the documentation says, all of which must pass."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from depthwise_conformance.adapters.base import Adapter, Description, Gradients, Unsupported
from depthwise_conformance.reference import LayerConfig
from honest.activations import Array
from honest.operation import HALVES, Axis, Honest


class ReversedSum(Honest):
    """Adds the taps up from the last to the first."""

    def taps(self, rows: Axis, columns: Axis) -> Sequence[tuple[int, int]]:
        return super().taps(rows, columns)[::-1]


class Products(Honest):
    """Makes all the products first; `add_up` says how they are summed."""

    def convolve(self, config: LayerConfig, images: Array, weights: Array) -> Array:
        rows, columns = self.axes(config, images)
        padded = self.pad(self.expand(config, images), rows, columns)
        seen = [padded[:, self.window(rows, p), self.window(columns, q)] for p, q in self.taps(rows, columns)]
        return self.add_up(np.stack(seen), weights.reshape(len(seen), 1, 1, 1, -1))

    def add_up(self, windows: Array, weights: Array) -> Array:
        return (windows * weights).sum(axis=0, dtype=windows.dtype)


class PairwiseSum(Products):
    """Adds neighbours, then neighbours of those."""

    def add_up(self, windows: Array, weights: Array) -> Array:
        terms = list(windows * weights)
        while len(terms) > 1:
            odd = terms[len(terms) // 2 * 2 :]
            terms = [a + b for a, b in zip(terms[::2], terms[1::2], strict=False)] + odd
        return terms[0]


class BlockedSum(Products):
    """Sums of four lanes, then the sum of the lanes."""

    def add_up(self, windows: Array, weights: Array) -> Array:
        products = windows * weights
        lanes = [products[lane::4].sum(axis=0, dtype=windows.dtype) for lane in range(4)]
        return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3])


class MatrixProduct(Products):
    """Windows as rows of a matrix, one product with a vector for each channel."""

    def add_up(self, windows: Array, weights: Array) -> Array:
        taps, *shape = windows.shape
        rows = windows.reshape(taps, -1, shape[-1]).transpose(2, 1, 0)
        y = rows @ weights.reshape(taps, shape[-1], 1).transpose(1, 0, 2)
        return y[..., 0].T.reshape(shape)


class FusedMultiplyAdd(Honest):
    """Rounds product and sum once a tap."""

    def multiply_add(self, total: Array, window: Array, weights: Array) -> Array:
        wide = np.float64 if total.dtype == np.float32 else np.longdouble
        return (total.astype(wide) + window.astype(wide) * weights.astype(wide)).astype(total.dtype)


class WideAccumulator(Honest):
    """Keeps everything wider than the layer and rounds once at the end."""

    def accumulator(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        return np.dtype(np.longdouble if dtype == np.float64 else np.float64)


class RoundedStages(Honest):
    """Stores the convolution, then the sum with the bias, then the activation in the layer's dtype; gradients too."""

    def pre_activation(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        y = super().pre_activation(config, x, kernel, None).astype(x.dtype)
        if bias is not None:
            y = y + (bias if config.channels_last else bias[:, None, None])
        return y.astype(self.accumulator(x.dtype))

    def gradients(
        self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None, cotangent: Array
    ) -> Gradients:
        self.storage = x.dtype
        return super().gradients(config, x, kernel, bias, cotangent)

    def back(self, config: LayerConfig, p: Array, cotangent: Array) -> Array:
        return super().back(config, p, cotangent).astype(self.storage).astype(p.dtype)


class RoundedActivation(RoundedStages):
    """Evaluates every step of the activation in the layer's dtype, too."""

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        with np.errstate(all="ignore"):
            return self.activate(config, self.pre_activation(config, x, kernel, bias).astype(x.dtype))

    def back(self, config: LayerConfig, p: Array, cotangent: Array) -> Array:
        return Honest.back(self, config, p.astype(self.storage), cotangent.astype(self.storage)).astype(p.dtype)


class BiasFirst(Honest):
    """Starts every sum from the bias."""

    def pre_activation(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        self.start = bias
        return super().pre_activation(config, x, kernel, None)

    def convolve(self, config: LayerConfig, images: Array, weights: Array) -> Array:
        rows, columns = self.axes(config, images)
        padded = self.pad(self.expand(config, images), rows, columns)
        total = np.zeros((images.shape[0], rows.output, columns.output, padded.shape[3]), images.dtype)
        if self.start is not None:
            total += self.start.astype(total.dtype)
        for p, q in self.taps(rows, columns):
            total = self.multiply_add(total, padded[:, self.window(rows, p), self.window(columns, q)], weights[p, q])
        return total


class SkippedPadding(Honest):
    """Leaves padded taps out of the sum, so that an infinite weight there does no harm."""

    def convolve(self, config: LayerConfig, images: Array, weights: Array) -> Array:
        rows, columns = self.axes(config, images)
        padded = self.pad(self.expand(config, images), rows, columns)
        inside = self.pad(np.ones((1, *images.shape[1:3], 1), bool), rows, columns)
        total = np.zeros((images.shape[0], rows.output, columns.output, padded.shape[3]), images.dtype)
        for p, q in self.taps(rows, columns):
            at = np.s_[:, self.window(rows, p), self.window(columns, q)]
            total += np.where(inside[at], padded[at] * weights[p, q], 0)
        return total


class FlushedSubnormals(Honest):
    """Replaces subnormal results by zero in every format but float16."""

    def store(self, y: Array, dtype: np.dtype[Any]) -> Array:
        stored = super().store(y, dtype)
        smallest = 0.0 if dtype == np.float16 else 2.0 ** (-1022 if dtype == np.float64 else -126)
        return np.where(np.abs(stored.astype(np.float64)) < smallest, np.zeros_like(stored), stored)


class DeclaresFlushing(Honest):
    """Takes subnormal float16 numbers for zero, in arguments, on the way and in results, and says so."""

    def describe(self) -> Description:
        arithmetic = {"float16": "float32 accumulation, subnormals taken for zero"}
        return Description(versions={"numpy": np.__version__}, arithmetic=arithmetic)

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        return super().forward(
            config, *(flushed(array) for array in (x, kernel)), bias if bias is None else flushed(bias)
        )

    def gradients(
        self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None, cotangent: Array
    ) -> Gradients:
        bias = bias if bias is None else flushed(bias)
        return super().gradients(config, flushed(x), flushed(kernel), bias, flushed(cotangent))

    def store(self, y: Array, dtype: np.dtype[Any]) -> Array:
        return flushed(super().store(y, dtype))


def flushed(array: Array) -> Array:
    """float16 numbers below the smallest normal one as zeros; others as they are."""
    if array.dtype != np.float16:
        return array
    return np.where(np.abs(array) < np.finfo(np.float16).smallest_normal, np.zeros_like(array), array)


class OddLayout(Honest):
    """Returns views with gaps and negative strides, read-only."""

    def store(self, y: Array, dtype: np.dtype[Any]) -> Array:
        room = np.zeros((*y.shape[:-1], 2 * y.shape[-1]), dtype)
        view = room[..., ::-2]
        view[...] = y
        view.flags.writeable = False
        return view


def tf32(array: Array) -> Array:
    """Rounded to the eleven significant bits of TF32; what is not finite stays as it is."""
    bits = array.astype(np.float32).view(np.uint32)
    rounded = ((bits + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32)
    return np.where(np.isfinite(array), rounded, array).astype(array.dtype)


class DeclaresTF32(Honest):
    """Multiplies float32 numbers rounded to TF32, and says so."""

    def describe(self) -> Description:
        return Description(versions={"numpy": np.__version__}, arithmetic={"float32": "TF32 products"})

    def read(self, config: LayerConfig, x: Array) -> Array:
        return super().read(config, tf32(x) if config.dtype == "float32" else x)

    def read_kernel(self, config: LayerConfig, kernel: Array) -> Array:
        return super().read_kernel(config, tf32(kernel) if config.dtype == "float32" else kernel)


class NoHalves(Honest):
    """Says that it has no bfloat16, and no gradients for float16."""

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        if config.dtype == "bfloat16":
            raise Unsupported("bfloat16 is not implemented")
        return super().forward(config, x, kernel, bias)

    def gradients(
        self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None, cotangent: Array
    ) -> Gradients:
        if config.dtype in HALVES:
            raise Unsupported(f"{config.dtype} gradients are not implemented")
        return super().gradients(config, x, kernel, bias, cotangent)


class Talkative(Honest):
    """Writes 2 MB of text to standard output, and garbage bytes to its file descriptor, on its first calls."""

    def __init__(self, device: str = "cpu", mode: str = "") -> None:
        super().__init__(device, mode)
        print("starting\n" * 1000)
        self.calls = 0

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        self.calls += 1
        if self.calls <= 2:
            print("a framework's progress report\n" * 70_000, flush=True)
            os.write(1, bytes(range(256)) * 16)
            os.write(2, b"a warning\n" * 1000)
        return super().forward(config, x, kernel, bias)


class OnlyForward(Adapter):
    """The least that a third party writes: a name and `forward`."""

    name: ClassVar[str] = "only-forward"

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        return Honest().forward(config, x, kernel, bias)
