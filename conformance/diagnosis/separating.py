"""The simplest conditions that tell failing cases from passing ones."""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.casebook.case import Case
from depthwise_conformance.casebook.facts import AXES
from depthwise_conformance.diagnosis.conditions import (
    ARGUMENTS,
    CHOICES,
    COUNTS,
    CROSSED,
    DERIVED,
    EXCEEDING,
    MULTIPLES,
    NATURAL,
    OF_ONE_KIND,
    PARITIES,
    SAYINGS,
    SIZES,
    TWOFOLD,
    Atom,
    Columns,
    Condition,
    as_bits,
    bits_of,
    smallest_value,
    tabulate,
)

Masks = NDArray[np.bool_]
MOST = 3  # atoms in a condition
RIVALS = 300  # conditions kept: the cheapest
KEPT = (12, 5, 3)  # of the atoms that tell the same of all cases, by the number of atoms in the condition
STEPS = (32, 8, 1)  # of the known cases, every so many are looked at first
MANYFOLD = ("activation", "dtype")
SEVERAL = 8  # values of a choice that a condition lists
PORTION = 100  # sets of atoms that are priced at a time
GAIN = 1.0  # of a condition for each doubling of the failing cases on which it holds


def simplest(
    failing: Sequence[Case], passing: Sequence[Case], others: Sequence[Case] = (), several: bool = False
) -> list[Condition]:
    """The conditions that hold on all failing cases and on no passing one, cheapest first, at most `RIVALS`.

    None of them has an atom that it could do without. An empty list says that there is no such condition, or that
    nothing fails. `others` fail, too: the more of them a condition holds on, the less it counts what it costs. Choices
    of which `several` fail are told only where they are known to fail alike: else faults of two would pass for one.
    """
    if not failing:
        return []
    if not passing:
        return [Condition()]
    masks, groups = _groups(failing, passing, several)
    some = _priced(groups, [] if others is failing else others)
    return [Condition(_ordered(one.atoms)) for one in _cheapest(_covers(masks), some)]


def plainest(cases: Iterable[Case], where: Callable[[Case], bool]) -> Condition | None:
    """The simplest condition that tells where something is so; None where there is none.

    What no condition tells of some of the cases, none tells of all: few of them are looked at first.
    """
    known, found = list(dict.fromkeys(cases)), list[Condition]()
    for step in STEPS:
        parted: dict[bool, list[Case]] = {True: [], False: []}
        for case in known[::step]:
            parted[where(case)].append(case)
        found = simplest(parted[True], parted[False])
        if parted[True] and not found:
            break
    return found[0] if found else None


def shared(failing: Sequence[Case], passing: Sequence[Case]) -> list[tuple[Atom, float]]:
    """The atoms that hold on all failing cases, each with the share of the passing ones on which it holds, too."""
    columns = tabulate([*failing, *passing])
    truths = ((atom, atom.holds(columns)) for atom in _atoms(columns, len(failing)))
    return [(atom, float(true[len(failing) :].mean())) for atom, true in truths if true[: len(failing)].all()]


@functools.cache
def gain(cases: int) -> float:
    """What a condition gains by the failing cases on which it holds: as much for each doubling."""
    return GAIN * math.log2(1 + cases)


class _Priced(NamedTuple):
    """Atoms together: what they cost, and the further cases (bits) on which all of them hold."""

    cost: float
    held: int
    atoms: tuple[Atom, ...]


def _price(some: _Priced) -> float:
    return some.cost - gain(some.held.bit_count())


def _priced(groups: Sequence[Sequence[Atom]], others: Sequence[Case]) -> list[list[_Priced]]:
    """Each atom alone, the cheapest of each group first."""
    atoms = list(itertools.chain.from_iterable(groups))
    held = iter(bits_of(atoms, tabulate(others), len(others)) if others else [0] * len(atoms))
    return [sorted((_Priced(atom.cost + 0.5, next(held), (atom,)) for atom in some), key=_price) for some in groups]


