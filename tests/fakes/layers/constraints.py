"""Constraints: what a weight is projected to."""

from __future__ import annotations

from typing import Any

import numpy as np

from layers.parts import Array, Part


class Constraints:
    """The projection of every constraint, and the norms that it needs."""

    def project(self, part: Part, w: Array) -> Array:
        if part.function is not None:
            return part.function(w)
        if part.name == "NonNeg":
            return self.non_negative(w)
        norms = self.norms(w, self.axis(part))
        scale = np.divide(self.wanted(part, norms), norms, out=np.zeros_like(norms), where=norms > 0)
        return w * scale

    def non_negative(self, w: Array) -> Array:
        return np.maximum(w, w.dtype.type(0))

    def axis(self, part: Part) -> Any:
        axis = part["axis"]
        return tuple(axis) if isinstance(axis, list) else axis

    def norms(self, w: Array, axis: Any) -> Array:
        return np.sqrt(np.square(w).sum(axis=axis, keepdims=True))

    def wanted(self, part: Part, norms: Array) -> Array:
        """The norms to be had instead of these."""
        match part.name:
            case "MaxNorm":
                found = np.minimum(norms, part["max_value"])
            case "MinMaxNorm":
                inside = np.minimum(np.maximum(norms, part["min_value"]), part["max_value"])
                found = norms + self.rate(part) * (inside - norms)
            case _:
                found = np.ones_like(norms)
        return found.astype(norms.dtype)

    def rate(self, part: Part) -> float:
        return part["rate"]
