"""What of a run is known: the parts of what was found that entries cover, and the entries that are mended or ended."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from depthwise_conformance.casebook.case import AnyCase, Case, LayerCase
from depthwise_conformance.casebook.claims import Claim
from depthwise_conformance.diagnosis.distinct import Distinct
from depthwise_conformance.judging.tally import Failure, Tally
from depthwise_conformance.layers.rehearsal import operation_case
from depthwise_conformance.reports.known import ADVICE, State
from depthwise_conformance.reports.record import CHECKS
from depthwise_conformance.running.knownfile import Entry
from depthwise_conformance.running.targets import Target
from depthwise_conformance.running.telling import asks_for, family_of


@dataclass(frozen=True)
class Part:
    """A discrepancy, or the part of one that the condition of `entry` covers, or that no condition does.

    It may be shrunk to the failures that it `owns`.
    """

    distinct: Distinct
    owns: Callable[[Failure], bool]
    entry: Entry | None = None


@dataclass
class Known:
    """The entries of a run, on that day, and what became of them: by number, the state of each on each target."""

    entries: Sequence[Entry]
    today: datetime.date
    _states: dict[int, dict[str, State]] = field(default_factory=dict)

    def divide(self, target: Target, found: Sequence[Distinct]) -> list[Part]:
        """What was found on a target, each part that a condition covers for itself. The rest of it is new."""
        return [part for one in found for part in self._divide(target, one, ())]

    def _divide(self, target: Target, one: Distinct, taken: tuple[Entry, ...]) -> Iterator[Part]:
        check = one.check
        for entry in self._valid(target, check):
            covered = None if entry.family else one.part(partial(_covers, entry))
            if covered is None or covered.check != check:
                continue  # it covers nothing, or only what other checks show
            yield Part(covered, _Owned(check, taken, entry), entry)
            rest = one.part(partial(_leaves, entry))
            yield from self._divide(target, rest, (*taken, entry)) if rest else ()
            return
        yield Part(one, _Owned(check, taken))

    def entry_for(self, target: Target, part: Part, family: str) -> Entry | None:
        """The entry that covers a part, by its condition or its family; None where it is new.

        Without a `family`, since nothing was shrunk, one of which all failing cases may be covers it.
        """
        named = [one for one in self._valid(target, part.distinct.check) if one.family]
        covering = [one for one in named if (one.family == family if family else _may_be_all(one, part.distinct))]
        covering = [part.entry, *covering] if part.entry else covering
        for entry in covering:
            self._note(entry, target, State.KNOWN)
        return covering[0] if covering else None

    def may_cover(self, target: Target, check: str, failure: Failure) -> bool:
        """Whether a failure, of which no more is known, may be of an entry: of its check, or shown beside that."""
        entries = (one for own in CHECKS for one in self._valid(target, own))
        return any(
            _may_be(entry, check, failure) if entry.check == check else _is_asked(entry, failure.case)
            for entry in entries
        )

    def outdated(self, target: Target, check: str, tally: Tally, narrowed: bool) -> list[str]:
        """What there is to say of entries about a check that has judged a target: ended, or asked for and not found.

        `narrowed` says that the run did not ask all that it asks by default.
        """
        told = []
        for entry in (one for one in self.entries if one.is_about(target.name, check)):
            about = f"{entry.name} ({', '.join(entry.targets)}; {check})"
            if not entry.is_for(target.versions):
                self._note(entry, target, State.OTHER_VERSION)
            elif entry.expires < self.today:
                self._note(entry, target, State.EXPIRED)
                ended = f"held until {entry.expires}, and covers nothing any more: {ADVICE[State.EXPIRED]}"
                told.append(f"expired: {about} {ended}")
            elif self._covered(entry, target):
                continue
            elif _fails(entry, tally):
                self._note(entry, target, State.TOLD_OTHERWISE)
            elif not narrowed and (count := _asked(entry, tally)):
                self._note(entry, target, State.PASSED if entry.unstable else State.STALE)
                none = "no discrepancy is of its family" if entry.family else "none of them fails"
                asked = f"{count} judged case{'s' * (count > 1)} of {target.name} asked for it"
                told += [] if entry.unstable else [f"stale: {about}: {asked}, and {none}; {ADVICE[State.STALE]}"]
        return told

    def describe(self) -> list[dict[str, Any]]:
        """What `run.json` says of each entry, `on` which targets what became of it."""
        return [
            {
                "entry": entry.name,
                "target": list(entry.targets),
                "check": entry.check,
                "told": entry.family or entry.condition.text,
                "reason": entry.reason,
                "url": entry.link,
                "expires": entry.expires.isoformat(),
                "unstable": entry.unstable,
                "on": {name: state.value for name, state in self._states.get(number, {}).items()},
            }
            for number, entry in enumerate(self.entries)
        ]

    def _valid(self, target: Target, check: str) -> list[Entry]:
        about = (one for one in self.entries if one.is_about(target.name, check))
        return [one for one in about if one.is_for(target.versions) and self.today <= one.expires]

    def _covered(self, entry: Entry, target: Target) -> bool:
        """Whether the entry covers something."""
        return self._states.get(self.entries.index(entry), {}).get(target.name) is State.KNOWN

    def _note(self, entry: Entry, target: Target, state: State) -> None:
        self._states.setdefault(self.entries.index(entry), {})[target.name] = state


@dataclass(frozen=True)
class _Owned:
    """The failures of a check that an entry covers, or all of them, but for those of entries that come before."""

    check: str
    before: tuple[Entry, ...]
    entry: Entry | None = None

    def __call__(self, failure: Failure) -> bool:
        mine = self.entry is None or _covers(self.entry, self.check, failure)
        return mine and not any(_covers(other, self.check, failure) for other in self.before)


def _covers(entry: Entry, check: str, failure: Failure) -> bool:
    """Whether a failure fulfils an entry's condition; what other checks show beside it may be of any verdict."""
    alike = check != entry.check or entry.verdict in (None, failure.judgement.verdict)
    return alike and _fulfils(entry.condition, failure.case)


