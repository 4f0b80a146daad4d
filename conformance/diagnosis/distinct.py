"""A discrepancy as it is told: its cause, its condition, its place, and what fails as it does."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.diagnosis.conditions import Condition
from depthwise_conformance.diagnosis.deviations.library import BY_NAME
from depthwise_conformance.diagnosis.explaining import SUBSET, Sample, deviates, reproduces
from depthwise_conformance.diagnosis.places import Observation, place
from depthwise_conformance.diagnosis.program import is_described
from depthwise_conformance.judging.checks import PARTS
from depthwise_conformance.judging.tally import Examined, Exhibit, Failure, Group, Key
from depthwise_conformance.judging.values import Judgement, in_units
from depthwise_conformance.reference import Arithmetic
from depthwise_conformance.reports.record import Verdict

VALUES = (Verdict.WRONG_VALUE, Verdict.WRONG_SHAPE, Verdict.WRONG_DTYPE, Verdict.IMPRECISE)
ONLY_IF = "only if "  # before a condition that not only failing cases fulfil
WHEREVER = "wherever it makes a difference"
BESIDE = 3  # causes that are suspected beside one
BOTH = 2  # results that take both of two deviations


@dataclass
class Distinct:
    """A distinct discrepancy: the failing cases of `check` that have one cause, and the other checks that show it."""

    check: str
    key: Key
    group: Group
    cause: str = ""
    condition: str = ""
    place: str = ""
    fulfilled: Condition | None = None  # what `condition` says
    total: bool = False  # whether every case fails that fulfils it, not only those where the cause makes a difference
    need: bool = False  # whether it is only what all failing cases have: some pass that have it, too
    beside: tuple[str, ...] = ()  # causes that other cases of the check are suspected of
    notes: list[str] = field(default_factory=list)
    shown_by: dict[str, Group] = field(default_factory=dict)  # the failing cases of other checks

    def holds(self, case: Case) -> bool:
        """Whether the condition, if there is one, holds on a case."""
        return self.fulfilled is None or self.fulfilled.holds(case)

    def withdraw_condition(self) -> None:
        """Takes the condition back: a failing case has been found that does not fulfil it."""
        self.notes.append(f"a condition that fitted until a further case belied it: {self.condition}")
        self.condition, self.fulfilled, self.total = "", None, False

    def join(self, check: str, group: Group) -> None:
        """Takes in further failing cases, of its own check or of another that shows it."""
        if check == self.check:
            self.group.extend(group)
        else:
            self.shown_by.setdefault(check, Group()).extend(group)

    def part(self, chosen: Callable[[str, Failure], bool]) -> Distinct | None:
        """What of it the failures show that are `chosen`, each with its check; None where there are none."""
        groups = [
            (check, group.only_those(partial(chosen, check)))
            for check, group in ((self.check, self.group), *self.shown_by.items())
        ]
        (check, group), *others = [one for one in groups if one[1].failures] or [("", Group())]
        if not check:
            return None
        keys = [Key(one.judgement.verdict, one.judgement.signature) for one in group.failures]
        if check != self.check:
            return self._shown(check, keys[0], group, dict(others))
        key = self.key if self.key.verdict in {key.verdict for key in keys} else keys[0]
        return replace(self, key=key, group=group, notes=[*self.notes], shown_by=dict(others))

    def _shown(self, check: str, key: Key, group: Group, others: dict[str, Group]) -> Distinct:
        """What another check shows of it: by its cause, where that explains all, and by what all failing cases have."""
        explained = not is_deviation(self) or set(reproduced(self.cause, check, group)) >= {c.id for c in group.cases}
        found = Distinct(check, key, group, self.cause if explained else "", notes=[*self.notes], shown_by=others)
        if self.need and all(map(self.holds, group.cases)):
            found.condition, found.fulfilled, found.need = self.condition, self.fulfilled, True
        return found

    @property
    def checks(self) -> set[str]:
        """All checks that show it."""
        return {self.check, *self.shown_by}


@dataclass(frozen=True)
class Suspect:
    """A cause by name; `ids` are the cases that it explains."""

    name: str
    ids: tuple[str, ...]


def most_telling(suspects: Sequence[Suspect], tried: Sequence[Suspect], group: Group) -> Suspect | None:
    """The one not `tried` that explains most of a group's cases; None where it would be too few."""
    explained = {one: len(group.only(one.ids).failures) for one in suspects if one not in tried}
    best = max(explained, key=lambda one: explained[one], default=None)
    return best if best and explained[best] >= SUBSET else None


