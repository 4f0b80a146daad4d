"""What one check found on one target: verdicts, failing cases in groups, and arrays kept as evidence."""

from __future__ import annotations

import collections
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from depthwise_conformance.casebook.case import AnyCase, Case, LayerCase, Refusal, canonical
from depthwise_conformance.casebook.strategies import Draw
from depthwise_conformance.judging.checks import PARTS, SPECIAL_CHECK
from depthwise_conformance.judging.values import AnyArray, Expectation, Judgement
from depthwise_conformance.reports.record import Verdict

KEPT = 2000  # cases remembered by name
FAILING, PASSING = 40, 60  # arrays kept as evidence
ELEMENTS = 4096  # of the largest array that is kept
MANY, FEW = 20, 3  # so many texts for one verdict, or less than so many cases each, tell nothing apart
VARIED = "a message that differs from case to case"
TEXTS = (Verdict.REFUSED, Verdict.BAD_RETURN, Verdict.CRASHED)  # whose signatures are a target's own words
OWN_ELEMENTS = 1 << 17  # of those of a case with arrays of its own, beside which there may be no smaller one


Found = list[tuple[str, Judgement]]


class Key(NamedTuple):
    """What tells the failing cases of a check apart before anything is known of their cause."""

    verdict: Verdict
    signature: str

    def tells(self, judgement: Judgement) -> bool:
        """Whether a judgement is of these failing cases."""
        return judgement.verdict is self.verdict and self.signature in (judgement.signature, VARIED)


@dataclass(frozen=True)
class Exhibit:
    """An array that came back, with what was expected of it: evidence for a diagnosis."""

    expectation: Expectation
    observed: AnyArray


@dataclass(frozen=True)
class Examined:
    """What came of one case on one target: the judgements, and the arrays by part."""

    expectation: Expectation
    found: Found
    arrays: Mapping[str, AnyArray]

    def judgement(self, check: str) -> Judgement | None:
        """The check's judgement; None where it does not apply."""
        return next((judgement for name, judgement in self.found if name == check), None)

    def exhibit(self, check: str) -> Exhibit | None:
        """The array that a check judges; None where it judges none, or none came back."""
        observed = self.arrays.get("output" if check == SPECIAL_CHECK else PARTS.get(check, ""))
        return None if observed is None else Exhibit(self.expectation, observed)


@dataclass(frozen=True)
class Failure:
    """A failing case; `block` is where it was drawn, None where it was not drawn."""

    case: AnyCase
    judgement: Judgement
    block: Draw | None = None


@dataclass
class Group:
    """Failing cases of one target and check."""

    failures: list[Failure] = field(default_factory=list)
    exhibits: dict[str, Exhibit] = field(default_factory=dict)  # by the case's id
    failing: int = 0
    worst: float = math.nan

    def add(self, failure: Failure, exhibit: Exhibit | None) -> None:
        """Counts a failing case."""
        self.failing += 1
        error = failure.judgement.error
        self.worst = float(max(error, self.worst)) if self.worst == self.worst else error
        if len(self.failures) < KEPT:
            self.failures.append(failure)
        if exhibit is not None and len(self.exhibits) < FAILING:
            self.exhibits[failure.case.id] = exhibit

    @property
    def smallest(self) -> Failure:
        """The failure with the smallest case."""
        return min(self.failures, key=lambda failure: extent(failure.case))

    @property
    def drawn(self) -> Failure | None:
        """The first failure whose case Hypothesis drew, and so can shrink."""
        return next((f for f in self.failures if f.block and f.block.shrinkable and isinstance(f.case, Case)), None)

    @property
    def cases(self) -> list[Case]:
        """The cases that failed."""
        return [failure.case for failure in self.failures if isinstance(failure.case, Case)]

    @property
    def layers(self) -> list[LayerCase]:
        """The layers that failed."""
        return [failure.case for failure in self.failures if isinstance(failure.case, LayerCase)]

    @property
    def refusals(self) -> list[Refusal]:
        """The arguments that were to be refused."""
        return [failure.case for failure in self.failures if isinstance(failure.case, Refusal)]

    def extend(self, other: Group) -> None:
        """Takes in the failures of another group."""
        for failure in other.failures:
            self.add(failure, other.exhibits.get(failure.case.id))
        self.failing += other.failing - len(other.failures)

    def without(self, ids: Iterable[str]) -> Group:
        """The group without those cases; a count of those not kept stays with it."""
        gone = set(ids)
        rest = self.only(failure.case.id for failure in self.failures if failure.case.id not in gone)
        rest.failing += self.failing - len(self.failures)
        return rest

    def only(self, ids: Iterable[str]) -> Group:
        """The group of those cases alone; its count is that of the cases kept."""
        wanted = set(ids)
        part = Group()
        for failure in self.failures:
            if failure.case.id in wanted:
                part.add(failure, self.exhibits.get(failure.case.id))
        return part

    def only_those(self, chosen: Callable[[Failure], bool]) -> Group:
        """The group of the chosen failures alone; a count of those not kept goes with all that are."""
        part = self.only(failure.case.id for failure in self.failures if chosen(failure))
        if part.failures and len(part.failures) == len(self.failures):
            part.failing = self.failing
        return part


