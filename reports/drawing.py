"""SVG by hand, as little of it as the page's plots take: bars, and rows of values along a logarithmic axis."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from depthwise_conformance.reports.words import visible

LABEL, PLOT, NOTE = (
    190,
    380,
    170,
)  # pixels: of what stands before a row, of the row itself, and of what stands behind it
ROW, AXIS = 18, 24
LETTERS = 28  # of a label
LEAST, MOST = 1e-4, 1e4  # what is beyond is drawn at the end of a logarithmic axis


@dataclass(frozen=True)
class Bar:
    """A row of a bar chart: its label, its parts in order (a class of the style sheet, and how much), a note behind."""

    label: str
    parts: Sequence[tuple[str, float]]
    note: str = ""


@dataclass(frozen=True)
class Spread:
    """A row along the logarithmic axis: the middle half of some values, their median, and the largest of them."""

    label: str
    low: float
    median: float
    high: float
    largest: float
    note: str = ""


def shorten(text: str, limit: int = LETTERS) -> str:
    """A text of which nothing is invisible, no longer than a limit."""
    return visible(text if len(text) <= limit else f"{text[: limit - 1]}\N{HORIZONTAL ELLIPSIS}")


def draw_bars(rows: Sequence[Bar], words: str, whole: bool = False) -> Markup:
    """A bar for each row; of the length of its own sum where each is a `whole`, else of the longest."""
    longest = max((sum(value for _, value in row.parts) for row in rows), default=0.0)
    drawn = []
    for number, row in enumerate(rows):
        full = sum(value for _, value in row.parts) if whole else longest
        x, parts = float(LABEL), []
        for kind, value in row.parts:
            width = PLOT * value / full if full else 0.0
            parts.append(
                Markup('<rect class="{}" x="{:.6g}" y="3" width="{:.6g}" height="11"/>').format(kind, x, width)
            )
            x += width
        drawn.append(_row(number, row.label, row.note, x + 6, Markup("").join(parts)))
    return _svg(len(rows) * ROW, words, drawn)


def draw_spreads(rows: Sequence[Spread], words: str) -> Markup:
    """A row for each spread of errors in units of the bound, which has a line of its own at 1."""
    drawn = [_axis(len(rows) * ROW)]
    for number, row in enumerate(rows):
        low, median, high, largest = (place(value) for value in (row.low, row.median, row.high, row.largest))
        kind = "over" if row.largest > 1.0 else "within"
        parts = Markup(
            '<path class="whisker" d="M{low:.6g} 8.5H{largest:.6g}"/>'
            '<rect class="box" x="{low:.6g}" y="4" width="{width:.6g}" height="9"/>'
            '<path class="median" d="M{median:.6g} 3v11"/><circle class="{kind}" cx="{largest:.6g}" cy="8.5" r="3"/>'
        ).format(low=low, median=median, width=max(high - low, 1.0), largest=largest, kind=kind)
        drawn.append(_row(number, row.label, row.note, LABEL + PLOT + 10, parts))
    return _svg(len(rows) * ROW + AXIS, words, drawn)


def place(value: float) -> float:
    """Where a value lies along the logarithmic axis."""
    clipped = min(max(value, LEAST), MOST) if not math.isnan(value) else MOST
    return LABEL + PLOT * math.log(clipped / LEAST) / math.log(MOST / LEAST)


def draw_curve(points: Sequence[tuple[float, float]], kind: str, width: float, height: float, most: float) -> Markup:
    """A line through points (a number of terms, an error), both axes logarithmic, with a dot on each."""
    moves = []
    for terms, error in points:
        x = width * math.log2(max(terms, 1.0)) / max(math.log2(max(most, 2.0)), 1.0)
        y = height * (1 - (place(error) - LABEL) / PLOT)
        moves.append((x, y))
    line = "".join(f"{'L' if number else 'M'}{x:.5g} {y:.5g}" for number, (x, y) in enumerate(moves))
    dots = Markup("").join(
        Markup('<circle class="{}" cx="{:.5g}" cy="{:.5g}" r="2"/>').format(kind, x, y) for x, y in moves
    )
    return Markup('<path class="curve {}" d="{}"/>{}').format(kind, line, dots)


def _axis(height: float) -> Markup:
    exponents = range(round(math.log10(LEAST)), round(math.log10(MOST)) + 1)
    marks = [(place(10.0**exponent), exponent) for exponent in exponents]
    lines = "".join(f"M{x:.6g} 0V{height}" for x, exponent in marks if exponent)
    texts = Markup("").join(
        Markup('<text class="tick" x="{:.6g}" y="{}">{}</text>').format(x, height + 14, f"{10.0**exponent:g}")
        for x, exponent in marks
        if exponent % 2 == 0
    )
    bound = Markup('<path class="bound" d="M{:.6g} 0V{}"/>').format(place(1.0), height)
    return Markup('<path class="rule" d="{}"/>{}{}').format(lines, bound, texts)


def _row(number: int, label: str, note: str, x: float, parts: Markup) -> Markup:
    return Markup(
        '<g transform="translate(0 {})"><text class="label" x="{}" y="13">{}</text>{}'
        '<text x="{:.6g}" y="13">{}</text></g>'
    ).format(number * ROW, LABEL - 8, shorten(label), parts, x, shorten(note, 2 * LETTERS))


def _svg(height: float, words: str, parts: Iterable[Markup]) -> Markup:
    width = LABEL + PLOT + NOTE
    return Markup(
        '<svg class="plot" role="img" aria-label="{}" viewBox="0 0 {w} {h}" width="{w}" height="{h}">{}</svg>'
    ).format(visible(words), Markup("").join(parts), w=width, h=height)
