"""The activations over the last axis, whatever the data format: the default axis of `keras.activations`.

Each has its value, its gradient, and what an honest evaluation may be off by where its argument is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.reference.floats import Format, gamma

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Rowwise:
    """An activation f of the last axis, given arguments p that are known up to e.

    `bound(p, e, u, storage)` is how far an honest f(p) may be off where every step rounds by u and results are stored
    in a format; `back(p, c)` is the gradient for p of `sum(c * f(p))`, and `spread(p, e, c, u, storage)` its bound.
    """

    value: Callable[[Array], Array]
    bound: Callable[[Array, Array, float, Format], Array]
    back: Callable[[Array, Array], Array]
    spread: Callable[[Array, Array, Array, float, Format], Array]


def sigmoid(p: Array) -> Array:
    """`1 / (1 + exp(-p))` without overflow."""
    e = np.exp(-np.abs(p))
    return np.asarray(np.where(p >= 0, 1.0, e) / (1.0 + e))


def largest(row: Array) -> Array:
    """The largest of each row, as a row of one."""
    return np.asarray(row.max(axis=-1, keepdims=True))


def _total(row: NDArray[Any]) -> Array:
    return np.asarray(1.0 * row.sum(axis=-1, keepdims=True))


# softmax


def softmax(p: Array) -> Array:
    """`exp(p) / sum(exp(p))`."""
    e = np.exp(p - largest(p))
    return np.asarray(e / _total(e))


def softmax_rounding(p: Array, s: Array) -> Array:
    """The error of evaluating `softmax(p) = s` with unit roundoff u, in units of u: subtraction, exp, sum, division."""
    return np.asarray(s * (largest(p) - p + p.shape[-1] + 12.0))


def _softmax_bound(p: Array, e: Array, u: float, storage: Format) -> Array:
    s = softmax(p)
    # exp is 2**n times a number of up to sqrt(2): where 2**n underflows, more than the smallest number is lost
    bound = s * np.expm1(2.0 * largest(e)) + u * softmax_rounding(p, s) + 2.0 * storage.tiny
    return np.asarray(np.fmin(bound, 1.0))


def _softmax_back(p: Array, c: Array) -> Array:
    s = softmax(p)
    return np.asarray(s * (c - _total(c * s)))


def _softmax_spread(p: Array, e: Array, c: Array, u: float, storage: Format) -> Array:
    s, bound = softmax(p), _softmax_bound(p, e, u, storage)
    magnitude = np.abs(c) + _total(np.abs(c) * s)
    carried = bound * magnitude + (s + bound) * _total(np.abs(c) * bound)
    return np.asarray(carried + gamma(c.shape[-1] + 3, u) * (s + bound) * magnitude)


SOFTMAX = Rowwise(softmax, _softmax_bound, _softmax_back, _softmax_spread)


# log_softmax


def log_softmax(p: Array) -> Array:
    """`log(softmax(p))`."""
    z = p - largest(p)
    return np.asarray(z - np.log(_total(np.exp(z))))


def _log_softmax_bound(p: Array, e: Array, u: float, storage: Format) -> Array:
    moved = e + largest(e)
    return np.asarray(moved + u * (9.0 * (np.abs(log_softmax(p)) + moved) + 4.0 * p.shape[-1] + 16.0))


def _log_softmax_back(p: Array, c: Array) -> Array:
    return np.asarray(c - softmax(p) * _total(c))


def _log_softmax_spread(p: Array, e: Array, c: Array, u: float, storage: Format) -> Array:
    s, bound = softmax(p), _log_softmax_bound(p, e, u, storage)
    bound = np.fmin(s * np.expm1(bound + 8.0 * u) + 2.0 * storage.tiny, 1.0)
    total = _total(np.abs(c))
    return np.asarray(bound * total + gamma(c.shape[-1] + 3, u) * (np.abs(c) + (s + bound) * total))


LOG_SOFTMAX = Rowwise(log_softmax, _log_softmax_bound, _log_softmax_back, _log_softmax_spread)


# sparsemax


def _excess(p: Array) -> Array:
    """`p - tau`, whose positive parts add up to one."""
    z = p - largest(p)
    ordered = -np.sort(-z, axis=-1)
    sums, count = np.cumsum(ordered, axis=-1), np.arange(1.0, p.shape[-1] + 1.0)
    support = _total(1.0 + count * ordered > sums).astype(np.intp)
    tau = (np.take_along_axis(sums, support - 1, axis=-1) - 1.0) / support
    return np.asarray(z - tau)


def sparsemax(p: Array) -> Array:
    """The point of the probability simplex that is nearest to p."""
    return np.asarray(np.maximum(_excess(p), 0.0))


def _sparsemax_bound(p: Array, e: Array, u: float, storage: Format) -> Array:
    """The threshold moves by no more than the largest argument does, and sums of n arguments that round give it."""
    n, magnitude = p.shape[-1], largest(np.abs(p) + e)
    bound = e + largest(e) + u * (n * (n + 4.0) + 8.0) * (magnitude + 1.0)
    return np.where(n * magnitude + 1.0 > storage.largest, np.inf, bound)


def _sparsemax_back(p: Array, c: Array) -> Array:
    support = _excess(p) > 0.0
    return np.asarray(support * (c - _total(c * support) / _total(support)))


def _sparsemax_spread(p: Array, e: Array, c: Array, u: float, storage: Format) -> Array:
    """What is surely not in the support has no gradient; where anything else is not sure, any mean may be taken."""
    excess, bound = _excess(p), _sparsemax_bound(p, e, u, storage)
    outside = excess < -bound
    doubt = (np.abs(excess) <= bound).any(axis=-1, keepdims=True)
    magnitude = np.abs(c) + largest(np.abs(c))
    error = gamma(c.shape[-1] + 8, u) * magnitude + doubt * (np.abs(_sparsemax_back(p, c)) + magnitude)
    return np.where(outside, 0.0, error)


SPARSEMAX = Rowwise(sparsemax, _sparsemax_bound, _sparsemax_back, _sparsemax_spread)


# glu


def _halves(p: Array) -> tuple[Array, Array]:
    half = p.shape[-1] // 2
    return p[..., :half], p[..., half:]


def glu(p: Array) -> Array:
    """`a * sigmoid(b)` of the halves of the last axis."""
    a, b = _halves(p)
    return np.asarray(a * sigmoid(b))


def _glu_bound(p: Array, e: Array, u: float, storage: Format) -> Array:
    (a, b), (ea, eb) = _halves(p), _halves(e)
    gate = np.fmin(0.25 * eb, 1.0)
    bound = np.abs(a) * gate + ea * (sigmoid(b) + gate) + 16.0 * u * (np.abs(a) + ea)
    return np.asarray(bound + 4.0 * storage.tiny)


def _glu_back(p: Array, c: Array) -> Array:
    a, b = _halves(p)
    s = sigmoid(b)
    return np.concatenate([c * s, c * a * s * sigmoid(-b)], axis=-1)


def _glu_spread(p: Array, e: Array, c: Array, u: float, storage: Format) -> Array:
    (a, b), (ea, eb) = _halves(p), _halves(e)
    slope, turned = sigmoid(b) * sigmoid(-b), 0.0963 * eb + 32.0 * u + 4.0 * storage.tiny
    by_a = np.fmin(0.25 * eb, 1.0) + 16.0 * u + 4.0 * storage.tiny
    by_b = np.abs(a) * turned + ea * (slope + turned)
    return np.concatenate([np.abs(c) * by_a, np.abs(c) * by_b], axis=-1)


GLU = Rowwise(glu, _glu_bound, _glu_back, _glu_spread)
