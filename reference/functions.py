"""Functions that a layer may be given where names are not enough: they can be written in every framework.

`FUNCTIONS` has them by the name under which suites ask for them. They are exact in every format.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from depthwise_conformance.reference.bounds import Array


class Halved:
    """Half of an array: an activation and a constraint."""

    def __call__(self, p: Array) -> Array:
        """`p / 2`."""
        return p * 0.5


class SumOfSquares:
    """The sum of an array's squares: a regularizer."""

    def __call__(self, w: Array) -> Any:
        """`sum(w^2)`."""
        return (w * w).sum()

    def gradient(self, w: Array) -> Array:
        """`2 w`."""
        return 2.0 * w


def halves(shape: tuple[int, ...], dtype: Any = None) -> Array:
    """One half everywhere: an initializer."""
    return np.full(shape, 0.5)


def cropped(w: Array) -> Array:
    """The first row: no constraint, since it changes the shape."""
    return w[:1]


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "halved": Halved(),
    "sum_of_squares": SumOfSquares(),
    "halves": halves,
    "cropped": cropped,
}
