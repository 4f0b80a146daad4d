"""From an observation and an expectation to a verdict."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.casebook.case import STRIDED_DILATION, Case
from depthwise_conformance.casebook.recipes import Arrays, format_name, make_arrays, numpy_dtype, recipe_of
from depthwise_conformance.judging.moments import RANDOM, describe_moments
from depthwise_conformance.reference import (
    FLUSHED,
    FORMATS,
    Arithmetic,
    Bounded,
    Evaluation,
    Gradients,
    SpecialOutput,
    expected_arithmetic,
    in_format,
    narrower_arithmetics,
    special_output,
)
from depthwise_conformance.reference.bounds import VAGUE
from depthwise_conformance.reference.special import LIMITS
from depthwise_conformance.reports.record import Verdict
from depthwise_conformance.workers.outcomes import Outcome

AnyArray = NDArray[Any]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
QUALITY = 1.5  # times sqrt(n) u: the error that honest kernels keep to; measured by benchmarks/slack.py
SHOWN = 8  # elements told in full


@dataclass(frozen=True)
class Judgement:
    """A verdict with its figures: `error` in units of the bound, the others as in `Record`.

    Judgements that say the same are the same, however many `seconds` their calls took.
    """

    verdict: Verdict
    error: float = math.nan
    signature: str = ""
    detail: str = ""
    quality: float = math.nan
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class Expectation:
    """What the reference says of a case, computed when first asked for, then shared by all targets and checks.

    `declared` is the arithmetic that a target declares for the case's dtype, None for what the dtype has to achieve.
    `given` are other arrays than the case's.
    """

    case: Case
    declared: Arithmetic | None = None
    given: Arrays | None = None

    @functools.cached_property
    def arrays(self) -> Arrays:
        """The arguments of the calls."""
        return self.given or make_arrays(self.case)

    @functools.cached_property
    def evaluation(self) -> Evaluation:
        """The call on the case's arrays."""
        a = self.arrays
        return Evaluation(self.case.config, a.x, a.kernel, a.bias, a.cotangent)

    @property
    def arithmetic(self) -> Arithmetic:
        """The arithmetic by which the case is judged."""
        return self.declared or expected_arithmetic(self.case.dtype)

    @functools.cached_property
    def output(self) -> Bounded:
        """The output."""
        return self.evaluation.output(self.arithmetic)

    @functools.cached_property
    def gradients(self) -> Gradients:
        """The gradients."""
        return self.evaluation.gradients(self.arithmetic)

    def part(self, name: str) -> Bounded:
        """The output, or the gradient called "input", "kernel" or "bias"."""
        return self.output if name == "output" else _gradient(self.gradients, name)

    def under(self, arithmetic: Arithmetic, name: str) -> Bounded:
        """The same with the bound of another arithmetic."""
        if name == "output":
            return self.evaluation.output(arithmetic)
        return _gradient(self.evaluation.gradients(arithmetic), name)

    def fine(self, name: str) -> Bounded:
        """The same with the bound of the quality tier."""
        if name == "output":
            return self._fine_output
        return _gradient(self._fine_gradients, name)

    @functools.cached_property
    def special(self) -> SpecialOutput:
        """The output where arguments may be NaN, infinite and the like."""
        a = self.arrays
        return special_output(self.case.config, a.x, a.kernel, a.bias, self.arithmetic)

    @functools.cached_property
    def _fine_output(self) -> Bounded:
        return self.evaluation.output(replace(self.arithmetic, usual=QUALITY))

    @functools.cached_property
    def _fine_gradients(self) -> Gradients:
        return self.evaluation.gradients(replace(self.arithmetic, usual=QUALITY))


def expect(case: Case) -> Expectation:
    """The expectation of a case for its own arrays."""
    return Expectation(case)


def judge_shape(observed: AnyArray, expected: Bounded) -> Judgement:
    """Whether the array has the documented shape."""
    if observed.shape == expected.value.shape:
        return Judgement(Verdict.PASS)
    detail = f"expected shape {expected.value.shape}\n     got shape {observed.shape}"
    return Judgement(Verdict.WRONG_SHAPE, detail=detail)


def judge_dtype(observed: AnyArray, dtype: str) -> Judgement:
    """Whether the array has the layer's dtype."""
    got = format_name(observed.dtype)
    if got == dtype:
        return Judgement(Verdict.PASS)
    return Judgement(Verdict.WRONG_DTYPE, signature=f"{dtype} -> {got}", detail=f"expected {dtype}\n     got {got}")


