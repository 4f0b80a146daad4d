"""The simplest conditions that tell failing cases from passing ones."""

from __future__ import annotations

import functools
import heapq
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
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
    smallest_value,
    tabulate,
)

MOST = 3  # atoms in a condition
RIVALS = 300  # conditions kept: the cheapest
GAIN = 1.0  # of a condition for each doubling of the failing cases on which it holds


def simplest(failing: Sequence[Case], passing: Sequence[Case], others: Sequence[Case] = ()) -> list[Condition]:
    """The conditions that hold on all failing cases and on no passing one, cheapest first, at most `RIVALS`.

    None of them has an atom that it could do without. An empty list says that there is no such condition, or that
    nothing fails. `others` fail, too: the more of them a condition holds on, the less it counts what it costs.
    """
    if not failing:
        return []
    if not passing:
        return [Condition()]
    groups = _groups(failing, passing)
    masks = list(groups)
    priced = _priced([atom for atoms in groups.values() for atom in atoms], [] if others is failing else others)
    some = [sorted((priced[atom] for atom in atoms), key=_price) for atoms in groups.values()]
    kept = (12, 5, 3)  # of the atoms that tell the same of all cases, by the number of atoms in the condition
    choices = itertools.chain.from_iterable(
        _together([some[place][: kept[len(cover) - 1]] for place in cover]) for cover in _covers(masks, len(passing))
    )
    return [Condition(_ordered(one.atoms)) for one in heapq.nsmallest(RIVALS, choices, key=_price)]


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


def _priced(atoms: Sequence[Atom], others: Sequence[Case]) -> dict[Atom, _Priced]:
    """Each atom alone."""
    columns = tabulate(others)
    held = {atom: _bits(atom.holds(columns)) for atom in atoms} if others else dict.fromkeys(atoms, 0)
    return {atom: _Priced(atom.cost + 0.5, held[atom], (atom,)) for atom in atoms}


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


def _bits(truth: NDArray[np.bool_]) -> int:
    return int.from_bytes(np.packbits(truth, bitorder="little").tobytes(), "little")


def _covers(masks: Sequence[int], count: int) -> list[tuple[int, ...]]:
    """The smallest sets of masks (by their places) that together have all `count` bits, at most `MOST` of them.

    Larger sets are left out once there are `RIVALS` smaller ones.
    """
    having = _transposed(masks, count)
    if not all(having):
        return []
    search = _Search(masks, (1 << count) - 1, having)
    found = [(place,) for place in _places(search.alone)] + sorted(search.pairs())
    return found if len(found) >= RIVALS else found + sorted(search.triples())


def _transposed(masks: Sequence[int], count: int) -> list[int]:
    """For each of `count` bits, which masks have it, as bits."""
    size = (count + 7) // 8
    rows = np.frombuffer(b"".join(mask.to_bytes(size, "little") for mask in masks), np.uint8).reshape(len(masks), size)
    return list(map(_bits, np.unpackbits(rows, axis=1, count=count, bitorder="little").T.astype(np.bool_)))


class _Search:
    """Sets of two and three masks that have every bit, of which each is needed.

    `having` says of each bit which masks have it. The rarest bit comes first: few masks have it, and one of them must
    be in every set.
    """

    def __init__(self, masks: Sequence[int], every: int, having: Sequence[int]) -> None:
        self._masks, self._every, self._having = masks, every, having
        self._rarest = sorted(range(len(having)), key=lambda bit: having[bit].bit_count())
        self.alone = self._completing(every)
        self._starts = list(_places(having[self._rarest[0]] & ~self.alone))

    def pairs(self) -> set[tuple[int, ...]]:
        """Sets of two."""
        found: set[tuple[int, ...]] = set()
        for one in self._starts:
            others = self._completing(self._every & ~self._masks[one]) & ~self.alone
            found |= {tuple(sorted((one, two))) for two in _places(others)}
        return found

    def triples(self) -> set[tuple[int, ...]]:
        """Sets of three, until there are far more than are kept."""
        found: set[tuple[int, ...]] = set()
        for one in self._starts:
            rest = self._every & ~self._masks[one]
            first = next(bit for bit in self._rarest if rest >> bit & 1)
            for two in _places(self._having[first] & ~self.alone):
                last = rest & ~self._masks[two]
                for three in _places(self._completing(last) & ~self.alone) if last else ():
                    if all(self._masks[three] | self._masks[other] != self._every for other in (one, two)):
                        found.add(tuple(sorted((one, two, three))))
            if len(found) > 20 * RIVALS:
                break
        return found

    def _completing(self, rest: int) -> int:
        """The masks that each have all bits of `rest`."""
        left = (1 << len(self._masks)) - 1
        for bit in self._rarest:
            if rest >> bit & 1 and not (left := left & self._having[bit]):
                break
        return left


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
    low, high, smallest = int(failing.min()), int(failing.max()), smallest_value(name)
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