def _cheapest(covers: Sequence[tuple[int, ...]], some: Sequence[Sequence[_Priced]]) -> list[_Priced]:
    """One of `some` for each place of a cover: the `RIVALS` cheapest ways; of equals, those that come first.

    The covers that may be cheapest are looked at first, until none is left that may be cheap enough.
    """
    least = _least(covers, some)
    order = np.argsort(least, kind="stable").tolist()
    found: list[tuple[float, int, int, _Priced]] = []
    for start in range(0, len(order), PORTION):
        if len(found) == RIVALS and least[order[start]] > found[-1][0]:
            break
        for at in order[start : start + PORTION]:
            choices = [some[place][: KEPT[len(covers[at]) - 1]] for place in covers[at]]
            found += ((_price(one), at, number, one) for number, one in enumerate(_together(choices)))
        found = sorted(found, key=operator.itemgetter(0, 1, 2))[:RIVALS]
    return [one for *_, one in found]


def _least(covers: Sequence[tuple[int, ...]], some: Sequence[Sequence[_Priced]]) -> NDArray[np.float64]:
    """What the atoms for each cover cost at least."""
    cost = np.array([min(one.cost for one in atoms) for atoms in some])
    most = np.array([max(one.held.bit_count() for one in atoms) for atoms in some])
    gains = np.array([gain(count) for count in range(max(most, default=0) + 1)])
    bounds = [np.empty(0)]
    for _, alike in itertools.groupby(covers, len):
        places = np.array(list(alike)).T
        bounds.append(functools.reduce(operator.add, cost[places]) - gains[most[places].min(axis=0)])
    return np.concatenate(bounds)


def _together(choices: Sequence[Sequence[_Priced]]) -> list[_Priced]:
    """One of each."""
    found, *rest = choices
    for more in rest:
        found = [
            _Priced(one.cost + other.cost, one.held & other.held, one.atoms + other.atoms)
            for one in found
            for other in more
        ]
    return list(found)


def _ordered(atoms: Iterable[Atom]) -> tuple[Atom, ...]:
    """As one would say it: choices first."""
    return tuple(sorted(atoms, key=lambda atom: (not isinstance(atom.right, str | tuple) or atom.crossed, atom.cost)))


def _groups(failing: Sequence[Case], passing: Sequence[Case], several: bool) -> tuple[Masks, list[list[Atom]]]:
    """The atoms that hold on all failing cases, cheapest first, by the passing cases on which they do not.

    These cases are a mask for each group of atoms.
    """
    columns, count = tabulate([*failing, *passing]), len(failing)
    suggested = (*_atoms(columns, count), *(_sets(columns, count) if several else ()))
    atoms = sorted(suggested, key=lambda atom: atom.cost)
    truths = np.array([atom.holds(columns) for atom in atoms])
    lacking = ~truths[:, count:]
    packed = np.packbits(lacking, axis=1)
    groups: dict[bytes, list[int]] = {}
    for place in np.flatnonzero(truths[:, :count].all(axis=1) & lacking.any(axis=1)).tolist():
        groups.setdefault(packed[place].tobytes(), []).append(place)
    first = np.array([places[0] for places in groups.values()], np.intp)
    return lacking[first], [[atoms[place] for place in places] for places in groups.values()]


def _covers(masks: Masks) -> list[tuple[int, ...]]:
    """The smallest sets of masks (by their places) that together have all cases, at most `MOST` of them.

    Larger sets are left out once there are `RIVALS` smaller ones.
    """
    if not masks.any(axis=0).all():
        return []
    rarest_first = masks[:, np.argsort(masks.sum(axis=0), kind="stable")]
    search = _Search(as_bits(rarest_first), as_bits(rarest_first.T))
    found = [(place,) for place in _places(search.alone)] + sorted(search.pairs())
    return found if len(found) >= RIVALS else found + sorted(search.triples())


