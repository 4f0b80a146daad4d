"""What a `Program` computes, in float64, and how far an honest evaluation of it may be from that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depthwise_conformance.casebook.recipes import Arrays
from depthwise_conformance.diagnosis.program import Along, Array, Program, channels_last, unchanged
from depthwise_conformance.diagnosis.transposes import (
    bias_gradient,
    correlate,
    input_gradient,
    kernel_gradient,
    scatter,
    take,
    windows_of,
)
from depthwise_conformance.reference import FORMATS, Arithmetic, Bounded, LayerConfig
from depthwise_conformance.reference.activations import LINEAR
from depthwise_conformance.reference.floats import Format, gamma
from depthwise_conformance.reference.rows import softmax

HALVES = ("float16", "bfloat16")
DOUBLE = 2.0**-53


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


def predict(program: Program, arrays: Arrays, part: str, dtype: str, by: Arithmetic | None = None) -> Bounded | None:
    """One part of what the program computes, and how far an honest evaluation in `dtype`, or `by` one, may be from it.

    None where the program has no such part: no bias, or a cotangent that does not fit its output.
    """
    arithmetic = _Arithmetic.of(dtype, program.config.dtype)
    arithmetic = _Arithmetic(by.inputs, by.summing, by.storing) if by else arithmetic
    return _evaluate(program, arrays, part, arithmetic)


@np.errstate(all="ignore")
def _evaluate(program: Program, arrays: Arrays, part: str, arithmetic: _Arithmetic) -> Bounded | None:
    config = program.config
    x, kernel = (np.asarray(a, np.float64) for a in (arrays.x, arrays.kernel))
    bias = None if arrays.bias is None else program.bias_narrow(np.asarray(arrays.bias, np.float64))
    if part == "output":
        y = _forward(program, x, kernel, bias, arithmetic)
        return Bounded(*(program.returned(_as_configured(config, a)) for a in (y.value, y.bound)))
    cotangent = channels_last(config, np.asarray(arrays.cotangent, np.float64))
    if cotangent.shape != program.forward.shape or cotangent.shape != program.backs[part].map.shape:
        return None
    if part == "bias" and bias is None:
        return None
    cotangent = np.ones_like(cotangent) if program.ones else cotangent
    return _gradient(program, part, x, kernel, bias, scatter(cotangent, program.outputs), arithmetic)


def _forward(program: Program, x: Array, kernel: Array, bias: Array | None, arithmetic: _Arithmetic) -> Bounded:
    late = program.bias_late and bias is not None
    pre = _pre_activation(program, x, kernel, None if late else bias, arithmetic)
    y = _activate(program, pre, arithmetic)
    if late and bias is not None:
        y = Bounded(y.value + _biases(program, bias), y.bound)
    y = arithmetic.stored(y.value, y.bound)
    return Bounded(take(y.value, program.outputs), take(y.bound, program.outputs))


def _pre_activation(program: Program, x: Array, kernel: Array, bias: Array | None, arithmetic: _Arithmetic) -> Bounded:
    m = program.forward
    windows = windows_of(m, x)
    value = correlate(m, windows if m.narrow is unchanged else windows_of(m, m.narrow(x)), m.narrow(m.quantise(kernel)))
    added = None if bias is None else _biases(program, bias)
    if arithmetic.rough:
        return _exact(value if added is None else value + added)
    reach = correlate(m, np.abs(windows), np.abs(kernel))
    if added is not None:
        reach = reach + np.abs(added)
    sums = arithmetic.summed(value, reach, 0.0, m.rows.kernel * m.columns.kernel)
    return sums if added is None else arithmetic.stored(value + added, sums.bound)


def _biases(program: Program, bias: Array) -> Array:
    return program.bias_scale * take(bias, program.bias)


def _activate(program: Program, pre: Bounded, arithmetic: _Arithmetic) -> Bounded:
    a = program.activation
    if isinstance(a, Along):
        y = _along(a, pre, arithmetic)
    elif a is LINEAR:
        return pre
    else:
        value = np.asarray(a.value(pre.value))
        rounding = 2.0 * arithmetic.store.roundoff * a.rounding(pre.value) + a.digits * np.abs(value)
        y = Bounded(value, a.moved(pre.value, pre.bound) + rounding)
    if program.activated is None:
        return y
    return Bounded(*(np.where(program.activated, *pair) for pair in ((y.value, pre.value), (y.bound, pre.bound))))


def _along(a: Along, pre: Bounded, arithmetic: _Arithmetic) -> Bounded:
    p, bound = _rows(a, pre.value), _rows(a, pre.bound)
    value = _unrows(a, a.function.value(p), pre.value)
    if arithmetic.rough:
        return _exact(value)
    spread = a.function.bound(p, bound, 2.0 * arithmetic.store.roundoff, arithmetic.store)
    return Bounded(value, _unrows(a, spread, pre.value))


def _rows(a: Along, array: Array) -> Array:
    """The elements that are normalised together as the last axis."""
    moved = np.moveaxis(array, a.axes, range(-len(a.axes), 0))
    together = int(np.prod(moved.shape[4 - len(a.axes) :]))
    return moved.reshape(*moved.shape[: 4 - len(a.axes)], together)


def _unrows(a: Along, rows: Array, like: Array) -> Array:
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
        apply, other = bias_gradient(program), bias
    elif part == "kernel":
        apply, other = kernel_gradient, x
    else:
        apply, other, terms = input_gradient, m.quantise(kernel), 2 * m.kernel[:, :, 0].size
    assert other is not None
    narrowed = apply(m, m.narrow(value), m.narrow(other))
    shape = {"input": x.shape, "kernel": kernel.shape}.get(part, (m.shape[3],))
    if arithmetic.rough:
        return _exact(take(narrowed.reshape(shape), back.result))
    reach = apply(m, np.abs(value) + bound, np.abs(other))
    carried = apply(m, bound, np.abs(other)) if bound.any() else 0.0
    found = arithmetic.summed(narrowed, reach, carried, terms)
    return Bounded(*(take(a.reshape(shape), back.result) for a in (found.value, found.bound)))


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
    if isinstance(a, Along):
        d = _through_along(a, c, pre, arithmetic)
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


def _through_along(a: Along, cotangent: Array, pre: Bounded, arithmetic: _Arithmetic) -> Bounded:
    c, p, bound = (_rows(a, array) for array in (cotangent, pre.value, pre.bound))
    value = _unrows(a, _by_diagonal(p, c) if a.diagonal else a.function.back(p, c), cotangent)
    if arithmetic.rough:
        return _exact(value)
    spread = a.function.spread(p, bound, c, 2.0 * arithmetic.store.roundoff, arithmetic.store)
    return arithmetic.stored(value, _unrows(a, spread, cotangent))


def _by_diagonal(p: Array, c: Array) -> Array:
    s = softmax(p)
    return s * (c - c * s)


def _as_configured(config: LayerConfig, array: Array) -> Array:
    return array if config.channels_last else array.transpose(0, 3, 1, 2)
