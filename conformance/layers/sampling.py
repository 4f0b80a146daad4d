"""Whether initial weights are drawn as documented: range and distribution, with a stated rate of false alarms.

The distribution is held by the Dvoretzky-Kiefer-Wolfowitz inequality (with Massart's constant, The Tight Constant in
the Dvoretzky-Kiefer-Wolfowitz Inequality, 1990): the empirical distribution of n independent draws is farther than d
from the true one with a probability of at most `2 exp(-2 n d^2)`, for any n. Each weight is allowed `FALSE_ALARM`; a
run tests fewer than a thousand, so that it raises a false alarm less than once in a million runs.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.layers.rehearsal import Drawn
from depthwise_conformance.reference.bounds import Array
from depthwise_conformance.reference.floats import gamma
from depthwise_conformance.reference.initializers import Distribution, Independent, Orthogonal

FALSE_ALARM = 1e-9
GRID = 1e-6  # by which the format's grid may shift probabilities
TRUNCATION = "truncation"  # the fault of few weights that a truncated distribution leaves out
FEW = 64  # draws of float32 among which no two of a hundred are the same by chance
AnyArray = NDArray[Any]


def describe_sample(weight: AnyArray, drawn: Drawn, roundoff: float) -> tuple[str, str]:
    """What is wrong with a weight as it was drawn, in a few words and at length; empty if nothing is."""
    values = weight.astype(np.float64)
    if isinstance(drawn.initializer, Orthogonal):
        return _orthogonal(values, drawn.initializer.gain, roundoff)
    assert isinstance(drawn.initializer, Independent)
    found = drawn.initializer.drawn(drawn.shape)
    return _range(values, found, roundoff) or _distribution(values, found) or _repeats(weight) or ("", "")


def distance_allowed(count: int) -> float:
    """The distance between distributions that `count` draws exceed with a probability of `FALSE_ALARM`."""
    return math.sqrt(math.log(2.0 / FALSE_ALARM) / (2.0 * count)) + GRID


def _range(values: Array, found: Distribution, roundoff: float) -> tuple[str, str] | None:
    farthest = float(np.abs(values - found.centre).max(initial=0.0))
    if farthest <= found.reach * (1.0 + 4.0 * roundoff) + 4.0 * roundoff * abs(found.centre):
        return None
    few = found.kind == "truncated_normal" and _distribution(values, found) is None
    fault = TRUNCATION if few else "range"
    return fault, f"expected within {found.reach:.6g} of {found.centre:g}\n     got {farthest:.6g} away from it"


def _distribution(values: Array, found: Distribution) -> tuple[str, str] | None:
    ordered = np.sort(values, axis=None)
    count = ordered.size
    expected = found.cumulative(ordered)
    steps = np.arange(count + 1) / count
    distance = float(max((steps[1:] - expected).max(), (expected - steps[:-1]).max()))
    if distance <= distance_allowed(count):
        return None
    lines = [f"expected {found.kind}, centre {found.centre:g}, spread {found.spread:.6g}"]
    lines += [f"     got mean {values.mean():.6g}, standard deviation {values.std():.6g} over {count} draws"]
    lines += [f"distributions are {distance:.3g} apart; {distance_allowed(count):.3g} are allowed"]
    return "distribution", "\n".join(lines)


def _repeats(weight: AnyArray) -> tuple[str, str] | None:
    """Draws that are copies of others: half of them the same is no chance, unless the format has few numbers."""
    distinct = np.unique(weight).size
    if weight.dtype.itemsize < 4 or weight.size < FEW or distinct > weight.size // 2:
        return None
    return "repeats", f"{distinct} different numbers among {weight.size} draws"


def _orthogonal(values: Array, gain: float, roundoff: float) -> tuple[str, str]:
    """Householder's factor is orthonormal up to `sqrt(n) gamma_cmn`, c a small constant (Higham, theorem 19.4)."""
    matrix = values.reshape(-1, values.shape[-1])
    rows, columns = matrix.shape
    product = matrix.T @ matrix if rows >= columns else matrix @ matrix.T
    allowed = 2.0 * gain**2 * math.sqrt(min(rows, columns)) * gamma(10 * rows * columns, roundoff)
    error = float(np.abs(product - gain**2 * np.eye(len(product))).max())
    if error <= allowed:
        return "", ""
    return "orthogonality", f"expected orthonormal columns times {gain:g}, to {allowed:.3g}\n     got {error:.3g} off"
