"""The activations and what they make of a cotangent, in the dtype of their argument."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
ROWS = ("softmax", "log_softmax", "sparsemax", "glu")  # activations over the last axis


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
    one = p.dtype.type(1)
    match name:
        case "celu" | "elu":
            return np.where(p < 0, np.exp(p) - one, p)
        case "selu":
            scale, alpha = p.dtype.type(1.0507009873554805), p.dtype.type(1.6732632423543772)
            return scale * np.where(p < 0, alpha * (np.exp(p) - one), p)
        case "softsign":
            return p / (np.abs(p) + one)
        case "squareplus":
            return (p + np.sqrt(p * p + p.dtype.type(4))) / p.dtype.type(2)
        case "silu" | "swish":
            return p * sigmoid(p)
        case "glu":
            a, b = np.split(p, 2, axis=-1)
            return a * sigmoid(b)
        case "tanh_shrink":
            return p - np.tanh(p)
        case "exponential":
            return np.exp(p)
        case "mish":
            return p * np.tanh(softplus(p))
        case "log_softmax":
            q = p - p.max(axis=-1, keepdims=True)
            return q - np.log(np.exp(q).sum(axis=-1, keepdims=True, dtype=p.dtype))
        case "log_sigmoid":
            return -softplus(-p)
    return activation_in_pieces(name, p)


def activation_in_pieces(name: str | None, p: Array) -> Array:
    """Those that are put together from pieces."""
    zero, half, one, three = (p.dtype.type(number) for number in (0, 0.5, 1, 3))
    match name:
        case "leaky_relu":
            return np.where(p < 0, p.dtype.type(0.2) * p, p)
        case "soft_shrink":
            return np.where(p > half, p - half, np.where(p < -half, p + half, zero))
        case "hard_shrink":
            return np.where(np.abs(p) > half, p, zero)
        case "sparse_plus":
            return np.where(p <= -one, zero, np.where(p < one, p.dtype.type(0.25) * (p + one) * (p + one), p))
        case "sparse_sigmoid":
            return np.where(p <= -one, zero, np.where(p < one, half * (p + one), one))
        case "hard_sigmoid":
            return np.where(p <= -three, zero, np.where(p < three, p / p.dtype.type(6) + half, one))
        case "hard_silu" | "hard_swish":
            return np.where(p < -three, zero, np.where(p > three, p, p * (p + three) / p.dtype.type(6)))
        case "hard_tanh":
            return np.where(p < -one, -one, np.where(p > one, one, p))
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
    one, two = (p.dtype.type(number) for number in (1, 2))
    match name:
        case "celu" | "elu":
            return np.where(p < 0, np.exp(p), one)
        case "selu":
            scale, alpha = p.dtype.type(1.0507009873554805), p.dtype.type(1.6732632423543772)
            return scale * np.where(p < 0, alpha * np.exp(p), one)
        case "softsign":
            return one / ((np.abs(p) + one) * (np.abs(p) + one))
        case "squareplus":
            return (one + p / np.sqrt(p * p + p.dtype.type(4))) / two
        case "silu" | "swish":
            s = sigmoid(p)
            return s * (one + p * (one - s))
        case "tanh_shrink":
            t = np.tanh(p)
            return t * t
        case "exponential":
            return np.exp(p)
        case "mish":
            t = np.tanh(softplus(p))
            return t + p * (one - t * t) * sigmoid(p)
        case "log_sigmoid":
            return sigmoid(-p)
    return slope_in_pieces(name, p)


def slope_in_pieces(name: str | None, p: Array) -> Array:
    """The derivatives of those that are put together from pieces."""
    zero, one, two = (p.dtype.type(number) for number in (0, 1, 2))
    match name:
        case "leaky_relu":
            return np.where(p < 0, p.dtype.type(0.2), one)
        case "soft_shrink" | "hard_shrink":
            return (np.abs(p) > 0.5).astype(p.dtype)
        case "sparse_plus":
            return np.where(p <= -one, zero, np.where(p < one, (p + one) / two, one))
        case "sparse_sigmoid":
            return np.where(np.abs(p) < one, one / two, zero)
        case "hard_sigmoid":
            return np.where(np.abs(p) < 3, one / p.dtype.type(6), zero)
        case "hard_silu" | "hard_swish":
            return np.where(p < -3, zero, np.where(p > 3, one, (two * p + p.dtype.type(3)) / p.dtype.type(6)))
        case "hard_tanh":
            return (np.abs(p) <= one).astype(p.dtype)
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
