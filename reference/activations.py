"""The activations that Keras has by name: value, derivative, and what bounds the error of each.

The definitions are those of the page `keras.activations`; `threshold`, which has arguments without defaults, cannot be
called by its name alone and is left out. The rounding constants count the operations of the textbook formula, each
with the accuracy that the OpenCL C specification asks of an honest mathematics library (1 ulp is at most 2 u relative):
exp, log and sqrt 3 ulp, tanh 5, erf and erfc 16, log1p 2, division 2.5. docs/numerics.md has the table.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.reference.rows import GLU, LOG_SOFTMAX, SOFTMAX, SPARSEMAX, Rowwise, sigmoid

Array = NDArray[np.float64]
Function = Callable[[Array], Any]
Moves = Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Activation:
    """An elementwise activation f.

    Two points at most e apart differ by at most `lipschitz * e` in f, and by `jump` more where one of the `kinks` lies
    between them; in f' by at most `curvature * e`, and by at most 1 more where a kink lies between. Where the slope has
    no bound, `moves(p, e)` takes the place of both products. Evaluating f at p with unit roundoff u errs by at most
    `u * rounding(p)`, evaluating f' by at most `u * derivative_rounding(p)`; less than `u * blur` from a kink, its side
    may be mistaken. `digits` is the relative error of constants that the documentation rounds. `reach(p)` is the
    largest number on the way, which may overflow.
    """

    value: Function
    derivative: Function
    lipschitz: float
    curvature: float
    kinks: tuple[float, ...]
    rounding: Function
    derivative_rounding: Function
    jump: float = 0.0
    blur: float = 0.0
    moves: Moves | None = None
    digits: float = 0.0
    reach: Function | None = None

    @property
    def is_steep(self) -> bool:
        """Whether f may move by more than twice what its argument does."""
        return self.jump > 0.0 or self.lipschitz > 2.0

    def moved(self, p: Array, e: Array) -> Array:
        """How far f may be from f(p) where its argument is at most e from p."""
        if self.moves is not None:
            return self.moves(p, e)
        return np.asarray(self.lipschitz * e + self.jump * (self.near_kink(p, e) & (e > 0.0)))

    def turned(self, p: Array, e: Array, u: float) -> Array:
        """The same of f', where it is evaluated with roundoff u."""
        if self.moves is not None:
            return self.moves(p, e)
        return np.asarray(self.curvature * e + self.near_kink(p, e + self.blur * u))

    def near_kink(self, p: Array, e: Array) -> NDArray[np.bool_]:
        """Whether a kink is at most e from p."""
        found = np.zeros(np.shape(p), np.bool_)
        for kink in self.kinks:
            found |= np.abs(p - kink) <= e
        return found


def exactly(p: Array) -> Array:
    """No rounding."""
    return np.zeros_like(p)


def constantly(count: float) -> Function:
    """So many roundoffs, whatever the argument."""
    return lambda p: np.full_like(p, count)


SMOOTH = constantly(32.0)  # roundoffs in a derivative made of the functions above, all of them at most about 1


def _normal_cdf(p: Array) -> Array:
    erfc = np.frompyfunc(math.erfc, 1, 1)
    return 0.5 * np.asarray(erfc(-p / math.sqrt(2.0)), dtype=np.float64)


def _gelu_derivative(p: Array) -> Array:
    return _normal_cdf(p) + p * np.exp(-0.5 * p * p) / math.sqrt(2.0 * math.pi)


def _softplus(p: Array) -> Array:
    return np.asarray(np.logaddexp(p, 0.0))


def _silu_derivative(p: Array) -> Array:
    s = sigmoid(p)
    return s * (1.0 + p * sigmoid(-p))


def _mish_derivative(p: Array) -> Array:
    t = np.tanh(_softplus(p))
    return t + p * (1.0 - t * t) * sigmoid(p)


def _tanh_shrink(p: Array) -> Array:
    """By its series where p - tanh(p) would cancel."""
    q = p * p
    series = p * q * (1 / 3 - q * (2 / 15 - q * (17 / 315 - q * (62 / 2835))))
    return np.where(np.abs(p) < 0.01, series, p - np.tanh(p))


def _squareplus(p: Array) -> Array:
    """Without cancellation: b is four, and the product of this at p and at -p is one."""
    large = 0.5 * (np.abs(p) + np.hypot(p, 2.0))
    return np.where(p >= 0, large, 1.0 / large)


def _squareplus_derivative(p: Array) -> Array:
    return _squareplus(p) / np.hypot(p, 2.0)


