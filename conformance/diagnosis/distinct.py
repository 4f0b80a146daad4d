"""A discrepancy as it is told: its cause, its condition, its place, and what fails as it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.diagnosis.conditions import Condition
from depthwise_conformance.diagnosis.deviations.library import BY_NAME
from depthwise_conformance.diagnosis.explaining import Sample, reproduces
from depthwise_conformance.judging.checks import PARTS
from depthwise_conformance.judging.tally import Examined, Exhibit, Failure, Group, Key
from depthwise_conformance.reports.record import Verdict

VALUES = (Verdict.WRONG_VALUE, Verdict.WRONG_SHAPE, Verdict.WRONG_DTYPE, Verdict.IMPRECISE)
ONLY_IF = "only if "  # before a condition that not only failing cases fulfil
WHEREVER = "wherever it makes a difference"


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
        if check != self.check:  # of what another check shows, neither cause nor condition is known
            return Distinct(check, keys[0], group, notes=[*self.notes], shown_by=dict(others))
        key = self.key if self.key.verdict in {key.verdict for key in keys} else keys[0]
        return replace(self, key=key, group=group, notes=[*self.notes], shown_by=dict(others))

    @property
    def checks(self) -> set[str]:
        """All checks that show it."""
        return {self.check, *self.shown_by}


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
        explained = exhibit is not None and reproduces(distinct.cause, evidence(distinct.check, exhibit, True))
        return True if explained else None  # it may fail for two reasons at once
    if not strictly and {judgement.verdict, distinct.key.verdict} <= set(VALUES):
        return True
    return True if Key(judgement.verdict, judgement.signature) == distinct.key else None


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
