"""Every target, judged by every check: one item each."""

import pytest

from depthwise_conformance.running.run import ConformanceRun
from depthwise_conformance.running.telling import tell
from depthwise_conformance.running.troubles import LostTargetError, NothingJudged, RunFailedError


def test_conformance(conformance_run: ConformanceRun, target: str, check: str) -> None:
    """The target passes the check on every case of the run."""
    lost, discrepancies = "", []
    try:
        discrepancies = conformance_run.verify(target, check)
    except NothingJudged as reason:
        pytest.skip(str(reason))
    except (LostTargetError, RunFailedError) as reason:
        lost = str(reason)
    if lost or discrepancies:
        pytest.fail(lost or "\n\n".join(tell(found, check) for found in discrepancies), pytrace=False)
