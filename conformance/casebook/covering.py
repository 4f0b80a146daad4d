"""A covering array: cases among which every pair, or every triple, of the specification's choices occurs.

A factor is an argument of the layer, a size, or a boundary that the sizes make: how the input's size divides by the
stride, how many zeros "same" padding takes (an odd number cannot be even on both sides), whether a window spans less
than the input, all of it or more, whether the image is square. Its values are in `FACTORS`. A tuple of values is
allowed if some case has them all: for the spatial factors that is found by trying every axis and every two axes, the
others go with anything. An empty batch computes nothing, so its cases count only for tuples that say `batch=0`.

The array is grown one case at a time: from the first tuple not yet covered, uphill in the number of tuples that the
case would newly cover. The walk that picks where to look is arithmetic on integers, so a table of factors gives the
same cases on any machine and in any release.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.casebook.strategies import ACTIVATIONS, WORK
from depthwise_conformance.reference import FORMATS, LayerConfig, split_shape
from depthwise_conformance.reference.geometry import Axis, axis_geometry, effective_extent, join_shape, spatial_axes

Factors = Mapping[str, tuple[Any, ...]]  # the values of each: arguments, sizes, or words for a class of sizes
Integers = NDArray[np.integer[Any]]
Flags = NDArray[np.bool_]
AxisValues = tuple[Any, ...]
Sizes = dict[int, int]  # input sizes along an axis, ascending, each with the work that it makes: outputs * kernel
Inputs = dict[tuple[str, str], dict[AxisValues, Sizes]]  # by axis and padding

AXES = ("height", "width")
AXIS: Factors = {
    "kernel": (1, 2, 3, 5),
    "stride": (1, 2, 3),
    "dilation": (1, 2, 3),
    "output": (1, 2, "several"),
    "remainder": ("exact", "one over", "one short"),  # what is left of the size by the stride; 1 of 2 is "one over"
    "zeros": ("none", "even", "odd"),  # added by padding="same", before and after together
    "span": ("smaller", "equal", "larger"),  # one window, compared with the input
}
SPATIAL: Factors = {
    "padding": ("valid", "same"),
    **{f"{name}_{axis}": values for axis in AXES for name, values in AXIS.items()},
    "square": (True, False),  # whether input_height == input_width
}
FREE: Factors = {
    "depth_multiplier": (1, 2, 3),
    "data_format": ("channels_last", "channels_first"),
    "activation": tuple(dict.fromkeys(ACTIVATIONS)),
    "use_bias": (True, False),
    "dtype": tuple(FORMATS),
    "batch": (0, 1, 2, "several"),
    "channels": (1, 2, 3, 8, 17),  # below, at and above the widths of vector units
}
FACTORS: Factors = {**SPATIAL, **FREE}

MIX = ("uniform", "integers", "normal", "cancellation", "wide", "impulses", "s2", "s3")  # recipes whose sums tell much
SEVERAL = (3, 4, 5)  # images in a batch of "several"
LARGEST = 40  # input size tried: larger ones make no further combination of classes
LOOKS = 40  # places that the walk looks at before each step uphill
STARTS = 3  # climbs of which the best becomes a case
CHOICES = 6  # inputs among which a case of given classes has one
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
def catalogue(strength: int = 2) -> tuple[Case, ...]:
    """Small cases that cover every allowed tuple. Raises ValueError unless `strength` is 1, 2 or 3."""
    space = _space(strength)
    return tuple(_case(space, row, index) for index, row in enumerate(_grow(space)))


def coverage(cases: Iterable[Case], strength: int) -> Coverage:
    """What these cases cover, wherever they come from. Raises ValueError unless `strength` is 1, 2 or 3.

    A value that is none of its factor's (a kernel of 7) counts for nothing, and neither does a case outside the
    specification (strides with dilation).
    """
    space = _space(strength)
    need = space.allowed.copy()
    for case in cases:
        if not (max(case.config.strides) > 1 < max(case.config.dilation_rate)):
            space.cover(need, space.row(case))
    missing = tuple(space.words(int(place)) for place in np.flatnonzero(need)[:SHOWN])
    allowed = int(space.allowed.sum())
    return Coverage(strength, allowed, allowed - int(need.sum()), missing)


def classify(case: Case) -> dict[str, Any]:
    """The case's value of every factor, whether `FACTORS` lists it or not."""
    config = case.config
    batch, height, width, channels = split_shape(config, case.input_shape)
    found: dict[str, Any] = {"padding": config.padding, "square": height == width}
    for name, axis in zip(AXES, spatial_axes(config, height, width), strict=True):
        values = zip(AXIS, _axis_values(axis, config.padding), strict=True)
        found |= {f"{factor}_{name}": value for factor, value in values}
    found |= {name: getattr(config, name) for name in FREE if name not in ("batch", "channels")}
    return found | {"batch": batch if batch < 3 else "several", "channels": channels}


