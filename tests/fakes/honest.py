"""Honest implementations: a base with a hook for everything that can be got wrong, and variants that must all pass.

Written from the documentation, in NumPy, in the case's own arithmetic (float32 sums for the half precisions), and
independent of the reference's arithmetic. `faults.py` overrides one hook at a time.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import layers
import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.adapters.base import Adapter, Description, Gradients, LayerHandle, Unsupported
from depthwise_conformance.reference import LayerConfig

Array = NDArray[Any]
Sizes = tuple[int, int, int, int]
Known = tuple[int | None, ...]

HALVES = ("float16", "bfloat16")
ROWS = ("softmax", "log_softmax", "sparsemax", "glu")  # activations over the last axis


class Axis(NamedTuple):
    """One spatial axis: `index` 0 for rows and 1 for columns, `before` zeros in front, `output` windows."""

    index: int
    size: int
    kernel: int
    stride: int
    dilation: int
    before: int
    output: int

    @property
    def extent(self) -> int:
        return (self.kernel - 1) * self.dilation + 1

    @property
    def padded(self) -> int:
        return max(self.before + self.size, (self.output - 1) * self.stride + self.extent)


def kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


def erf(p: Array) -> Array:
    return np.asarray(np.frompyfunc(math.erf, 1, 1)(p)).astype(p.dtype)


def sigmoid(p: Array) -> Array:
    e = np.exp(-np.abs(p))
    return np.where(p >= 0, np.ones_like(e), e) / (1 + e)


def softplus(p: Array) -> Array:
    return np.maximum(p, p.dtype.type(0)) + np.log1p(np.exp(-np.abs(p)))


def normal_cdf(p: Array) -> Array:
    half = p.dtype.type(0.5)
    return half * (1 + erf(p * p.dtype.type(math.sqrt(0.5))))


def softmax(p: Array, axis: int = -1) -> Array:
    e = np.exp(p - p.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True, dtype=p.dtype)


def activation(name: str | None, p: Array) -> Array:
    """The activation, evaluated in the dtype of `p`."""
    zero, six = p.dtype.type(0), p.dtype.type(6)
    match name:
        case None | "linear":
            return p
        case "relu":
            return np.maximum(p, zero)
        case "relu6":
            return np.minimum(np.maximum(p, zero), six)
        case "tanh":
            return np.tanh(p)
        case "sigmoid":
            return sigmoid(p)
        case "softplus":
            return softplus(p)
        case "gelu":
            return p * normal_cdf(p)
        case "softmax":
            return softmax(p)
    return further_activation(name, p)


def further_activation(name: str | None, p: Array) -> Array:
    """The others, by the formulas of the page, except that softplus does not overflow."""
    zero, half, one, three = (p.dtype.type(number) for number in (0, 0.5, 1, 3))
    match name:
        case "leaky_relu":
            return np.where(p < 0, p.dtype.type(0.2) * p, p)
        case "celu" | "elu":
            return np.where(p < 0, np.exp(p) - one, p)
        case "selu":
            scale, alpha = p.dtype.type(1.0507009873554805), p.dtype.type(1.6732632423543772)
            return scale * np.where(p < 0, alpha * (np.exp(p) - one), p)
        case "softsign":
            return p / (np.abs(p) + one)
        case "squareplus":
            return (p + np.sqrt(p * p + p.dtype.type(4))) / p.dtype.type(2)
        case "soft_shrink":
            return np.where(p > half, p - half, np.where(p < -half, p + half, zero))
        case "hard_shrink":
            return np.where(np.abs(p) > half, p, zero)
        case "sparse_plus":
            return np.where(p <= -one, zero, np.where(p < one, p.dtype.type(0.25) * (p + one) * (p + one), p))
        case "silu" | "swish":
            return p * sigmoid(p)
        case "glu":
            a, b = np.split(p, 2, axis=-1)
            return a * sigmoid(b)
        case "tanh_shrink":
            return p - np.tanh(p)
        case "sparse_sigmoid":
            return np.where(p <= -one, zero, np.where(p < one, half * (p + one), one))
        case "exponential":
            return np.exp(p)
        case "hard_sigmoid":
            return np.where(p <= -three, zero, np.where(p < three, p / p.dtype.type(6) + half, one))
        case "hard_silu" | "hard_swish":
            return np.where(p < -three, zero, np.where(p > three, p, p * (p + three) / p.dtype.type(6)))
        case "hard_tanh":
            return np.where(p < -one, -one, np.where(p > one, one, p))
        case "mish":
            return p * np.tanh(softplus(p))
        case "log_softmax":
            q = p - p.max(axis=-1, keepdims=True)
            return q - np.log(np.exp(q).sum(axis=-1, keepdims=True, dtype=p.dtype))
        case "log_sigmoid":
            return -softplus(-p)
        case "sparsemax":
            return np.maximum(p - sparsemax_threshold(p), p.dtype.type(0))
    raise ValueError(f"activation={name!r} is unknown")


def sparsemax_threshold(p: Array) -> Array:
    """The largest of `(sum of the k largest - 1) / k` over all k: sparsemax's threshold."""
    sums, best = np.zeros_like(p[..., :1]), None
    order = np.take_along_axis(p, np.argsort(-p, axis=-1, kind="stable"), axis=-1)
    for k in range(p.shape[-1]):
        sums = sums + order[..., k : k + 1]
        found = (sums - p.dtype.type(1)) / p.dtype.type(k + 1)
        best = found if best is None else np.maximum(best, found)
    assert best is not None
    return best