def _sparse_plus(p: Array) -> Array:
    inner = np.clip(p, -1.0, 1.0) + 1.0
    return np.where(p >= 1, p, 0.25 * inner * inner)


def _growth(p: Array, e: Array) -> Array:
    return np.asarray(np.exp(p) * np.expm1(e))


def _elu(scale: float, alpha: float) -> tuple[Function, Function]:
    """`scale * x` above zero, `scale * alpha * (exp(x) - 1)` below, and the derivative."""
    return (
        lambda p: scale * np.where(p > 0, p, alpha * np.expm1(np.minimum(p, 0.0))),
        lambda p: scale * np.where(p > 0, 1.0, alpha * np.exp(np.minimum(p, 0.0))),
    )


def _inside(low: float, high: float, slope: float = 1.0) -> Function:
    """The derivative of what rises between two limits, and is constant beyond."""
    return lambda p: ((p > low) & (p < high)) * slope


SCALE, ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717  # the page has nine digits of each

LINEAR = Activation(lambda p: p, np.ones_like, 1.0, 0.0, (), exactly, exactly)
ELU = Activation(*_elu(1.0, 1.0), 1.0, 1.0, (), lambda p: 8.0 * (p < 0), lambda p: 16.0 * (p <= 0))
SILU = Activation(
    lambda p: p * sigmoid(p),
    _silu_derivative,
    1.1,
    0.5,
    (),
    lambda p: 16.0 * np.abs(p),
    lambda p: 32.0 + 16.0 * np.abs(p),
)
HARD_SILU = Activation(
    lambda p: p * (np.clip(p, -3.0, 3.0) + 3.0) / 6.0,
    lambda p: np.where(np.abs(p) < 3, p / 3.0 + 0.5, (p > 0) * 1.0),
    1.5,
    1.0 / 3.0,
    (-3.0, 3.0),
    lambda p: 10.0 * np.abs(p) * (p > -3),
    lambda p: 16.0 * (p >= -3.1),
    blur=8.0,  # x + 3 rounds to six
    reach=lambda p: 6.0 * np.abs(p),  # x * relu6(x + 3) / 6
)

