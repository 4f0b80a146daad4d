"""Every target, judged by every check: one item each."""

import pytest

from depthwise_conformance.running.run import ConformanceRun, NothingJudged
from depthwise_conformance.running.telling import tell


def test_conformance(conformance_run: ConformanceRun, target: str, check: str) -> None:
    """The target passes the check on every case of the run."""
    try:
        discrepancies = conformance_run.verify(target, check)
    except NothingJudged as reason:
        pytest.skip(str(reason))
    if discrepancies:
        pytest.fail("\n\n".join(tell(found, check) for found in discrepancies), pytrace=False)