class Space:
    """The tuples of `strength` values, each with a place in one flat array, and the rows of values that there are.

    A row has one level for each factor, the index of a value; the number of values stands for any other value.
    `allowed` says of each place whether the specification allows the tuple, `spatial` lists the spatial part of every
    row that some input has, and `work` its least multiplications in one channel of one image.
    """

    def __init__(self, strength: int, factors: Factors = FACTORS) -> None:
        if strength not in (1, 2, 3):
            raise ValueError(f"strength={strength!r}: accepted are 1, 2 and 3")
        self.factors, self.names = factors, tuple(factors)
        self.inputs = _inputs(factors)
        self.spatial, self.work = _spatial_rows(factors, self.inputs)
        self.combinations = np.array(list(itertools.combinations(range(len(factors)), strength)))
        self.radix = [len(values) + 1 for values in factors.values()]
        tables = [self._allowed(chosen) for chosen in self.combinations]
        self.allowed = np.concatenate([table.reshape(-1) for table in tables])
        self._starts = np.cumsum([0, *(table.size for table in tables[:-1])], dtype=np.int32)
        self._strides = np.array([table.strides for table in tables], dtype=np.int32)  # entries are one byte
        self._says_batch = (self.combinations == self.names.index("batch")).any(axis=1)

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
        """The table of a combination of factors, spatial ones first."""
        spatial = chosen[chosen < len(SPATIAL)]
        table = np.zeros([self.radix[factor] for factor in spatial], dtype=bool)
        table[tuple(self.spatial[:, factor] for factor in spatial)] = True
        for factor in chosen[len(spatial) :]:
            table = table[..., None] & (np.arange(self.radix[factor]) < self.radix[factor] - 1)
        return np.ascontiguousarray(table)


_space = functools.cache(Space)


def _axis_values(axis: Axis, padding: str) -> AxisValues:
    """The values of one axis, in the order of `AXIS`."""
    past = (axis.input - axis.span if padding == "valid" else axis.input) % axis.stride
    zeros = axis.before + axis.after
    return (
        axis.kernel,
        axis.stride,
        axis.dilation,
        axis.output if axis.output < 3 else "several",
        {axis.stride - 1: "one short", 1: "one over", 0: "exact"}.get(past, past),
        "none" if zeros == 0 else "odd" if zeros % 2 else "even",
        "smaller" if axis.span < axis.input else "equal" if axis.span == axis.input else "larger",
    )


def _inputs(factors: Factors) -> Inputs:
    """The input sizes that have the same values along an axis."""
    found: Inputs = {(name, padding): {} for name in AXES for padding in factors["padding"]}
    for name, padding in found:
        listed = [factors[f"{factor}_{name}"] for factor in AXIS]
        for kernel, stride, dilation, size in itertools.product(*listed[:3], range(1, LARGEST + 1)):
            if max(stride, dilation) > 1 < min(stride, dilation):
                continue
            if padding == "same" or effective_extent(kernel, dilation) <= size:
                axis = axis_geometry(size, kernel, stride, dilation, padding)
                values = _axis_values(axis, padding)
                if all(value in accepted for value, accepted in zip(values, listed, strict=True)):
                    found[name, padding].setdefault(values, {})[size] = axis.output * kernel
    return found


def _spatial_rows(factors: Factors, inputs: Inputs) -> tuple[Integers, Integers]:
    """Every row of spatial values that some input has, and the least work that such an input makes."""
    found = {}
    for padding, square in itertools.product(factors["padding"], factors["square"]):
        for (high, heights), (wide, widths) in itertools.product(*(inputs[name, padding].items() for name in AXES)):
            least = _least(heights, widths, square)
            if least and not (max(high[1], wide[1]) > 1 < max(high[2], wide[2])):
                values = zip(SPATIAL, (padding, *high, *wide, square), strict=True)
                found[tuple(factors[name].index(value) for name, value in values)] = least
    return np.array(list(found)), np.array(list(found.values()))