ACTIVATIONS: dict[str | None, Activation | Rowwise] = {
    None: LINEAR,
    "linear": LINEAR,
    "relu": Activation(lambda p: np.maximum(p, 0.0), lambda p: (p > 0) * 1.0, 1.0, 0.0, (0.0,), exactly, exactly),
    "relu6": Activation(lambda p: np.clip(p, 0.0, 6.0), _inside(0.0, 6.0), 1.0, 0.0, (0.0, 6.0), exactly, exactly),
    "tanh": Activation(
        np.tanh, lambda p: 1.0 - np.tanh(p) ** 2, 1.0, 0.77, (), lambda p: 12.0 * np.abs(np.tanh(p)), SMOOTH
    ),
    "sigmoid": Activation(sigmoid, lambda p: sigmoid(p) * sigmoid(-p), 0.25, 0.0963, (), constantly(12.0), SMOOTH),
    "softplus": Activation(_softplus, sigmoid, 1.0, 0.25, (), lambda p: 8.0 * (1.0 + _softplus(p)), SMOOTH),
    "gelu": Activation(
        lambda p: p * _normal_cdf(p),
        _gelu_derivative,
        1.13,
        0.8,
        (),
        lambda p: 24.0 * np.abs(p),
        SMOOTH,
        reach=lambda p: 2.0 * np.abs(p),  # x * (1 + erf(...)) / 2 overflows before its half does
    ),
    "softmax": SOFTMAX,
    "leaky_relu": Activation(
        lambda p: np.where(p >= 0, p, 0.2 * p),
        lambda p: np.where(p > 0, 1.0, 0.2),
        1.0,
        0.0,
        (0.0,),
        lambda p: 0.6 * np.maximum(-p, 0.0),
        lambda p: 1.0 * (p <= 0),
    ),
    "celu": ELU,
    "elu": ELU,
    "selu": Activation(
        *_elu(SCALE, ALPHA),
        1.76,
        1.76,
        (0.0,),
        lambda p: np.where(p < 0, 16.0, 4.0 * p),
        constantly(32.0),
        digits=1e-8,
        blur=16.0,  # exp(x) - 1 rounds to zero, and the derivative may be taken by its sign
    ),
    "softsign": Activation(
        lambda p: p / (np.abs(p) + 1.0),
        lambda p: 1.0 / (1.0 + np.abs(p)) ** 2,
        1.0,
        2.0,
        (),
        lambda p: 8.0 * np.abs(p) / (np.abs(p) + 1.0),
        SMOOTH,
    ),
    "squareplus": Activation(
        _squareplus,
        _squareplus_derivative,
        1.0,
        0.25,
        (),
        lambda p: 5.0 * (np.abs(p) + 2.0),
        SMOOTH,
        reach=lambda p: p * p + 4.0,
    ),
    "soft_shrink": Activation(
        lambda p: p - np.clip(p, -0.5, 0.5),
        lambda p: (np.abs(p) > 0.5) * 1.0,
        1.0,
        0.0,
        (-0.5, 0.5),
        lambda p: 2.0 * np.maximum(np.abs(p) - 0.5, 0.0),
        exactly,
    ),
    "hard_shrink": Activation(
        lambda p: np.where(np.abs(p) > 0.5, p, 0.0),
        lambda p: (np.abs(p) > 0.5) * 1.0,
        1.0,
        0.0,
        (-0.5, 0.5),
        exactly,
        exactly,
        jump=0.5,
    ),
    "sparse_plus": Activation(
        _sparse_plus,
        lambda p: 0.5 * (np.clip(p, -1.0, 1.0) + 1.0),
        1.0,
        0.5,
        (),
        lambda p: 4.0 * _sparse_plus(p) * (p < 1),
        lambda p: 4.0 * (np.abs(p) <= 1),
    ),
    "silu": SILU,
    "swish": SILU,
    "glu": GLU,
    "tanh_shrink": Activation(
        _tanh_shrink,
        lambda p: np.tanh(p) ** 2,
        1.0,
        0.77,
        (),
        lambda p: 12.0 * np.abs(np.tanh(p)) + np.abs(p),
        SMOOTH,
    ),
    "sparse_sigmoid": Activation(
        lambda p: 0.5 * (np.clip(p, -1.0, 1.0) + 1.0),
        _inside(-1.0, 1.0, 0.5),
        0.5,
        0.0,
        (-1.0, 1.0),
        lambda p: 1.0 * (np.clip(p, -1.0, 1.0) + 1.0) * (p < 1),
        exactly,
        blur=4.0,  # x + 1 rounds to two
    ),
    "exponential": Activation(
        np.exp,
        np.exp,
        math.inf,
        math.inf,
        (),
        lambda p: 8.0 * np.exp(p),
        lambda p: 8.0 * np.exp(p),
        moves=_growth,
        reach=np.exp,  # no cotangent makes an infinite derivative finite
    ),
    "hard_sigmoid": Activation(
        lambda p: np.clip(p / 6.0 + 0.5, 0.0, 1.0),
        _inside(-3.0, 3.0, 1.0 / 6.0),
        1.0 / 6.0,
        0.0,
        (-3.0, 3.0),
        lambda p: 8.0 * (p > -3),
        lambda p: 2.0 * (np.abs(p) <= 3.1),
        blur=8.0,
    ),
    "hard_silu": HARD_SILU,
    "hard_swish": HARD_SILU,
    "hard_tanh": Activation(
        lambda p: np.clip(p, -1.0, 1.0), _inside(-1.0, 1.0), 1.0, 0.0, (-1.0, 1.0), exactly, exactly
    ),
    "mish": Activation(
        lambda p: p * np.tanh(_softplus(p)),
        _mish_derivative,
        1.09,
        0.65,
        (),
        lambda p: 24.0 * np.abs(p),
        lambda p: 32.0 + 32.0 * np.abs(p),
    ),
    "log_softmax": LOG_SOFTMAX,
    "log_sigmoid": Activation(
        lambda p: -_softplus(-p),
        lambda p: sigmoid(-p),
        1.0,
        0.25,
        (),
        lambda p: 16.0 * (1.0 + _softplus(-p)),
        lambda p: 32.0 + np.abs(p),
        reach=lambda p: 4.0 * np.exp(-p),  # log(1 / (1 + exp(-x))), whose quotient may also underflow
    ),
    "sparsemax": SPARSEMAX,
}

# These go over the last axis, whatever the data format: an error of one element shows in its whole row.
OVER_LAST_AXIS = frozenset(name for name, found in ACTIVATIONS.items() if isinstance(found, Rowwise))
NORMALISING = OVER_LAST_AXIS - {"glu"}  # a row of one is always the same
# What these make of some wrong sums is right: they are constant somewhere.
FLAT = (
    *("relu", "relu6", "soft_shrink", "hard_shrink", "sparse_plus"),
    *("sparse_sigmoid", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh"),
)
