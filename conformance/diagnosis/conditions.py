"""When a target fails: the simplest condition on the case that the failing ones fulfil and the passing ones do not.

A condition is a conjunction of at most three atoms, plain statements on the facts of a case. Few cases fit many such
conditions, so `narrow` asks the target about further cases: those on which the simplest conditions disagree, then those
that would refute the one that is left.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import operator
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.case import Case, Data
from depthwise_conformance.data import SPECIAL
from depthwise_conformance.diagnosis.facts import AXES, Fact, altered, facts
from depthwise_conformance.reference.activations import FLAT, NORMALISING, OVER_LAST_AXIS
from depthwise_conformance.strategies import ACTIVATIONS

Columns = Mapping[str, NDArray[Any]]

CHOICES = ("padding", "data_format", "activation", "dtype", "recipe")
TWOFOLD = ("padding", "data_format")
SAYINGS = ("use_bias", "half_precision", "odd_zeros", "even_kernel", "gaps_between_windows", "kernel_exceeds_input")
ARGUMENTS = (
    *("kernel_height", "kernel_width", "stride_height", "stride_width", "dilation_height", "dilation_width"),
    *("kernel", "stride", "dilation", "depth_multiplier", "batch"),
)
SIZES = ("channels", "output_channels", "input_height", "input_width", "output_height", "output_width")
COUNTS = ("taps", "taps_reaching_input", "input_pixels", "output_pixels", "elements")
DERIVED = (
    *("zeros_above", "zeros_below", "zeros_left", "zeros_right", "zeros_before", "zeros_after"),
    *("zeros", "zeros_height", "zeros_width", "extent_height", "extent_width"),
    *("remainder", "remainder_height", "remainder_width", "leftover", "leftover_height", "leftover_width"),
    *COUNTS,
)
FROM_ZERO = ("batch", *(name for name in DERIVED if name.startswith(("zeros", "remainder", "leftover"))))
PARITIES = (
    *SIZES,
    "batch",
    "depth_multiplier",
    *(f"{name}_{axis}" for name in ("kernel", "zeros") for axis in AXES),
    "elements",
)
MULTIPLES = (*SIZES, "elements")
OF_ONE_KIND = tuple((f"{name}_height", f"{name}_width") for name in ("kernel", "stride", "dilation", "input", "output"))
BROADCAST = ("batch", "channels", "output_channels", "depth_multiplier", *(f"kernel_{axis}" for axis in AXES))
CROSSED = tuple(itertools.combinations((*BROADCAST, *SIZES[2:]), 2))
EXCEEDING = tuple(
    (f"{one}_{axis}", f"{other}_{axis}")
    for one, other in (("kernel", "input"), ("extent", "input"), ("stride", "kernel"))
    for axis in AXES
)
TOLD = (*CHOICES, *SAYINGS, *ARGUMENTS, *SIZES, *DERIVED)  # what conditions are made of
NATURAL = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)

MOST = 3  # atoms in a condition
RIVALS = 300  # conditions kept: the cheapest
OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<=": operator.le,
}


@dataclass(frozen=True)
class Atom:
    """A fact compared with a constant, or with another fact if `crossed`; `modulus` compares its remainder."""

    left: str
    relation: str
    right: Fact
    crossed: bool = False
    modulus: int = 0

    def holds(self, known: Mapping[str, Any]) -> Any:
        """Whether it holds on the facts of a case; on columns of facts, a boolean for each row."""
        left = known[self.left] % self.modulus if self.modulus else known[self.left]
        return OPERATORS[self.relation](left, known[str(self.right)] if self.crossed else self.right)

    @functools.cached_property
    def cost(self) -> float:
        """How much it says: a choice is cheapest, then an argument of one or above, and odd constants are dearest."""
        extra = 0.0 if self.left in ARGUMENTS else 0.3 if self.left in SIZES else 0.6 if self.left in DERIVED else 0.0
        if isinstance(self.right, bool):
            return 1.0 if self.left in ("use_bias", "half_precision") else 1.5
        if self.crossed:
            kin = (self.left, self.right) in OF_ONE_KIND or (self.right, self.left) in OF_ONE_KIND
            return (1.6 if kin else 2.6) + 0.4 * (self.relation == ">")
        if isinstance(self.right, str):
            return 1.0 + (self.relation == "!=") + 2.0 * (self.left == "recipe")
        if self.modulus:
            return extra + (2.0 if self.modulus == 2 else 2.4)
        if self.right == _smallest(self.left):
            return extra + 1.2
        if self.relation == "==":
            return extra + (1.8 if self.right <= 2 else 2.4 if self.right <= 9 else 3.2)
        return extra + (2.2 if self.right in NATURAL else 2.6 if self.right <= 5 else 3.0)

    def __str__(self) -> str:
        if isinstance(self.right, bool):
            return self.left if self.right else f"not {self.left}"
        left = f"{self.left} % {self.modulus}" if self.modulus else self.left
        right = f'"{self.right}"' if isinstance(self.right, str) and not self.crossed else self.right
        return f"{left} {self.relation} {right}"


@dataclass(frozen=True)
class Condition:
    """A conjunction of atoms; without any, it always holds."""

    atoms: tuple[Atom, ...] = ()

    def holds(self, case: Case) -> bool:
        """Whether every atom holds on the case."""
        known = facts(case)
        return all(atom.holds(known) for atom in self.atoms)

    @functools.cached_property
    def cost(self) -> float:
        """That of its atoms, and a little for each."""
        return sum(atom.cost + 0.5 for atom in self.atoms)

    def __str__(self) -> str:
        return " and ".join(map(str, self.atoms)) or "always"


def simplest(failing: Sequence[Case], passing: Sequence[Case]) -> list[Condition]:
    """The conditions that hold on all failing cases and on no passing one, cheapest first, at most `RIVALS`.

    None of them has an atom that it could do without. An empty list says that there is no such condition.
    """
    if not passing:
        return [Condition()]
    groups = _groups(failing, passing)
    masks = list(groups)
    kept = (12, 5, 3)  # of the atoms that tell the same of all cases, by the number of atoms in the condition
    choices: Iterator[tuple[Atom, ...]] = itertools.chain.from_iterable(
        itertools.product(*(groups[masks[index]][: kept[len(cover) - 1]] for index in cover))
        for cover in _covers(masks, len(passing))
    )
    return [Condition(_ordered(atoms)) for atoms in heapq.nsmallest(RIVALS, choices, key=_cost)]


def _cost(atoms: tuple[Atom, ...]) -> float:
    return sum(atom.cost + 0.5 for atom in atoms)


def _ordered(atoms: Iterable[Atom]) -> tuple[Atom, ...]:
    """As one would say it: choices first."""
    return tuple(sorted(atoms, key=lambda atom: (not isinstance(atom.right, str) or atom.crossed, atom.cost)))


def _groups(failing: Sequence[Case], passing: Sequence[Case]) -> dict[int, list[Atom]]:
    """The atoms that hold on all failing cases, cheapest first, by the passing cases (bits) on which they do not."""
    columns = tabulate([*failing, *passing])
    groups: dict[int, list[Atom]] = {}
    for atom in sorted(_atoms(columns, len(failing)), key=lambda atom: atom.cost):
        truth = atom.holds(columns)
        if truth[: len(failing)].all() and (mask := _bits(~truth[len(failing) :])):
            groups.setdefault(mask, []).append(atom)
    return groups


def tabulate(cases: Sequence[Case], names: Iterable[str] = TOLD) -> Columns:
    """Facts of cases in columns."""
    rows = [facts(case) for case in cases]
    return {name: np.array([row[name] for row in rows]) for name in names}


def _bits(truth: NDArray[np.bool_]) -> int:
    return int.from_bytes(np.packbits(truth, bitorder="little").tobytes(), "little")


def _covers(masks: Sequence[int], count: int) -> list[tuple[int, ...]]:
    """The smallest sets of masks (by their places) that together have all `count` bits, at most `MOST` of them.

    Larger sets are left out once there are `RIVALS` smaller ones.
    """
    every = (1 << count) - 1
    having = [sum(1 << place for place, mask in enumerate(masks) if mask >> bit & 1) for bit in range(count)]
    if not all(having):
        return []
    rarest = sorted(range(count), key=lambda bit: having[bit].bit_count())

    def completing(rest: int) -> int:
        """The masks that each have all bits of `rest`."""
        left = (1 << len(masks)) - 1
        for bit in rarest:
            if rest >> bit & 1 and not (left := left & having[bit]):
                break
        return left

    def first(rest: int) -> int:
        return next(bit for bit in rarest if rest >> bit & 1)

    alone = completing(every)
    found: list[tuple[int, ...]] = [(place,) for place in _places(alone)]
    pairs: set[tuple[int, ...]] = set()
    starts = list(_places(having[rarest[0]] & ~alone))
    for one in starts:
        pairs |= {tuple(sorted((one, two))) for two in _places(completing(every & ~masks[one]) & ~alone)}
    found += sorted(pairs)
    if len(found) >= RIVALS:
        return found
    triples: set[tuple[int, ...]] = set()
    for one in starts:
        rest = every & ~masks[one]
        for two in _places(having[first(rest)] & ~alone):
            last = rest & ~masks[two]
            for three in _places(completing(last) & ~alone) if last else ():
                if masks[two] | masks[three] != every and masks[one] | masks[three] != every:
                    triples.add(tuple(sorted((one, two, three))))
        if len(triples) > 20 * RIVALS:
            break
    return found + sorted(triples)


def _places(bits: int) -> Iterator[int]:
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low


def _atoms(columns: Columns, failing: int) -> Iterator[Atom]:
    """The atoms that the failing cases (the first rows) suggest; not all of them hold on all."""
    for name in SAYINGS:
        yield Atom(name, "==", bool(columns[name][0]))
    for name in CHOICES:
        yield Atom(name, "==", str(columns[name][0]))
        if name not in TWOFOLD:
            yield from (Atom(name, "!=", str(value)) for value in sorted(set(columns[name][failing:].tolist())))
    for name in (*ARGUMENTS, *SIZES, *DERIVED):
        column = columns[name]
        yield from _comparisons(name, column[:failing], column[failing:])
    for name in PARITIES:
        yield Atom(name, "==", int(columns[name][0] % 2), modulus=2)
    for name, modulus in itertools.product(MULTIPLES, (4, 8, 16)):
        yield from (Atom(name, relation, 0, modulus=modulus) for relation in ("==", "!="))
    for one, other in OF_ONE_KIND:
        yield from (Atom(one, relation, other, crossed=True) for relation in ("==", "!=", ">"))
        yield Atom(other, ">", one, crossed=True)
    yield from (Atom(one, "==", other, crossed=True) for one, other in CROSSED if (one, other) not in OF_ONE_KIND)
    for one, other in EXCEEDING:
        yield Atom(one, ">", other, crossed=True)
    yield from (Atom(f"kernel_{axis}", "==", f"stride_{axis}", crossed=True) for axis in AXES)


def _comparisons(name: str, failing: NDArray[Any], passing: NDArray[Any]) -> Iterator[Atom]:
    """A constant, where the failing cases have but one, and thresholds between failing and passing cases.

    Where several thresholds tell the same of all cases, those next to the failing cases are listed so that further
    cases can be chosen between them: the natural ones, the two ends and the middle.
    """
    low, high, smallest = int(failing.min()), int(failing.max()), _smallest(name)
    if low == high and (low == smallest or name not in COUNTS):
        yield Atom(name, "==", low)
    below = sorted({int(value) for value in passing if value < low})
    for at, upper in zip(below, [*below[1:], low], strict=False):
        yield from (Atom(name, ">", value) for value in _between(at, upper - 1, upper == low))
    above = sorted({int(value) for value in passing if value > high}, reverse=True)
    for upper, at in zip(above, [*above[1:], high], strict=False):
        values = _between(at, upper - 1, at == high)
        yield from (Atom(name, "<=", value) for value in values if value > smallest)


def _between(first: int, last: int, all_of_them: bool) -> list[int]:
    natural = [value for value in NATURAL if first <= value <= last]
    if not all_of_them:
        return natural[:1] or [first]
    return list(dict.fromkeys((*natural, last, first, (first + last) // 2)))


def _smallest(name: str) -> int:
    return 0 if name in FROM_ZERO else 1


# Asking for what tells them apart.

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
HIDING = frozenset(FLAT) | OVER_LAST_AXIS  # activations that can make a wrong sum a right result
SHOWING = ("uniform", "normal")  # recipes that seldom can
VALUES: Mapping[str, tuple[Fact, ...]] = {
    **dict.fromkeys(("kernel_height", "kernel_width"), (1, 2, 3, 4, 5)),
    **dict.fromkeys(("stride_height", "stride_width", "dilation_height", "dilation_width", "kernel"), (1, 2, 3)),
    **dict.fromkeys(("stride", "dilation"), (1, 2)),
    "padding": ("valid", "same"),
    "data_format": ("channels_last", "channels_first"),
    "activation": ("linear", "relu", "tanh"),
    "use_bias": (False, True),
    "dtype": ("float32", "float64", "float16", "bfloat16"),
    **dict.fromkeys(("depth_multiplier", "batch"), (1, 2, 3)),
    "channels": (1, 2, 3, 4, 8, 9, 17),
    **dict.fromkeys(("output_height", "output_width"), (1, 2, 5)),
}
EVERY: Mapping[str, tuple[Fact, ...]] = {
    **{name: VALUES[name] for name in ("padding", "data_format", "use_bias", "dtype")},
    "activation": tuple(name for name in dict.fromkeys(ACTIVATIONS) if name is not None),
}
VARIED = (*CHOICES[:-1], "use_bias", *ARGUMENTS, *SIZES, "odd_zeros", "even_kernel", "remainder", "zeros")
PAIRED = (*CHOICES[:-1], *ARGUMENTS, "channels", "output_height", "output_width", "odd_zeros", "remainder")
DOUBT, MOST_DOUBT = 0.15, 3.0  # what each passing case that may hide a failure adds to a condition's cost, and all

Ask = Callable[[Case], bool | None]
Feature = tuple[object, object]


@dataclass(frozen=True)
class Limit:
    """How many further cases may be asked for, and for how long."""

    questions: int = 80
    seconds: float = 20.0


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
    recipes = {case.data.recipe for case in finding.failing}
    says = finding.condition is not None and any(atom.left == "recipe" for atom in finding.condition.atoms)
    return says or recipes == {SPECIAL} or not recipes.isdisjoint(SHOWING)


def _with_telling_data(failing: Sequence[Case], ask: Ask, relevant: Callable[[Case], bool]) -> list[Case]:
    """A failing case with data that hide nothing, where none is among those known and one fails so."""
    if any(case.data.recipe in SHOWING for case in failing):
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
        recipes = {case.data.recipe for case in self.failing}
        self.recipe = next((name for name in ("uniform", "integers") if name in recipes), "")
        self.showing = SHOWING if recipes & set(SHOWING) else recipes
        self.empty = any(facts(case)["empty"] for case in self.failing)
        passed = [case for case in self.passing if self._can_show(case) and self.relevant(case)]
        self.passing = [case for case in passed if self._shows(case)]
        self.hiding = [case for case in passed if not self._shows(case)]
        self.known |= {*self.failing, *self.passing}
        for case in self.known:
            self.answered |= _choices(case)
        self.work = max(WORK, 2 * min(map(_work, self.failing)))
        self.variations: dict[Case, list[Case]] = {}
        self.alterations: list[Case] = []
        self.tried: dict[tuple[str, Fact], int] = {}
        self.renewal, self.altered_for = 0, Condition()
        self.doubted = {again for case in self.hiding if self._askable(again := self._with_data(case, 1))}
        drawn = dict.fromkeys([*map(self._showing, self.pool), *self.doubted])
        self.drawn = [case for case in drawn if case.data.recipe in self.showing and self._askable(case)]

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
            for choice in _choices(case):
                self.refused[choice] = self.refused.get(choice, 0) + 1
        else:
            self.answered |= _choices(case)
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
        uncut = _all_altered(self._with_data(case, 1), [("activation", "linear")])
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
        columns = tabulate(self.hiding, _names(rivals))
        doubts = [int(_truth(rival, columns, len(self.hiding)).sum()) for rival in rivals]
        ranked = sorted(zip(rivals, doubts, strict=True), key=lambda pair: pair[0].cost + _weigh(pair[1]))
        return [rival for rival, _ in ranked]

    # Questions.

    def _question(self, rivals: Sequence[Condition]) -> Case | None:
        """The case on which the rivals disagree most; if they agree, one that would refute the simplest."""
        committee = [rival for rival in rivals if rival.cost <= rivals[0].cost + MARGIN][:100]
        candidates = self._candidates(committee)
        if not candidates:
            return None
        columns = tabulate(candidates, {"activation", *_names(committee)})
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
            near = _near_misses(best, atom, self.asked_passing)
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
                    others = [other for case in sources for other in _all_altered(self._showing(case), [(name, value)])]
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
        values = frozenset[Feature]().union(*map(_values, like))
        new = [len(_values(case) - values) for case in candidates]
        first = _descending(np.array(new))[:COMPARED]
        pairs = frozenset[Feature]().union(*map(_pairs, like))
        scores = [100 * new[index] + len(_pairs(candidates[index]) - pairs) for index in first]
        candidates = [candidates[index] for index in first]
        for index in _descending(np.array(scores)):
            if self.relevant(candidates[index]):
                return candidates[index]
        return None

    def _confirmed(self, best: Condition) -> bool:
        near = min((len(_near_misses(best, atom, self.passing)) for atom in best.atoms), default=NEAR)
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
        small = sorted(self.failing, key=_work)
        bases = [small[0], *self.random.sample(small, min(2, len(small)))]
        bases += self.random.sample(self.passing, min(1, len(self.passing)))
        found: list[Case] = []
        for base in dict.fromkeys(bases):
            found += _targeted(base, atoms)
            found += self._variations_of(base)
        found += [self._stray(self.random.choice(small)) for _ in range(STRAYS)]
        return list(dict.fromkeys(found))

    def _variations_of(self, base: Case) -> list[Case]:
        if base not in self.variations:
            pairs = ((name, value) for name, values in VALUES.items() for value in values)
            self.variations[base] = _all_altered(self._showing(base), pairs)
        return self.variations[base]

    def _stray(self, case: Case) -> Case:
        case = self._showing(case)
        for name in self.random.sample(list(VALUES), self.random.randint(2, 8)):
            case = next(iter(_all_altered(case, [(name, self.random.choice(VALUES[name]))])), case)
        return case

    def _showing(self, case: Case) -> Case:
        """The case with data on which it is known that failures show."""
        return altered(case, "recipe", self.recipe) if self.recipe else case

    def _shows(self, case: Case) -> bool:
        """Whether a failure would show in the case's data."""
        return case.data.recipe in self.showing and case.config.activation not in HIDING

    def _with_data(self, case: Case, step: int) -> Case:
        """The case with other data, such as show failures."""
        return replace(case, data=Data(self.recipe or case.data.recipe, (case.data.seed + step) % 2**64))

    def _askable(self, case: Case) -> bool:
        if case in self.known:
            return False
        known = facts(case)
        small = int(known["elements"]) * int(known["taps"]) <= self.work
        return small and self._can_show(case) and self._answerable(case)

    def _can_show(self, case: Case) -> bool:
        """Whether the case could fail: one with an empty batch only where others of them do."""
        return _can_show(case, facts(case)) or (self.empty and bool(facts(case)["empty"]))

    def _answerable(self, case: Case) -> bool:
        """Whether the target is not known to give no answer to such a case."""
        unanswered = {choice for choice, times in self.refused.items() if times > 1} - self.answered
        return not unanswered or unanswered.isdisjoint(_choices(case))