def slope(name: str | None, p: Array) -> Array:
    """The derivative of an elementwise activation, evaluated in the dtype of `p`."""
    match name:
        case None | "linear":
            return np.ones_like(p)
        case "relu":
            return (p > 0).astype(p.dtype)
        case "relu6":
            return ((p > 0) & (p < 6)).astype(p.dtype)
        case "tanh":
            t = np.tanh(p)
            return 1 - t * t
        case "sigmoid":
            return sigmoid(p) * sigmoid(-p)
        case "softplus":
            return sigmoid(p)
        case "gelu":
            density = np.exp(p * p * p.dtype.type(-0.5)) * p.dtype.type(1 / math.sqrt(2 * math.pi))
            return normal_cdf(p) + p * density
    return further_slope(name, p)


def further_slope(name: str | None, p: Array) -> Array:
    """The derivatives of the others."""
    zero, one, two = (p.dtype.type(number) for number in (0, 1, 2))
    match name:
        case "leaky_relu":
            return np.where(p < 0, p.dtype.type(0.2), one)
        case "celu" | "elu":
            return np.where(p < 0, np.exp(p), one)
        case "selu":
            scale, alpha = p.dtype.type(1.0507009873554805), p.dtype.type(1.6732632423543772)
            return scale * np.where(p < 0, alpha * np.exp(p), one)
        case "softsign":
            return one / ((np.abs(p) + one) * (np.abs(p) + one))
        case "squareplus":
            return (one + p / np.sqrt(p * p + p.dtype.type(4))) / two
        case "soft_shrink" | "hard_shrink":
            return (np.abs(p) > 0.5).astype(p.dtype)
        case "sparse_plus":
            return np.where(p <= -one, zero, np.where(p < one, (p + one) / two, one))
        case "silu" | "swish":
            s = sigmoid(p)
            return s * (one + p * (one - s))
        case "tanh_shrink":
            t = np.tanh(p)
            return t * t
        case "sparse_sigmoid":
            return np.where(np.abs(p) < one, one / two, zero)
        case "exponential":
            return np.exp(p)
        case "hard_sigmoid":
            return np.where(np.abs(p) < 3, one / p.dtype.type(6), zero)
        case "hard_silu" | "hard_swish":
            return np.where(p < -3, zero, np.where(p > 3, one, (two * p + p.dtype.type(3)) / p.dtype.type(6)))
        case "hard_tanh":
            return (np.abs(p) <= one).astype(p.dtype)
        case "mish":
            t = np.tanh(softplus(p))
            return t + p * (one - t * t) * sigmoid(p)
        case "log_sigmoid":
            return sigmoid(-p)
    raise ValueError(f"activation={name!r} is unknown")


