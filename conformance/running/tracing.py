"""Which discrepancy tells why a case of a target fails a check."""

from __future__ import annotations

from depthwise_conformance.diagnosis.distinct import Distinct
from depthwise_conformance.reports.record import Record


class Told:
    """The discrepancies of a run, by what they tell."""

    def __init__(self) -> None:
        self._cases: dict[tuple[str, str, str], str] = {}
        self._others: dict[tuple[str, str], tuple[int, str]] = {}  # of cases that no group remembers by name

    def note(self, target: str, distinct: Distinct, name: str) -> None:
        """Takes in a discrepancy that is called `name`."""
        for check, group in ((distinct.check, distinct.group), *distinct.shown_by.items()):
            for failure in group.failures:
                self._cases.setdefault((target, check, failure.case.id), name)
            uncounted = group.failing - len(group.failures)
            if uncounted > self._others.get((target, check), (-1, ""))[0]:
                self._others[target, check] = uncounted, name

    def name(self, record: Record) -> str:
        """The name of the discrepancy that tells of a failing record; "" where none is told of its check."""
        _, other = self._others.get((record.target, record.check), (0, ""))
        return self._cases.get((record.target, record.check, record.case), other)