def judge_values(observed: AnyArray, expectation: Expectation, part: str) -> Judgement:
    """Whether every element is within its bound; if not, which narrower arithmetic would explain it.

    An array of a narrower dtype than the layer's is judged by what its dtype can hold: `judge_dtype` tells the rest.
    """
    expected, dtype = expectation.part(part), expectation.case.dtype
    if (shape := judge_shape(observed, expected)).verdict is not Verdict.PASS:
        return shape
    if format_name(observed.dtype) not in FORMATS:
        return judge_dtype(observed, dtype)
    if FORMATS[format_name(observed.dtype)].roundoff > FORMATS[dtype].roundoff:
        expected = expectation.under(in_format(format_name(observed.dtype)), part)
    values = observed.astype(np.float64)
    errors = in_units(values, expected)
    worst = float(errors.max(initial=0.0))
    if worst <= 1.0 and format_name(observed.dtype) == dtype:
        return _judge_within(values, expectation, part, worst)
    if worst <= 1.0:
        return Judgement(Verdict.PASS, worst)
    digits = 17 if dtype == "float64" else 9
    if _is_flushed(values, expectation, lambda of: of.part(part)):
        story = f"explained by {FLUSHED}\n{tell_errors(values, expected, errors, digits)}"
        return Judgement(Verdict.IMPRECISE, worst, f"{dtype}: {FLUSHED}", story)
    for arithmetic in narrower_arithmetics(dtype):
        if _holds(observed, arithmetic) and explains(arithmetic, values, errors > 1.0, expectation, part):
            story = f"explained by {arithmetic.name}\n{tell_errors(values, expected, errors, digits)}"
            return Judgement(Verdict.IMPRECISE, worst, f"{dtype}: {arithmetic.name}", story)
    return Judgement(Verdict.WRONG_VALUE, worst, detail=tell_errors(values, expected, errors, digits))


def is_within(observed: AnyArray, expectation: Expectation, part: str) -> bool:
    """Whether an array has the shape and the dtype that it should, and every element is within its bound."""
    expected = expectation.part(part)
    fits = observed.shape == expected.value.shape and format_name(observed.dtype) == expectation.case.dtype
    return fits and bool(in_units(observed.astype(np.float64), expected).max(initial=0.0) <= 1.0)


def _judge_within(values: Floats, expectation: Expectation, part: str, worst: float) -> Judgement:
    """The judgement of elements that are all within their bounds: whether they are so as a whole, and how well."""
    exact = worst == 0.0 and np.array_equal(values, expectation.part(part).value)
    quality = 0.0 if exact else float(in_units(values, expectation.fine(part)).max(initial=0.0))
    if recipe_of(expectation.case.data) in RANDOM:
        name, story = describe_moments(values, expectation.part(part))
        if name:
            return Judgement(Verdict.IMPRECISE, worst, f"{expectation.case.dtype}: {name}", story, quality)
    return Judgement(Verdict.PASS, worst, quality=quality)


def judge_special(observed: AnyArray, expectation: Expectation) -> Judgement:
    """Whether NaN and infinities are where they have to be, and what is finite is within its bound."""
    special, dtype = expectation.special, expectation.case.dtype
    if (shape := judge_shape(observed, special.expected)).verdict is not Verdict.PASS:
        return shape
    if format_name(observed.dtype) != dtype:
        return judge_dtype(observed, dtype)
    values = observed.astype(np.float64)
    errors = special_errors(values, special.expected, special.nan_too)
    worst = float(errors.max(initial=0.0))
    if worst <= 1.0:
        return Judgement(Verdict.PASS)
    if _is_flushed(values, expectation, lambda of: of.special.expected, special.nan_too):
        story = tell_errors(values, special.expected, errors, digits=9)
        return Judgement(Verdict.IMPRECISE, worst, f"{dtype}: {FLUSHED}", f"explained by {FLUSHED}\n{story}")
    return Judgement(Verdict.WRONG_SPECIAL, worst, detail=tell_errors(values, special.expected, errors, digits=9))


def special_errors(values: Floats, expected: Bounded, nan_too: Mask | None) -> Floats:
    """Errors in units of their bounds, where NaN may be expected, or accepted as well."""
    errors = in_units(values, expected)
    accepted = np.isnan(expected.value) if nan_too is None else np.isnan(expected.value) | nan_too
    errors[np.isnan(values) & accepted] = 0.0
    return errors


def judge_same(first: AnyArray, second: AnyArray) -> Judgement:
    """Whether a repeated call gave the same bits."""
    if first.dtype == second.dtype and first.shape == second.shape:
        if first.tobytes() == second.tobytes():
            return Judgement(Verdict.PASS)
        a, b = (np.ascontiguousarray(array).reshape(-1) for array in (first, second))
        differing = np.flatnonzero((_bits(a) != _bits(b)).any(axis=1))
        lines = [f"{differing.size} of {a.size} elements differ between two calls on the same arguments"]
        lines += [f"  element {i}: first {a[i]}, then {b[i]}" for i in differing[:SHOWN]]
        return Judgement(Verdict.NOT_DETERMINISTIC, detail="\n".join(lines))
    shapes = f"{first.dtype} {first.shape}, then {second.dtype} {second.shape}"
    return Judgement(Verdict.NOT_DETERMINISTIC, detail=f"two calls on the same arguments returned {shapes}")


