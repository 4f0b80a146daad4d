"""What was found on a target, looked into part by part: its smallest case, by what it is known, if it fails again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from depthwise_conformance.diagnosis.distinct import Distinct
from depthwise_conformance.judging.tally import Failure
from depthwise_conformance.running.examining import Examiner
from depthwise_conformance.running.known import Known, Part
from depthwise_conformance.running.knownfile import Entry
from depthwise_conformance.running.shrinking import Shrinker
from depthwise_conformance.running.targets import Target
from depthwise_conformance.running.telling import family_of

AGAIN = 5  # times that a known discrepancy is asked for that comes and goes


@dataclass(frozen=True)
class Look:
    """A part of what was distinguished, its smallest failing case, and the entry that covers it, if one does.

    `again` counts the failures among AGAIN further answers to this case, where the entry says that it comes and goes.
    """

    distinct: Distinct
    smallest: Failure
    entry: Entry | None = None
    again: int | None = None


def look_into(
    target: Target, found: Sequence[Distinct], known: Known, shrinker: Shrinker, examiner: Examiner
) -> list[Look]:
    """All that was `found` on a target, in parts where entries cover parts of it, each shrunk."""
    return [_look(target, part, found, known, shrinker, examiner) for part in known.divide(target, found)]


def _look(
    target: Target, part: Part, found: Sequence[Distinct], known: Known, shrinker: Shrinker, examiner: Examiner
) -> Look:
    one = part.distinct
    smallest = shrinker.shrink(target, one, found, part.owns)
    family = "" if shrinker.hurried else family_of(one.check, one.key.verdict, smallest.case)
    entry = known.entry_for(target, part, family)
    if entry is None or not entry.unstable:
        return Look(one, smallest, entry)
    return Look(one, smallest, entry, examiner.count_failing(target, smallest.case, one.check, AGAIN))