def _names(conditions: Iterable[Condition]) -> set[str]:
    """The facts that conditions speak of."""
    atoms = {atom for condition in conditions for atom in condition.atoms}
    return {atom.left for atom in atoms} | {str(atom.right) for atom in atoms if atom.crossed}


def _truth(condition: Condition, columns: Columns, count: int) -> NDArray[np.bool_]:
    """Whether the condition holds, for each of `count` cases."""
    truth = np.ones(count, np.bool_)
    for atom in condition.atoms:
        truth &= atom.holds(columns)
    return truth


def _descending(scores: NDArray[Any]) -> list[int]:
    """The places of the scores, the highest first."""
    return [int(place) for place in np.argsort(-scores, kind="stable")]


def _chosen(cases: Sequence[Case], where: Any) -> list[Case]:
    return [case for case, chosen in zip(cases, where, strict=True) if chosen]


def _targeted(case: Case, atoms: Iterable[Atom]) -> list[Case]:
    """The case on either side of each atom, as close to its limit as one change brings it."""
    known = facts(case)
    wanted: list[tuple[str, Fact]] = []
    for atom in atoms:
        right = known[str(atom.right)] if atom.crossed else atom.right
        if isinstance(right, str | bool) or atom.modulus:
            wanted += [] if atom.modulus else [(atom.left, right)]
            wanted += [(atom.left, int(known[atom.left]) + step) for step in (-1, 1, 2)] if atom.modulus else []
        else:
            wanted += [(atom.left, right + step) for step in (0, 1, -1)]
        if atom.crossed:
            wanted += [(str(atom.right), int(known[atom.left]) + step) for step in (0, 1, -1)]
    return _all_altered(case, wanted)


