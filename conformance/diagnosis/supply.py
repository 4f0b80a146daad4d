"""The cases that may be asked next: known ones with facts altered, and a pool."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.casebook.claims import Claim
from depthwise_conformance.casebook.facts import Fact, altered, facts
from depthwise_conformance.casebook.recipes import recipe_of
from depthwise_conformance.casebook.strategies import ACTIVATIONS
from depthwise_conformance.diagnosis.candidates import (
    HIDING,
    SHOWING,
    VALUES,
    all_altered,
    choices_of,
    could_show,
    targeted,
    work_of,
)
from depthwise_conformance.diagnosis.conditions import Condition

TRIES = 2  # questions by which each value of a choice may show that it fails too
WORK = 40_000  # multiplications of a case that is asked, unless even the smallest failing one needs more
STRAYS = 20  # cases altered several times
RENEWED = 3  # questions for which alterations are kept
EVERY = {
    **{name: VALUES[name] for name in ("padding", "data_format", "use_bias", "dtype")},
    "activation": tuple(name for name in dict.fromkeys(ACTIVATIONS) if name is not None),
}


class Supply:
    """Cases that were not asked yet. `failing` is the inquiry's list, which grows; what is asked is noted here."""

    def __init__(self, failing: list[Case], claim: Claim, relevant: Callable[[Case], bool]) -> None:
        self.failing, self.relevant = failing, relevant
        self._claim = claim
        self.known: set[Case] = set()
        self.passing: list[Case] = []
        self.hiding: list[Case] = []  # cases that pass with data or activations that may hide a failure
        self.doubted: set[Case] = set()  # the same with other data
        self._drawn: list[Case] = []
        self._answered: set[tuple[str, Fact]] = set()
        self._refused: dict[tuple[str, Fact], int] = {}
        self._random = random.Random(0)
        recipes = {recipe_of(case.data) for case in failing}
        self._recipe = next((name for name in ("uniform", "integers") if name in recipes), "")
        self._showing_recipes = SHOWING if recipes & set(SHOWING) else recipes
        self._empty = any(facts(case)["empty"] for case in failing)
        self._work = max(WORK, 2 * min(map(work_of, failing)))
        self._variations: dict[Case, list[Case]] = {}
        self._alterations: list[Case] = []
        self._tried: dict[tuple[str, Fact], int] = {}
        self._renewal, self._altered_for = 0, Condition()

    def stock(self, passing: Iterable[Case], pool: Iterable[Case]) -> None:
        """Takes in what is known to pass, and what may be asked."""
        passed = [case for case in passing if self._could_show(case) and self.relevant(case)]
        self.passing = [case for case in passed if self._shows(case)]
        self.hiding = [case for case in passed if not self._shows(case)]
        self.known |= {*self.failing, *self.passing}
        for case in self.known:
            self._answered |= choices_of(case)
        doubted = [again for case in self.hiding if self._askable(again := self.with_data(case, 1))]
        self.doubted = set(doubted)
        drawn = dict.fromkeys([*map(self.showing, pool), *doubted])
        self._drawn = [case for case in drawn if recipe_of(case.data) in self._showing_recipes and self._askable(case)]

    def note(self, case: Case, answer: bool | None) -> None:
        """Notes that a case was asked, and whether the target gave an answer."""
        self.known.add(case)
        self._drawn = [other for other in self._drawn if other is not case]
        if answer is None:
            for choice in choices_of(case):
                self._refused[choice] = self._refused.get(choice, 0) + 1
        else:
            self._answered |= choices_of(case)

    def candidates(self, committee: Sequence[Condition], asked: int) -> list[Case]:
        """Cases that were not asked: alterations, made anew every few questions, and the pool."""
        if asked >= self._renewal or committee[0] != self._altered_for:
            self._alterations = [case for case in self._alter(committee) if self._fits(case)]
            self._renewal, self._altered_for = asked + RENEWED, committee[0]
        fresh = [case for case in self._alterations if case not in self.known]
        return [case for case in (*fresh, *self._drawn) if not self._refused or self._answerable(case)]

    def untried(self, best: Condition) -> Case | None:
        """A failing case with a choice changed to a value that was not yet seen to fail, where the condition holds."""
        for name, values in EVERY.items():
            for value in values:
                if self._tried.get((name, value), 0) < TRIES and all(
                    facts(case)[name] != value for case in self.failing
                ):
                    self._tried[name, value] = self._tried.get((name, value), 0) + 1
                    sources = self._random.sample(self.failing, min(8, len(self.failing)))
                    others = [other for case in sources for other in all_altered(self.showing(case), [(name, value)])]
                    for other in others:
                        if best.holds(other) and self._askable(other) and self.relevant(other):
                            return other
        return None

    def with_data(self, case: Case, step: int) -> Case:
        """The case with other data, such as show failures."""
        return replace(case, data=Data(self._recipe or case.data.recipe, (case.data.seed + step) % 2**64))

    def showing(self, case: Case) -> Case:
        """The case with data on which it is known that failures show."""
        return altered(case, "recipe", self._recipe) if self._recipe else case

    def _alter(self, committee: Sequence[Condition]) -> list[Case]:
        """Known cases with one fact changed, on either side of the atoms in question first, or several in a row."""
        atoms = list(dict.fromkeys(atom for rival in committee[:12] for atom in rival.atoms))
        small = sorted(self.failing, key=work_of)
        bases = [small[0], *self._random.sample(small, min(2, len(small)))]
        bases += self._random.sample(self.passing, min(1, len(self.passing)))
        found: list[Case] = []
        for base in dict.fromkeys(bases):
            found += targeted(base, atoms)
            found += self._variations_of(base)
        found += [self._stray(self._random.choice(small)) for _ in range(STRAYS)]
        return list(dict.fromkeys(found))

    def _variations_of(self, base: Case) -> list[Case]:
        if base not in self._variations:
            empty = [("batch", 0)] if self._empty else []
            pairs = [*empty, *((name, value) for name, values in VALUES.items() for value in values)]
            self._variations[base] = all_altered(self.showing(base), pairs)
        return self._variations[base]

    def _stray(self, case: Case) -> Case:
        case = self.showing(case)
        for name in self._random.sample(list(VALUES), self._random.randint(2, 8)):
            case = next(iter(all_altered(case, [(name, self._random.choice(VALUES[name]))])), case)
        return case

    def _shows(self, case: Case) -> bool:
        """Whether a failure would show in the case's data."""
        return recipe_of(case.data) in self._showing_recipes and case.config.activation not in HIDING

    def _askable(self, case: Case) -> bool:
        return case not in self.known and self._fits(case) and self._answerable(case)

    def _fits(self, case: Case) -> bool:
        """Whether the case is claimed and small, and could fail."""
        known = facts(case)
        small = int(known["elements"]) * int(known["taps"]) <= self._work
        return small and self._claim.covers(case) and self._could_show(case)

    def _could_show(self, case: Case) -> bool:
        """Whether the case could fail: one with an empty batch only where others of them do."""
        return could_show(case, facts(case)) or (self._empty and bool(facts(case)["empty"]))

    def _answerable(self, case: Case) -> bool:
        """Whether the target is not known to give no answer to such a case."""
        unanswered = {choice for choice, times in self._refused.items() if times > 1} - self._answered
        return not unanswered or unanswered.isdisjoint(choices_of(case))
