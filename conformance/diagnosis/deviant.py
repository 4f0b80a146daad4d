"""What a possibly wrong layer computes: a description of it, and its evaluation in float64.

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

from depthwise_conformance.data import Arrays
from depthwise_conformance.reference import FORMATS, Bounded, LayerConfig, split_shape
from depthwise_conformance.reference.activations import ACTIVATIONS, LINEAR, Activation
from depthwise_conformance.reference.floats import Format, gamma
from depthwise_conformance.reference.geometry import axis_geometry
from depthwise_conformance.reference.rows import softmax, softmax_rounding

Array = NDArray[np.float64]
Index = NDArray[np.intp]
PARTS = ("output", "input", "kernel", "bias")
HALVES = ("float16", "bfloat16")
DOUBLE = 2.0**-53


def unchanged(array: Array) -> Array:
    """The identity: nothing is rounded, nothing is reshaped."""
    return array


@dataclass(frozen=True)
class Side:
    """One spatial axis: window o reads by tap p the position `o * stride + p * dilation - before`.

    `border` says what is read beyond the input: "zero", "edge", "reflect", "symmetric" or "wrap".
    """

    size: int
    kernel: int
    stride: int
    dilation: int
    before: int
    output: int
    border: str = "zero"

    def positions(self) -> Index:
        """`(output, kernel)`: the position read, -1 for a zero."""
        return _positions(self)


@functools.lru_cache(maxsize=4096)
def _positions(s: Side) -> Index:
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
class Softmax:
    """Softmax over `axes` of `(batch, height, width, channels)`; `diagonal` derivatives leave out the other outputs."""

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
    activation: Activation | Softmax
    backward: Activation | Softmax
    bias_scale: float = 1.0
    bias_late: bool = False
    bias_narrow: Callable[[Array], Array] = unchanged
    activated: NDArray[np.bool_] | None = None
    outputs: Index | None = None
    ones: bool = False
    returned: Callable[[Array], Array] = unchanged


def is_described(config: LayerConfig) -> bool:
    """Whether there are programs for the layer: of the activations over the last axis there are for softmax alone."""
    return config.activation == "softmax" or isinstance(ACTIVATIONS[config.activation], Activation)


def honest(config: LayerConfig, input_shape: tuple[int, ...]) -> Program:
    """What the documentation says. Raises ValueError where the layer is none that `is_described`."""
    if not is_described(config):
        raise ValueError(f"no program describes activation={config.activation!r}")
    _, height, width, channels = split_shape(config, input_shape)
    sizes = zip((height, width), config.kernel_size, config.strides, config.dilation_rate, strict=True)
    rows, columns = (side(*numbers, config.padding) for numbers in sizes)
    images = _last(config, numbered(input_shape))
    linear = Map(rows, columns, images, numbered((*config.kernel_size, channels, config.depth_multiplier)))
    known = ACTIVATIONS[config.activation]
    activation = known if isinstance(known, Activation) else Softmax((3,) if config.channels_last else (2,))
    bias = numbered((1, 1, 1, linear.shape[3]))
    backs = {part: Back(linear) for part in PARTS[1:]}
    return Program(config, linear, backs, bias, bias, activation, activation)


def numbered(shape: tuple[int, ...]) -> Index:
    """An array of this shape that numbers its elements."""
    return np.arange(int(np.prod(shape)), dtype=np.intp).reshape(shape)


@dataclass(frozen=True)
class _Arithmetic:
    """The unit roundoff that arguments are rounded with (0: not at all), and the formats of sums and of stages.

    `rough` asks for no bound.
    """

    inputs: float
    sums: Format
    store: Format
    rough: bool = False

    @classmethod
    def of(cls, dtype: str, layer: str) -> _Arithmetic:
        """The arithmetic of a layer whose results came in `dtype`: its own, or all in a narrower one."""
        if FORMATS[dtype].roundoff > FORMATS[layer].roundoff:
            return cls(FORMATS[dtype].roundoff, FORMATS[dtype], FORMATS[dtype])
        return cls(0.0, FORMATS["float32" if layer in HALVES else layer], FORMATS[layer])

    def summed(self, value: Array, reach: Array, carried: Array | float, terms: int) -> Bounded:
        """Sums of `terms` products whose absolute values add up to `reach`, then stored."""
        relative = gamma(terms + 3, self.sums.roundoff) + gamma(terms + 3, DOUBLE) + 3.0 * self.inputs
        return self.stored(value, carried + relative * reach + (terms + 3) * self.sums.tiny)

    def stored(self, value: Array, error: Array) -> Bounded:
        """After rounding to the storage format; infinite where it may overflow."""
        bound = error + self.store.roundoff * (np.abs(value) + error) + self.store.tiny
        return Bounded(value, np.where(np.abs(value) + bound <= self.store.largest, bound, np.inf))


ROUGH = _Arithmetic(0.0, Format(0.0, 0.0, np.inf, 0.0), Format(0.0, 0.0, np.inf, 0.0), rough=True)


def estimate(program: Program, arrays: Arrays, part: str) -> Array | None:
    """The value that `predict` gives, at a fraction of its cost."""
    found = _evaluate(program, arrays, part, ROUGH)
    return None if found is None else found.value


def predict(program: Program, arrays: Arrays, part: str, dtype: str) -> Bounded | None:
    """One part of what the program computes, and how far an honest evaluation in `dtype` may be from it.

    None where the program has no such part: no bias, or a cotangent that does not fit its output.
    """
    return _evaluate(program, arrays, part, _Arithmetic.of(dtype, program.config.dtype))


@np.errstate(all="ignore")
def _evaluate(program: Program, arrays: Arrays, part: str, arithmetic: _Arithmetic) -> Bounded | None:
    config = program.config
    x, kernel = (np.asarray(a, np.float64) for a in (arrays.x, arrays.kernel))
    bias = None if arrays.bias is None else program.bias_narrow(np.asarray(arrays.bias, np.float64))
    if part == "output":
        y = _forward(program, x, kernel, bias, arithmetic)
        return Bounded(*(program.returned(_as_configured(config, a)) for a in (y.value, y.bound)))
    cotangent = _last(config, np.asarray(arrays.cotangent, np.float64))
    if cotangent.shape != program.forward.shape or cotangent.shape != program.backs[part].map.shape:
        return None
    if part == "bias" and bias is None:
        return None
    cotangent = np.ones_like(cotangent) if program.ones else cotangent
    return _gradient(program, part, x, kernel, bias, _scatter(cotangent, program.outputs), arithmetic)


def _forward(program: Program, x: Array, kernel: Array, bias: Array | None, arithmetic: _Arithmetic) -> Bounded:
    late = program.bias_late and bias is not None
    pre = _pre_activation(program, x, kernel, None if late else bias, arithmetic)
    y = _activate(program, pre, arithmetic)
    if late and bias is not None:
        y = Bounded(y.value + _biases(program, bias), y.bound)
    y = arithmetic.stored(y.value, y.bound)
    return Bounded(_take(y.value, program.outputs), _take(y.bound, program.outputs))


def _pre_activation(program: Program, x: Array, kernel: Array, bias: Array | None, arithmetic: _Arithmetic) -> Bounded:
    m = program.forward
    value = _correlate(m, m.narrow(x), m.narrow(m.quantise(kernel)))
    added = None if bias is None else _biases(program, bias)
    if arithmetic.rough:
        return _exact(value if added is None else value + added)
    reach = _correlate(m, np.abs(x), np.abs(kernel))
    if added is not None:
        reach = reach + np.abs(added)
    sums = arithmetic.summed(value, reach, 0.0, m.rows.kernel * m.columns.kernel)
    return sums if added is None else arithmetic.stored(value + added, sums.bound)


def _biases(program: Program, bias: Array) -> Array:
    return program.bias_scale * _take(bias, program.bias)


def _activate(program: Program, pre: Bounded, arithmetic: _Arithmetic) -> Bounded:
    a = program.activation
    if isinstance(a, Softmax):
        y = _softmax(a, pre, arithmetic)
    elif a is LINEAR:
        return pre
    else:
        value = np.asarray(a.value(pre.value))
        rounding = 2.0 * arithmetic.store.roundoff * a.rounding(pre.value) + a.digits * np.abs(value)
        y = Bounded(value, a.moved(pre.value, pre.bound) + rounding)
    if program.activated is None:
        return y
    return Bounded(*(np.where(program.activated, *pair) for pair in ((y.value, pre.value), (y.bound, pre.bound))))


def _softmax(a: Softmax, pre: Bounded, arithmetic: _Arithmetic) -> Bounded:
    p, bound = _rows(a, pre.value), _rows(a, pre.bound)
    s = softmax(p)
    if arithmetic.rough:
        return _exact(_unrows(a, s, pre.value))
    largest = bound.max(axis=-1, keepdims=True) if bound.size else bound
    spread = (
        np.expm1(2.0 * largest) * s
        + 2.0 * arithmetic.store.roundoff * softmax_rounding(p, s)
        + 2.0 * arithmetic.store.tiny
    )
    return Bounded(_unrows(a, s, pre.value), _unrows(a, np.fmin(spread, 1.0), pre.value))


def _rows(a: Softmax, array: Array) -> Array:
    """The elements that are normalised together as the last axis."""
    moved = np.moveaxis(array, a.axes, range(-len(a.axes), 0))
    together = int(np.prod(moved.shape[4 - len(a.axes) :]))
    return moved.reshape(*moved.shape[: 4 - len(a.axes)], together)


def _unrows(a: Softmax, rows: Array, like: Array) -> Array:
    moved = np.moveaxis(like, a.axes, range(-len(a.axes), 0))
    return np.moveaxis(rows.reshape(moved.shape), range(-len(a.axes), 0), a.axes)


def _gradient(
    program: Program, part: str, x: Array, kernel: Array, bias: Array | None, cotangent: Array, arithmetic: _Arithmetic
) -> Bounded:
    back = program.backs[part]
    through = back.activated and not (part == "bias" and program.bias_late)
    d = _through_activation(program, x, kernel, bias, cotangent, arithmetic) if through else _exact(cotangent)
    value, bound = d.value * back.share, d.bound * back.share
    m = back.map
    terms = m.shape[0] * m.shape[1] * m.shape[2]
    if part == "bias":
        apply, other = _bias_gradient(program), bias
    elif part == "kernel":
        apply, other = _kernel_gradient, x
    else:
        apply, other, terms = _input_gradient, m.quantise(kernel), 2 * m.kernel[:, :, 0].size
    assert other is not None
    narrowed = apply(m, m.narrow(value), m.narrow(other))
    shape = {"input": x.shape, "kernel": kernel.shape}.get(part, (m.shape[3],))
    if arithmetic.rough:
        return _exact(_take(narrowed.reshape(shape), back.result))
    reach = apply(m, np.abs(value) + bound, np.abs(other))
    carried = apply(m, bound, np.abs(other)) if bound.any() else 0.0
    found = arithmetic.summed(narrowed, reach, carried, terms)
    return Bounded(*(_take(a.reshape(shape), back.result) for a in (found.value, found.bound)))


def _exact(value: Array) -> Bounded:
    return Bounded(value, np.zeros_like(value))


def _through_activation(
    program: Program, x: Array, kernel: Array, bias: Array | None, c: Array, arithmetic: _Arithmetic
) -> Bounded:
    """The gradient for the sums."""
    a = program.backward
    if a is LINEAR:
        return _exact(c)
    activated = True if program.activated is None else program.activated
    pre = _pre_activation(program, x, kernel, None if program.bias_late else bias, arithmetic)
    if isinstance(a, Softmax):
        d = _through_softmax(a, c, _softmax(a, pre, arithmetic), arithmetic)
    else:
        slope = np.asarray(a.derivative(pre.value))
        if arithmetic.rough:
            return _exact(np.where(activated, c * slope, c))
        rounding = a.derivative_rounding(pre.value) * np.maximum(1.0, np.abs(slope))
        spread = 2.0 * arithmetic.store.roundoff * rounding + 2.0 * a.digits
        for moved in (pre.value - pre.bound, pre.value + pre.bound):  # far apart at a kink, and close elsewhere
            spread = np.maximum(spread, spread + 1.5 * np.abs(a.derivative(moved) - slope))
        d = arithmetic.stored(c * slope, np.abs(c) * np.where(np.isfinite(pre.bound), spread, np.inf))
    return Bounded(np.where(activated, d.value, c), np.where(activated, d.bound, 0.0))


def _through_softmax(a: Softmax, cotangent: Array, s: Bounded, arithmetic: _Arithmetic) -> Bounded:
    c, value, bound = (_rows(a, array) for array in (cotangent, s.value, s.bound))
    mean = c * value if a.diagonal else (c * value).sum(axis=-1, keepdims=True)
    magnitude = np.abs(c) + (np.abs(c) * value).sum(axis=-1, keepdims=True)
    carried = bound * magnitude + (value + bound) * (np.abs(c) * bound).sum(axis=-1, keepdims=True)
    error = carried + gamma(c.shape[-1] + 3, 2.0 * arithmetic.store.roundoff) * (value + bound) * magnitude
    return arithmetic.stored(*(_unrows(a, rows, cotangent) for rows in (value * (c - mean), error)))


# The linear maps and their transposes.


def _take(array: Array, index: Index | None) -> Array:
    return array if index is None else np.append(array.reshape(-1), 0.0)[index]


def _put(values: Array, index: Index, size: int) -> Array:
    """The transpose of `_take`: what each of `size` elements was taken for."""
    at = np.broadcast_to(index, values.shape).reshape(-1)
    counts = np.bincount(np.where(at < 0, size, at), weights=values.reshape(-1), minlength=size + 1)
    return np.asarray(counts[:size], np.float64)


def _scatter(values: Array, index: Index | None) -> Array:
    return values if index is None else _put(values, index, values.size).reshape(values.shape)


def _windows(m: Map, x: Array) -> Array:
    """`(batch, output_height, kernel_height, output_width, kernel_width, channels)`."""
    batch, height, width, channels = m.images.shape
    padded = np.zeros((batch, height + 1, width + 1, channels))  # position -1 is the zero behind
    padded[:, :height, :width] = _take(x, m.images)
    rows, columns = m.rows.positions(), m.columns.positions()
    return padded[:, rows[:, :, None, None], columns[None, None]]


def _correlate(m: Map, x: Array, kernel: Array) -> Array:
    windows = _windows(m, x)
    y = np.einsum("bipjqc,pqcm->bijcm", windows, _take(kernel, m.kernel)).reshape(m.shape)
    return m.scale * _take(y, m.sums)


def _input_gradient(m: Map, d: Array, kernel: Array) -> Array:
    batch, height, width, channels = m.images.shape
    d = _scatter(d, m.sums).reshape(*m.shape[:3], *m.kernel.shape[2:])
    shares = m.scale * np.einsum("bijcm,pqcm->bipjqc", d, _take(kernel, m.kernel))
    rows, columns = m.rows.positions(), m.columns.positions()
    inside = (rows >= 0)[:, :, None, None] & (columns >= 0)
    at = np.where(inside, rows[:, :, None, None] * width + columns, -1)
    image = np.arange(batch)[:, None, None, None, None] * (height * width)
    pixel = np.where(at < 0, -1, image + at)[..., None] * channels + np.arange(channels)  # negative: beyond the input
    found = _put(shares, pixel, m.images.size).reshape(m.images.shape)
    return _put(found, m.images, m.images.size)


def _kernel_gradient(m: Map, d: Array, x: Array) -> Array:
    d = _scatter(d, m.sums).reshape(*m.shape[:3], *m.kernel.shape[2:])
    found = m.scale * np.einsum("bipjqc,bijcm->pqcm", _windows(m, x), d)
    return _put(found, m.kernel, m.kernel.size)


def _bias_gradient(program: Program) -> Callable[[Map, Array, Array], Array]:
    def apply(m: Map, d: Array, bias: Array) -> Array:
        return program.bias_scale * _put(d, program.bias_back, m.shape[3])

    return apply


def _last(config: LayerConfig, array: NDArray[Any]) -> NDArray[Any]:
    return array if config.channels_last else array.transpose(0, 2, 3, 1)


def _as_configured(config: LayerConfig, array: Array) -> Array:
    return array if config.channels_last else array.transpose(0, 3, 1, 2)
