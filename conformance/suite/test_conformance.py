"""Every target, judged by every check: one item each."""

from collections.abc import Iterable
from typing import NoReturn

import pytest

from depthwise_conformance.reports.record import Discrepancy
from depthwise_conformance.running.run import ConformanceRun
from depthwise_conformance.running.telling import tell
from depthwise_conformance.running.terminal import shown
from depthwise_conformance.running.troubles import LostTargetError, NothingJudged, RunFailedError


def test_conformance(conformance_run: ConformanceRun, target: str, check: str, request: pytest.FixtureRequest) -> None:
    """The target passes the check on every case of the run."""
    nothing, lost, discrepancies = "", "", []
    try:
        discrepancies = conformance_run.verify(target, check)
    except NothingJudged as reason:
        nothing = shown(str(reason))
    except (LostTargetError, RunFailedError) as reason:
        lost = shown(str(reason))
    request.node.user_properties += conformance_run.figures(target, check).items()
    if nothing:
        pytest.skip(nothing)
    if lost:
        pytest.fail(lost, pytrace=False)
    outdated = conformance_run.outdated(target, check)
    new = [found for found in discrepancies if not found.known]
    if new or outdated:
        fail(new, outdated, check)
    if discrepancies:
        pytest.xfail(shown("\n".join(f"{found.id}: {conformance_run.reason(found)}" for found in discrepancies)))


def fail(new: Iterable[Discrepancy], outdated: Iterable[str], check: str) -> NoReturn:
    """Ends the item. Here, and here alone, what is new becomes a failure, and so do known entries that are no more."""
    pytest.fail("\n\n".join([*map(shown, outdated), *(tell(found, check) for found in new)]), pytrace=False)
