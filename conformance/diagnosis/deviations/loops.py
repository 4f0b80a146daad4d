"""Loops over windows and taps whose own bounds are wrong, or that keep what they read for the window before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.diagnosis.deviations.deviation import Deviation, MapChange, in_gradient
from depthwise_conformance.diagnosis.deviations.windows import ON, SideChange, along, of_sides
from depthwise_conformance.diagnosis.program import Index, Map, Side
from depthwise_conformance.reference import LayerConfig
from depthwise_conformance.reference.geometry import effective_extent

Loop = Callable[[Side, Index], Index]
Kept = Callable[[Side, Index, Index], NDArray[np.bool_]]


def looped(loop: Loop) -> SideChange:
    """The side that is read by a loop of its own, None where that reads the same."""

    def apply(s: Side, other: Side, same: bool) -> Side | None:
        changed = replace(s, loop=loop)
        return None if np.array_equal(changed.positions(), s.positions()) else changed

    return apply


def _only(kept: Kept) -> Loop:
    """A loop over some of the windows `(output, 1)` and taps `(1, kernel)` alone."""

    def loop(s: Side, positions: Index) -> Index:
        windows, taps = np.arange(s.output)[:, None], np.arange(s.kernel)[None]
        return np.where(kept(s, windows, taps), positions, -1)

    return loop


def _end(s: Side, taps: Index) -> Index:
    """How far it is from where a tap reads in the first window to the end of the input."""
    return s.size + s.before - taps * s.dilation


def _before_last(s: Side, windows: Index, taps: Index) -> NDArray[np.bool_]:
    return windows < (_end(s, taps) - 1) // s.stride


def _first(s: Side, taps: Index) -> Index:
    """The first window in which a tap lies inside the input, as far as zeros come before it."""
    return -((taps * s.dilation - s.before) // s.stride)


def _but_last(s: Side, windows: Index, taps: Index) -> NDArray[np.bool_]:
    return windows < np.minimum((_end(s, taps) - 1) // s.stride, s.output - 1)


def _but_first(s: Side, windows: Index, taps: Index) -> NDArray[np.bool_]:
    return windows > np.maximum(_first(s, taps), 0)


def _but_first_behind_zeros(s: Side, windows: Index, taps: Index) -> NDArray[np.bool_]:
    return (_first(s, taps) <= 0) | (windows > _first(s, taps))


def _rounded_down(s: Side, windows: Index, taps: Index) -> NDArray[np.bool_]:
    return windows < _end(s, taps) // s.stride


def _undivided(s: Side, windows: Index, taps: Index) -> NDArray[np.bool_]:
    return windows >= s.before - taps * s.dilation


def _late(s: Side, windows: Index, taps: Index) -> NDArray[np.bool_]:
    zeros = s.before - taps * s.dilation
    return (zeros <= 0) | (windows > zeros // s.stride)


def _undilated(s: Side, windows: Index, taps: Index) -> NDArray[np.bool_]:
    at = windows * s.stride + taps - s.before
    return (at >= 0) & (at < s.size)


def _within_size(s: Side, windows: Index, taps: Index) -> NDArray[np.bool_]:
    return (taps < s.size) & (windows >= 0)


def _whole(s: Side, windows: Index, taps: Index) -> NDArray[np.bool_]:
    first = windows * s.stride - s.before
    return (first >= 0) & (first + effective_extent(s.kernel, s.dilation) <= s.size) & (taps >= 0)


def _up_to_stride(s: Side, windows: Index, taps: Index) -> NDArray[np.bool_]:
    return windows * s.stride + taps * s.dilation - s.before < s.output * s.stride


def _evenly_padded(s: Side, windows: Index, taps: Index) -> NDArray[np.bool_]:
    last = windows * s.stride - s.before + effective_extent(s.kernel, s.dilation) - 1
    return (last < s.size + s.before) & (taps >= 0)


def _evenly_padded_taps(s: Side, windows: Index, taps: Index) -> NDArray[np.bool_]:
    last = (s.output - 1) * s.stride - s.before + taps * s.dilation
    return (last < s.size + s.before) & (windows >= 0)


def _kept(by: Callable[[Side], int], every: int = 0) -> Loop:
    """Taps that have what was read in the window before by the tap `by` further on; one of `every` windows is afresh.

    `every` is 0 where only the first window is.
    """

    def loop(s: Side, positions: Index) -> Index:
        found, step = positions.copy(), by(s)
        kept = max(s.kernel - step, 0)
        for window in range(1, s.output):
            if not every or window % every:
                found[window, :kept] = found[window - 1, step : step + kept]
        return found

    return loop


def _steps(step: Callable[[Side], int]) -> Loop:
    """For a side that has every tap so many times: each reads one position after the other."""

    def loop(s: Side, positions: Index) -> Index:
        taps = np.arange(s.kernel)
        offsets = taps // step(s) * s.dilation + taps % step(s)
        at = np.add.outer(np.arange(s.output) * s.stride, offsets) - s.before
        return np.where((at >= 0) & (at < s.size), at, -1)

    return loop


LOST: tuple[tuple[str, str, Kept], ...] = (
    (
        "last window of a tap lost",
        "Where the input ends before a tap's windows do, the last one inside is left out.",
        _before_last,
    ),
    ("last window inside lost", "The last window in which a tap lies inside the input is left out.", _but_last),
    ("first window inside lost", "The first window in which a tap lies inside the input is left out.", _but_first),
    (
        "first window behind zeros lost",
        "Where zeros come before a tap, the first window in which it lies inside the input is left out.",
        _but_first_behind_zeros,
    ),
    (
        "windows of a tap rounded down",
        "A tap's last window is left out where the stride does not divide what remains of the input.",
        _rounded_down,
    ),
    (
        "first windows not divided by the stride",
        "A tap begins as many windows late as zeros come before it, whatever the stride.",
        _undivided,
    ),
    (
        "first window of a tap late",
        "Where zeros come before a tap that the stride divides, its first window inside is left out.",
        _late,
    ),
    (
        "windows counted without the dilation",
        "Windows are left out that a tap would read outside the input without dilation.",
        _undilated,
    ),
    ("taps beyond the size lost", "No more taps are read than the input has positions.", _within_size),
    ("windows over the border lost", "Windows that reach beyond the input are left out.", _whole),
    (
        "positions beyond the strides lost",
        "Positions of the input beyond as many strides as there are windows are left out.",
        _up_to_stride,
    ),
    (
        "windows over even padding lost",
        "Windows are left out that reach further behind the input than zeros come before it.",
        _evenly_padded,
    ),
    (
        "taps over even padding lost",
        "Taps are left out that in the last window reach further behind the input than zeros come before it.",
        _evenly_padded_taps,
    ),
)
KEPT: tuple[tuple[str, str, Loop], ...] = (
    (
        "positions kept from the window before",
        "A tap has what the next one read in the window before: right only where the stride is the dilation.",
        _kept(lambda s: 1),
    ),
    (
        "positions kept from a stride before",
        "A tap has what the one a stride further on read in the window before: right only without dilation.",
        _kept(lambda s: s.stride),
    ),
    (
        "positions kept in pairs of windows",
        "In every second window, a tap has what the next one read before: right only where the stride is the dilation.",
        _kept(lambda s: 1, 2),
    ),
)


STEPS: tuple[tuple[str, Callable[[Side], int]], ...] = (
    ("stride", lambda s: s.stride),
    ("dilation", lambda s: s.dilation),
)


def _spread(axes: tuple[int, ...], step: Callable[[Side], int]) -> MapChange:
    """Each tap as often as a step has positions, one after the other."""
    loop = _steps(step)

    def apply(m: Map, config: LayerConfig) -> Map:
        sides, kernel = [m.rows, m.columns], m.kernel
        for axis in axes:
            times = step(sides[axis])
            kernel = np.repeat(kernel, times, axis=axis)
            if times > 1:
                sides[axis] = replace(sides[axis], kernel=sides[axis].kernel * times, loop=loop)
        return replace(m, rows=sides[0], columns=sides[1], kernel=kernel)

    return apply


def loop_deviations() -> Iterator[Deviation]:
    """Windows and taps that a loop leaves out, and what it keeps for the next window."""
    for name, sentence, kept in LOST:
        yield from of_sides(along(name), sentence, "loop", looped(_only(kept)))
    for name, sentence, loop in KEPT:
        yield from of_sides(along(name), sentence, "loop", looped(loop))
    for what, step in STEPS:
        sentence = f"The gradient of the input goes to every position between those that the {what} reaches."
        for name, (where, axes) in zip(
            along(f"input gradient between the steps of the {what}"), ON.items(), strict=True
        ):
            change = in_gradient("input", _spread(axes, step))
            yield Deviation(name, f"{sentence}{where}", "input gradient", ("input",), change)
