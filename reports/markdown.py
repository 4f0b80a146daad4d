"""Tables in Markdown, of text that may hold anything."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from depthwise_conformance.reports.words import visible

_MARKS = re.compile(r"([\\`*_\[\]|~#])")


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; what is marks to Markdown or HTML stands in it as text."""
    lines = [headings, ("---",) * len(headings), *(tuple(map(cell, row)) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(text: str) -> str:
    """Text as a cell of a table: on one line, with nothing in it that means more than it says."""
    return _MARKS.sub(r"\\\1", html.escape(visible(text), quote=False)).replace("\n", "<br>")
