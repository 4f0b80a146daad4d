"""What a possibly wrong layer computes: a description of it.

A `Program` is one layer on one input, described by where it reads and writes: integer arrays that say, for each place,
which element is taken there (-1 is a zero). The honest one computes what the documentation says; a deviation changes a
few of its entries. Inside, everything is laid out as `(batch, height, width, channels)`. Only small cases are meant.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.reference import LayerConfig, split_shape
from depthwise_conformance.reference.activations import ACTIVATIONS, Activation
from depthwise_conformance.reference.geometry import axis_geometry
from depthwise_conformance.reference.rows import GLU, Rowwise

Array = NDArray[np.float64]
Index = NDArray[np.intp]
PARTS = ("output", "input", "kernel", "bias")


def unchanged(array: Array) -> Array:
    """The identity: nothing is rounded, nothing is reshaped."""
    return array


def as_documented(s: Side, positions: Index) -> Index:
    """A loop that reads every position that it should."""
    return positions


@dataclass(frozen=True)
class Side:
    """One spatial axis: window o reads by tap p the position `o * stride + p * dilation - before`.

    `border` says what is read beyond the input: "zero", "edge", "reflect", "symmetric" or "wrap". `loop` gives the
    positions that are read instead of those, for what no other start or step describes.
    """

    size: int
    kernel: int
    stride: int
    dilation: int
    before: int
    output: int
    border: str = "zero"
    loop: Callable[[Side, Index], Index] = as_documented

    def positions(self) -> Index:
        """`(output, kernel)`: the position read, -1 for a zero."""
        return _positions(self)


@functools.lru_cache(maxsize=4096)
def _positions(s: Side) -> Index:
    return s.loop(s, _read(s))


def _read(s: Side) -> Index:
    at = np.add.outer(np.arange(s.output) * s.stride, np.arange(s.kernel) * s.dilation) - s.before
    if s.border == "zero":
        return np.where((at >= 0) & (at < s.size), at, -1)
    if s.border == "edge":
        return np.asarray(np.clip(at, 0, s.size - 1))
    if s.border == "wrap":
        return np.asarray(at % s.size)
    period = 2 * s.size if s.border == "symmetric" else max(2 * s.size - 2, 1)
    at = at % period
    return np.asarray(np.where(at < s.size, at, period - at - (s.border == "symmetric")))


def side(size: int, kernel: int, stride: int, dilation: int, padding: str) -> Side:
    """The documented geometry of an axis. Raises ValueError when no window fits."""
    axis = axis_geometry(size, kernel, stride, dilation, padding)
    return Side(size, kernel, stride, dilation, axis.before, axis.output)


@dataclass(frozen=True)
class Map:
    """The linear map from input and kernel to sums.

    `images` says which element of x each of `(batch, height, width, channels)` is, `kernel` which weight each of
    `(kernel_height, kernel_width, channels, depth_multiplier)` is; `sums` which sum each of
    `(batch, output_height, output_width, channels * depth_multiplier)` takes, None that it is its own. `narrow` rounds
    what is multiplied, `quantise` the weights.
    """

    rows: Side
    columns: Side
    images: Index
    kernel: Index
    sums: Index | None = None
    scale: float = 1.0
    narrow: Callable[[Array], Array] = unchanged
    quantise: Callable[[Array], Array] = unchanged

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of the sums: `(batch, output_height, output_width, channels * depth_multiplier)`."""
        return self.images.shape[0], self.rows.output, self.columns.output, self.kernel.shape[2] * self.kernel.shape[3]


@dataclass(frozen=True)
class Back:
    """How one gradient comes about: by the transpose of `map`, from what `share` leaves of each output's cotangent.

    `activated` says whether the cotangent goes back through the activation, `result` which element of that gradient
    each of its elements is (None: its own).
    """

    map: Map
    activated: bool = True
    share: Array | float = 1.0
    result: Index | None = None


@dataclass(frozen=True)
class Along:
    """A function of all elements along `axes` of `(batch, height, width, channels)`, as softmax is one.

    Its `diagonal` derivative leaves out what one output does to the others; there is one of softmax alone.
    """

    function: Rowwise
    axes: tuple[int, ...]
    diagonal: bool = False


@dataclass(frozen=True)
class Program:
    """A layer on an input.

    `bias` and `bias_back` say which bias each output gets and which each cotangent goes to, arrays that broadcast to
    the output; `outputs` which activated value each output is; `activated` where an activation is applied;
    `backward` is the activation whose derivative is taken. `returned` reshapes what `forward` returns.
    """

    config: LayerConfig
    forward: Map
    backs: Mapping[str, Back]
    bias: Index
    bias_back: Index
    activation: Activation | Along
    backward: Activation | Along
    bias_scale: float = 1.0
    bias_late: bool = False
    bias_narrow: Callable[[Array], Array] = unchanged
    activated: NDArray[np.bool_] | None = None
    outputs: Index | None = None
    ones: bool = False
    returned: Callable[[Array], Array] = unchanged


def is_described(config: LayerConfig) -> bool:
    """Whether there are programs for the layer: there are none where the activation leaves less than the sums."""
    return ACTIVATIONS[config.activation] is not GLU


def honest(config: LayerConfig, input_shape: tuple[int, ...]) -> Program:
    """What the documentation says. Raises ValueError where the layer is none that `is_described`."""
    if not is_described(config):
        raise ValueError(f"no program describes activation={config.activation!r}")
    _, height, width, channels = split_shape(config, input_shape)
    sizes = zip((height, width), config.kernel_size, config.strides, config.dilation_rate, strict=True)
    rows, columns = (side(*numbers, config.padding) for numbers in sizes)
    images = channels_last(config, numbered(input_shape))
    linear = Map(rows, columns, images, numbered((*config.kernel_size, channels, config.depth_multiplier)))
    known = ACTIVATIONS[config.activation]
    activation = known if isinstance(known, Activation) else Along(known, (3,) if config.channels_last else (2,))
    bias = numbered((1, 1, 1, linear.shape[3]))
    backs = {part: Back(linear) for part in PARTS[1:]}
    return Program(config, linear, backs, bias, bias, activation, activation)


def numbered(shape: tuple[int, ...]) -> Index:
    """An array of this shape that numbers its elements."""
    return np.arange(int(np.prod(shape)), dtype=np.intp).reshape(shape)


def channels_last(config: LayerConfig, array: NDArray[Any]) -> NDArray[Any]:
    """The array as `(batch, height, width, channels)`."""
    return array if config.channels_last else array.transpose(0, 2, 3, 1)
