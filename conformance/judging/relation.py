"""Relations between a target's own answers, which need no reference result: a call, altered calls, and what follows.

The answers to the altered calls are joined to what the answer to the call has to be. Rounding may part them by what it
may do to each: the bound of an element whose every factor is as large as any in the call. Bounds of the elements
themselves would not do, for they belong to the right result: an implementation that is wrong, but wrong alike in all
calls, would be told by its rounding that it breaks relations which it keeps. Where sums of whole numbers are exact in
whatever order, the bound is zero. Nothing follows for an empty batch, nor is it asked where special values are planted.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np

from depthwise_conformance.casebook.case import Case
from depthwise_conformance.judging.values import (
    SHOWN,
    AnyArray,
    Expectation,
    Floats,
    Judgement,
    in_units,
    judge_dtype,
    judge_shape,
    judge_values,
)
from depthwise_conformance.reference import Bounded, Evaluation, LayerConfig, output_shape
from depthwise_conformance.reference.activations import OVER_LAST_AXIS
from depthwise_conformance.reference.bounds import activate
from depthwise_conformance.reference.geometry import sums_shape
from depthwise_conformance.reports.record import Verdict

Outputs = Sequence[AnyArray]
WORST = np.array([-math.inf, -3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, math.inf])  # ends, and where activations change
INEXACT = "sums of whole numbers that are not exact"


class Relation(ABC):
    """A relation that holds for the cases that it `suits`. Images here are (batch, height, width, channels)."""

    name: ClassVar[str]  # what is done to the call, and the signature of a failure
    weight: ClassVar[int] = 1  # by how much it is chosen more often where it suits, since it suits fewer cases

    @abstractmethod
    def suits(self, case: Case) -> bool:
        """Whether the relation holds for the case, and says something."""

    @abstractmethod
    def calls(self, expectation: Expectation) -> tuple[Expectation, ...]:
        """The altered forward calls, one or two, each inside the specification if the case is."""

    def join(self, case: Case, outputs: Sequence[Floats]) -> Floats:
        """What the answers to the altered calls say of the part `seen`; no answer counts more than once."""
        return outputs[0]

    def seen(self, case: Case, output: Floats) -> Floats:
        """The part of the case's output that they say something of."""
        return output

    def judge(self, expectation: Expectation, output: AnyArray, further: Outputs) -> Judgement | None:
        """Whether the answers agree; None where the case's own has a wrong shape or dtype, which other checks tell.

        Where they do not, the reference says whether that is a matter of arithmetic: each answer right or imprecise.
        """
        case, calls = expectation.case, (expectation, *self.calls(expectation))
        answers = (output, *further)
        unsound = [_soundness(call, answer) for call, answer in zip(calls, answers, strict=True)]
        if unsound[0].verdict is not Verdict.PASS:
            return None
        for judgement in unsound:
            if judgement.verdict is not Verdict.PASS:
                return replace(judgement, detail=f"{self.name}, a related call:\n{judgement.detail}")
        values = self.seen(case, output.astype(np.float64))
        with np.errstate(invalid="ignore"):  # infinities of both signs
            joined = self.join(case, [array.astype(np.float64) for array in further])
        errors = _errors(values, joined, sum(_rounding(call, exact=True) for call in calls))
        worst = float(errors.max(initial=0.0))
        if worst <= 1.0:
            return Judgement(Verdict.PASS, worst)
        detail = self._tell(values, joined, errors)
        if _errors(values, joined, sum(_rounding(call, exact=False) for call in calls)).max() <= 1.0:
            return Judgement(Verdict.IMPRECISE, worst, f"{self.name}: {INEXACT}", f"{INEXACT}\n{detail}")
        told = [judge_values(answer, call, "output") for call, answer in zip(calls, answers, strict=True)]
        reasons = [judgement.signature for judgement in told if judgement.verdict is Verdict.IMPRECISE]
        if reasons and all(judgement.verdict in (Verdict.PASS, Verdict.IMPRECISE) for judgement in told):
            return Judgement(Verdict.IMPRECISE, worst, f"{self.name}: {reasons[0]}", f"{reasons[0]}\n{detail}")
        return Judgement(Verdict.WRONG_VALUE, worst, self.name, detail)

    def _tell(self, values: Floats, joined: Floats, errors: Floats) -> str:
        outside = int((errors > 1.0).sum())
        lines = [f"{self.name}: {outside} of {errors.size} elements contradict the target's answers to other calls"]
        lines += [f"  {'index':<14}{'answer':>24}{'other answer':>24}{'error/bound':>13}"]
        for flat in np.argsort(-errors, axis=None, kind="stable")[: min(SHOWN, outside)]:
            index = tuple(int(i) for i in np.unravel_index(flat, errors.shape))
            both = "".join(f"{float(array[index]):>24.17g}" for array in (values, joined))
            lines.append(f"  {str(index).replace(' ', ''):<14}{both}{float(errors[index]):>13.3g}")
        return "\n".join(lines)


def _soundness(expectation: Expectation, output: AnyArray) -> Judgement:
    """Whether an answer has the shape and dtype that make it comparable."""
    blank = np.broadcast_to(0.0, output_shape(expectation.case.config, expectation.case.input_shape))
    shape = judge_shape(output, Bounded(blank, blank))
    return judge_dtype(output, expectation.case.dtype) if shape.verdict is Verdict.PASS else shape


def _rounding(call: Expectation, exact: bool) -> float:
    """The bound of an element that sums up products of the largest factors in the call.

    It is that of a single window of such factors, or of what an activation makes of sums, or rows of sums, up to that.
    `exact` takes sums of whole numbers for exact.
    """
    config, a = call.case.config, call.arrays
    window = LayerConfig(config.kernel_size, activation=config.activation, dtype=config.dtype)
    x = np.full((1, *config.kernel_size, 1), _largest(a.x, exact))
    kernel = np.full((*config.kernel_size, 1, 1), _largest(a.kernel, exact))
    bias = None if a.bias is None else np.full(1, _largest(a.bias, exact))
    pre = Evaluation(window, x, kernel, bias).before_activation(call.arithmetic)
    if config.activation in (None, "linear"):
        return float(pre.bound.max())
    sums = _sums_up_to(float(pre.value.max()), config, sums_shape(config, call.case.input_shape)[3])
    with np.errstate(over="ignore", invalid="ignore"):
        bound = activate(config, Bounded(sums, np.full_like(sums, pre.bound.max())), call.arithmetic).bound
    return math.inf if np.isnan(bound).any() else float(bound.max())


def _sums_up_to(largest: float, config: LayerConfig, row: int) -> Floats:
    """Sums, or rows of them, among which is the worst that an activation may be given, none larger than this."""
    if config.activation not in OVER_LAST_AXIS:
        return np.asarray(np.clip(WORST, -largest, largest))
    rows = np.full((2, row), largest)
    rows[0, 1:], rows[1, 0] = -largest, -largest  # the largest of softmax, the least of log_softmax
    return rows


def _largest(array: AnyArray, exact: bool) -> float:
    """The largest magnitude in an array; a trifle more where it must not pass for one of whole numbers."""
    magnitudes = np.abs(array.astype(np.float64))
    largest = float(magnitudes.max())
    return largest if exact and np.all(magnitudes == np.rint(magnitudes)) else math.nextafter(largest, math.inf)


def _errors(values: Floats, joined: Floats, bound: float) -> Floats:
    """In units of what they may differ by; both NaN is no difference."""
    errors = in_units(values, Bounded(joined, np.full_like(joined, bound)))
    errors[np.isnan(values) & np.isnan(joined)] = 0.0
    return errors
