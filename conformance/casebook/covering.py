"""A covering array: cases among which every pair, or every triple, of the specification's choices occurs.

A factor is an argument of the layer, a size, or a boundary that the sizes make: how the input's size divides by the
stride, how many zeros "same" padding takes (an odd number cannot be even on both sides), whether a window spans less
than the input, all of it or more, whether the image is square. Its values are in `FACTORS`. A tuple of values is
allowed if some case has them all: for the spatial factors that is found by trying every axis and every two axes, the
others go with anything, unless a claim ties them to one another. An empty batch computes nothing, so its cases count
only for tuples that say `batch=0`. Inside a claim, values and tuples are those that a claimed case has.

The array is grown one case at a time: from the first tuple not yet covered, uphill in the number of tuples that the
case would newly cover. The walk that picks where to look is arithmetic on integers, so a table of factors gives the
same cases on any machine and in any release.
"""

from __future__ import annotations

import collections
import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.casebook.claims import EVERYTHING, Claim, ClaimError, Statement, names_in
from depthwise_conformance.casebook.factors import (
    AXES,
    AXIS,
    FREE,
    SETTLED,
    SPATIAL,
    AxisSizes,
    AxisValues,
    Factors,
    Inputs,
    claimed_factors,
    claimed_inputs,
    classify,
    factors_of,
    known_of,
    several,
)
from depthwise_conformance.casebook.facts import PAIRS, facts
from depthwise_conformance.casebook.kept import kept
from depthwise_conformance.casebook.strategies import WORK
from depthwise_conformance.reference import LayerConfig
from depthwise_conformance.reference.geometry import join_shape

NOT_SPATIAL = (*FREE, "half_precision", "output_channels", "empty", "elements", "recipe")

Integers = NDArray[np.integer[Any]]
Flags = NDArray[np.bool_]
MIX = ("uniform", "integers", "normal", "cancellation", "wide", "impulses", "s2", "s3")  # recipes whose sums tell much
LOOKS = 40  # places that the walk looks at before each step uphill
STARTS = 3  # climbs of which the best becomes a case
CHOICES = 6  # inputs among which a case of given classes has one
INPUTS = 40  # smallest inputs tried, and as many of the others, where a claim speaks of sizes
ROWS, IN_VAIN = 8, 150  # rows tried for a tuple, and for all, before what is left counts as missing
SHOWN = 8  # missing tuples told
GOLDEN = 0x9E3779B97F4A7C15  # 2**64 divided by the golden ratio: its multiples spread evenly


@dataclass(frozen=True)
class Coverage:
    """How many of the `allowed` tuples of `strength` values are covered; `missing` has the first others in words."""

    strength: int
    allowed: int
    covered: int
    missing: tuple[str, ...]


@functools.cache
@kept
def catalogue(strength: int = 2, claim: Claim = EVERYTHING) -> tuple[Case, ...]:
    """Small cases that cover every allowed tuple of what is claimed.

    Raises ValueError unless `strength` is 1, 2 or 3, and where nothing is claimed.
    """
    return tuple(case for _, case in _grow(_space(strength, claim)))


@functools.cache
def catalogued(strength: int = 2, claim: Claim = EVERYTHING) -> frozenset[str]:
    """The ids of the catalogue's cases. Raises ValueError as `catalogue` does."""
    return frozenset(case.id for case in catalogue(strength, claim))


def coverage(cases: Iterable[Case], strength: int, claim: Claim = EVERYTHING) -> Coverage:
    """What these cases cover of a claim, wherever they come from. Raises ValueError as `catalogue` does.

    A value that is none of its factor's (a kernel of 7) counts for nothing, and neither does a case outside the
    specification (strides with dilation).
    """
    space = _space(strength, claim)
    need = space.allowed.copy()
    for case in cases:
        if not (max(case.config.strides) > 1 < max(case.config.dilation_rate)):
            space.cover(need, space.row(case))
    missing = tuple(space.words(int(place)) for place in np.flatnonzero(need)[:SHOWN])
    allowed = int(space.allowed.sum())
    return Coverage(strength, allowed, allowed - int(need.sum()), missing)


