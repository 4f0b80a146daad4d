"""Hypothesis as the source of cases and as the shrinker of what fails."""

from __future__ import annotations

import collections
import functools
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TypeVar

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as seeded
from hypothesis.strategies import SearchStrategy

from depthwise_conformance.casebook.case import Case, LayerCase, Refusal
from depthwise_conformance.casebook.claims import EVERYTHING, Claim
from depthwise_conformance.casebook.facts import Fact, altered, facts
from depthwise_conformance.casebook.strategies import Draw, cases
from depthwise_conformance.layers.catalogue import drawn_layer_cases
from depthwise_conformance.layers.refusals import OUTSIDE, refusals
from depthwise_conformance.running import interrupts

# What makes a case plainer, the plainest value first.
PLAIN: dict[str, tuple[Fact, ...]] = {
    **{"batch": (1, 2), "channels": (1, 2, 3, 5, 9, 17), "depth_multiplier": (1, 2, 3)},
    **{f"{name}_{axis}": (1, 2, 3) for name in ("kernel", "stride", "dilation") for axis in ("height", "width")},
    **{f"output_{axis}": (1, 2, 3, 4, 5, 8) for axis in ("height", "width")},
    **{f"input_{axis}": (1, 2, 3, 4, 5, 6, 7, 8) for axis in ("height", "width")},
    **{"activation": ("linear",), "use_bias": (False,), "padding": ("valid",), "data_format": ("channels_last",)},
    **{"dtype": ("float32",), "recipe": ("integers", "uniform")},
}
BLOCK = 500  # cases drawn from one seed: a longer run takes further seeds, so that memory stays flat
POOL = 300  # further cases for a diagnosis
ATTEMPTS, FURTHER_SEEDS = 4, 700_000_001  # draws of a narrow claim, each from a seed of its own
SPARE = 3  # draws for each case wanted, since Hypothesis likes to vary what it drew before

T = TypeVar("T")


class _FoundError(Exception):
    """Tells Hypothesis that a case fails."""


@functools.lru_cache(maxsize=8)  # several targets, or runs of one process, ask for the same
def draw_block(seed: int, count: int, claim: Claim = EVERYTHING) -> tuple[Case, ...]:
    """`count` distinct cases of a seed (fewer if Hypothesis finds no more), as unlike one another as may be.

    Of cases that share what most implementations branch on, the first goes before all that resemble another.
    """
    block = Draw(seed, count, claim)
    drawn: dict[str, Case] = {}
    for attempt in range(ATTEMPTS if block.claim.text else 1):  # a narrow claim has few cases, and rejects many
        if len(drawn) < block.count:
            _draw(block, attempt, lambda case: drawn.setdefault(case.id, case))
    seen: collections.Counter[object] = collections.Counter()
    ranked = []
    for case in drawn.values():
        ranked.append((seen[_family(case)], case))
        seen[_family(case)] += 1
    ranked.sort(key=lambda pair: pair[0])  # stable: otherwise as drawn
    return tuple(case for _, case in ranked[: block.count])


def _draw(block: Draw, attempt: int, examine: Callable[[Case], object], shrinking: tuple[Phase, ...] = ()) -> None:
    """Has Hypothesis draw from the block's seed, or another for each further attempt."""
    seed = block.seed + attempt * FURTHER_SEEDS
    _hypothesis(cases(block.claim), seed, SPARE * block.count + 16, (Phase.generate, *shrinking), examine)


def _family(case: Case) -> object:
    c = case.config
    return c.kernel_size, c.activation, c.dtype, c.depth_multiplier, c.data_format


def draw_pool(seed: int, claim: Claim = EVERYTHING) -> tuple[Case, ...]:
    """Cases of which no run judges any, to be asked for in a diagnosis."""
    return draw_block(seed * 1_000_003 + 500_001, POOL, claim)


def draw_refusals(seed: int, count: int) -> tuple[Refusal, ...]:
    """Everything outside what the documentation accepts, and `count` draws of what it refuses by name."""
    drawn: dict[str, Refusal] = {case.id: case for case in OUTSIDE}
    _hypothesis(refusals(), seed, count, (Phase.generate,), lambda case: drawn.setdefault(case.id, case))
    return tuple(drawn.values())


def draw_layer_cases(seed: int, count: int) -> tuple[LayerCase, ...]:
    """`count` distinct layers whose arguments are all drawn."""
    drawn: dict[str, LayerCase] = {}
    _hypothesis(drawn_layer_cases(), seed, count, (Phase.generate,), lambda case: drawn.setdefault(case.id, case))
    return tuple(drawn.values())


def search(block: Draw, first: Case, fails: Callable[[Case], bool]) -> None:
    """Repeats the draws of a block up to `first`, which is known to fail, and shrinks from there.

    `fails` is asked once for each case.
    """
    known = {first.id: True}
    reached = False

    def examine(case: Case) -> None:
        nonlocal reached
        reached = reached or case.id == first.id
        if reached and case.id not in known:
            known[case.id] = fails(case)
        if reached and known[case.id]:
            raise _FoundError

    with suppress(_FoundError):
        _draw(block, 0, examine, (Phase.shrink,))


def simplify(case: Case, fails: Callable[[Case], bool]) -> None:
    """Changes one thing of a failing case after another to something plainer, as long as it keeps failing."""
    tried = {case}
    while True:
        for other in _plainer(case):
            if other not in tried:
                tried.add(other)
                if fails(other):
                    case = other
                    break
        else:
            return


def _plainer(case: Case) -> Iterator[Case]:
    known = facts(case)
    for fact, values in PLAIN.items():
        for value in values:
            if value == known[fact]:
                break
            with suppress(ValueError):
                yield altered(case, fact, value)


def _hypothesis(
    strategy: SearchStrategy[T], seed: int, count: int, phases: tuple[Phase, ...], examine: Callable[[T], object]
) -> None:
    def look(case: T) -> None:
        interrupts.check()
        examine(case)

    try:
        seeded(seed)(_settings(count, phases)(given(strategy)(look)))()
    except Exception:
        interrupts.check()  # interrupted before it begins, Hypothesis fails by an assertion of its own
        raise


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
