"""Discrepancies made by hand, and the arrays that come of causes."""

from depthwise_conformance.diagnosis.distinct import Distinct
from depthwise_conformance.diagnosis.explaining import _prediction, _program
from depthwise_conformance.judging.tally import Exhibit, Failure, Group, Key
from depthwise_conformance.judging.values import Judgement, expect
from depthwise_conformance.reports.record import Verdict

WRONG = Key(Verdict.WRONG_VALUE, "")


def exhibit(case, cause, off=0.0):
    """The array that comes of a cause, `off` by so much of its own size."""
    expectation = expect(case)
    found = _prediction(_program(cause, case), expectation.arrays, "output", case.dtype)
    assert found is not None
    return Exhibit(expectation, (found.value * (1.0 + off)).astype(case.dtype))


def discrepancy(cause, *exhibits, key=WRONG):
    """What fails the output with these arrays."""
    group = Group()
    for one in exhibits:
        group.add(Failure(one.expectation.case, Judgement(key.verdict)), one)
    return Distinct("output", key, group, cause)