class Space:
    """The tuples of `strength` values, each with a place in one flat array, and the rows of values that there are.

    A row has one level for each factor, the index of a value; the number of values stands for any other value.
    `allowed` says of each place whether the specification and the claim allow the tuple. `bound` lists the part of
    every row whose factors depend on one another and that some input has: the spatial factors, and those that the
    claim ties to others. `work` is its least multiplications in one channel of one image, `limit` those of a case.
    """

    def __init__(self, strength: int, factors: Factors | None = None, claim: Claim = EVERYTHING) -> None:
        if strength not in (1, 2, 3):
            raise ValueError(f"strength={strength!r}: accepted are 1, 2 and 3")
        self.claim, self.limit = claim, WORK
        tied = _tied(claim)
        found = claimed_factors(claim) if factors is None else factors
        self.names = (*SPATIAL, *tied, *(name for name in FREE if name not in tied))
        self.factors = {name: found[name] for name in self.names}
        self.several = several(claim)
        self.inputs = claimed_inputs(self.factors, claim)
        self.bound, self.work = _bound_rows(self.factors, self.inputs, claim, tied)
        self.combinations = np.array(list(itertools.combinations(range(len(self.names)), strength)))
        self.radix = [len(values) + 1 for values in self.factors.values()]
        tables = [self._allowed(chosen) for chosen in self.combinations]
        self.allowed = np.concatenate([table.reshape(-1) for table in tables])
        self._starts = np.cumsum([0, *(table.size for table in tables[:-1])], dtype=np.int32)
        self._strides = np.array([table.strides for table in tables], dtype=np.int32)  # entries are one byte
        self._says_batch = (self.combinations == self.names.index("batch")).any(axis=1)

    @property
    def together(self) -> int:
        """How many factors come first in a row that depend on one another."""
        return int(self.bound.shape[1])

    def row(self, case: Case) -> Integers:
        """The case's levels."""
        found = classify(case)
        pairs = ((found[name], values) for name, values in self.factors.items())
        return np.array([values.index(value) if value in values else len(values) for value, values in pairs])

    def cover(self, need: Flags, row: Integers) -> None:
        """Takes the row's tuples off those needed."""
        need[self._places(row[None])[self._counted(row[None])]] = False

    def worth(self, need: Flags) -> Integers:
        """For every place how much a row gains by its tuple: how many of its combination are needed, if it is.

        A row covers one tuple of each combination, so the one with most left decides how many rows there will be.
        """
        left = np.add.reduceat(need, self._starts, dtype=np.int32)
        return np.asarray(need * np.repeat(left, np.diff([*self._starts, need.size])))

    def gains(self, worth: Integers, rows: Integers) -> Integers:
        """What each row is worth."""
        return np.asarray((worth.take(self._places(rows)) * self._counted(rows)).sum(axis=0))

    def tuple_at(self, place: int) -> dict[int, int]:
        """Factors and levels of the tuple at a place."""
        column = int(np.searchsorted(self._starts, place, side="right")) - 1
        chosen = self.combinations[column]
        levels = np.unravel_index(place - int(self._starts[column]), [self.radix[factor] for factor in chosen])
        return {int(factor): int(level) for factor, level in zip(chosen, levels, strict=True)}

    def words(self, place: int) -> str:
        """The tuple at a place, in words."""
        pairs = ((self.names[factor], level) for factor, level in self.tuple_at(place).items())
        return ", ".join(f"{name}={self.factors[name][level]!r}" for name, level in pairs)

    def _places(self, rows: Integers) -> Integers:
        """The places of the tuples of each row: `(combinations, rows)`."""
        levels = np.ascontiguousarray(rows.T, dtype=np.int32)
        chosen = zip(self.combinations.T, self._strides.T, strict=True)
        within = (levels.take(factors, axis=0) * strides[:, None] for factors, strides in chosen)
        return sum(within, start=self._starts[:, None])

    def _counted(self, rows: Integers) -> Flags:
        """Which of them count: of an empty batch, those that say so."""
        empty = np.array([*(images == 0 for images in self.factors["batch"]), False])
        return np.asarray(~empty[rows[:, self.names.index("batch")]] | self._says_batch[:, None])

    def _allowed(self, chosen: Integers) -> Flags:
        """The table of a combination of factors, bound ones first."""
        bound = chosen[chosen < self.together]
        table = np.zeros([self.radix[factor] for factor in bound], dtype=bool)
        table[tuple(self.bound[:, factor] for factor in bound)] = True
        for factor in chosen[len(bound) :]:
            table = table[..., None] & (np.arange(self.radix[factor]) < self.radix[factor] - 1)
        return np.ascontiguousarray(table)


@functools.cache
def _space(strength: int, claim: Claim = EVERYTHING) -> Space:
    return Space(strength, claim=claim)


def _tied(claim: Claim) -> tuple[str, ...]:
    """The free factors that a claim speaks of together with others."""
    spoken = [factors_of(statement) for statement in claim.conjuncts]
    return tuple(name for name in FREE if any(name in some and len(some) > 1 for some in spoken))


