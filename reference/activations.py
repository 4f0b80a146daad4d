"""The activations: value, derivative, and what bounds the error of each.

The rounding constants count the operations of the textbook formula, each with the accuracy that the OpenCL C
specification asks of an honest mathematics library (1 ulp is at most 2 u relative): exp 3 ulp, tanh 5, erf and
erfc 16, log1p 2, division 2.5.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Function = Callable[[Array], Any]


@dataclass(frozen=True)
class Activation:
    """An elementwise activation f.

    Two points at most e apart differ by at most `lipschitz * e` in f; in f' by at most `curvature * e`, and by at
    most 1 when one of the `kinks` lies between them. Evaluating f at p with unit roundoff u errs by at most
    `u * rounding(p, f(p))`, evaluating f' by at most `u * derivative_rounding`.
    """

    value: Function
    derivative: Function
    lipschitz: float
    curvature: float
    kinks: tuple[float, ...]
    rounding: Callable[[Array, Array], Array]
    derivative_rounding: float


def _exact(p: Array, y: Array) -> Array:
    return np.zeros_like(p)


def _sigmoid(p: Array) -> Array:
    e = np.exp(-np.abs(p))
    return np.asarray(np.where(p >= 0, 1.0, e) / (1.0 + e))


def _normal_cdf(p: Array) -> Array:
    erfc = np.frompyfunc(math.erfc, 1, 1)
    return 0.5 * np.asarray(erfc(-p / math.sqrt(2.0)), dtype=np.float64)


def _gelu_derivative(p: Array) -> Array:
    return _normal_cdf(p) + p * np.exp(-0.5 * p * p) / math.sqrt(2.0 * math.pi)


LINEAR = Activation(lambda p: p, np.ones_like, 1.0, 0.0, (), _exact, 0.0)
SMOOTH = 32.0  # roundoffs in a derivative made of the functions above, all of them at most about 1

ACTIVATIONS: dict[str | None, Activation | None] = {
    None: LINEAR,
    "linear": LINEAR,
    "relu": Activation(lambda p: np.maximum(p, 0.0), lambda p: (p > 0) * 1.0, 1.0, 0.0, (0.0,), _exact, 0.0),
    "relu6": Activation(
        lambda p: np.clip(p, 0.0, 6.0), lambda p: ((p > 0) & (p < 6)) * 1.0, 1.0, 0.0, (0.0, 6.0), _exact, 0.0
    ),
    "tanh": Activation(np.tanh, lambda p: 1.0 - np.tanh(p) ** 2, 1.0, 0.77, (), lambda p, y: 12.0 * np.abs(y), SMOOTH),
    "sigmoid": Activation(
        _sigmoid, lambda p: _sigmoid(p) * _sigmoid(-p), 0.25, 0.0963, (), lambda p, y: np.full_like(p, 12.0), SMOOTH
    ),
    "softplus": Activation(
        lambda p: np.asarray(np.logaddexp(p, 0.0)),
        _sigmoid,
        1.0,
        0.25,
        (),
        lambda p, y: 8.0 * (1.0 + np.abs(y)),
        SMOOTH,
    ),
    "gelu": Activation(
        lambda p: p * _normal_cdf(p), _gelu_derivative, 1.13, 0.8, (), lambda p, y: 24.0 * np.abs(p), SMOOTH
    ),
    "softmax": None,  # not elementwise: it normalises over the last axis, and has its own functions below
}


def softmax(p: Array) -> Array:
    """Softmax over the last axis, whatever the data format: the default axis of `keras.activations.softmax`."""
    if p.size == 0:
        return p
    e = np.exp(p - p.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def softmax_rounding(p: Array, s: Array) -> Array:
    """The error of evaluating `softmax(p) = s` with unit roundoff u, in units of u: subtraction, exp, sum, division."""
    if p.size == 0:
        return p
    return np.asarray(s * (p.max(axis=-1, keepdims=True) - p + p.shape[-1] + 12.0))
