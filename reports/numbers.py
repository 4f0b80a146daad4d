"""Numbers side by side: what went in, what was expected, what came back, slice by slice of rows and columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.reports.evidence import GIVEN, Evidence, Numbers
from depthwise_conformance.reports.pictures import split, tell_plane
from depthwise_conformance.reports.words import figure

SLICES, SIDE = 6, 8  # so many slices of an array are shown, and so many of its rows and columns
DIGITS = (6, 9, 17)
NUMBERS = 600  # that a few lines of code hold


@dataclass(frozen=True)
class Table:
    """Some rows and columns of a slice as text; `marks` are the places of what is off."""

    name: str
    rows: Sequence[Sequence[str]]
    marks: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True)
class Slice:
    """Tables that lie side by side, and where: "image 0, channel 3"; they begin with these numbers down and across.

    `cut` is set where the slice has more rows or columns than are shown.
    """

    where: str
    tables: Sequence[Table]
    down: int = 0
    across: int = 0
    cut: bool = False


@dataclass(frozen=True)
class Shown:
    """The slices of an array, or of several of one shape, and which axes they show; `left_out` counts other slices."""

    name: str
    shape: str
    axes: str
    slices: Sequence[Slice]
    left_out: int


def show_given(evidence: Evidence) -> list[Shown]:
    """What went in, in part where it is large."""
    return [_show(name, one) for name in GIVEN if (one := evidence.arrays.get(name)) is not None]


def show_results(evidence: Evidence) -> list[Shown]:
    """What was expected, what came back, and the error of it: side by side where they are of one shape."""
    found = {name: one for name in ("expected", "got") if (one := evidence.arrays.get(name)) is not None}
    if len({one.values.shape for one in found.values()}) > 1 or len(found) < 2:
        return [_show(name, one) for name, one in found.items()]
    return [_compare(found["expected"], found["got"], evidence.arrays.get("error"))]


def _show(name: str, one: Numbers) -> Shown:
    slices = list(split(one)) if one.values.size and one.axes else []
    shown = []
    for where, values in slices[:SLICES]:
        rows, columns = _window(values, np.zeros(values.shape, bool))
        part = values[rows, columns]
        shown.append(
            Slice(where, [Table("", _texts(part, DIGITS[0]))], rows.start, columns.start, part.size < values.size)
        )
    return _shown(name, one, shown, len(slices) - len(shown))


def _shown(name: str, one: Numbers, slices: Sequence[Slice], left_out: int) -> Shown:
    axes = [f"{size} {axis}{'' if size == 1 else 's'}" for size, axis in zip(one.values.shape, one.axes, strict=True)]
    return Shown(name, " \N{MULTIPLICATION SIGN} ".join(axes), tell_plane(one) if one.axes else "", slices, left_out)


def _compare(expected: Numbers, got: Numbers, error: Numbers | None) -> Shown:
    errors = np.full(expected.values.shape, np.nan) if error is None else error.values
    off = _off(errors, error)
    digits = next((n for n in DIGITS if not _alike(expected.values[off], got.values[off], n)), DIGITS[-1])
    arrays = (expected, got, Numbers(expected.axes, errors))
    slices = list(zip(*map(split, arrays), strict=True)) if expected.values.size and expected.axes else []
    counts = [int(_off(one[2][1], error).sum()) for one in slices]
    order = sorted(range(len(slices)), key=lambda number: -counts[number])[:SLICES]
    wanted = [number for number in order if counts[number]] or order[:1]
    shown = []
    for (where, one), (_, other), (_, far) in (slices[number] for number in wanted):
        rows, columns = _window(one, _off(far, error))
        marks = frozenset((int(row), int(column)) for row, column in np.argwhere(_off(far, error)[rows, columns]))
        tables = [Table("expected", _texts(one[rows, columns], digits))]
        tables.append(Table("got", _texts(other[rows, columns], digits), marks))
        if error is not None:
            tables.append(
                Table("error / bound", [[figure(value) for value in row] for row in far[rows, columns]], marks)
            )
        cut = one[rows, columns].size < one.size
        shown.append(Slice(where, tables, rows.start, columns.start, cut))
    return _shown("Expected and got", expected, shown, len(slices) - len(shown))


def _off(errors: NDArray[np.float64], error: Numbers | None) -> NDArray[np.bool_]:
    return np.zeros(errors.shape, bool) if error is None else ~(errors <= 1.0)


def _alike(some: NDArray[np.float64], others: NDArray[np.float64], digits: int) -> bool:
    """Whether any two different numbers look the same."""
    return any(
        f"{a:.{digits}g}" == f"{b:.{digits}g}" for a, b in zip(some[:64], others[:64], strict=True) if a != b and a == a
    )


def _window(one: NDArray[np.float64], off: NDArray[np.bool_]) -> tuple[slice, slice]:
    """The rows and columns to show, about the first that is off."""
    first = np.argwhere(off)[0] if off.any() else (0, 0)
    starts = [max(0, min(int(at) - SIDE // 2, size - SIDE)) for at, size in zip(first, one.shape, strict=True)]
    rows, columns = (slice(start, min(start + SIDE, size)) for start, size in zip(starts, one.shape, strict=True))
    return rows, columns


def _texts(values: NDArray[np.float64], digits: int) -> list[list[str]]:
    return [[_text(float(value), digits) for value in row] for row in values]


def _text(value: float, digits: int) -> str:
    return f"{value:.{digits}g}" if math.isfinite(value) else str(value)


def as_keras(call: str, evidence: Evidence) -> str:
    """The lines that make the layer, give it these weights and call it; "" where a number of them is missing."""
    arrays = {name: one.values for name, one in evidence.arrays.items() if name in GIVEN}
    if not call or not {"x", "kernel"} <= arrays.keys() or sum(one.size for one in arrays.values()) > NUMBERS:
        return ""
    dtype = "float64" if "float64" in call else "float32"
    weights = [name for name in ("kernel", "bias") if name in arrays]
    lines = ["import keras", "import numpy as np", "from numpy import inf, nan", ""]
    lines += [f'{name} = np.array({arrays[name].tolist()!r}, "{dtype}")' for name in ("x", *weights)]
    lines += [
        f"layer = {call}",
        "layer.build(x.shape)",
        f"layer.set_weights([{', '.join(weights)}])",
        "print(layer(x))",
    ]
    return "\n".join(lines)
