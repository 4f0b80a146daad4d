"""What a suite is, and what it makes of a kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from depthwise_conformance.adapters.base import Adapter, Unsupported
from peers.calls import Random
from peers.cases import Case, Subject

TWICE = 4  # cases, the smallest of a suite, that are asked twice when nothing else showed


@dataclass(frozen=True)
class Suite:
    """A suite's name, where it comes from, and its cases; a suite that is not `random` is the same for every seed."""

    name: str
    source: str
    draw: Callable[[Random], list[Case]]
    random: bool = True

    def cases(self, seed: int) -> list[Case]:
        """The cases of a seed, in the suite's order."""
        return self.draw(np.random.default_rng(seed))


@dataclass
class Outcome:
    """By which case a kernel was caught, and in which any bit showed that it is not honest; "" where in none.

    Cases in which strides and dilation meet are counted apart, as Keras refuses them.
    """

    caught: str = ""
    seen: str = ""
    caught_combined: str = ""
    seen_combined: str = ""

    def note(self, case: Case, failed: bool, differs: bool) -> None:
        """Keeps the first case of each kind."""
        suffix = "_combined" if case.combined else ""
        for what, happened in (("caught", failed), ("seen", differs)):
            if happened and not getattr(self, what + suffix):
                setattr(self, what + suffix, case.name)


def examine(cases: Sequence[Case], fake: type[Adapter], thorough: bool = False) -> Outcome:
    """Puts the cases to a fresh kernel, one for each group, until it is caught.

    Whether it could be seen is decided on the same calls: by any bit of a result that is not the honest one, or by an
    argument that was changed. Where that never happens, the smallest cases are asked twice.
    """
    outcome, subject, group = Outcome(), Subject(fake), 0
    for case in cases:
        if case.group != group:
            subject, group = Subject(fake), case.group
        try:
            outcome.note(case, *case.put(subject, thorough))
        except Unsupported:
            continue
        if outcome.caught:
            return outcome
    if not outcome.seen:
        _ask_twice(cases, fake, outcome)
    return outcome


def _ask_twice(cases: Sequence[Case], fake: type[Adapter], outcome: Outcome) -> None:
    subject = Subject(fake)
    for case in sorted((case for case in cases if not case.combined), key=lambda case: case.x.size)[:TWICE]:
        try:
            outcome.note(case, False, not case.repeats(subject))
        except Unsupported:
            continue