def _bound_rows(factors: Factors, inputs: Inputs, claim: Claim, tied: tuple[str, ...]) -> tuple[Integers, Integers]:
    """Every row of the factors that depend on one another, and the least work that an input of such values makes."""
    found = {}
    names = (*SPATIAL, *tied)
    is_claimed, fits = _row_test(claim, names), _size_test(claim)
    levels = [{value: level for level, value in enumerate(factors[name])} for name in names]
    for padding, square in itertools.product(factors["padding"], factors["square"]):
        for (high, heights), (wide, widths) in itertools.product(*(inputs[name, padding].items() for name in AXES)):
            if max(high[1], wide[1]) > 1 < max(high[2], wide[2]) or not (least := _least(heights, widths, square)):
                continue
            if fits(padding, high, wide, ((h, w) for h in heights for w in widths if (h == w) == square)):
                for others in itertools.product(*(factors[name] for name in tied)):
                    row = (padding, *high, *wide, square, *others)
                    if is_claimed(row):
                        found[tuple(map(dict.__getitem__, levels, row))] = least
    if not found:
        raise ClaimError(f"{claim.text!r} leaves no combination of arguments: it claims nothing")
    return np.array(list(found)), np.array(list(found.values()))


def _row_test(claim: Claim, names: Sequence[str]) -> Callable[[tuple[Any, ...]], bool]:
    """Whether a row of values of these factors may be claimed; each statement is asked once for the values it sees."""
    tests = []
    for statement in claim.conjuncts:
        seen = [names.index(name) for name in factors_of(statement) if name in names]

        @functools.cache
        def may_hold(values: tuple[Any, ...], statement: Statement = statement, seen: Sequence[int] = seen) -> bool:
            return statement.truth(known_of({names[i]: v for i, v in zip(seen, values, strict=True)})) is not False

        tests.append((seen, may_hold))
    return lambda row: all(may_hold(tuple(row[i] for i in seen)) for seen, may_hold in tests)


