"""Places in the output, and what goes wrong there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from depthwise_conformance.diagnosis.deviations.deviation import Change, Deviation, throughout
from depthwise_conformance.diagnosis.deviations.windows import ON, along
from depthwise_conformance.diagnosis.program import PARTS, Index, Map, Program, numbered
from depthwise_conformance.reference import LayerConfig


@dataclass(frozen=True)
class Place:
    """Some positions `region(size)` along one axis of `(batch, height, width, channels)`, None where there are none."""

    name: str
    axis: int
    region: Callable[[int], tuple[int, int] | None]

    def slices(self, shape: tuple[int, ...]) -> tuple[int, int] | None:
        """The region in an array of this shape."""
        return self.region(shape[self.axis])

    def at(self, start: int, stop: int) -> tuple[slice, ...]:
        """The index of these positions."""
        return (slice(None),) * self.axis + (slice(start, stop),)


def _first(size: int) -> tuple[int, int] | None:
    return (0, 1) if size else None


def _last_one(size: int) -> tuple[int, int] | None:
    return (size - 1, size) if size else None


def _tail(width: int) -> Callable[[int], tuple[int, int] | None]:
    return lambda size: (size // width * width, size) if size > width and size % width else None


def _after(count: int) -> Callable[[int], tuple[int, int] | None]:
    return lambda size: (count, size) if size > count else None


def _second(size: int) -> tuple[int, int] | None:
    return (1, 2) if size > 1 else None


ROWS = (Place("first row", 1, _first), Place("last row", 1, _last_one))
COLUMNS = (
    Place("first column", 2, _first),
    Place("last column", 2, _last_one),
    *(Place(f"columns beyond a multiple of {n}", 2, _tail(n)) for n in (4, 8, 16)),
)
CHANNELS = (
    Place("last channel", 3, _last_one),
    *(Place(f"channels beyond a multiple of {n}", 3, _tail(n)) for n in (4, 8, 16)),
    *(Place(f"channels after {n}", 3, _after(n)) for n in (4, 8, 16, 32)),
)
IMAGES = (
    Place("images after the first", 0, _after(1)),
    Place("images after the second", 0, _after(2)),
    Place("second image", 0, _second),
    Place("last image", 0, _last_one),
)
PLACES = (*ROWS, *COLUMNS, *CHANNELS, *IMAGES)


def zeroed(place: Place | None) -> Callable[[Index], Index | None]:
    """Nothing taken at a place; None is everywhere."""

    def apply(index: Index) -> Index | None:
        region = (0, len(index)) if place is None else place.slices(index.shape)
        if region is None:
            return None
        index = index.copy()
        index[place.at(*region) if place else ...] = -1
        return index

    return apply


def _last_element_zeroed(index: Index) -> Index | None:
    if not index.size:
        return None
    index = index.copy()
    index[-1, -1, -1, -1] = -1
    return index


def _repeated(place: Place, of_first: bool) -> Callable[[Index], Index | None]:
    """At a place what the one before it has, or what the first has."""

    def apply(index: Index) -> Index | None:
        region = place.slices(index.shape)
        if region is None or region[0] == 0:
            return None
        source = 0 if of_first else region[0] - 1
        index = index.copy()
        index[place.at(*region)] = index[place.at(source, source + 1)]
        return index

    return apply


def _multiplier_major(m: Map, config: LayerConfig) -> Map:
    split = numbered(m.shape).reshape(*m.shape[:3], -1, config.depth_multiplier)
    return replace(m, sums=split.swapaxes(3, 4).reshape(m.shape))


def _of_sums(change: Callable[[Index], Index | None]) -> Change:
    def on_map(m: Map, config: LayerConfig) -> Map | None:
        sums = change(numbered(m.shape) if m.sums is None else m.sums)
        return None if sums is None else replace(m, sums=sums)

    return throughout(on_map)


def _of_outputs(change: Callable[[Index], Index | None]) -> Change:
    def apply(program: Program) -> Program | None:
        outputs = change(numbered(program.forward.shape) if program.outputs is None else program.outputs)
        return None if outputs is None else replace(program, outputs=outputs)

    return apply


def _of_gradient(part: str, change: Callable[[Index], Index | None]) -> Change:
    def apply(program: Program) -> Program | None:
        back = program.backs[part]
        last = program.config.channels_last
        shape = back.map.images.shape
        own = numbered(shape) if last else _channels_first(shape)
        taken = own if back.result is None else back.result if last else back.result.transpose(0, 2, 3, 1)
        found = change(taken)
        if found is None:
            return None
        result = found if last else found.transpose(0, 3, 1, 2)
        return replace(program, backs={**program.backs, part: replace(back, result=result)})

    return apply


def _rolled(axes: tuple[int, ...]) -> Change:
    """The gradient of the input moved by the zeros before, what leaves it at one end coming in at the other."""

    def apply(program: Program) -> Program | None:
        sides = (program.forward.rows, program.forward.columns)
        shifts = [sides[axis].before % max(sides[axis].size, 1) for axis in axes]
        image_axes = [1 + axis for axis in axes]
        return _of_gradient("input", lambda index: np.roll(index, shifts, image_axes) if any(shifts) else None)(program)

    return apply


def _channels_first(shape: tuple[int, ...]) -> Index:
    batch, height, width, channels = shape
    return numbered((batch, channels, height, width)).transpose(0, 2, 3, 1)


def _rolled_deviations() -> Iterator[Deviation]:
    sentence = "The gradient of the input is moved by the zeros before, and what leaves it comes in at the other end."
    for name, (where, axes) in zip(along("input gradient rolled by the zeros before"), ON.items(), strict=True):
        yield Deviation(name, f"{sentence}{where}", "input gradient", ("input",), _rolled(axes))


def place_deviations() -> Iterator[Deviation]:
    """What goes wrong at places of the sums, of the output and of the gradient of the input."""
    targets: tuple[tuple[str, str, str, tuple[str, ...], Callable[[Callable[[Index], Index | None]], Change]], ...] = (
        ("sums: ", "before bias and activation", "place", PARTS, _of_sums),
        ("output: ", "in the output", "place", PARTS, _of_outputs),
        (
            "input gradient: ",
            "in the gradient of the input",
            "input gradient",
            ("input",),
            lambda c: _of_gradient("input", c),
        ),
    )
    for prefix, where, kind, parts, on in targets:
        yield Deviation(f"{prefix}all zero", f"Everything is zero {where}.", kind, parts, on(zeroed(None)))
        yield Deviation(
            f"{prefix}last element zero", f"The last element is zero {where}.", kind, parts, on(_last_element_zeroed)
        )
        for place in PLACES:
            yield Deviation(
                f"{prefix}{place.name} zero", f"The {place.name}: zero {where}.", kind, parts, on(zeroed(place))
            )
            if place.name.startswith("first"):
                continue
            beside_first = place.name in ("images after the first", "second image")
            for of_first, whom in (
                ((True, "the first"),) if beside_first else ((True, "the first"), (False, "the one before"))
            ):
                name, sentence = (
                    f"{prefix}{place.name} repeating {whom}",
                    f"The {place.name}: a copy of {whom} {where}.",
                )
                yield Deviation(name, sentence, kind, parts, on(_repeated(place, of_first)))
    yield from _rolled_deviations()
    name, sentence = (
        "multiplier-major channel order",
        "Output channel m * channels + c instead of c * depth_multiplier + m.",
    )
    yield Deviation(name, sentence, "order", PARTS, throughout(_multiplier_major))