def judge_close(first: AnyArray, second: AnyArray, expectation: Expectation, signature: str) -> Judgement:
    """Whether two outputs for the same arguments differ by no more than both may err."""
    if first.shape != second.shape or first.shape != expectation.output.value.shape:
        return Judgement(Verdict.WRONG_SHAPE, signature=signature, detail=f"{first.shape}, then {second.shape}")
    one = Bounded(first.astype(np.float64), 2.0 * expectation.output.bound)
    values = second.astype(np.float64)
    errors = in_units(values, one)
    worst = float(errors.max(initial=0.0))
    if worst <= 1.0:
        return Judgement(Verdict.PASS, worst)
    return Judgement(Verdict.WRONG_VALUE, worst, signature, tell_errors(values, one, errors, digits=9))


def judge_inferred(
    inferred: tuple[int | None, ...], given: tuple[int | None, ...], expected: tuple[int, ...]
) -> Judgement:
    """Whether every size that the target inferred is right; sizes that it leaves open are not wrong."""
    sizes_agree = all(got is None or got == size for got, size in zip(inferred, expected, strict=False))
    if len(inferred) == len(expected) and sizes_agree:
        return Judgement(Verdict.PASS)
    detail = f"for the input shape {given}\nexpected {expected} (or None where unknown)\n     got {inferred}"
    return Judgement(Verdict.WRONG_SHAPE, detail=detail)


def _gradient(gradients: Gradients, name: str) -> Bounded:
    found = {"input": gradients.input, "kernel": gradients.kernel, "bias": gradients.bias}[name]
    if found is None:
        raise ValueError("a layer without a bias has no gradient for it")
    return found


def in_units(values: Floats, expected: Bounded) -> Floats:
    """Errors in units of their bounds: 0 where anything may come (an infinite bound), infinite for a stray NaN."""
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        errors = np.asarray(np.abs(values - expected.value) / expected.bound)
    errors[np.isnan(errors)] = np.inf
    errors[(values == expected.value) | np.isinf(expected.bound)] = 0.0
    return errors


def _bits(flat: AnyArray) -> NDArray[np.uint8]:
    return flat.view(np.uint8).reshape(flat.size, -1)


def _holds(observed: AnyArray, arithmetic: Arithmetic) -> bool:
    """Whether the numbers are such as the arithmetic stores."""
    with np.errstate(over="ignore"):
        same = observed == observed.astype(numpy_dtype(arithmetic.storage))
    return bool(np.all(same | np.isnan(observed)))


@np.errstate(invalid="ignore")
def _is_flushed(
    values: Floats, expectation: Expectation, expected: Callable[[Expectation], Bounded], nan_too: Mask | None = None
) -> bool:
    """Whether subnormal numbers were taken for zero: those of the arguments, of the result, or both.

    Then what is wrong are zeros where the result may be subnormal, and no subnormal number is left. There has to be an
    ordinary number among the values, since nothing but zeros is what many a fault gives. `expected` is what the values
    have to be for the arguments of an expectation, `nan_too` where they may be NaN as well.
    """
    smallest = FORMATS[expectation.case.dtype].smallest
    magnitude = np.abs(values)
    if not (magnitude >= smallest).any():
        return False
    results = not ((magnitude > 0.0) & (magnitude < smallest)).any()
    arrays = _without_subnormals(expectation.arrays, smallest)
    for of in (expectation, replace(expectation, given=arrays))[: 1 + (arrays is not expectation.arrays)]:
        bounded = expected(of)
        wrong = special_errors(values, bounded, nan_too) > 1.0
        if results:
            wrong &= (values != 0.0) | ~(np.abs(bounded.value) - bounded.bound < smallest)  # NaN is not small
        if not wrong.any():
            return True
    return False


def _without_subnormals(arrays: Arrays, smallest: float) -> Arrays:
    """The same arguments with zeros for subnormal numbers; those given where there are none."""

    def flush(array: AnyArray) -> AnyArray:
        magnitude = np.abs(array.astype(np.float64))
        small = (magnitude > 0.0) & (magnitude < smallest)
        return np.where(small, np.zeros_like(array), array) if small.any() else array

    bias = None if arrays.bias is None else flush(arrays.bias)
    flushed = Arrays(flush(arrays.x), flush(arrays.kernel), bias, flush(arrays.cotangent))
    kept = all(getattr(flushed, field.name) is getattr(arrays, field.name) for field in fields(Arrays))
    return arrays if kept else flushed


