"""Causes that are seen in what came back, not computed: stale arguments, roundings, what became of special values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.casebook.recipes import Arrays
from depthwise_conformance.judging.checks import PARTS, SPECIAL_CHECK
from depthwise_conformance.judging.repeating import STALE
from depthwise_conformance.judging.tally import Exhibit, Key
from depthwise_conformance.judging.values import Expectation, special_errors
from depthwise_conformance.layers.sampling import TRUNCATION
from depthwise_conformance.reference import FLUSHED, FORMATS, Arithmetic, Evaluation, SpecialOutput, expected_arithmetic
from depthwise_conformance.reports.record import Verdict

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
OWN_SUMS = "sums in the layer's own half precision"
AS_BY = "as inaccurate as "  # which is not to say that this is how it is computed
# What a stale result makes of the argument that was altered last.
STALE_CAUSES = {
    "altered x": "stale input",
    "altered kernel": "stale kernel",
    "altered bias": "stale bias",
    "altered gradients": "stale gradients",
}
BEYOND = "weights beyond the truncation"
ELEMENTS = 12  # that tell of one rounding, or of what becomes of special values: fewer may be chance


def seen_cause(check: str, key: Key, exhibits: Collection[Exhibit]) -> str:
    """The cause that failing results show, given the check, their verdict with its signature, and their arrays."""
    if key.signature.startswith(STALE):
        return STALE_CAUSES[key.signature.removeprefix(STALE)]
    if key.signature.startswith(f"{TRUNCATION} of "):
        return BEYOND
    if key.verdict is Verdict.WRONG_SPECIAL and check == SPECIAL_CHECK:
        return next((name for name, tells in SPECIAL_CAUSES.items() if _explain_all(tells, exhibits)), "")
    if key.verdict is not Verdict.IMPRECISE:
        return ""
    if check in PARTS and (rounding := _rounding(check, exhibits)):
        return rounding
    dtype, _, arithmetic = key.signature.partition(": ")
    if arithmetic == FLUSHED:
        return FLUSHED
    return AS_BY + (OWN_SUMS if arithmetic == f"{dtype} accumulation" else arithmetic)


# Roundings.

ROUNDINGS: dict[str, Callable[[Floats, Floats], Floats]] = {
    "results rounded towards zero": lambda found, exact: np.abs(exact) - np.abs(found),
    "results rounded away from zero": lambda found, exact: np.abs(found) - np.abs(exact),
    "results rounded up": lambda found, exact: found - exact,
    "results rounded down": lambda found, exact: exact - found,
}


def _rounding(check: str, exhibits: Iterable[Exhibit]) -> str:
    """The one direction in which the results of layers without an activation are rounded; "" where there is none."""
    stored = [found for exhibit in exhibits if (found := _Stored.of(check, exhibit)) is not None]
    for name, excess in ROUNDINGS.items():
        if stored and all(one.keeps(excess) for one in stored) and sum(one.telling for one in stored) >= ELEMENTS:
            return name
    return ""


@dataclass(frozen=True)
class _Stored:
    """Results with the exact ones, how far the sums may be off before they are `stored`, and what storing may do."""

    found: Floats
    exact: Floats
    sums: Floats
    storing: Floats

    @classmethod
    def of(cls, check: str, exhibit: Exhibit) -> _Stored | None:
        """None where more than the storing of sums rounds, or nothing tells the sums from the exact ones."""
        case, part = exhibit.expectation.case, PARTS[check]
        if case.config.activation not in (None, "linear") or case.dtype == "float64":
            return None
        accumulator = "float64" if case.dtype == "float32" else expected_arithmetic(case.dtype).accumulator
        exact = exhibit.expectation.under(Arithmetic("sums", 0.0, accumulator, "float64"), part)
        if exhibit.observed.shape != exact.value.shape or not np.isfinite(exhibit.observed.astype(np.float64)).all():
            return None
        storage = FORMATS[case.dtype]
        storing = storage.roundoff * np.abs(exact.value) + storage.tiny
        return cls(exhibit.observed.astype(np.float64), exact.value, exact.bound, storing)

    def keeps(self, excess: Callable[[Floats, Floats], Floats]) -> bool:
        """Whether every result is on one side of the exact one, and no further than the next number."""
        off = excess(self.found, self.exact)
        return bool(((off >= -self.sums) & (off <= 2.0 * self.storing + self.sums)).all())

    @property
    def telling(self) -> int:
        """The number of results that are further off than the nearest number."""
        return int((np.abs(self.found - self.exact) > self.storing + self.sums).sum())


# Special values.

Tells = Callable[[Floats, Expectation, Mask], Mask | None]


def _explain_all(tells: Tells, exhibits: Iterable[Exhibit]) -> bool:
    """Whether one cause explains every element that is wrong, and enough of them are told by it."""
    told = 0
    for exhibit in exhibits:
        values, special = exhibit.observed.astype(np.float64), exhibit.expectation.special
        if values.shape != special.expected.value.shape:
            return False
        wrong = special_errors(values, special.expected, special.nan_too) > 1.0
        telling = tells(values, exhibit.expectation, wrong)
        if telling is None:
            return False
        told += int((telling & wrong).sum())
    return told >= ELEMENTS


def _without_nan(*names: str) -> Tells:
    """Arguments with zeros for NaN, which give what came back in all its elements; those tell that are settled then."""

    def tells(values: Floats, expectation: Expectation, wrong: Mask) -> Mask | None:
        arrays = expectation.arrays
        given = {name: array for name in names if (array := getattr(arrays, name)) is not None}
        zeros = {name: np.where(np.isnan(array), np.zeros_like(array), array) for name, array in given.items()}
        special = replace(expectation, given=_with(arrays, zeros)).special
        right = special_errors(values, special.expected, special.nan_too) <= 1.0
        return np.asarray(np.isfinite(special.expected.bound)) if right.all() else None

    return tells


def _with(arrays: Arrays, changed: dict[str, NDArray[np.generic]]) -> Arrays:
    return replace(arrays, **changed)


def _nan(special: SpecialOutput) -> Mask:
    return np.isnan(special.expected.value) | special.nan_too


def _infinite(special: SpecialOutput) -> Mask:
    return np.isinf(special.expected.value)


def _instead(of: Callable[[SpecialOutput], Mask], came: Callable[[Floats, float], Mask]) -> Tells:
    """Expected results of one kind, in whose place others came, given the largest number of the format."""

    def tells(values: Floats, expectation: Expectation, wrong: Mask) -> Mask | None:
        special = expectation.special
        expected = special.expected.value
        signs = np.where(np.isinf(expected), np.sign(expected), 1.0)
        explained = of(special) & came(values * signs, FORMATS[expectation.case.dtype].largest)
        return explained if explained[wrong].all() else None

    return tells


def _zero_weights_skipped(values: Floats, expectation: Expectation, wrong: Mask) -> Mask | None:
    """NaN that is wanting wherever a weight of zero meets what is not finite, and nowhere else."""
    arrays, config = expectation.arrays, expectation.case.config
    x = (~np.isfinite(arrays.x.astype(np.float64))).astype(np.float64)
    kernel = (arrays.kernel == 0).astype(np.float64)
    met = Evaluation(config, x, kernel, None).sums.value > 0.0
    return met if (met & _nan(expectation.special))[wrong].all() else None


SPECIAL_CAUSES: dict[str, Tells] = {
    "NaN in the input taken for zero": _without_nan("x"),
    "NaN in the kernel taken for zero": _without_nan("kernel"),
    "NaN in the arguments taken for zero": _without_nan("x", "kernel", "bias"),
    "taps of weight zero skipped": _zero_weights_skipped,
    "NaN replaced by zero": _instead(_nan, lambda values, largest: values == 0.0),
    "NaN replaced by an infinity": _instead(_nan, lambda values, largest: np.isinf(values)),
    "NaN replaced by a number": _instead(_nan, lambda values, largest: np.isfinite(values)),
    "infinity replaced by the largest number": _instead(_infinite, lambda values, largest: values == largest),
    "infinity replaced by NaN": _instead(_infinite, lambda values, largest: np.isnan(values)),
}
SEEN = (*STALE_CAUSES.values(), FLUSHED, *ROUNDINGS, *SPECIAL_CAUSES, BEYOND)
