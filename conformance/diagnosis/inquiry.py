"""Telling conditions apart by asking: `narrow` asks a target about further cases until one condition is left.

Few cases fit many conditions, so it asks for those on which the simplest conditions disagree, then for those that
would refute the one that is left.
"""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.casebook.claims import EVERYTHING, Claim
from depthwise_conformance.casebook.recipes import SPECIAL, recipe_of
from depthwise_conformance.diagnosis.candidates import (
    HIDING,
    SHOWING,
    all_altered,
    pairs_of,
    values_of,
)
from depthwise_conformance.diagnosis.conditions import Columns, Condition, bits_of, names_in, near_misses, tabulate
from depthwise_conformance.diagnosis.separating import gain, simplest
from depthwise_conformance.diagnosis.supply import Supply

NEAR = 3  # passes that confirm, where one atom does not hold: for each
EXCEPTIONS = 4  # failures that confirm: of passing cases on which it holds, asked again with other data
MARGIN = 4.0  # conditions so much dearer than the simplest are no longer reckoned with
DECIDED = 0.02  # of the weight of all conditions: a case on which no more disagree is not worth asking
COMPARED = 200  # candidates that are compared with all cases known
DOUBT, MOST_DOUBT = 0.15, 3.0  # what each passing case that may hide a failure adds to a condition's cost, and all
Ask = Callable[[Case], bool | None]


@dataclass(frozen=True)
class Proof:
    """What confirms a condition: failures among the cases asked where it holds, `positives` and `more` for each atom
    beyond one; passes where it does not, `far` beside those where one atom alone does not hold. It need not be
    the last one left if the next is dearer by `lead`; where that is zero, it must.
    """

    positives: int = 12
    more: int = 4
    far: int = 10
    lead: float = 0.0

    def enough(self, condition: Condition) -> int:
        """How many failures it takes."""
        return self.positives + self.more * max(len(condition.atoms) - 1, 0)


@dataclass(frozen=True)
class Limit:
    """How many further cases may be asked for, inside what claim, whether nothing more may be, and what confirms."""

    questions: int = 80
    claim: Claim = EVERYTHING
    spent: Callable[[], bool] = lambda: False
    proof: Proof = Proof()


@dataclass(frozen=True)
class Finding:
    """The simplest condition found, or None where no conjunction of at most three atoms fits.

    `confirmed` says that further cases on both sides bore it out, `rivals` which other conditions fit as well and
    were not told apart, `asked` how many cases were asked for. `failing` and `passing` are the cases that counted.
    """

    condition: Condition | None
    confirmed: bool
    rivals: tuple[str, ...]
    asked: int
    failing: tuple[Case, ...]
    passing: tuple[Case, ...]


def narrow(
    failing: Sequence[Case],
    passing: Sequence[Case],
    ask: Ask,
    pool: Sequence[Case] = (),
    limit: Limit = Limit(),
    relevant: Callable[[Case], bool] | None = None,
    core: Sequence[Case] = (),
) -> Finding:
    """Asks for further cases until one condition is confirmed or none is left.

    `ask` says whether a case fails, or None where the target gives no answer; what it raises propagates. `pool` holds
    cases that may be asked for beside alterations of those known. Passing cases that are not `relevant` do not count.
    The condition holds on all of `failing`; where `core` is given, on these, and on as many others as it may.
    """
    known = [*failing, *_with_telling_data(failing, ask, relevant or _any)]
    supply = Supply(known, limit.claim, relevant or _any)
    supply.stock(passing, pool)
    finding = _Inquiry(known, list(core) or known, ask, limit, supply, several=relevant is not None).run()
    return finding if _is_told_by_data(finding) else replace(finding, confirmed=False)


def _any(case: Case) -> bool:
    return True


def _is_told_by_data(finding: Finding) -> bool:
    """Whether the condition would be true of ordinary data, or says itself of which it is.

    Special values have no ordinary data.
    """
    recipes = {recipe_of(case.data) for case in finding.failing}
    says = finding.condition is not None and any(atom.left == "recipe" for atom in finding.condition.atoms)
    return says or recipes == {SPECIAL} or not recipes.isdisjoint(SHOWING)


def _with_telling_data(failing: Sequence[Case], ask: Ask, relevant: Callable[[Case], bool]) -> list[Case]:
    """A failing case with data that hide nothing, where none is among those known and one fails so."""
    if any(recipe_of(case.data) in SHOWING for case in failing):
        return []
    for case in failing[:3]:
        telling = replace(case, data=Data(SHOWING[0], case.data.seed))
        if relevant(telling) and ask(telling):
            return [telling]
    return []


