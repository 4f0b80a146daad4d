"""The rules by which suites judge: what came back, against what was expected, both in float64."""

from __future__ import annotations

import numpy as np

from peers.cases import Array, Judge


def exactly(found: Array, expected: Array) -> bool:
    """Every element is equal."""
    return np.array_equal(found, expected)


def within(absolute: float, relative: float = 0.0) -> Judge:
    """`|y - r| <= absolute + relative |r|`; an infinity equals itself alone, and NaN equals NaN."""

    def judge(found: Array, expected: Array) -> bool:
        near = np.abs(found - expected) <= absolute + relative * np.abs(expected)
        near &= np.isfinite(expected)
        return bool((near | (found == expected) | (np.isnan(found) & np.isnan(expected))).all())

    return judge


def within_larger(absolute: float, relative: float) -> Judge:
    """`|y - r| <= max(absolute, relative |r|)`."""

    def judge(found: Array, expected: Array) -> bool:
        return bool((np.abs(found - expected) <= np.maximum(absolute, relative * np.abs(expected))).all())

    return judge


def allclose(tolerance: float) -> Judge:
    """torch.allclose(expected, found): the relative part is of what was found, and NaN never passes."""

    def judge(found: Array, expected: Array) -> bool:
        near = np.abs(expected - found) <= tolerance + tolerance * np.abs(found)
        return bool(((near & np.isfinite(found)) | (found == expected)).all())

    return judge


def mean_within(limit: float) -> Judge:
    """The mean of `|y - r|` over the largest `|r|` is below the limit; equal results need no division."""

    def judge(found: Array, expected: Array) -> bool:
        if np.array_equal(found, expected):
            return True
        return bool(np.abs(found - expected).mean() / np.abs(expected).max() < limit)

    return judge


def not_beyond(tolerance: float) -> Judge:
    """Nothing exceeds `tolerance + tolerance |r|`, so that NaN passes."""

    def judge(found: Array, expected: Array) -> bool:
        return not bool((np.abs(found - expected) > tolerance + tolerance * np.abs(expected)).any())

    return judge


def near_or_not_finite(absolute: float) -> Judge:
    """An absolute limit; two results that are not finite are equal, whatever they are."""

    def judge(found: Array, expected: Array) -> bool:
        wild = ~np.isfinite(found) & ~np.isfinite(expected)
        return bool((wild | (np.abs(found - expected) <= absolute)).all())

    return judge
