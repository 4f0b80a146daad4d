"""Telling conditions apart by asking: `narrow` asks a target about further cases until one condition is left.

Few cases fit many conditions, so it asks for those on which the simplest conditions disagree, then for those that
would refute the one that is left.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.casebook.claims import EVERYTHING, Claim
from depthwise_conformance.casebook.facts import Fact, altered, facts
from depthwise_conformance.casebook.recipes import SPECIAL, recipe_of
from depthwise_conformance.casebook.strategies import ACTIVATIONS
from depthwise_conformance.diagnosis.candidates import (
    HIDING,
    SHOWING,
    VALUES,
    Feature,
    all_altered,
    choices_of,
    could_show,
    pairs_of,
    targeted,
    values_of,
    work_of,
)
from depthwise_conformance.diagnosis.conditions import Columns, Condition, names_in, near_misses, tabulate, truth_of
from depthwise_conformance.diagnosis.separating import simplest

POSITIVES, MORE = 12, 4  # failures among the cases asked that confirm: where it holds, for each atom beyond one
NEAR, FAR = 3, 10  # passes that confirm: where one atom does not hold (for each), and beside these
TRIES = 2  # questions by which each value of a choice may show that it fails too
EXCEPTIONS = 4  # failures that confirm: of passing cases on which it holds, asked again with other data
MARGIN = 4.0  # conditions so much dearer than the simplest are no longer reckoned with
DECIDED = 0.02  # of the weight of all conditions: a case on which no more disagree is not worth asking
WORK = 40_000  # multiplications of a case that is asked, unless even the smallest failing one needs more
STRAYS = 20  # cases altered several times
RENEWED = 3  # questions for which alterations are kept
COMPARED = 200  # candidates that are compared with all cases known
EVERY: Mapping[str, tuple[Fact, ...]] = {
    **{name: VALUES[name] for name in ("padding", "data_format", "use_bias", "dtype")},
    "activation": tuple(name for name in dict.fromkeys(ACTIVATIONS) if name is not None),
}
DOUBT, MOST_DOUBT = 0.15, 3.0  # what each passing case that may hide a failure adds to a condition's cost, and all
Ask = Callable[[Case], bool | None]


@dataclass(frozen=True)
class Limit:
    """How many further cases may be asked for, for how long, and inside what claim."""

    questions: int = 80
    seconds: float = 20.0
    claim: Claim = EVERYTHING


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
) -> Finding:
    """Asks for further cases until one condition is confirmed or none is left.

    `ask` says whether a case fails, or None where the target gives no answer; what it raises propagates. `pool` holds
    cases that may be asked for beside alterations of those known. Passing cases that are not `relevant` do not count.
    """
    relevant = relevant or (lambda case: True)
    shown = _with_telling_data(failing, ask, relevant)
    finding = _Inquiry([*failing, *shown], list(passing), ask, pool, limit, relevant).run()
    return finding if _is_told_by_data(finding) else replace(finding, confirmed=False)


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


@dataclass
class _Inquiry:
    """The state of one `narrow`."""

    failing: list[Case]
    passing: list[Case]
    ask: Ask
    pool: Sequence[Case]
    limit: Limit
    relevant: Callable[[Case], bool]
    asked: int = 0
    known: set[Case] = field(default_factory=set)
    asked_failing: list[Case] = field(default_factory=list)
    asked_passing: list[Case] = field(default_factory=list)
    answered: set[tuple[str, Fact]] = field(default_factory=set)
    refused: dict[tuple[str, Fact], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random = random.Random(0)
        self.deadline = time.monotonic() + self.limit.seconds
        recipes = {recipe_of(case.data) for case in self.failing}
        self.recipe = next((name for name in ("uniform", "integers") if name in recipes), "")
        self.showing = SHOWING if recipes & set(SHOWING) else recipes
        self.empty = any(facts(case)["empty"] for case in self.failing)
        passed = [case for case in self.passing if self._could_show(case) and self.relevant(case)]
        self.passing = [case for case in passed if self._shows(case)]
        self.hiding = [case for case in passed if not self._shows(case)]
        self.known |= {*self.failing, *self.passing}
        for case in self.known:
            self.answered |= choices_of(case)
        self.work = max(WORK, 2 * min(map(work_of, self.failing)))
        self.variations: dict[Case, list[Case]] = {}
        self.alterations: list[Case] = []
        self.tried: dict[tuple[str, Fact], int] = {}
        self.renewal, self.altered_for = 0, Condition()
        self.doubted = {again for case in self.hiding if self._askable(again := self._with_data(case, 1))}
        drawn = dict.fromkeys([*map(self._showing, self.pool), *self.doubted])
        self.drawn = [case for case in drawn if recipe_of(case.data) in self.showing and self._askable(case)]

    def run(self) -> Finding:
        """Asks until nothing is left to ask."""
        while True:
            rivals = self._rank(simplest(self.failing, self.passing))
            if self._over():
                return self._conclude(rivals, False)
            if not rivals:
                return self._conclude(rivals, False)
            if (question := self._question(rivals)) is None:
                return self._conclude(rivals, self._confirmed(rivals[0]))
            self._put(question, rivals[0])

    def _over(self) -> bool:
        return self.asked >= self.limit.questions or time.monotonic() > self.deadline

    def _conclude(self, rivals: Sequence[Condition], confirmed: bool) -> Finding:
        best = rivals[0] if rivals else None
        near = [rival for rival in rivals[1:] if best and rival.cost <= best.cost + 1.0][:5]
        cases = tuple(self.failing), tuple(self.passing)
        return Finding(best, confirmed, tuple(map(str, near)), self.asked, *cases)

    # Answers.

    def _answer(self, case: Case) -> bool | None:
        self.asked += 1
        self.known.add(case)
        self.drawn = [other for other in self.drawn if other is not case]
        answer = self.ask(case)
        if answer is None:
            for choice in choices_of(case):
                self.refused[choice] = self.refused.get(choice, 0) + 1
        else:
            self.answered |= choices_of(case)
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
        uncut = all_altered(self._with_data(case, 1), [("activation", "linear")])
        cut = case.config.activation in HIDING and any(
            known.config.activation == case.config.activation for known in self.failing
        )  # one that was never seen to fail is not excused
        twice = [self._with_data(case, 2)] if case.config.activation in HIDING else []
        for again in [self._with_data(case, 1), *twice, *(uncut if cut else [])]:
            if again not in self.known and not self._over() and self._answer(again):
                self._note_failure(again)
                return True
        return False

    def _note_failure(self, case: Case) -> None:
        self.failing.append(case)
        self.asked_failing.append(case)

    def _rank(self, rivals: Sequence[Condition]) -> list[Condition]:
        """By cost, and by the passing cases on which each holds, although their data may have hidden a failure."""
        columns = tabulate(self.hiding, names_in(rivals))
        doubts = [int(truth_of(rival, columns, len(self.hiding)).sum()) for rival in rivals]
        ranked = sorted(zip(rivals, doubts, strict=True), key=lambda pair: pair[0].cost + _weigh(pair[1]))
        return [rival for rival, _ in ranked]

    # Questions.

    def _question(self, rivals: Sequence[Condition]) -> Case | None:
        """The case on which the rivals disagree most; if they agree, one that would refute the simplest."""
        committee = [rival for rival in rivals if rival.cost <= rivals[0].cost + MARGIN][:100]
        candidates = self._candidates(committee)
        if not candidates:
            return None
        columns = tabulate(candidates, {"activation", *names_in(committee)})
        truths = {atom: atom.holds(columns) for rival in committee for atom in rival.atoms}
        weights = np.exp2([rivals[0].cost - rival.cost for rival in committee])
        held = [np.all([truths[atom] for atom in rival.atoms], axis=0) for rival in committee if rival.atoms]
        if len(committee) > 1:
            share = weights @ np.array(held) / weights.sum()
            dispute = share * (1.0 - share)
            for index in _descending(dispute + 1e-3 * (columns["activation"] == "linear")):
                if dispute[index] < DECIDED:
                    break
                if self.relevant(candidates[index]):
                    return candidates[index]
        return self._refuting(rivals[0], candidates, columns)

    def _refuting(self, best: Condition, candidates: Sequence[Case], columns: Columns) -> Case | None:
        holds = np.ones((len(best.atoms), len(candidates)), np.bool_)
        for row, atom in zip(holds, best.atoms, strict=True):
            row[:] = atom.holds(columns)
        inside = _chosen(candidates, holds.all(axis=0))
        if self._positives(best) < _enough(best) and (case := self._newest(inside, self.failing)) is not None:
            return case
        if (case := self._untried(best)) is not None:
            return case
        if sum(case in self.doubted for case in self.asked_failing) < EXCEPTIONS:
            doubted = [case for case in inside if case in self.doubted]
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

    def _untried(self, best: Condition) -> Case | None:
        """A failing case with a choice changed to a value that was not yet seen to fail, where the condition holds."""
        for name, values in EVERY.items():
            for value in values:
                if self.tried.get((name, value), 0) < TRIES and all(
                    facts(case)[name] != value for case in self.failing
                ):
                    self.tried[name, value] = self.tried.get((name, value), 0) + 1
                    sources = self.random.sample(self.failing, min(8, len(self.failing)))
                    others = [other for case in sources for other in all_altered(self._showing(case), [(name, value)])]
                    for other in others:
                        if best.holds(other) and self._askable(other) and self.relevant(other):
                            return other
        return None

    def _far_enough(self, best: Condition) -> bool:
        return not best.atoms or len(self.asked_passing) >= FAR + NEAR * len(best.atoms)

    def _positives(self, best: Condition) -> int:
        return sum(best.holds(case) for case in self.asked_failing)

    def _newest(self, candidates: Sequence[Case], like: Sequence[Case]) -> Case | None:
        """The candidate that is least like known cases: of which most facts, then most pairs of facts, are new."""
        values = frozenset[Feature]().union(*map(values_of, like))
        new = [len(values_of(case) - values) for case in candidates]
        first = _descending(np.array(new))[:COMPARED]
        pairs = frozenset[Feature]().union(*map(pairs_of, like))
        scores = [100 * new[index] + len(pairs_of(candidates[index]) - pairs) for index in first]
        candidates = [candidates[index] for index in first]
        for index in _descending(np.array(scores)):
            if self.relevant(candidates[index]):
                return candidates[index]
        return None

    def _confirmed(self, best: Condition) -> bool:
        near = min((len(near_misses(best, atom, self.passing)) for atom in best.atoms), default=NEAR)
        return self._positives(best) >= _enough(best) and near >= NEAR and self._far_enough(best)

    # Cases to ask for.

    def _candidates(self, committee: Sequence[Condition]) -> list[Case]:
        """Cases that were not asked: alterations, made anew every few questions, and the pool."""
        if self.asked >= self.renewal or committee[0] != self.altered_for:
            self.alterations = self._alter(committee)
            self.renewal, self.altered_for = self.asked + RENEWED, committee[0]
        fresh = [case for case in self.alterations if self._askable(case)]
        return [*fresh, *(filter(self._answerable, self.drawn) if self.refused else self.drawn)]

    def _alter(self, committee: Sequence[Condition]) -> list[Case]:
        """Known cases with one fact changed, on either side of the atoms in question first, or several in a row."""
        atoms = list(dict.fromkeys(atom for rival in committee[:12] for atom in rival.atoms))
        small = sorted(self.failing, key=work_of)
        bases = [small[0], *self.random.sample(small, min(2, len(small)))]
        bases += self.random.sample(self.passing, min(1, len(self.passing)))
        found: list[Case] = []
        for base in dict.fromkeys(bases):
            found += targeted(base, atoms)
            found += self._variations_of(base)
        found += [self._stray(self.random.choice(small)) for _ in range(STRAYS)]
        return list(dict.fromkeys(found))

    def _variations_of(self, base: Case) -> list[Case]:
        if base not in self.variations:
            pairs = ((name, value) for name, values in VALUES.items() for value in values)
            self.variations[base] = all_altered(self._showing(base), pairs)
        return self.variations[base]

    def _stray(self, case: Case) -> Case:
        case = self._showing(case)
        for name in self.random.sample(list(VALUES), self.random.randint(2, 8)):
            case = next(iter(all_altered(case, [(name, self.random.choice(VALUES[name]))])), case)
        return case

    def _showing(self, case: Case) -> Case:
        """The case with data on which it is known that failures show."""
        return altered(case, "recipe", self.recipe) if self.recipe else case

    def _shows(self, case: Case) -> bool:
        """Whether a failure would show in the case's data."""
        return recipe_of(case.data) in self.showing and case.config.activation not in HIDING

    def _with_data(self, case: Case, step: int) -> Case:
        """The case with other data, such as show failures."""
        return replace(case, data=Data(self.recipe or case.data.recipe, (case.data.seed + step) % 2**64))

    def _askable(self, case: Case) -> bool:
        if case in self.known or not self.limit.claim.covers(case):
            return False
        known = facts(case)
        small = int(known["elements"]) * int(known["taps"]) <= self.work
        return small and self._could_show(case) and self._answerable(case)

    def _could_show(self, case: Case) -> bool:
        """Whether the case could fail: one with an empty batch only where others of them do."""
        return could_show(case, facts(case)) or (self.empty and bool(facts(case)["empty"]))

    def _answerable(self, case: Case) -> bool:
        """Whether the target is not known to give no answer to such a case."""
        unanswered = {choice for choice, times in self.refused.items() if times > 1} - self.answered
        return not unanswered or unanswered.isdisjoint(choices_of(case))


def _descending(scores: NDArray[Any]) -> list[int]:
    """The places of the scores, the highest first."""
    return [int(place) for place in np.argsort(-scores, kind="stable")]


def _chosen(cases: Sequence[Case], where: Any) -> list[Case]:
    return [case for case, chosen in zip(cases, where, strict=True) if chosen]


def _enough(condition: Condition) -> int:
    return POSITIVES + MORE * max(len(condition.atoms) - 1, 0)


def _weigh(doubts: int) -> float:
    return min(DOUBT * doubts, MOST_DOUBT)