def _leaves(entry: Entry, check: str, failure: Failure) -> bool:
    return not _covers(entry, check, failure)


def _may_be(entry: Entry, check: str, failure: Failure) -> bool:
    """Whether a failure is of an entry, as far as it can be said of one that was not shrunk."""
    if not entry.family:
        return _covers(entry, check, failure)
    kind = family_of(check, failure.judgement.verdict, failure.case).split(" ")[:2]
    return entry.family.split(" ")[:2] == kind and asks_for(entry.family, failure.case)


def _may_be_all(entry: Entry, distinct: Distinct) -> bool:
    return all(_may_be(entry, distinct.check, failure) for failure in distinct.group.failures)


def _fulfils(condition: Claim, case: AnyCase) -> bool:
    if isinstance(case, LayerCase):
        case = operation_case(case)
    return isinstance(case, Case) and condition.covers(case)


def _is_asked(entry: Entry, case: AnyCase) -> bool:
    """Whether a case is one that an entry is about."""
    return asks_for(entry.family, case) if entry.family else _fulfils(entry.condition, case)


def _fails(entry: Entry, tally: Tally) -> bool:
    """Whether cases fail that a condition is about, be it that another check tells it or that the verdict differs."""
    failures = (failure for group in tally.groups.values() for failure in group.failures)
    return not entry.family and any(_fulfils(entry.condition, failure.case) for failure in failures)


def _asked(entry: Entry, tally: Tally) -> int:
    """How many cases that passed an entry is about."""
    passed: list[AnyCase] = [*tally.passed, *tally.passed_layers, *tally.passed_refusals]
    return sum(_is_asked(entry, case) for case in passed)
