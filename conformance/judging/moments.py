"""Bias and variance of the errors of many elements: what truncation shows that every single element hides.

The model is that of Higham and Mary (2019): roundings are random numbers of mean zero, each independent of those
before. `Bounded.variance` bounds the sum of the squares of what they can come to, so the sum of all errors obeys
Azuma's inequality, `P(|sum| > s sqrt(sum of variances)) <= 2 exp(-s**2 / 2)`, with or without the signs of the exact
values, and the sum of the squares of the normalised errors has the tail of chi-square:
`P(mean > c) <= exp(-T (c - 1 - ln c) / 2)`. With the limits below and a thousand elements, an implementation that the
model holds for is blamed with a probability of less than 1e-10 a tensor. All outputs of a channel share its few
weights, so that roundings are not quite of mean zero: beyond 20,000 elements that is allowed for by `SHIFT`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.reference import Bounded

ELEMENTS = 1000
DEVIATIONS = 7.0  # 2 * 2 exp(-24.5) < 1e-10; about twelve standard deviations of roundings spread evenly
SHIFT = 0.05  # of one element's deviation: what the few weights of a channel may shift the errors of all by
MEAN_SQUARE = 1.5  # exp(-1000 * 0.047) < 1e-20
RANDOM = ("uniform", "normal", "s3", "s5")  # the recipes whose roundings are as good as independent

Floats = NDArray[np.float64]


def describe_moments(values: Floats, expected: Bounded) -> tuple[str, str]:
    """What is wrong with the errors as a whole: a name and a sentence; both empty where nothing is."""
    if expected.variance is None or values.size < ELEMENTS:
        return "", ""
    counted = np.isfinite(expected.bound) & (expected.variance > 0.0) & np.isfinite(expected.variance)
    errors, variance = (values - expected.value)[counted], expected.variance[counted]
    if errors.size < ELEMENTS:
        return "", ""
    scale = float(np.sqrt(variance.sum()))
    most = max(DEVIATIONS, SHIFT * float(np.sqrt(errors.size)))
    for name, signs in (("biased", np.ones_like(errors)), ("biased by sign", np.sign(expected.value[counted]))):
        total = float((signs * errors).sum()) / scale
        if abs(total) > most:
            towards = "" if name == "biased" else " towards zero" if total < 0 else " away from zero"
            story = f"the errors of {errors.size} elements add up{towards} to {abs(total):.3g} times the root of their"
            return f"errors {name}{towards}", f"{story} summed variances; accepted are {most:.3g}"
    mean = float((errors * errors / variance).mean())
    if mean > MEAN_SQUARE:
        story = f"the mean square error of {errors.size} elements is {mean:.3g} times its limit"
        return "errors spread too far", f"{story}; accepted are {MEAN_SQUARE:g}"
    return "", ""
