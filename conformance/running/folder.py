"""The folder of a run, before it is written."""

from __future__ import annotations

from pathlib import Path

from depthwise_conformance.reports.folders import clear, objection
from depthwise_conformance.reports.tables import RESULTS, RESULTS_CSV
from depthwise_conformance.running.usage import UsageError


def check_folder(out: Path) -> None:
    """Raises UsageError unless `out` is a run's folder, empty, or can be made. Makes and touches nothing."""
    if why := objection(out):
        raise UsageError(f"out {out}: {why}")


def clear_folder(out: Path) -> None:
    """Removes what an earlier run wrote, when the results of a new one have taken the place of its own."""
    (out / "cases").mkdir(exist_ok=True)
    clear(out, frozenset((RESULTS, RESULTS_CSV)))