@dataclass
class Tally:
    """What one check found on one target."""

    verdicts: collections.Counter[Verdict] = field(default_factory=collections.Counter)
    groups: dict[Key, Group] = field(default_factory=dict)
    reasons: collections.Counter[str] = field(default_factory=collections.Counter)
    passed: list[Case] = field(default_factory=list)
    passed_layers: list[LayerCase] = field(default_factory=list)
    passed_refusals: list[Refusal] = field(default_factory=list)
    exhibits: list[Exhibit] = field(default_factory=list)  # of passing cases
    seconds: float = 0.0

    def add(
        self, case: AnyCase, judgement: Judgement, block: Draw | None = None, exhibit: Exhibit | None = None
    ) -> None:
        """Counts a judgement, and keeps what a discrepancy is told by."""
        self.verdicts[judgement.verdict] += 1
        self.seconds += judgement.seconds
        exhibit = bare(exhibit)
        if judgement.verdict is Verdict.UNSUPPORTED:
            self.reasons[judgement.signature] += 1
        elif judgement.verdict.is_discrepancy:
            key = self._key(judgement)
            self.groups.setdefault(key, Group()).add(Failure(case, judgement, block), exhibit)
        elif isinstance(case, LayerCase):
            self.passed_layers.append(case)
        elif isinstance(case, Refusal):
            self.passed_refusals.append(case)
        elif isinstance(case, Case) and len(self.passed) < KEPT:
            self.passed.append(case)
            if exhibit is not None and len(self.exhibits) < PASSING and exhibit.observed.size:
                self.exhibits.append(exhibit)

    def _key(self, judgement: Judgement) -> Key:
        """That of its group. Where there come to be too many texts, those that few cases show become one."""
        verdict, varied = judgement.verdict, Key(judgement.verdict, VARIED)
        key = Key(verdict, judgement.signature)
        if verdict not in TEXTS or key in self.groups:
            return key
        if varied not in self.groups:
            few = [one for one in self.groups if one.verdict is verdict and self.groups[one].failing < FEW]
            if len(few) < MANY:
                return key
            rest = Group()
            for one in few:
                rest.extend(self.groups.pop(one))
            self.groups[varied] = rest
        return varied

    @property
    def judged(self) -> int:
        """How many cases were judged: not those that are not claimed."""
        return self.verdicts.total() - self.verdicts[Verdict.UNSUPPORTED]

    @property
    def fails_mostly(self) -> bool:
        """Whether more cases failed than passed."""
        return sum(group.failing for group in self.groups.values()) > self.passing

    @property
    def passing(self) -> int:
        """How many cases passed."""
        return self.verdicts[Verdict.PASS]


def bare(exhibit: Exhibit | None) -> Exhibit | None:
    """Without what its expectation has computed, which would fill the memory; None where it is large itself."""
    if exhibit is None:
        return None
    if not is_kept(exhibit.expectation.case, exhibit.observed):
        return None
    return Exhibit(replace(exhibit.expectation), exhibit.observed)


def is_kept(case: AnyCase, array: AnyArray) -> bool:
    """Whether an array is small enough to be kept as evidence."""
    return array.size <= (OWN_ELEMENTS if case.data.arrays else ELEMENTS)


def extent(case: AnyCase) -> tuple[int, int]:
    """What "smallest" means: the number of input elements and weights, then the arguments that are not default."""
    if not isinstance(case, Case):
        return (math.prod(size or 1 for size in case.input_shape), len(case.arguments))
    config = case.config
    weights = config.kernel_size[0] * config.kernel_size[1] * case.channels * config.depth_multiplier
    return (math.prod(case.input_shape) + weights, len(canonical(config.to_json())))