def cover(suspects: Sequence[Suspect], tried: Sequence[Suspect], group: Group) -> list[Suspect]:
    """Those that explain most of a group's cases, each of what the ones before it do not; few of them."""
    found: list[Suspect] = []
    while len(found) < BESIDE and (suspect := most_telling(suspects, (*tried, *found), group)):
        found.append(suspect)
        group = group.without(suspect.ids)
    return found


def is_deviation(distinct: Distinct) -> bool:
    """Whether the cause is one whose results can be computed."""
    return distinct.check in PARTS and all(name in BY_NAME for name in distinct.cause.split(" + "))


def evidence(check: str, exhibit: Exhibit, failing: bool) -> Sample:
    """An array as `explaining` wants it."""
    expectation, part = exhibit.expectation, PARTS[check]
    config, arrays = expectation.case.config, expectation.arrays
    return Sample(config, arrays, part, exhibit.observed, failing, expectation.part(part))


def fails_alike(distinct: Distinct, examined: Examined, strictly: bool = False) -> bool | None:
    """Whether a case fails as a discrepancy's do, `strictly` with the same verdict; None where it cannot be said."""
    judgement = examined.judgement(distinct.check)
    if judgement is None or judgement.verdict in (Verdict.UNSUPPORTED, Verdict.BROKEN):
        return None
    if judgement.verdict is Verdict.PASS:
        return False
    if is_deviation(distinct) and not (strictly and judgement.verdict is not distinct.key.verdict):
        exhibit = examined.exhibit(distinct.check)
        if exhibit is None:
            return None
        sample = evidence(distinct.check, exhibit, True)
        if reproduces(distinct.cause, sample):
            return True
        return _among_others(distinct, sample, examined.expectation.case)
    verdicts = {judgement.verdict, distinct.key.verdict}
    if not strictly and verdicts <= set(VALUES) and (len(verdicts) == 1 or Verdict.WRONG_DTYPE not in verdicts):
        return True
    return True if distinct.key.tells(judgement) else None


def _among_others(distinct: Distinct, sample: Sample, case: Case) -> bool | None:
    """Whether a result that its cause alone does not explain has it beside another suspected one; None if untold.

    What another explains alone does not have it, if both together would have been something else.
    """
    alone = [other for other in distinct.beside if reproduces(other, sample)]
    together = {other: jointly(distinct.cause, other) for other in distinct.beside}
    if any(reproduces(cause, sample) for other in together if other not in alone for cause in together[other]):
        return True
    both = [cause for other in alone for cause in together[other] if deviates(cause, case, sample.part)]
    return False if both and not any(reproduces(cause, sample) for cause in both) else None


def fails_untold(distinct: Distinct, examined: Examined, found: Sequence[Distinct]) -> bool | None:
    """The same, but None where it has no cause and those that are found explain the array, or are as imprecise."""
    check, answer = distinct.check, fails_alike(distinct, examined)
    if is_deviation(distinct) or not answer:
        return answer
    exhibit, judgement = examined.exhibit(check), examined.judgement(check)
    others = (other for other in found if check in other.checks and other.key != distinct.key)
    if judgement and any(_is_as_imprecise(other, judgement) for other in others):
        return None
    return None if exhibit and are_explaining(found, check, exhibit) else answer


def _is_as_imprecise(other: Distinct, judgement: Judgement) -> bool:
    verdict, signature = other.key
    return verdict is judgement.verdict is Verdict.IMPRECISE and signature == judgement.signature


def is_told(other: Distinct, check: str, case: Case, exhibit: Exhibit | None) -> bool:
    """Whether another discrepancy tells why a case fails a check: its cause explains the array, or its rule holds."""
    if is_deviation(other) and exhibit is not None and check in PARTS:
        return reproduces(other.cause, evidence(check, exhibit, True))
    ruled = other.total and other.fulfilled is not None and other.fulfilled.atoms
    return bool(ruled) and other.check == check and other.holds(case)


def are_telling(others: Sequence[Distinct], check: str, case: Case, exhibit: Exhibit | None) -> bool:
    """Whether one of these discrepancies tells why a case fails a check, or the causes of two of them do together."""
    if any(is_told(one, check, case, exhibit) for one in others):
        return True
    return exhibit is not None and are_explaining(others, check, exhibit)


def are_explaining(others: Sequence[Distinct], check: str, exhibit: Exhibit) -> bool:
    """Whether the cause of one of these discrepancies explains an array, or those of two of them together do."""
    if check not in PARTS:
        return False
    sample, causes = evidence(check, exhibit, True), [one.cause for one in others if is_deviation(one)]
    return any(reproduces(cause, sample) for cause in (*causes, *jointly(*causes)))


