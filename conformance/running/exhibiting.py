"""The numbers of a discrepancy's smallest case: what goes in, what is expected, what came back, how far off that is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from depthwise_conformance.casebook.case import AnyCase, Case
from depthwise_conformance.casebook.recipes import format_name
from depthwise_conformance.judging.checks import GRADIENT_CHECKS, PARTS, SPECIAL_CHECK
from depthwise_conformance.judging.tally import Examined
from depthwise_conformance.judging.values import AnyArray, expect, in_units, special_errors
from depthwise_conformance.reference import FORMATS
from depthwise_conformance.reports.evidence import Numbers, write_evidence
from depthwise_conformance.reports.record import Discrepancy, Verdict

LAST = ("image", "row", "column", "channel")
FIRST = ("image", "channel", "row", "column")
KERNEL = ("kernel row", "kernel column", "channel", "filter")
BIAS = ("channel",)
# Nothing comes back, and a target that dies or hangs is not asked for more.
SILENT = (Verdict.REFUSED, Verdict.CRASHED, Verdict.TIMED_OUT, Verdict.BAD_RETURN)


def write_numbers(folder: Path, told: Discrepancy, case: AnyCase, again: Callable[[], Examined | None]) -> None:
    """Writes `repro/ID.json` for a case of an operation, which `again` asks for once more."""
    if not isinstance(case, Case):
        return
    expectation, gradients = expect(case), told.check in GRADIENT_CHECKS
    images = LAST if case.config.channels_last else FIRST
    a = expectation.arrays
    named = {"x": (images, a.x), "kernel": (KERNEL, a.kernel), "bias": (BIAS, a.bias)}
    named["cotangent"] = (images, a.cotangent if gradients else None)
    arrays = {name: _numbers(axes, array) for name, (axes, array) in named.items() if array is not None}
    judged = told.check in PARTS or told.check == SPECIAL_CHECK
    examined = again() if judged and told.verdict not in SILENT else None
    if examined is not None:
        arrays |= _results(
            examined, told.check, {"kernel": KERNEL, "bias": BIAS}.get(PARTS.get(told.check, ""), images)
        )
    write_evidence(folder, told.id, arrays)


def _results(examined: Examined, check: str, axes: tuple[str, ...]) -> dict[str, Numbers]:
    part, special, expectation = PARTS.get(check, "output"), check == SPECIAL_CHECK, examined.expectation
    expected = expectation.special.expected if special else expectation.part(part)
    results = {"expected": _numbers(axes, expected.value)}
    got = examined.arrays.get(part)
    if got is None or not (got.dtype.kind in "biuf" or format_name(got.dtype) in FORMATS):
        return results
    values = got.astype(np.float64)
    results["got"] = _numbers(axes, values)
    if values.shape == expected.value.shape:
        errors = (
            special_errors(values, expected, expectation.special.nan_too) if special else in_units(values, expected)
        )
        results["error"] = _numbers(axes, errors)
    return results


def _numbers(axes: tuple[str, ...], array: AnyArray) -> Numbers:
    """Of an array with more or fewer axes than it should have, these are numbered."""
    named = axes if array.ndim == len(axes) else tuple(f"axis {number}" for number in range(array.ndim))
    return Numbers(named, array.astype(np.float64))