def _least(heights: Sizes, widths: Sizes, square: bool) -> int:
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


def _grow(space: Space) -> list[Integers]:
    """Rows that cover all that is allowed."""
    need, walk = space.allowed.copy(), _Walk()
    rows: list[Integers] = []
    while need.any():
        gain, row = max((_climb(space, need, walk) for _ in range(STARTS)), key=lambda climb: climb[0])
        assert gain > 0, "no case is small enough"
        space.cover(need, row)
        rows.append(row)
    return rows


def _climb(space: Space, need: Flags, walk: _Walk) -> tuple[int, Integers]:
    """A row with a needed tuple that no neighbour looked at outdoes, and how many needed tuples it has."""
    places, worth = np.flatnonzero(need), space.worth(need)
    fixed = space.tuple_at(int(places[walk.among(len(places), 1)[0]]))
    fits = [space.spatial[:, factor] == level for factor, level in fixed.items() if factor < len(SPATIAL)]
    pool = np.flatnonzero(np.logical_and.reduce(fits)) if fits else np.arange(len(space.spatial))
    free = [fixed.get(f, int(walk.among(space.radix[f] - 1, 1)[0])) for f in range(len(SPATIAL), len(FACTORS))]
    best, reached, row = np.array([int(pool[walk.among(len(pool), 1)[0]]), *free]), -math.inf, np.array([])
    while True:
        near = _neighbours(space, best, fixed, pool[walk.among(len(pool), LOOKS)])
        rows = np.concatenate([space.spatial[near[:, 0]], near[:, 1:]], axis=1)
        work = space.work[near[:, 0]] * _labour(space, near[:, 1:])
        gains = np.where(work > WORK, -work, space.gains(worth, rows))
        top = int(gains.argmax())
        if gains[top] <= reached:
            return int(reached), row
        best, reached, row = near[top], gains[top], rows[top]


def _neighbours(space: Space, best: Integers, fixed: dict[int, int], looks: Integers) -> Integers:
    """`best` with other spatial parts, and with every other level of a free factor: spatial part, then free levels."""
    changes = [(0, int(look)) for look in looks]
    for column, factor in enumerate(range(len(SPATIAL), len(space.radix)), start=1):
        if factor not in fixed:
            changes += [(column, level) for level in range(space.radix[factor] - 1)]
    near = np.repeat(best[None], len(changes) + 1, axis=0)
    for row, (column, value) in enumerate(changes):
        near[row, column] = value
    return near


def _labour(space: Space, free: Integers) -> Integers:
    """By how much the free factors multiply the work."""
    total = np.ones(len(free), dtype=np.int64)
    for name in ("depth_multiplier", "batch", "channels"):
        values = [max(value, 1) if isinstance(value, int) else SEVERAL[0] for value in space.factors[name]]
        total *= np.array(values)[free[:, space.names.index(name) - len(SPATIAL)]]
    return total


def _case(space: Space, row: Integers, index: int) -> Case:
    """A case of a row; `index` chooses among the inputs that have its values, and the data."""
    value: dict[str, Any] = {n: values[level] for (n, values), level in zip(space.factors.items(), row, strict=True)}
    pairs = {name: (value[f"{name}_height"], value[f"{name}_width"]) for name in AXIS}
    arguments = {name: value[name] for name in FREE if name not in ("batch", "channels")}
    config = LayerConfig(
        pairs["kernel"], pairs["stride"], value["padding"], dilation_rate=pairs["dilation"], **arguments
    )
    rows, columns = (
        space.inputs[axis, config.padding][tuple(value[f"{name}_{axis}"] for name in AXIS)] for axis in AXES
    )
    channels, room = value["channels"], WORK // (value["channels"] * config.depth_multiplier)
    batches = SEVERAL if value["batch"] == "several" else (value["batch"],)
    inputs = [
        (height * width * batch, (batch, height, width))
        for batch, (height, high), (width, wide) in itertools.product(batches, rows.items(), columns.items())
        if (height == width) == value["square"] and high * wide * max(batch, 1) <= room
    ]
    inputs = sorted(inputs)[:CHOICES]
    batch, height, width = inputs[index % len(inputs)][1]
    return Case(config, join_shape(config, batch, height, width, channels), Data(MIX[index % len(MIX)], index))