def jointly(*causes: str) -> list[str]:
    """Two of the causes together, whichever comes first."""
    return [" + ".join(pair) for pair in itertools.permutations(causes, 2)]


def ordinary(case: Case) -> Case:
    """The case with numbers that hide nothing."""
    return replace(case, data=Data("uniform", case.data.seed))


def is_accuracy(cause: str) -> bool:
    """Whether a deviation is one of accuracy: arguments in a narrower format."""
    return all(BY_NAME[name].kind == "accuracy" for name in cause.split(" + "))


def is_of_another(distinct: Distinct, examined: Examined) -> bool:
    """Whether a case fails by a cause that is suspected beside."""
    exhibit = examined.exhibit(distinct.check)
    samples = [evidence(distinct.check, exhibit, True)] if exhibit and distinct.beside else []
    return any(reproduces(name, sample) for sample in samples for name in distinct.beside)


def takes_both(cause: str, failing: Sequence[Sample]) -> bool:
    """Whether there are results that neither of two deviations explains alone."""
    alone = [any(reproduces(name, sample) for name in cause.split(" + ")) for sample in failing]
    return alone.count(False) >= BOTH


def reproduced(cause: str, check: str, group: Group, by: Mapping[str, Arithmetic] | None = None) -> list[str]:
    """The cases of a group, by their ids, whose arrays a cause explains: for some dtypes, in narrower arithmetic."""
    exhibits = group.exhibits if check in PARTS else {}  # of special values no deviation is computed
    samples = {name: evidence(check, exhibit, True) for name, exhibit in exhibits.items()}
    narrower = by or {}
    return [name for name, one in samples.items() if reproduces(cause, one, narrower.get(one.config.dtype))]


def predicted(one: Distinct, case: Case, check: str = "") -> bool:
    """Whether a discrepancy with a deviation for its cause should show on a case, in its own check or another one, or
    on its sums, at least."""
    linear = replace(case.config, activation=None)
    told = case if is_described(case.config) else replace(case, config=linear)
    return one.holds(case) and deviates(one.cause, told, PARTS[check or one.check])


def is_untold(case: Case, group: Group) -> bool:
    """Whether no deviation could be tried on a case: its array was not kept, or its activation is not described."""
    return case.id not in group.exhibits or not is_described(case.config)


def among(one: Distinct, found: Sequence[Distinct]) -> Distinct:
    """A discrepancy whose results may have the causes, too, of others that are found."""
    others = [other for other in found if other.cause != one.cause and is_deviation(other)]
    causes = [other.cause for other in others if other.check == one.check and is_deviation(one)]
    return replace(one, beside=tuple(dict.fromkeys((*one.beside, *causes))))


def absorb(one: Distinct, found: list[Distinct], shows: Callable[[Distinct, Distinct], bool]) -> None:
    """Takes in those of `found` that a condition tells of which all cases fulfil this one's, and what `shows` it."""
    for other in [other for other in found if _is_inside(other, one) or shows(one, other)]:
        for check, group in ((other.check, other.group), *other.shown_by.items()):
            one.join(check, group)
        found.remove(other)


def _is_inside(other: Distinct, one: Distinct) -> bool:
    """Whether a condition tells another of the same check and verdict, all of whose cases fulfil this one's."""
    if one.cause or one.need or not (one.total and one.fulfilled and one.fulfilled.atoms):
        return False
    same = (other.check, other.key.verdict) == (one.check, one.key.verdict) and one.key.verdict in VALUES
    return same and other.total and not other.cause and all(map(one.holds, other.group.cases))


def is_narrower(condition: Condition, one: Distinct) -> bool:
    """Whether a condition is that of a discrepancy, or says more than what all cases have of one without a cause."""
    known = one.fulfilled
    if not condition.atoms or known is None:
        return False
    return condition == known or (one.need and not one.cause and set(known.atoms) <= set(condition.atoms))


def place_of(check: str, group: Group) -> str:
    """Where the wrong elements of a group's arrays are; "" where that cannot be said."""
    observations = []
    for exhibit in group.exhibits.values() if check in PARTS else ():
        expected = exhibit.expectation.part(PARTS[check])
        if exhibit.observed.shape == expected.value.shape and not np.iscomplexobj(exhibit.observed):
            wrong = in_units(exhibit.observed.astype(np.float64), expected) > 1.0
            observations.append(Observation(exhibit.expectation.case.config, PARTS[check], wrong))
    return place(observations)