def explains(arithmetic: Arithmetic, values: Floats, wrong: Mask, expectation: Expectation, part: str) -> bool:
    """Whether an arithmetic, held to its usual error, may have given all these values, and accounts for the `wrong`.

    Where it may overflow, it gives what overflow gives, or what it would give if it did not. It does not account for
    elements of which it says nothing: what underflow may cost it is more than `VAGUE` of their reach, or an activation
    has made a plain number of what overflowed. For more than half of the wrong ones it has to account.
    """
    usual = expectation.under(arithmetic, part)
    if in_units(values, usual).max(initial=0.0) > 1.0:
        return False
    rounding, open_ = expectation.under(replace(arithmetic, unlimited=True), part).bound, np.isinf(usual.bound)
    bound = np.where(open_, np.where(np.isfinite(rounding), rounding, 0.0), usual.bound)
    outside = in_units(values, Bounded(usual.value, bound)) > 1.0
    ends = (arithmetic.summing.largest, arithmetic.storing.largest, np.inf)
    limits = LIMITS[expectation.case.config.activation][:2] if part == "output" else ()
    plain = outside & np.isin(values, [limit for limit in limits if limit is not None])
    if np.any(outside & ~plain & ~(np.isnan(values) | np.isin(np.abs(values), ends))):
        return False
    lost = np.where(open_, 0.0, usual.bound - np.where(open_, 0.0, rounding))
    vague = wrong & (lost > VAGUE * expectation.evaluation.reach(part)) | plain & np.isfinite(values)
    return 2 * int(vague.sum()) < int(wrong.sum())


def tell_errors(values: Floats, expected: Bounded, errors: Floats, digits: int) -> str:
    """The worst elements outside their bounds, in a table."""
    outside = int((errors > 1.0).sum())
    rows: list[tuple[str, ...]] = [("index", "expected", "got", "bound", "error/bound")]
    for flat in np.argsort(-errors, axis=None, kind="stable")[: min(SHOWN, outside)]:
        index = tuple(int(i) for i in np.unravel_index(flat, errors.shape))
        exact = (f"{float(array[index]):.{digits}g}" for array in (expected.value, values))
        rough = (f"{float(array[index]):.3g}" for array in (expected.bound, errors))
        rows.append((str(index).replace(" ", ""), *exact, *rough))
    lines = [f"  {row[0]:<14}{row[1]:>24}{row[2]:>24}{row[3]:>12}{row[4]:>13}" for row in rows]
    return "\n".join([f"{outside} of {errors.size} elements are outside their bound", *lines])


def judge_without_value(outcome: Outcome) -> Judgement:
    """The judgement of a call on valid arguments that returned nothing to compare."""
    text = outcome.message
    if outcome.kind == "unsupported":
        return Judgement(Verdict.UNSUPPORTED, signature=essence(text))
    if outcome.kind == "error":
        way = f"\n{outcome.traceback.rstrip()}" if outcome.traceback else ""
        return Judgement(Verdict.REFUSED, signature=essence(text), detail=f"raised on a valid case:\n{text}{way}")
    if outcome.kind == "bad_return":
        return Judgement(Verdict.BAD_RETURN, signature=f"bad_return: {essence(text)}", detail=text)
    if outcome.kind == "timed_out":
        return Judgement(Verdict.TIMED_OUT, signature=essence(text), detail=text)
    how = text.partition("; its last words")[0]  # which differ from one death to the next
    return Judgement(Verdict.CRASHED, signature=" ".join(how.split())[:200], detail=text)


def judge_unanswered(case: Case, outcome: Outcome) -> Judgement:
    """The judgement of a call on a valid case that returned nothing to compare."""
    if outcome.kind == "error" and case.config.strided_dilation:
        return Judgement(Verdict.UNSUPPORTED, signature=f"{STRIDED_DILATION}, which the documentation refuses")
    return judge_without_value(outcome)


_PASSING = re.compile(  # what differs from call to call, machine to machine: escapes, addresses, ids, temporary names
    r"\x1b\[[0-9;]*m|0[xX][0-9a-fA-F]+|\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"
    r"|\b(?=[a-f]*[0-9])[0-9a-f]{8,}\b|\b(?=[A-F]*[0-9])[0-9A-F]{8,}\b|\btmp\w{8}\b"
)


def essence(message: str) -> str:
    """A message without what differs from case to case, so that one cause has one signature."""
    plain = _PASSING.sub(lambda found: "" if found[0].startswith("\x1b") else "#", message[:2000])
    text = " ".join(plain.split()) or "no message"
    while (shorter := re.sub(r"[\[({][^\[\](){}]*[\])}]", "#", text)) != text:
        text = shorter
    return re.sub(r"\d+", "#", text)[:200]
