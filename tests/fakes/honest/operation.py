"""The operation as the documentation has it, with a hook for everything that can be got wrong.

In NumPy, in the case's own arithmetic (float32 sums for the half precisions).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import layers
import numpy as np

from depthwise_conformance.adapters.base import LAYOUTS, Adapter, Description, Gradients, LayerHandle
from depthwise_conformance.reference import LayerConfig
from honest.activations import ROWS, Array, activation, back_through_rows, slope

Sizes = tuple[int, int, int, int]
Known = tuple[int | None, ...]
HALVES = ("float16", "bfloat16")


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
    """`KebabCase` as `kebab-case`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


class Honest(Adapter):
    """Does what the documentation says."""

    name: ClassVar[str] = "honest"
    layouts: ClassVar[tuple[str, ...]] = tuple(LAYOUTS)
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
