"""Constraints: what an optimizer's update of a weight is projected to, and the error of an honest evaluation.

The formulas are those of Keras's documentation of `keras.constraints`. Norms are taken along `axis`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from depthwise_conformance.reference.bounds import Array, Bounded
from depthwise_conformance.reference.floats import gamma
from depthwise_conformance.reference.specs import registry, resolve

Axes = int | list[int] | tuple[int, ...]
FUZZ = 1.001e-7  # `keras.config.epsilon()`, which Keras adds to norms before it divides by them, and its rounding
COUNT = 8  # roundings besides those of the sum of squares: square root, clipping with a rate, division, product


class Constraint(ABC):
    """A projection of a weight."""

    @abstractmethod
    def project(self, w: Array) -> Array:
        """The projected weight, of the same shape."""

    def bounded(self, w: Bounded, roundoff: float) -> Bounded:
        """The projection of a weight known up to its bound, evaluated with unit roundoff `roundoff`."""
        return Bounded(self.project(w.value), w.bound)


@dataclass(frozen=True)
class NonNeg(Constraint):
    """Negative weights become zero."""

    def project(self, w: Array) -> Array:
        """The larger of each weight and zero."""
        return np.maximum(w, 0.0)


class _Norm(Constraint):
    """Weights are scaled so that their norms along `axis` become what `wanted` says; zeros stay zeros."""

    axis: Axes

    @abstractmethod
    def wanted(self, norms: Array) -> Array:
        """The norms to be had instead of `norms`."""

    def project(self, w: Array) -> Array:
        norms = self._norms(w)
        scale = np.divide(self.wanted(norms), norms, out=np.zeros_like(norms), where=norms > 0.0)
        return np.asarray(w * scale)

    def bounded(self, w: Bounded, roundoff: float) -> Bounded:
        """Relative errors of the norm's n squares, of `COUNT` further roundings, and of `FUZZ` beside the norm.

        A weight that is off by its bound moves the projection by at most twice as far: by itself, and by the norm.
        """
        projected, norms = self.project(w.value), self._norms(w.value)
        terms = w.value.size // max(norms.size, 1)
        scale = np.divide(self.wanted(norms), norms, out=np.zeros_like(norms), where=norms > 0.0)
        off = np.sqrt((w.bound * w.bound).sum(axis=_axes(self.axis), keepdims=True))
        with np.errstate(divide="ignore"):
            relative = gamma(terms + COUNT, roundoff) + np.where(norms > 0.0, FUZZ / norms, 0.0)
        return Bounded(projected, np.abs(projected) * relative + scale * (w.bound + 2.0 * off))

    def _norms(self, w: Array) -> Array:
        return np.asarray(np.sqrt((w * w).sum(axis=_axes(self.axis), keepdims=True)))


@dataclass(frozen=True)
class MaxNorm(_Norm):
    """Norms of at most `max_value`."""

    max_value: float = 2
    axis: Axes = 0

    def wanted(self, norms: Array) -> Array:
        """Those that are larger, cut."""
        return np.minimum(norms, self.max_value)


@dataclass(frozen=True)
class UnitNorm(_Norm):
    """Norms of one."""

    axis: Axes = 0

    def wanted(self, norms: Array) -> Array:
        """One."""
        return np.ones_like(norms)


@dataclass(frozen=True)
class MinMaxNorm(_Norm):
    """Norms between `min_value` and `max_value`, approached by `rate`."""

    min_value: float = 0.0
    max_value: float = 1.0
    rate: float = 1.0
    axis: Axes = 0

    def wanted(self, norms: Array) -> Array:
        """Between what they are and what they may be."""
        return np.asarray(self.rate * np.clip(norms, self.min_value, self.max_value) + (1.0 - self.rate) * norms)


@dataclass(frozen=True)
class Given(Constraint):
    """A function of the weight, exact in every format (a multiplication by a power of two, say)."""

    function: Any

    def project(self, w: Array) -> Array:
        """What the function gives."""
        return np.asarray(self.function(w))


CONSTRAINTS = registry(MaxNorm, MinMaxNorm, NonNeg, UnitNorm)


def constraint(argument: str, given: object) -> Constraint | None:
    """The constraint that an argument means. Raises ValueError."""
    return resolve(argument, given, CONSTRAINTS, Constraint, Given)


def _axes(axis: Axes) -> int | tuple[int, ...]:
    return axis if isinstance(axis, int) else tuple(axis)
