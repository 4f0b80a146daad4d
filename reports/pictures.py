"""A picture of the error over an array: which images, rows, columns and channels are off, and how far."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from depthwise_conformance.reports.drawing import shorten
from depthwise_conformance.reports.evidence import Numbers
from depthwise_conformance.reports.words import counted

# Of an error in units of its bound: from where on it is drawn in which shade. What is no number is the darkest.
SHADES = (1.0, 10.0, 1000.0, math.inf)
PANELS, CELLS = 48, 20_000
WIDTH, LARGEST = 430, 18  # pixels: of a picture, and of a cell
GAP, MARGIN = 8, 15
INDICES = 6  # of wrong rows, columns, ... told one by one


@dataclass(frozen=True)
class Picture:
    """An SVG image, what is to be seen in it, in words, and which axes it shows."""

    svg: Markup
    words: str
    axes: str


def draw_error(error: Numbers) -> Picture | None:
    """The picture of errors in units of their bounds; None where there is nothing to draw."""
    if not error.values.size or not error.values.ndim:
        return None
    panels, labels, left_out = _panels(error)
    words = describe(error)
    if left_out:
        words += f" Drawn are the {counted(len(panels), 'slice')} with the worst errors; {left_out:,} more are not."
    return Picture(_svg(panels, list(map(shorten, labels)), shorten(words, 2000)), words, tell_plane(error))


def describe(error: Numbers) -> str:
    """How many elements are outside their bounds, and in which images, rows, columns and channels they lie."""
    wrong = _is_off(error.values)
    count = int(wrong.sum())
    if not count:
        return "Every element was within its bound."
    parts = []
    for axis, name in enumerate(error.axes):
        others = tuple(other for other in range(wrong.ndim) if other != axis)
        found = np.flatnonzero(wrong.any(axis=others))
        if wrong.shape[axis] > 1:
            parts.append(_where(name, found, wrong.shape[axis]))
    told = f"{count:,} of {counted(wrong.size, 'element')} outside the bound"
    return f"{told}{': ' if parts else ''}{'; '.join(parts)}."


def _where(name: str, found: NDArray[np.intp], size: int) -> str:
    plural = f"{name}s" if not name.endswith("s") else name
    if found.size == size:
        return f"all {size} {plural}"
    runs = [list(run) for _, run in itertools.groupby(enumerate(map(int, found)), lambda pair: pair[1] - pair[0])]
    told = [str(run[0][1]) if len(run) == 1 else f"{run[0][1]}\N{EN DASH}{run[-1][1]}" for run in runs]
    if len(told) > INDICES:
        return f"{found.size} of {size} {plural}, from {found[0]} to {found[-1]}"
    return f"{name if found.size == 1 else plural} {', '.join(told)} of {size}"


def _is_off(errors: NDArray[np.float64]) -> NDArray[np.bool_]:
    return ~(errors <= 1.0)


def plane(one: Numbers) -> tuple[int, int]:
    """The axes that are drawn down and across: rows and columns, or where there is one of these, other longer ones.

    Raises ValueError where the array has no axes.
    """
    if not one.axes:
        raise ValueError("a number has no axes")
    sizes, axes = one.values.shape, range(one.values.ndim)
    images = [axis for axis in axes if one.axes[axis].endswith(("row", "column"))]
    chosen = [axis for axis in images if sizes[axis] > 1]
    chosen += sorted((axis for axis in axes if axis not in images and sizes[axis] > 1), key=lambda axis: -sizes[axis])
    long = len(chosen)
    chosen += [axis for axis in (*images, *axes) if axis not in chosen]
    down, across = (chosen * 2)[:2]
    return (min(down, across), max(down, across)) if long > 1 else (down, across)  # a single one is drawn down


def tell_plane(one: Numbers) -> str:
    """Which axes are drawn down and across, but for those of one element."""
    down, across = plane(one)
    told = [f"{one.axes[down]} down", *([f"{one.axes[across]} across"] if across != down else [])]
    return ", ".join(part for part, axis in zip(told, (down, across), strict=False) if one.values.shape[axis] > 1)


def split(one: Numbers) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """The slices of the plane that is drawn, each with where it lies, in words."""
    flat = plane(one)
    turned = flat[0] >= flat[1]
    others = [axis for axis in range(one.values.ndim) if axis not in flat]
    for place in itertools.product(*(range(one.values.shape[axis]) for axis in others)):
        at = dict(zip(others, place, strict=True))
        index = tuple(at.get(axis, slice(None)) for axis in range(one.values.ndim))
        named = [f"{one.axes[axis]} {at[axis]}" for axis in others if one.values.shape[axis] > 1]
        part = np.atleast_2d(one.values[index])
        yield ", ".join(named), part.T if turned else part


def _panels(error: Numbers) -> tuple[list[NDArray[np.float64]], list[str], int]:
    """The slices, the worst of them where they are too many, each made small enough."""
    slices = list(split(error))
    worst = sorted(range(len(slices)), key=lambda number: -_is_off(slices[number][1]).sum())[:PANELS]
    chosen = [slices[number] for number in sorted(worst)]
    most = max(1, CELLS // len(chosen))
    return [_pooled(one, most) for _, one in chosen], [label for label, _ in chosen], len(slices) - len(chosen)


def _pooled(one: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """The worst error of each block, where there are more cells than may be drawn."""
    step = math.ceil(math.sqrt(max(one.size, 1) / most))
    if step == 1:
        return one
    rows, columns = (math.ceil(size / step) for size in one.shape)
    padded = np.zeros((rows * step, columns * step))
    padded[: one.shape[0], : one.shape[1]] = np.where(np.isnan(one), np.inf, one)
    pooled: NDArray[np.float64] = padded.reshape(rows, step, columns, step).max(axis=(1, 3))
    return pooled


def _svg(panels: Sequence[NDArray[np.float64]], labels: Sequence[str], words: str) -> Markup:
    rows, columns = (max(one.shape[axis] for one in panels) for axis in (0, 1))
    labelled = any(labels)
    widest = max(map(len, labels)) * 6.2 if labelled else 0.0
    cell = min(float(LARGEST), max(WIDTH / (min(len(panels), 4) * (columns + 1)), 1.5), max(WIDTH / (rows + 1), 1.5))
    step = max(columns * cell, widest) + GAP
    across = max(1, min(len(panels), int(WIDTH // step)))
    height = rows * cell + (MARGIN if labelled else 0) + GAP
    drawn = []
    for number, (one, label) in enumerate(zip(panels, labels, strict=True)):
        left, top = number % across * step, number // across * height
        body = Markup('<text y="11">{}</text>').format(label) if label else ""
        shift = MARGIN if labelled else 0
        drawn.append(
            Markup('<g transform="translate({:.6g} {:.6g})">{}<g transform="translate(0 {})">{}</g></g>').format(
                left, top, body, shift, Markup("").join(_paths(one, cell))
            )
        )
    size = across * step - GAP + 1, math.ceil(len(panels) / across) * height - GAP + 1
    return Markup(
        '<svg class="error" role="img" aria-label="{}" viewBox="-.5 -.5 {w:.6g} {h:.6g}" width="{w:.6g}"'
        ' height="{h:.6g}">{}</svg>'
    ).format(words, Markup("").join(drawn), w=size[0], h=size[1])


def _paths(one: NDArray[np.float64], cell: float) -> Iterator[Markup]:
    """A frame, and a path for every shade, cells side by side in one stroke of it."""
    rows, columns = one.shape
    yield Markup('<path class="s0" d="M0 0H{w:.6g}V{h:.6g}H0z"/>').format(w=columns * cell, h=rows * cell)
    shades = np.searchsorted(SHADES, np.where(np.isnan(one), np.inf, one), side="left")
    shades[np.isposinf(one) | np.isnan(one)] = len(SHADES)
    for shade in range(1, len(SHADES) + 1):
        moves = []
        for row in range(rows):
            edges = np.flatnonzero(np.diff(shades[row] == shade, prepend=False, append=False))
            for start, end in zip(edges[::2], edges[1::2], strict=True):
                x, y, w = start * cell, row * cell, (end - start) * cell
                moves.append(f"M{x:.6g} {y:.6g}h{w:.6g}v{cell:.6g}h-{w:.6g}z")
        if moves:
            yield Markup('<path class="s{}" d="{}"/>').format(shade, "".join(moves))
    if cell >= 6:
        lines = [f"M{column * cell:.6g} 0V{rows * cell:.6g}" for column in range(1, columns)]
        lines += [f"M0 {row * cell:.6g}H{columns * cell:.6g}" for row in range(1, rows)]
        yield Markup('<path class="grid" d="{}"/>').format("".join(lines))
