"""How far results are from one another: in units of what they may err, in units in the last place, and as numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from depthwise_conformance.judging.values import AnyArray, Floats, in_units
from depthwise_conformance.reference import FORMATS, Bounded


@dataclass(frozen=True)
class Distance:
    """The largest of an array's distances: each NaN where nothing was measured.

    `error` is in units of the bound; `ulp` counts the numbers of the dtype about the exact value; `relative` is of the
    largest magnitude of the exact values.
    """

    error: float = math.nan
    ulp: float = math.nan
    absolute: float = math.nan
    relative: float = math.nan


def distance(values: AnyArray, others: AnyArray, exact: Floats, bound: Floats, dtype: str) -> Distance:
    """Between two arrays that may differ by `bound`, of which `exact` is what they should be. They have its shape."""
    if not exact.size:
        return Distance(0.0, 0.0, 0.0, 0.0)
    a, b = values.astype(np.float64), others.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        gap = np.abs(a - b)
        gap[np.isnan(gap)] = np.inf
        gap[a == b] = 0.0
        largest = float(np.abs(exact).max())
        absolute = float(gap.max())
        return Distance(
            error=float(in_units(a, Bounded(b, bound)).max()),
            ulp=float((gap / _spacing(exact, dtype)).max()),
            absolute=absolute,
            relative=absolute / largest if largest else math.inf if absolute else 0.0,
        )


def _spacing(exact: Floats, dtype: str) -> Floats:
    """The distance of a number of this dtype from the next, about each value."""
    fmt = FORMATS[dtype]
    spacing: Floats = np.where(exact == 0.0, 0.0, np.ldexp(2.0 * fmt.roundoff, np.frexp(exact)[1] - 1))
    least: Floats = np.maximum(spacing, fmt.smallest * 2.0 * fmt.roundoff)
    return least