def _all_altered(case: Case, wanted: Iterable[tuple[str, Fact]]) -> list[Case]:
    """The case with each of the facts changed in turn, where that is possible and a change."""
    found = []
    for name, value in dict.fromkeys(wanted):
        if facts(case)[name] != value:
            try:
                found.append(altered(case, name, value))
            except ValueError:
                continue
    return found


def _near_misses(condition: Condition, missed: Atom, passing: Iterable[Case]) -> list[Case]:
    """The cases on which one atom does not hold, and all others do."""
    rest = replace(condition, atoms=tuple(atom for atom in condition.atoms if atom != missed))
    return [case for case in passing if rest.holds(case) and not missed.holds(facts(case))]


def _enough(condition: Condition) -> int:
    return POSITIVES + MORE * max(len(condition.atoms) - 1, 0)


@functools.lru_cache(maxsize=1 << 10)
def _values(case: Case) -> frozenset[Feature]:
    """The values of its facts, sizes above three taken together."""
    known = facts(case)
    return frozenset((name, _rough(known[name])) for name in VARIED)


@functools.lru_cache(maxsize=1 << 10)
def _pairs(case: Case) -> frozenset[Feature]:
    known = facts(case)
    return frozenset(itertools.combinations(((name, _rough(known[name])) for name in PAIRED), 2))


def _rough(value: Fact) -> Fact:
    return min(value, 4) if isinstance(value, int) else value


def _weigh(doubts: int) -> float:
    return min(DOUBT * doubts, MOST_DOUBT)


def _choices(case: Case) -> set[tuple[str, Fact]]:
    known = facts(case)
    both = int(known["stride"]) > 1 and int(known["dilation"]) > 1
    return {("strides with dilation", both), *((name, known[name]) for name in (*CHOICES[:-1], "use_bias"))}


def _can_show(case: Case, known: Mapping[str, Fact]) -> bool:
    """Whether the output could be wrong: softmax of one element is one whatever comes, zeros are zeros."""
    last = known["output_channels"] if case.config.channels_last else known["output_width"]
    hidden = case.config.activation in NORMALISING and last == 1
    return known["elements"] != 0 and known["taps_reaching_input"] != 0 and case.data.recipe != "zeros" and not hidden


def _work(case: Case) -> int:
    known = facts(case)
    return int(known["elements"]) * int(known["taps"])