class _Search:
    """Sets of two and three masks that have every bit, of which each is needed.

    `having` says of each bit which masks have it. The rarest bit comes first: few masks have it, and one of them must
    be in every set.
    """

    def __init__(self, masks: Sequence[int], having: Sequence[int]) -> None:
        self._masks, self._having = masks, having
        self._every = (1 << len(having)) - 1
        self._beside: dict[int, int] = {}
        self.alone = self._completing(self._every)
        self._starts = list(_places(having[0] & ~self.alone))

    def pairs(self) -> set[tuple[int, ...]]:
        """Sets of two."""
        return {tuple(sorted((one, two))) for one in self._starts for two in _places(self._partners(one))}

    def triples(self) -> set[tuple[int, ...]]:
        """Sets of three, until there are far more than are kept."""
        found: set[tuple[int, ...]] = set()
        for one in self._starts:
            rest = self._every & ~self._masks[one]
            first = next(_places(rest))
            for two in _places(self._having[first] & ~self.alone & ~self._partners(one)):
                more = self._completing(rest & ~self._masks[two]) & ~self.alone
                more &= ~(self._partners(one) | self._partners(two))
                found |= {tuple(sorted((one, two, three))) for three in _places(more)}
            if len(found) > 20 * RIVALS:
                break
        return found

    def _partners(self, one: int) -> int:
        """The masks that have all that one has not, but not every bit."""
        if one not in self._beside:
            self._beside[one] = self._completing(self._every & ~self._masks[one]) & ~self.alone
        return self._beside[one]

    def _completing(self, rest: int) -> int:
        """The masks that each have all bits of `rest`."""
        left = (1 << len(self._masks)) - 1
        for bit in _places(rest):
            if not (left := left & self._having[bit]):
                break
        return left


def _places(bits: int) -> Iterator[int]:
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low


_atom = functools.lru_cache(maxsize=1 << 12)(Atom)  # the same ones are suggested again and again


def _atoms(columns: Columns, failing: int) -> Iterator[Atom]:
    """The atoms that the failing cases (the first rows) suggest; not all of them hold on all."""
    for name in SAYINGS:
        yield _atom(name, "==", bool(columns[name][0]))
    for name in CHOICES:
        yield _atom(name, "==", str(columns[name][0]))
        if name not in TWOFOLD:
            yield from (_atom(name, "!=", str(value)) for value in sorted(set(columns[name][failing:].tolist())))
    for name in (*ARGUMENTS, *SIZES, *DERIVED):
        column = columns[name]
        yield from _comparisons(name, column[:failing], column[failing:])
    for name in PARITIES:
        yield _atom(name, "==", int(columns[name][0] % 2), modulus=2)
    for name, modulus in itertools.product(MULTIPLES, (4, 8, 16)):
        yield from (_atom(name, relation, 0, modulus=modulus) for relation in ("==", "!="))
    for one, other in OF_ONE_KIND:
        yield from (_atom(one, relation, other, crossed=True) for relation in ("==", "!=", ">"))
        yield _atom(other, ">", one, crossed=True)
    yield from (_atom(one, "==", other, crossed=True) for one, other in CROSSED if (one, other) not in OF_ONE_KIND)
    for one, other in EXCEEDING:
        yield _atom(one, ">", other, crossed=True)
    yield from (_atom(f"kernel_{axis}", "==", f"stride_{axis}", crossed=True) for axis in AXES)


def _sets(columns: Columns, failing: int) -> Iterator[Atom]:
    """Several values of a choice, where only these fail."""
    for name in MANYFOLD:
        values = tuple(map(str, np.unique(columns[name][:failing])))
        if 1 < len(values) <= SEVERAL:
            yield _atom(name, "in", values)


def _comparisons(name: str, failing: NDArray[Any], passing: NDArray[Any]) -> Iterator[Atom]:
    """A constant, where the failing cases have but one, and thresholds between failing and passing cases.

    Where several thresholds tell the same of all cases, those next to the failing cases are listed so that further
    cases can be chosen between them: the natural ones, the two ends and the middle.
    """
    low, high, smallest = int(failing.min()), int(failing.max()), smallest_value(name)
    if low == high and (low == smallest or name not in COUNTS):
        yield _atom(name, "==", low)
    below = sorted({int(value) for value in passing if value < low})
    for at, upper in zip(below, [*below[1:], low], strict=False):
        yield from (_atom(name, ">", value) for value in _between(at, upper - 1, upper == low))
    above = sorted({int(value) for value in passing if value > high}, reverse=True)
    for upper, at in zip(above, [*above[1:], high], strict=False):
        values = _between(at, upper - 1, at == high)
        yield from (_atom(name, "<=", value) for value in values if value > smallest)


def _between(first: int, last: int, all_of_them: bool) -> list[int]:
    natural = [value for value in NATURAL if first <= value <= last]
    if not all_of_them:
        return natural[:1] or [first]
    return list(dict.fromkeys((*natural, last, first, (first + last) // 2)))
