"""Every target, judged by every check: one item each."""

from collections.abc import Iterable
from typing import NoReturn

import pytest

from depthwise_conformance.reports.record import Discrepancy
from depthwise_conformance.running.run import ConformanceRun
from depthwise_conformance.running.telling import tell
from depthwise_conformance.running.troubles import LostTargetError, NothingJudged, RunFailedError


def test_conformance(conformance_run: ConformanceRun, target: str, check: str, request: pytest.FixtureRequest) -> None:
    """The target passes the check on every case of the run."""
    nothing, lost, discrepancies = "", "", []
    try:
        discrepancies = conformance_run.verify(target, check)
    except NothingJudged as reason:
        nothing = str(reason)
    except (LostTargetError, RunFailedError) as reason:
        lost = str(reason)
    request.node.user_properties += conformance_run.figures(target, check).items()
    if nothing:
        pytest.skip(nothing)
    if lost:
        pytest.fail(lost, pytrace=False)
    if discrepancies:
        fail(discrepancies, check)


def fail(discrepancies: Iterable[Discrepancy], check: str) -> NoReturn:
    """Ends the item. Here, and here alone, discrepancies become a failure; if all were known, it would be an xfail."""
    pytest.fail("\n\n".join(tell(found, check) for found in discrepancies), pytrace=False)
