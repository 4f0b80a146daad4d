"""Functions that are taken for an activation or for its derivative."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from depthwise_conformance.diagnosis.program import Array
from depthwise_conformance.reference.activations import ACTIVATIONS, SMOOTH, Activation, constantly


def _leaky(slope: float) -> Activation:
    return Activation(
        lambda p: np.where(p > 0, p, slope * p),
        lambda p: np.where(p > 0, 1.0, slope),
        1.0,
        0.0,
        (0.0,),
        lambda p: 4.0 * np.where(p > 0, p, -slope * p),
        constantly(4.0),
    )


def _piecewise_sigmoid(slope: float) -> Activation:
    end = 0.5 / slope
    return Activation(
        lambda p: np.clip(slope * p + 0.5, 0.0, 1.0),
        lambda p: np.where(np.abs(p) < end, slope, 0.0),
        slope,
        0.0,
        (-end, end),
        constantly(8.0),
        constantly(4.0),
    )


def _sigmoid(p: Array) -> Array:
    e = np.exp(-np.abs(p))
    return np.where(p >= 0, 1.0, e) / (1.0 + e)


def _erfc(p: Array) -> Array:
    return np.asarray(np.frompyfunc(math.erfc, 1, 1)(p), np.float64)


ROOT = math.sqrt(2.0 / math.pi)
SINGLE_ROOT = float(np.float32(math.sqrt(0.5)))


def _gelu_tanh_derivative(p: Array) -> Array:
    t = np.tanh(ROOT * (p + 0.044715 * p**3))
    return np.asarray(0.5 * (1.0 + t) + 0.5 * p * (1.0 - t * t) * ROOT * (1.0 + 3 * 0.044715 * p * p))


def _gelu_sigmoid_derivative(p: Array) -> Array:
    s = _sigmoid(1.702 * p)
    return s + 1.702 * p * s * (1.0 - s)


def _gelu_rounding(p: Array) -> Array:
    return 24.0 * np.abs(p)


GELU_TANH = Activation(
    lambda p: 0.5 * p * (1.0 + np.tanh(ROOT * (p + 0.044715 * p**3))),
    _gelu_tanh_derivative,
    1.13,
    0.9,
    (),
    _gelu_rounding,
    SMOOTH,
)
GELU_SIGMOID = Activation(
    lambda p: p * _sigmoid(1.702 * p), _gelu_sigmoid_derivative, 1.2, 1.0, (), _gelu_rounding, SMOOTH
)
GELU_SINGLE = Activation(
    lambda p: 0.5 * p * _erfc(-p * SINGLE_ROOT),
    lambda p: 0.5 * _erfc(-p * SINGLE_ROOT) + p * np.exp(-0.5 * p * p) / math.sqrt(2.0 * math.pi),
    1.13,
    0.8,
    (),
    _gelu_rounding,
    SMOOTH,
)


def _pade(p: Array) -> Array:
    cut = np.clip(p, -3.0, 3.0)
    return np.asarray(cut * (27.0 + cut * cut) / (27.0 + 9.0 * cut * cut))


def _pade_derivative(p: Array) -> Array:
    below = 27.0 + 9.0 * p * p
    return np.where(np.abs(p) < 3.0, (27.0 + 3.0 * p * p) / below - 18.0 * p * p * (27.0 + p * p) / below**2, 0.0)


TANH_PADE = Activation(_pade, _pade_derivative, 1.0, 1.0, (), lambda p: 12.0 * np.abs(_pade(p)), SMOOTH)


def _known(name: str) -> Activation:
    found = ACTIVATIONS[name]
    assert isinstance(found, Activation)
    return found


def applied_twice(a: Activation) -> Activation:
    """The activation of the activation."""
    return Activation(
        lambda p: a.value(a.value(p)),
        lambda p: a.derivative(a.value(p)) * a.derivative(p),
        a.lipschitz**2,
        a.curvature * (a.lipschitz + a.lipschitz**2),
        a.kinks,
        lambda p: a.lipschitz * a.rounding(p) + a.rounding(a.value(p)),
        lambda p: 3.0 * np.maximum(a.derivative_rounding(p), a.derivative_rounding(a.value(p))),
    )


def _derivative(like: str, derivative: Callable[[Array], Any]) -> Activation:
    return replace(_known(like), derivative=derivative)


INSTEAD: tuple[tuple[str, str, Activation], ...] = (
    *((f"relu leaking by {slope}", "relu", _leaky(slope)) for slope in (0.01, 0.1, 0.2, 0.3)),
    ("relu as relu6", "relu", _known("relu6")),
    ("relu6 as relu", "relu6", _known("relu")),
    ("linear as relu", "linear", _known("relu")),
    ("gelu by tanh", "gelu", GELU_TANH),
    ("gelu by sigmoid", "gelu", GELU_SIGMOID),
    ("gelu with a root in single precision", "gelu", GELU_SINGLE),
    ("sigmoid in three pieces of slope 1/6", "sigmoid", _piecewise_sigmoid(1.0 / 6.0)),
    ("sigmoid in three pieces of slope 0.2", "sigmoid", _piecewise_sigmoid(0.2)),
    ("tanh by a rational function", "tanh", TANH_PADE),
    (
        "softplus linear above 20",
        "softplus",
        replace(_known("softplus"), value=lambda p: np.where(p > 20.0, p, np.logaddexp(p, 0.0))),
    ),
)
DERIVATIVES: tuple[tuple[str, str, Activation], ...] = (
    *((f"derivative of relu leaking by {slope}", "relu", _leaky(slope)) for slope in (0.01, 0.1, 0.2, 0.3)),
    ("derivative of relu as relu6's", "relu", _known("relu6")),
    ("derivative of relu6 as relu's", "relu6", _known("relu")),
    ("derivative of gelu by tanh", "gelu", GELU_TANH),
    ("derivative of gelu by sigmoid", "gelu", GELU_SIGMOID),
    ("derivative of gelu without its density", "gelu", _derivative("gelu", lambda p: 0.5 * _erfc(-p * math.sqrt(0.5)))),
    ("derivative of sigmoid at the sum", "sigmoid", _derivative("sigmoid", lambda p: p * (1.0 - p))),
    ("derivative of tanh at the sum", "tanh", _derivative("tanh", lambda p: 1.0 - p * p)),
)