class _Inquiry:
    """The state of one `narrow`; what it finds has to hold on the cases of `core`."""

    def __init__(
        self, failing: list[Case], core: Sequence[Case], ask: Ask, limit: Limit, supply: Supply, several: bool
    ) -> None:
        self.failing, self.core, self.ask, self.limit, self.supply = failing, core, ask, limit, supply
        self.several = several
        self.passing, self.hiding = supply.passing, supply.hiding
        self.asked = 0
        self.asked_failing: list[Case] = []
        self.asked_passing: list[Case] = []
        self.prices: list[float] = []  # each rival's cost, less what it gains by failing cases

    def run(self) -> Finding:
        """Asks until nothing is left to ask."""
        while True:
            rivals = self._rank(simplest(self.core, self.passing, self.failing, self.several))
            if not rivals:
                return self._conclude(rivals, False)
            if self._stands_out(rivals) and self._confirmed(rivals[0]):
                return self._conclude(rivals, True)
            if self._over():
                return self._conclude(rivals, False)
            if (question := self._question(rivals)) is None:
                return self._conclude(rivals, self._confirmed(rivals[0]))
            self._put(question, rivals[0])

    def _over(self) -> bool:
        return self.asked >= self.limit.questions or self.limit.spent()

    def _stands_out(self, rivals: Sequence[Condition]) -> bool:
        """Whether the best rival is far enough before the next to be told, if it is confirmed."""
        return self.limit.proof.lead > 0.0 and (
            len(rivals) == 1 or self.prices[1] >= self.prices[0] + self.limit.proof.lead
        )

    def _conclude(self, rivals: Sequence[Condition], confirmed: bool) -> Finding:
        best = rivals[0] if rivals else None
        near = [rival for rival, price in zip(rivals, self.prices, strict=True) if price <= self.prices[0] + 1.0][1:6]
        told = (case for case in self.failing if best is None or best.holds(case))
        cases = tuple(told), tuple(self.passing)
        return Finding(best, confirmed, tuple(map(str, near)), self.asked, *cases)

    # Answers.

    def _answer(self, case: Case) -> bool | None:
        self.asked += 1
        answer = self.ask(case)
        self.supply.note(case, answer)
        return answer

    def _put(self, case: Case, best: Condition) -> None:
        """Asks for a case. Where it should fail and does not, other data may show what these hid."""
        answer = self._answer(case)
        if answer is False and best.holds(case) and self._hidden(case):
            return
        if answer:
            self._note_failure(case)
        elif answer is False:
            self.passing.append(case)
            self.asked_passing.append(case)

    def _hidden(self, case: Case) -> bool:
        """Whether other data, or else no activation that cuts, make the case fail after all."""
        uncut = all_altered(self.supply.with_data(case, 1), [("activation", "linear")])
        cut = case.config.activation in HIDING and any(
            known.config.activation == case.config.activation for known in self.failing
        )  # one that was never seen to fail is not excused
        twice = [self.supply.with_data(case, 2)] if case.config.activation in HIDING else []
        for again in [self.supply.with_data(case, 1), *twice, *(uncut if cut else [])]:
            if again not in self.supply.known and not self._over() and self._answer(again):
                self._note_failure(again)
                return True
        return False

    def _note_failure(self, case: Case) -> None:
        self.failing.append(case)
        self.asked_failing.append(case)

    def _rank(self, rivals: Sequence[Condition]) -> list[Condition]:
        """By price, and by the passing cases on which each holds, although their data may have hidden a failure."""
        doubts, covered = (_counted(rivals, cases) for cases in (self.hiding, self.failing))
        prices = [rival.cost - gain(count) for rival, count in zip(rivals, covered, strict=True)]
        order = sorted(range(len(rivals)), key=lambda at: prices[at] + _weigh(doubts[at]))
        self.prices = [prices[at] for at in order]
        return [rivals[at] for at in order]

    # Questions.

    def _question(self, rivals: Sequence[Condition]) -> Case | None:
        """The case on which the rivals disagree most; if they agree, one that would refute the simplest."""
        near = [at for at, price in enumerate(self.prices) if price <= self.prices[0] + MARGIN][:100]
        committee, prices = [rivals[at] for at in near], np.array(self.prices)[near]
        candidates = self.supply.candidates(committee, self.asked)
        if not candidates:
            return None
        columns = tabulate(candidates, {"activation", *names_in(committee)})
        truths = {atom: atom.holds(columns) for atom in {atom for rival in committee for atom in rival.atoms}}
        weights = np.exp2(self.prices[0] - prices)
        held = [np.all([truths[atom] for atom in rival.atoms], axis=0) for rival in committee if rival.atoms]
        # Failures refute no rule, so that disputes alone need not come to an end.
        if len(committee) > 1 and (not self.limit.proof.lead or self.asked % 2):
            share = weights @ np.array(held) / weights.sum()
            dispute = share * (1.0 - share)
            for index in _descending(dispute + 1e-3 * (columns["activation"] == "linear")):
                if dispute[index] < DECIDED:
                    break
                if self.supply.relevant(candidates[index]):
                    return candidates[index]
        return self._refuting(rivals[0], candidates, columns)

    def _refuting(self, best: Condition, candidates: Sequence[Case], columns: Columns) -> Case | None:
        holds = np.ones((len(best.atoms), len(candidates)), np.bool_)
        for row, atom in zip(holds, best.atoms, strict=True):
            row[:] = atom.holds(columns)
        inside = _chosen(candidates, holds.all(axis=0))
        if (
            self._positives(best) < self.limit.proof.enough(best)
            and (case := self._newest(inside, self.failing)) is not None
        ):
            return case
        if (case := self.supply.untried(best)) is not None:
            return case
        if sum(case in self.supply.doubted for case in self.asked_failing) < EXCEPTIONS:
            doubted = [case for case in inside if case in self.supply.doubted]
            if (case := self._newest(doubted, self.failing)) is not None:
                return case
        for index, atom in enumerate(best.atoms):
            near = near_misses(best, atom, self.asked_passing)
            if len(near) < NEAR:
                others = np.delete(holds, index, axis=0).all(axis=0)
                if (case := self._newest(_chosen(candidates, others & ~holds[index]), near)) is not None:
                    return case
        if best.atoms and not self._far_enough(best):
            return self._newest(_chosen(candidates, np.logical_not(holds.all(axis=0))), self.passing)
        return None

    def _far_enough(self, best: Condition) -> bool:
        return not best.atoms or len(self.asked_passing) >= self.limit.proof.far + NEAR * len(best.atoms)

    def _positives(self, best: Condition) -> int:
        return sum(best.holds(case) for case in self.asked_failing)

    def _newest(self, candidates: Sequence[Case], like: Sequence[Case]) -> Case | None:
        """The candidate that is least like known cases: of which most facts, then most pairs of facts, are new."""
        values, pairs = (functools.reduce(operator.or_, map(kind, like), 0) for kind in (values_of, pairs_of))
        new = [(values_of(case) & ~values).bit_count() for case in candidates]
        relevant = (index for index in _descending(np.array(new)) if self.supply.relevant(candidates[index]))
        first = list(itertools.islice(relevant, COMPARED))
        scores = [100 * new[index] + (pairs_of(candidates[index]) & ~pairs).bit_count() for index in first]
        return candidates[first[_descending(np.array(scores))[0]]] if first else None

    def _confirmed(self, best: Condition) -> bool:
        near = min((len(near_misses(best, atom, self.passing)) for atom in best.atoms), default=NEAR)
        return self._positives(best) >= self.limit.proof.enough(best) and near >= NEAR and self._far_enough(best)


def _counted(conditions: Sequence[Condition], cases: Sequence[Case]) -> list[int]:
    """On how many cases each condition holds."""
    if not cases:
        return [0] * len(conditions)
    columns, atoms = tabulate(cases, names_in(conditions)), list({atom for one in conditions for atom in one.atoms})
    held = dict(zip(atoms, bits_of(atoms, columns, len(cases)), strict=True))
    every = (1 << len(cases)) - 1
    return [
        functools.reduce(operator.and_, (held[atom] for atom in one.atoms), every).bit_count() for one in conditions
    ]


def _descending(scores: NDArray[Any]) -> list[int]:
    """The places of the scores, the highest first."""
    return [int(place) for place in np.argsort(-scores, kind="stable")]


def _chosen(cases: Sequence[Case], where: Any) -> list[Case]:
    return [case for case, chosen in zip(cases, where, strict=True) if chosen]


def _weigh(doubts: int) -> float:
    return min(DOUBT * doubts, MOST_DOUBT)
