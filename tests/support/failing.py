"""Cases that are drawn once, and which of them a fake fails."""

from __future__ import annotations

import functools
from collections.abc import Callable

from depthwise_conformance.adapters.base import Adapter
from depthwise_conformance.casebook.case import Case
from depthwise_conformance.judging.values import expect, judge_values
from depthwise_conformance.reports.record import Verdict
from depthwise_conformance.running.drawing import draw_block

Fails = Callable[[Case], bool]


@functools.cache
def block(seed: int, count: int) -> tuple[Case, ...]:
    return draw_block(seed, count)


@functools.cache
def judged(fault: type[Adapter]) -> Fails:
    def fails(case: Case) -> bool:
        expectation = expect(case)
        a = expectation.arrays
        try:
            output = fault().forward(case.config, a.x, a.kernel, a.bias)
        except ValueError:
            return True
        return judge_values(output, expectation, "output").verdict is not Verdict.PASS

    return functools.cache(fails)
