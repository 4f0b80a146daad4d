"""What the documentation says, and what a cause computes: rows of docs/specification.md and docs/deviations.md.

Both are links in this folder, so that the package has them wherever it is installed.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources

from markupsafe import Markup, escape

from depthwise_conformance.reports.record import Discrepancy

SPECIFICATION, DEVIATIONS = "specification.md", "deviations.md"
MOST = 3  # sentences of one discrepancy
_NARROWED = re.compile(r" \([a-z ]*gradient[a-z ]*\)$")
_FACTS = {  # the argument that a fact of a case belongs to, by how its name begins
    **{"stride": "strides", "dilation": "dilation_rate", "kernel": "kernel_size", "zeros": "padding", "odd": "padding"},
    **{"output_channels": "depth_multiplier", "taps": "kernel_size", "extent": "dilation_rate"},
}


@dataclass(frozen=True)
class Sentence:
    """A sentence of the documentation and what of it has to hold, with the arguments and checks that it is about."""

    anchor: str
    said: str
    claim: str
    arguments: frozenset[str]
    checks: tuple[str, ...]


@dataclass(frozen=True)
class Cause:
    """The name of what is computed instead, and what that is."""

    anchor: str
    name: str
    meaning: str


def documented(one: Discrepancy) -> list[Sentence]:
    """The sentences that a discrepancy contradicts, as far as its check and what it takes to show it tell."""
    told = f"{' '.join(one.family.split(' ')[2:])} {one.condition}"
    arguments = {name for word in re.findall(r"[a-z]+(?:_[a-z]+)*", told) for name in _arguments_of(word)}
    mine = [sentence for sentence in sentences() if one.check in sentence.checks]
    telling = [sentence for sentence in mine if sentence.arguments & arguments]
    general = sorted(mine, key=lambda it: (it.checks[0] != one.check, bool(it.arguments), -len(it.checks)))
    return sorted(telling, key=lambda it: -len(it.arguments & arguments))[:MOST] or general[:1]


def explained(cause: str) -> list[Cause]:
    """What the parts of a cause mean, as far as they have a name."""
    names = (_NARROWED.sub("", part) for part in cause.split(" + "))
    return [causes()[name] for name in names if name in causes()]


def ticked(text: str) -> Markup:
    """Markdown with no more than `code` in it."""
    parts = escape(text).split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if odd % 2 else part for odd, part in enumerate(parts)
    )


@functools.cache
def sentences() -> tuple[Sentence, ...]:
    """The rows of the specification's tables."""
    rows = [row for row in _rows(SPECIFICATION) if len(row) == 5 and row[2] != "arguments"]
    return tuple(_sentence(number, *row) for number, row in enumerate(rows, start=1))


@functools.cache
def causes() -> dict[str, Cause]:
    """The causes by name: rows of tables, and those that are listed before them."""
    named = [(row[0], row[1]) for row in _rows(DEVIATIONS) if len(row) == 3 and row[0] != "name"]
    listed = re.findall(r"^- (`.*?)[:,]\s+([^`]*?\.)$", _text(DEVIATIONS), re.MULTILINE | re.DOTALL)
    named += [(name, meaning) for names, meaning in listed for name in re.findall(r"`([^`]+)`", names)]
    return {
        name: Cause(f"cause-{number}", name, " ".join(meaning.split())) for number, (name, meaning) in enumerate(named)
    }


def _sentence(number: int, said: str, claim: str, arguments: str, checks: str, fakes: str) -> Sentence:
    named, judging = (tuple(re.findall(r"`(\w+)`", cell)) for cell in (arguments, checks))
    return Sentence(f"says-{number}", said, claim, frozenset(named), judging)


def _arguments_of(word: str) -> Iterator[str]:
    yield word
    yield from (argument for start, argument in _FACTS.items() if word.startswith(start))


def _rows(name: str) -> Iterable[list[str]]:
    lines = (line for line in _text(name).splitlines() if line.startswith("|") and not line.startswith("|---"))
    return ([cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")] for line in lines)


def _text(name: str) -> str:
    return resources.files("depthwise_conformance.reports").joinpath(name).read_text(encoding="utf-8")