def back_through_rows(name: str, p: Array, cotangent: Array) -> Array:
    """What the activations over the last axis make of a cotangent."""
    match name:
        case "softmax":
            s = softmax(p)
            return s * (cotangent - (cotangent * s).sum(axis=-1, keepdims=True, dtype=s.dtype))
        case "log_softmax":
            return cotangent - softmax(p) * cotangent.sum(axis=-1, keepdims=True, dtype=p.dtype)
        case "sparsemax":
            support = (p > sparsemax_threshold(p)).astype(p.dtype)
            count = support.sum(axis=-1, keepdims=True, dtype=p.dtype)
            mean = (cotangent * support).sum(axis=-1, keepdims=True, dtype=p.dtype) / np.maximum(count, 1)
            return support * (cotangent - mean.astype(p.dtype))
    a, b = np.split(p, 2, axis=-1)
    s = sigmoid(b)
    return np.concatenate([cotangent * s, cotangent * a * s * (1 - s)], axis=-1)


class Honest(Adapter):
    """Does what the documentation says."""

    name: ClassVar[str] = "honest"
    slack: ClassVar[int] = 0  # zeros behind the padded input, for faults that read too far
    layer_class: ClassVar[Callable[..., LayerHandle]] = layers.HonestLayer

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.name = kebab(cls.__name__)

    def describe(self) -> Description:
        return Description(versions={"numpy": np.__version__})

    # The interface.

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        with np.errstate(all="ignore"):
            pre = self.pre_activation(config, x, kernel, bias)
            return self.store(self.activate(config, pre), x.dtype)

    def gradients(
        self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None, cotangent: Array
    ) -> Gradients:
        with np.errstate(all="ignore"):
            accumulator = self.accumulator(x.dtype)
            d = cotangent.astype(accumulator)
            if config.activation not in (None, "linear"):
                d = self.back(config, self.pre_activation(config, x, kernel, bias), d)
            images, d = self.read(config, x).astype(accumulator), self.read(config, d)
            weights = self.read_kernel(config, kernel.astype(accumulator))
            by_input = self.write(config, self.input_gradient(config, d, weights, images))
            by_kernel = self.kernel_gradient(config, d, images)
            by_bias = None if bias is None else self.store(self.bias_gradient(config, d), x.dtype)
            return Gradients(self.store(by_input, x.dtype), self.store(by_kernel, x.dtype), by_bias)

    def output_shape(self, config: LayerConfig, input_shape: Known) -> Known:
        batch, height, width, channels = self.split(config, input_shape)
        rows, columns = self.infer_size(config, 0, height), self.infer_size(config, 1, width)
        outputs = self.infer_channels(config, channels)
        *shape, last = (batch, rows, columns, outputs) if config.channels_last else (batch, outputs, rows, columns)
        if config.activation == "glu" and last is not None:
            last //= 2
        return shape[0], shape[1], shape[2], last

    def layer(self, *positional: Any, **arguments: Any) -> LayerHandle:
        return type(self).layer_class(self, positional, arguments)

    def function(self, name: str) -> Callable[..., Any]:
        return layers.FUNCTIONS[name]

    # The steps of `forward`.

    def pre_activation(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        """`depthwise_conv2d(x, kernel) + bias` in the accumulator's dtype, laid out as `data_format` says."""
        accumulator = self.accumulator(x.dtype)
        images = self.read(config, x).astype(accumulator)
        y = self.convolve(config, images, self.read_kernel(config, kernel.astype(accumulator)))
        if bias is not None:
            y = self.add_bias(config, y, bias.astype(accumulator))
        return self.write(config, y)

    def accumulator(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        return np.dtype(np.float32) if dtype.name in HALVES else dtype

    def read(self, config: LayerConfig, x: Array) -> Array:
        """`x` as (batch, height, width, channels)."""
        return x if config.channels_last else x.transpose(0, 2, 3, 1)

    def write(self, config: LayerConfig, y: Array) -> Array:
        """The inverse of `read`."""
        return y if config.channels_last else y.transpose(0, 3, 1, 2)

    def read_kernel(self, config: LayerConfig, kernel: Array) -> Array:
        """The kernel as (height, width, channels * depth_multiplier)."""
        return kernel.reshape(*kernel.shape[:2], -1)

    def expand(self, config: LayerConfig, images: Array) -> Array:
        """Each channel `depth_multiplier` times in a row."""
        return images if config.depth_multiplier == 1 else np.repeat(images, config.depth_multiplier, axis=3)

    def convolve(self, config: LayerConfig, images: Array, weights: Array) -> Array:
        """(batch, output height, output width, channels * depth_multiplier): tap by tap on whole arrays."""
        rows, columns = self.axes(config, images)
        padded = self.pad(self.expand(config, images), rows, columns)
        total = np.zeros((images.shape[0], rows.output, columns.output, padded.shape[3]), images.dtype)
        for p, q in self.taps(rows, columns):
            total = self.multiply_add(total, padded[:, self.window(rows, p), self.window(columns, q)], weights[p, q])
        return total

    def multiply_add(self, total: Array, window: Array, weights: Array) -> Array:
        total += window * weights
        return total

    def pad(self, images: Array, rows: Axis, columns: Axis) -> Array:
        shape = (images.shape[0], rows.padded + self.slack, columns.padded + self.slack, images.shape[3])
        padded = np.zeros(shape, images.dtype)
        padded[:, rows.before : rows.before + rows.size, columns.before : columns.before + columns.size] = images
        return padded

    def taps(self, rows: Axis, columns: Axis) -> Sequence[tuple[int, int]]:
        return [(p, q) for p in range(rows.kernel) for q in range(columns.kernel)]

    def window(self, axis: Axis, tap: int) -> slice:
        """The padded positions that a tap sees, one for each window."""
        first = tap * axis.dilation
        return slice(first, first + (axis.output - 1) * axis.stride + 1, axis.stride)

    def add_bias(self, config: LayerConfig, y: Array, bias: Array) -> Array:
        return y + bias

    def activate(self, config: LayerConfig, p: Array) -> Array:
        return activation(config.activation, p)

    def store(self, y: Array, dtype: np.dtype[Any]) -> Array:
        return np.ascontiguousarray(y.astype(dtype, copy=False))

    # Sizes.

    def dims(self, config: LayerConfig, shape: Known) -> Sizes:
        """(batch, height, width, channels) of the shape of an input. Raises ValueError for what is no image."""
        if len(shape) != 4 or any(size is not None and size < 1 for size in shape[1:]):
            raise ValueError(f"input of shape {shape}: accepted are 4 dimensions, batch, sizes and channels")
        batch, *rest = shape
        height, width, channels = rest if config.channels_last else (rest[1], rest[2], rest[0])
        return batch, height, width, channels  # type: ignore[return-value]

    def axes(self, config: LayerConfig, images: Array) -> tuple[Axis, Axis]:
        return self.axis(config, 0, images.shape[1]), self.axis(config, 1, images.shape[2])

    def axis(self, config: LayerConfig, index: int, size: int) -> Axis:
        kernel, stride, dilation = (pair[index] for pair in self.pairs(config))
        output = self.output_size(config, index, size)
        before = 0
        if config.padding == "same":
            before = self.zeros_before(self.zeros_in_all(config, index, size))
        return Axis(index, size, kernel, stride, dilation, before, output)

    def pairs(self, config: LayerConfig) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
        return config.kernel_size, config.strides, config.dilation_rate

    def output_size(self, config: LayerConfig, index: int, size: int) -> int:
        kernel, stride, dilation = (pair[index] for pair in self.pairs(config))
        if config.padding == "same":
            return math.ceil(size / stride)
        extent = (kernel - 1) * dilation + 1
        if extent > size:
            raise ValueError(f"a kernel spanning {extent} does not fit into an input of {size}")
        return (size - extent) // stride + 1

    def zeros_in_all(self, config: LayerConfig, index: int, size: int) -> int:
        kernel, stride, dilation = (pair[index] for pair in self.pairs(config))
        return max((math.ceil(size / stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)

    def zeros_before(self, total: int) -> int:
        return total // 2

    # The steps of `gradients`.

    def back(self, config: LayerConfig, p: Array, cotangent: Array) -> Array:
        """The cotangent of the pre-activation `p`."""
        if config.activation in ROWS:
            return back_through_rows(config.activation, p, cotangent)
        return cotangent * slope(config.activation, p)

    def input_gradient(self, config: LayerConfig, d: Array, weights: Array, images: Array) -> Array:
        rows, columns = self.axes(config, images)
        put = np.zeros((d.shape[0], rows.padded, columns.padded, d.shape[3]), d.dtype)
        for p, q in self.taps(rows, columns):
            put[:, self.window(rows, p), self.window(columns, q)] += d * weights[p, q]
        inside = put[:, rows.before : rows.before + rows.size, columns.before : columns.before + columns.size]
        return inside.reshape(*images.shape, config.depth_multiplier).sum(axis=4, dtype=d.dtype)

    def kernel_gradient(self, config: LayerConfig, d: Array, images: Array) -> Array:
        rows, columns = self.axes(config, images)
        padded = self.pad(self.expand(config, images), rows, columns)
        total = np.zeros((rows.kernel, columns.kernel, d.shape[3]), d.dtype)
        for p, q in self.taps(rows, columns):
            seen = padded[:, self.window(rows, p), self.window(columns, q)]
            total[p, q] = (seen * d).sum(axis=(0, 1, 2), dtype=d.dtype)
        return total.reshape(rows.kernel, columns.kernel, images.shape[3], config.depth_multiplier)

    def bias_gradient(self, config: LayerConfig, d: Array) -> Array:
        return d.sum(axis=(0, 1, 2), dtype=d.dtype)

    # Shapes that are inferred, and arguments.

    def split(self, config: LayerConfig, input_shape: Known) -> Known:
        return self.dims(config, input_shape)

    def infer_size(self, config: LayerConfig, index: int, size: int | None) -> int | None:
        return None if size is None else Honest.output_size(self, config, index, size)

    def infer_channels(self, config: LayerConfig, channels: int | None) -> int | None:
        return None if channels is None else channels * config.depth_multiplier

    def construct(self, arguments: Mapping[str, Any]) -> LayerConfig:
        """The operation's arguments. Raises ValueError for those that the documentation refuses."""
        return LayerConfig.from_json(arguments)


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


class LayerBuiltByFirstCall(Honest):
    """Has layers that are built by their first call."""

    layer_class = layers.BuiltByFirstCall


class LayerCallAlone(Honest):
    """Has layers that can only be called."""

    layer_class = layers.CallAlone


class LayerActivityOfBatch(Honest):
    """Does not divide the loss of an activity regularizer by the batch size."""

    layer_class = layers.ActivityOfBatch


class LayerOtherDraws(Honest):
    """Draws initial weights by other methods."""

    layer_class = layers.OtherDraws


class LayerOtherSlopes(Honest):
    """Takes the slope of the absolute value at zero for one."""

    layer_class = layers.OtherSlopes


class LayerAsKerasWrites(Honest):
    """Keeps habits of Keras that no page documents."""

    layer_class = layers.AsKerasWrites


class LayerInDouble(Honest):
    """Calculates losses, updates and constraints in float64."""

    layer_class = layers.InDouble


class LayerOtherErrors(Honest):
    """Refuses with other errors where the documentation names none."""

    layer_class = layers.OtherErrors


class LayerRefusesWhenUsed(Honest):
    """Refuses arguments when the layer is first used."""

    layer_class = layers.RefusesWhenUsed


class OnlyForward(Adapter):
    """The least that a third party writes: a name and `forward`."""

    name: ClassVar[str] = "only-forward"

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        return Honest().forward(config, x, kernel, bias)


HONEST: tuple[type[Adapter], ...] = (
    Honest,
    ReversedSum,
    PairwiseSum,
    BlockedSum,
    MatrixProduct,
    FusedMultiplyAdd,
    WideAccumulator,
    RoundedStages,
    RoundedActivation,
    BiasFirst,
    SkippedPadding,
    FlushedSubnormals,
    OddLayout,
    DeclaresTF32,
    NoHalves,
    Talkative,
    OnlyForward,
)
HONEST_LAYERS: tuple[type[Adapter], ...] = (
    Honest,
    LayerBuiltByFirstCall,
    LayerCallAlone,
    LayerActivityOfBatch,
    LayerOtherDraws,
    LayerOtherSlopes,
    LayerAsKerasWrites,
    LayerInDouble,
    LayerOtherErrors,
    LayerRefusesWhenUsed,
)
