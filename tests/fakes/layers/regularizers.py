"""Regularizers: what a weight or an output adds to the loss."""

from __future__ import annotations

from typing import Any

import numpy as np

from layers.parts import Array, Part


class Regularizers:
    """The loss of every regularizer, and its gradient."""

    def penalty(self, part: Part, w: Array) -> Any:
        if part.function is not None:
            return part.function(w)
        l1, l2 = self.coefficients(part)
        return (l1 * np.abs(w).sum() if l1 else 0) + (l2 * np.square(w).sum() if l2 else 0)

    def slope(self, part: Part, w: Array) -> Array:
        """The gradient of `penalty`."""
        if part.function is not None:
            return part.function.gradient(w)  # type: ignore[attr-defined]
        l1, l2 = self.coefficients(part)
        return (l1 * np.sign(w) + 2 * l2 * w).astype(w.dtype)

    def coefficients(self, part: Part) -> tuple[float, float]:
        return part.config.get("l1", 0.0), part.config.get("l2", 0.0)