def _size_test(claim: Claim) -> Callable[[str, AxisValues, AxisValues, Iterable[tuple[int, int]]], bool]:
    """Whether some input of such values may be claimed, as far as the claim speaks of both axes' sizes together."""
    settled = {*SETTLED, *FREE, *SPATIAL, *PAIRS, *PAIRS.values(), "half_precision", "output_channels", "empty"}
    open_ = [one for one in claim.conjuncts if len({*_axes_of(one)}) != 1 and not names_in(one) <= settled]

    def fits(padding: str, high: AxisValues, wide: AxisValues, sizes: Iterable[tuple[int, int]]) -> bool:
        config = LayerConfig((high[0], wide[0]), (high[1], wide[1]), padding, dilation_rate=(high[2], wide[2]))
        every = list(sizes)
        some = every[:: len(every) // INPUTS + 1]
        known = (facts(Case(config, (1, *size, 1))) for size in some)
        spatial = ({name: value for name, value in one.items() if name not in NOT_SPATIAL} for one in known)
        return any(all(statement.truth(one) is not False for statement in open_) for one in spatial)

    return fits if open_ else lambda *_: True


def _axes_of(statement: Statement) -> list[str]:
    return [name.rpartition("_")[2] for name in names_in(statement) if name.endswith(AXES)]


def _least(heights: AxisSizes, widths: AxisSizes, square: bool) -> int:
    """The least work of an image of such sizes, 0 where none of them is square, or all are."""
    if square:
        return min((heights[size] * widths[size] for size in heights.keys() & widths.keys()), default=0)
    pairs = itertools.product(itertools.islice(heights.items(), 2), itertools.islice(widths.items(), 2))
    return min((rows * columns for (height, rows), (width, columns) in pairs if height != width), default=0)


class _Walk:
    """Places among many, spread evenly, the same whenever the walk is begun."""

    def __init__(self) -> None:
        self._step = 1

    def among(self, count: int, places: int) -> Integers:
        """As many places of 0 to `count - 1`."""
        steps = np.arange(self._step, self._step + places, dtype=np.uint64) * np.uint64(GOLDEN)
        self._step += places
        return ((steps >> np.uint64(32)) * np.uint64(count) >> np.uint64(32)).astype(np.int64)


def _grow(space: Space) -> Iterator[tuple[Integers, Case]]:
    """Rows that cover all that is allowed, each with a case; but for what rows are tried for in vain."""
    need, walk, index = space.allowed.copy(), _Walk(), 0
    vain: collections.Counter[int] = collections.Counter()
    while need.any():
        gain, row, place = max((_climb(space, need, walk) for _ in range(STARTS)), key=lambda climb: climb[0])
        if gain <= 0:  # no case is small enough
            space.limit *= 2
        elif (case := _case(space, row, index)) is None:
            vain[place] += 1
            if vain.total() == IN_VAIN:
                return
            if vain[place] == ROWS:
                need[place] = False
        else:
            space.cover(need, row)
            index += 1
            yield row, case


def _climb(space: Space, need: Flags, walk: _Walk) -> tuple[int, Integers, int]:
    """A row with a needed tuple that no neighbour looked at outdoes: its needed tuples' number, and the one's place."""
    places, worth = np.flatnonzero(need), space.worth(need)
    place = int(places[walk.among(len(places), 1)[0]])
    fixed = space.tuple_at(place)
    fits = [space.bound[:, factor] == level for factor, level in fixed.items() if factor < space.together]
    pool = np.flatnonzero(np.logical_and.reduce(fits)) if fits else np.arange(len(space.bound))
    free = [fixed.get(f, int(walk.among(space.radix[f] - 1, 1)[0])) for f in range(space.together, len(space.names))]
    best, reached, row = np.array([int(pool[walk.among(len(pool), 1)[0]]), *free]), -math.inf, np.array([])
    while True:
        near = _neighbours(space, best, fixed, pool[walk.among(len(pool), LOOKS)])
        rows = np.concatenate([space.bound[near[:, 0]], near[:, 1:]], axis=1)
        work = space.work[near[:, 0]] * _labour(space, rows)
        gains = np.where(work > space.limit, -work, space.gains(worth, rows))
        top = int(gains.argmax())
        if gains[top] <= reached:
            return int(reached), row, place
        best, reached, row = near[top], gains[top], rows[top]


def _neighbours(space: Space, best: Integers, fixed: dict[int, int], looks: Integers) -> Integers:
    """`best` with other bound parts, and with every other level of a free factor: bound part, then free levels."""
    changes = [(0, int(look)) for look in looks]
    for column, factor in enumerate(range(space.together, len(space.radix)), start=1):
        if factor not in fixed:
            changes += [(column, level) for level in range(space.radix[factor] - 1)]
    near = np.repeat(best[None], len(changes) + 1, axis=0)
    for row, (column, value) in enumerate(changes):
        near[row, column] = value
    return near


def _labour(space: Space, rows: Integers) -> Integers:
    """By how much the factors that are not spatial multiply the work."""
    total = np.ones(len(rows), dtype=np.int64)
    for name in ("depth_multiplier", "batch", "channels"):
        values = [max(value, 1) if isinstance(value, int) else space.several[0] for value in space.factors[name]]
        total *= np.array(values)[rows[:, space.names.index(name)]]
    return total


def _case(space: Space, row: Integers, index: int) -> Case | None:
    """A case of a row; `index` chooses among the inputs that have its values, and the data. None if none is claimed."""
    value: dict[str, Any] = {n: values[level] for (n, values), level in zip(space.factors.items(), row, strict=True)}
    pairs = {name: (value[f"{name}_height"], value[f"{name}_width"]) for name in AXIS}
    arguments = {name: value[name] for name in FREE if name not in ("batch", "channels")}
    config = LayerConfig(
        pairs["kernel"], pairs["stride"], value["padding"], dilation_rate=pairs["dilation"], **arguments
    )
    rows, columns = (
        space.inputs[axis, config.padding][tuple(value[f"{name}_{axis}"] for name in AXIS)] for axis in AXES
    )
    channels, room = value["channels"], space.limit // (value["channels"] * config.depth_multiplier)
    batches = space.several if value["batch"] == "several" else (value["batch"],)
    inputs = sorted(
        (height * width * batch, (batch, height, width))
        for batch, (height, high), (width, wide) in itertools.product(batches, rows.items(), columns.items())
        if (height == width) == value["square"] and (space.claim.text or high * wide * max(batch, 1) <= room)
    )
    smallest, others = inputs[:INPUTS], inputs[INPUTS:]
    tried = [*smallest, *others[:: len(others) // INPUTS + 1]]
    data = Data(MIX[index % len(MIX)], index)
    cases = (Case(config, join_shape(config, *sizes, channels), data) for _, sizes in tried)
    claimed = list(itertools.islice(filter(space.claim.covers, cases), CHOICES))
    return claimed[index % len(claimed)] if claimed else None
