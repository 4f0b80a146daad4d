"""The page of `compare`: what changed between two run folders, in one file that needs nothing but itself."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import jinja2

from depthwise_conformance.reports.changes import BROKEN, FIXED, KINDS, NEW, REGRESSED, Change, bare
from depthwise_conformance.reports.digest import Digest, read_digest
from depthwise_conformance.reports.files import place_text
from depthwise_conformance.reports.matrix import in_order
from depthwise_conformance.reports.words import counted, duration, visible

TONES = {REGRESSED: "fail", NEW: "fail", BROKEN: "broken", FIXED: "pass"}


@dataclass(frozen=True)
class Comparison:
    """Two runs, by what they are called, and what changed between them."""

    sides: Sequence[tuple[str, Digest]]
    changes: Sequence[Change]

    @property
    def headline(self) -> str:
        """The result in a sentence."""
        told = [f"{count} {kind}" for kind, count in self.kinds.items()]
        return ", ".join(told) if told else "Nothing changed"

    @property
    def kinds(self) -> dict[str, int]:
        """How many changes there are of each kind, worst first."""
        counts = Counter(one.kind for one in self.changes)
        return {kind: counts[kind] for kind in KINDS if counts[kind]}

    @property
    def targets(self) -> list[str]:
        """All targets of either run, as the changes call them."""
        names = [{*digest.targets} for _, digest in self.sides]
        return sorted(names[0] | names[1] if names[0] & names[1] else {bare(name) for name in names[0] | names[1]})

    @property
    def checks(self) -> tuple[str, ...]:
        """All checks by which either run judged anything; "" for what became of a target as a whole."""
        whole = ("",) if any(not one.check for one in self.changes) else ()
        return *whole, *in_order({check for _, check in self.cells if check})

    @functools.cached_property
    def cells(self) -> dict[tuple[str, str], Counter[str]]:
        """By target and check, of those that either run has judged: how many changes there are of each kind."""
        pairs = (pair for _, digest in self.sides for pair in digest.cells.items())
        judged = [place for place, counts in pairs if counts.passed or counts.failed]
        cells = {key: Counter[str]() for name, check in judged for key in ((name, check), (bare(name), check))}
        for one in self.changes:
            cells.setdefault((one.target, one.check), Counter())[one.kind] += 1
        return cells


def write_changes(path: Path, old: Path, new: Path, changes: Sequence[Change]) -> None:
    """Writes the page. Raises ValueError that names the folder and what is wrong, OSError."""
    sides = [(str(folder), read_digest(folder)) for folder in (old, new)]
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_source), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"seen": visible, "duration": duration}
    environment.globals |= {"counted": counted, "tones": TONES}
    template = environment.get_template("changes.html.jinja")
    place_text(path, template.render(view=Comparison(sides, changes)))


def _source(name: str) -> str:
    return resources.files("depthwise_conformance.reports").joinpath(name).read_text(encoding="utf-8")
