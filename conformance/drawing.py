"""Hypothesis as the source of cases and as the shrinker of what fails."""

from __future__ import annotations

import collections
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as seeded
from hypothesis.strategies import SearchStrategy

from depthwise_conformance.case import Case, Refusal
from depthwise_conformance.strategies import OUTSIDE, cases, refusals

BLOCK = 500  # cases drawn from one seed: a longer run takes further seeds, so that memory stays flat
SPARE = 3  # draws for each case wanted, since Hypothesis likes to vary what it drew before

T = TypeVar("T")


class _FoundError(Exception):
    """Tells Hypothesis that a case fails."""


def draw_block(seed: int, count: int) -> list[Case]:
    """`count` distinct cases of a seed (fewer if Hypothesis finds no more), as unlike one another as may be.

    Of cases that share what most implementations branch on, the first goes before all that resemble another.
    """
    drawn: dict[str, Case] = {}
    _hypothesis(cases(), seed, SPARE * count + 16, (Phase.generate,), lambda case: drawn.setdefault(case.id, case))
    seen: collections.Counter[object] = collections.Counter()
    ranked = []
    for case in drawn.values():
        ranked.append((seen[_family(case)], case))
        seen[_family(case)] += 1
    ranked.sort(key=lambda pair: pair[0])  # stable: otherwise as drawn
    return [case for _, case in ranked[:count]]


def _family(case: Case) -> object:
    c = case.config
    return c.kernel_size, c.activation, c.dtype, c.depth_multiplier, c.data_format


def draw_refusals(seed: int, count: int) -> tuple[Refusal, ...]:
    """Everything outside what the documentation accepts, and `count` draws of what it refuses by name."""
    drawn: dict[str, Refusal] = {case.id: case for case in OUTSIDE}
    _hypothesis(refusals(), seed, count, (Phase.generate,), lambda case: drawn.setdefault(case.id, case))
    return tuple(drawn.values())


def search(seed: int, count: int, first: Case, fails: Callable[[Case], bool], seconds: float) -> None:
    """Repeats the draws of a block up to `first`, which is known to fail, and shrinks from there.

    `fails` is asked once for each case, and no more once the time is up.
    """
    known = {first.id: True}
    reached = False
    deadline = time.monotonic() + seconds

    def examine(case: Case) -> None:
        nonlocal reached
        reached = reached or case.id == first.id
        if reached and case.id not in known:
            known[case.id] = time.monotonic() < deadline and fails(case)
        if reached and known[case.id]:
            raise _FoundError

    with suppress(_FoundError):
        _hypothesis(cases(), seed, SPARE * count + 16, (Phase.generate, Phase.shrink), examine)


def _hypothesis(
    strategy: SearchStrategy[T], seed: int, count: int, phases: tuple[Phase, ...], examine: Callable[[T], object]
) -> None:
    def look(case: T) -> None:
        examine(case)

    seeded(seed)(_settings(count, phases)(given(strategy)(look)))()


def _settings(count: int, phases: tuple[Phase, ...]) -> settings:
    return settings(
        max_examples=count,
        phases=phases,
        database=None,
        deadline=None,
        derandomize=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
