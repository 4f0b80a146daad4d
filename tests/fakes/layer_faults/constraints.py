"""Constraints: other projections, or at another time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from layers import Array, HonestLayer, Part

from layer_faults.base import belongs_to


@belongs_to("constraints")
class NormsAlongLastAxis(HonestLayer):
    """Norms are taken along the last axis."""

    def axis(self, part: Part) -> Any:
        return -1


@belongs_to("constraints")
class NormsOfEverything(HonestLayer):
    """Norms are those of the whole weight."""

    def axis(self, part: Part) -> Any:
        return None


@belongs_to("constraints")
class NormsAlongFirstOfAxes(HonestLayer):
    """Of several axes, the first is taken."""

    def axis(self, part: Part) -> Any:
        found = super().axis(part)
        return found[0] if isinstance(found, tuple) else found


@belongs_to("constraints")
class ConstraintBeforeUpdate(HonestLayer):
    """Constraints apply to the weights before they are updated."""

    def updated(self, name: str, w: Array, gradient: Array, rate: Any) -> Array:
        return self.constrained(name, w) - rate * gradient


@belongs_to("constraints")
class ConstraintOnGradient(HonestLayer):
    """Constraints apply to the gradients."""

    def updated(self, name: str, w: Array, gradient: Array, rate: Any) -> Array:
        return w - rate * self.constrained(name, gradient)


@belongs_to("constraints")
class ConstraintOnCall(HonestLayer):
    """Constraints apply when the layer is called."""

    def updated(self, name: str, w: Array, gradient: Array, rate: Any) -> Array:
        return w - rate * gradient

    def apply(self, x: Array) -> Array:
        for name, weight in self.variables.items():
            self.variables[name] = self.constrained(name, weight.astype(self.wide)).astype(self.stored)
        return super().apply(x)


@belongs_to("constraints")
class ConstraintOnAssignment(HonestLayer):
    """Constraints apply to weights that are assigned."""

    def assign(self, weights: Mapping[str, Array]) -> None:
        super().assign(weights)
        for name, weight in self.variables.items():
            self.variables[name] = self.constrained(name, weight.astype(self.wide)).astype(self.stored)


@belongs_to("constraints")
class ConstraintTwice(HonestLayer):
    """Constraints apply twice."""

    def constrained(self, name: str, w: Array) -> Array:
        return super().constrained(name, super().constrained(name, w))


@belongs_to("constraints")
class NonNegByMagnitude(HonestLayer):
    """NonNeg takes absolute values."""

    def non_negative(self, w: Array) -> Array:
        return np.abs(w)


@belongs_to("constraints")
class MaxNormScalesAll(HonestLayer):
    """MaxNorm makes small norms large."""

    def wanted(self, part: Part, norms: Array) -> Array:
        return np.full_like(norms, part["max_value"]) if part.name == "MaxNorm" else super().wanted(part, norms)


@belongs_to("constraints")
class MaxNormByElements(HonestLayer):
    """MaxNorm cuts single weights."""

    def project(self, part: Part, w: Array) -> Array:
        limit = part.config.get("max_value", 0)
        return np.clip(w, -limit, limit) if part.name == "MaxNorm" else super().project(part, w)


@belongs_to("constraints")
class RateIgnored(HonestLayer):
    """MinMaxNorm takes its rate for one."""

    def rate(self, part: Part) -> float:
        return 1.0


@belongs_to("constraints")
class MinimumIgnored(HonestLayer):
    """MinMaxNorm takes its minimum for zero."""

    def wanted(self, part: Part, norms: Array) -> Array:
        return super().wanted(Part(part.name, {**part.config, "min_value": 0.0}), norms)


@belongs_to("constraints")
class UnitNormSquared(HonestLayer):
    """UnitNorm divides by the square of the norm."""

    def project(self, part: Part, w: Array) -> Array:
        found = super().project(part, w)
        return found / np.maximum(self.norms(w, self.axis(part)), 1e-30) if part.name == "UnitNorm" else found


@belongs_to("constraints")
class NormsOfMagnitudes(HonestLayer):
    """Norms are sums of absolute values."""

    def norms(self, w: Array, axis: Any) -> Array:
        return np.abs(w).sum(axis=axis, keepdims=True)


@belongs_to("constraints")
class NormsOfMeanSquares(HonestLayer):
    """Norms are roots of mean squares."""

    def norms(self, w: Array, axis: Any) -> Array:
        return np.sqrt(np.square(w).mean(axis=axis, keepdims=True))


@belongs_to("constraints")
class BiasConstraintIgnored(HonestLayer):
    """The bias constraint is ignored."""

    def constrained(self, name: str, w: Array) -> Array:
        return w if name == "bias" else super().constrained(name, w)


@belongs_to("constraints")
class KernelConstraintOnBias(HonestLayer):
    """The kernel's constraint applies to the bias, too."""

    def constrained(self, name: str, w: Array) -> Array:
        own = super().constrained(name, w)
        part = self.parts["depthwise_constraint"]
        local = part is not None and part.config.get("axis", 0) == 0
        return self.project(part, own) if name == "bias" and local and part is not None else own


@belongs_to("constraints")
class MaxNormByNameIsNothing(HonestLayer):
    """ "max_norm" has no maximum unless one is given."""

    def wanted(self, part: Part, norms: Array) -> Array:
        return norms if part.name == "MaxNorm" and part["max_value"] == 2 else super().wanted(part, norms)
