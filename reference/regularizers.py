"""Regularizers: what a weight or an output adds to the loss, its gradient, and the error of an honest evaluation.

The formulas are those of Keras's documentation of `keras.regularizers`: L1 is `l1 * sum(|w|)`, L2 is `l2 * sum(w^2)`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from depthwise_conformance.reference.bounds import Array, Bounded
from depthwise_conformance.reference.floats import gamma
from depthwise_conformance.reference.specs import registry, resolve

COUNT = 6  # roundings of one term: squaring, the coefficient and its own rounding, the sum of two penalties, a division


class Regularizer:
    """`l1 * sum(|w|) + l2 * sum(w^2)`."""

    l1: float
    l2: float

    def penalty(self, w: Array) -> float:
        """What `w` adds to the loss."""
        return float(self.l1 * np.abs(w).sum() + self.l2 * (w * w).sum())

    def gradient(self, w: Array) -> Array:
        """The penalty's gradient (at a kink, zero)."""
        return np.asarray(self.l1 * np.sign(w) + 2.0 * self.l2 * w)

    def kink(self, w: Array) -> Array:
        """How far a subgradient may be from `gradient`: the absolute value has any slope at zero."""
        return np.where(w == 0.0, self.l1, 0.0)

    def bounded(self, w: Bounded, roundoff: float) -> Bounded:
        """The penalty with its bound: a sum of terms of one sign, each rounded `COUNT` times (Higham, section 3.1).

        An array that is off by its bound moves each term by the slope times as much, and half the curvature's square.
        """
        value = self.penalty(w.value)
        moved = ((np.abs(self.gradient(w.value)) + self.kink(w.value)) * w.bound + self.l2 * w.bound**2).sum()
        return Bounded(
            np.asarray(value), np.asarray(gamma(w.value.size + COUNT, roundoff) * (abs(value) + moved) + moved)
        )


@dataclass(frozen=True)
class L1(Regularizer):
    """`l1 * sum(|w|)`."""

    l1: float = 0.01
    l2: float = field(default=0.0, init=False)


@dataclass(frozen=True)
class L2(Regularizer):
    """`l2 * sum(w^2)`."""

    l1: float = field(default=0.0, init=False)
    l2: float = 0.01


@dataclass(frozen=True)
class L1L2(Regularizer):
    """Both."""

    l1: float = 0.0
    l2: float = 0.0


@dataclass(frozen=True)
class Given(Regularizer):
    """A function of the weight, whose method `gradient` is asked for the gradient."""

    function: Any
    l1: float = field(default=0.0, init=False)
    l2: float = field(default=1.0, init=False)  # the curvature is taken for that of a sum of squares

    def penalty(self, w: Array) -> float:
        """What the function gives."""
        return float(self.function(w))

    def gradient(self, w: Array) -> Array:
        """What the function's `gradient` gives."""
        return np.asarray(self.function.gradient(w))


def _l1_l2() -> L1L2:
    return L1L2(0.01, 0.01)


# By its name alone, L1L2 has other defaults than the class.
REGULARIZERS = {**registry(L1, L2, L1L2), "l1_l2": _l1_l2}


def regularizer(argument: str, given: object) -> Regularizer | None:
    """The regularizer that an argument means. Raises ValueError."""
    return resolve(argument, given, REGULARIZERS, Regularizer, Given)
