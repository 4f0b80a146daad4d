"""Hypothesis as the source of cases and as the shrinker of what fails."""

from __future__ import annotations

import collections
import functools
import heapq
import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TypeVar

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as seeded
from hypothesis.strategies import SearchStrategy

from depthwise_conformance.casebook.case import Case, LayerCase, Refusal
from depthwise_conformance.casebook.claims import EVERYTHING, Claim
from depthwise_conformance.casebook.facts import Fact, altered, facts
from depthwise_conformance.casebook.kept import kept
from depthwise_conformance.casebook.strategies import Draw, cases, sampled
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
SPARE = 3  # draws for each case chosen, since Hypothesis likes to vary what it drew before
BLOCK = 500  # cases drawn from one seed, and no more: a longer run takes further seeds, so that memory stays flat
POOL = 300  # further cases for a diagnosis
ATTEMPTS, FURTHER_SEEDS = 4, 700_000_001  # draws of a narrow claim, each from a seed of its own
PORTION = 16  # cases that are chosen at a time
LAYERS_AT_MOST = 100  # drawn, and as many refusals: whole layers are slow to make, and have fewer corners

T = TypeVar("T")


class _FoundError(Exception):
    """Tells Hypothesis that a case fails."""


class _EnoughError(BaseException):
    """Ends Hypothesis's draws, which takes an Exception for a case that fails."""


def draw(block: Draw, count: int) -> tuple[Case, ...]:
    """The first `count` distinct cases of a block, chosen as those of `draw_block` are."""
    if block.shrinkable:
        return draw_block(block.seed, count, block.claim)
    return _chosen(count, block, _sample)


@functools.lru_cache(maxsize=8)  # several targets, or runs of one process, ask for the same
@kept
def draw_block(seed: int, count: int, claim: Claim = EVERYTHING) -> tuple[Case, ...]:
    """The first `count` distinct cases of a seed (fewer if Hypothesis finds no more), as unlike one another as may be.

    Of cases that share what most implementations branch on, the first goes before all that resemble another, as far as
    they were drawn by then: the first cases are the same, however many there are to be.
    """
    return _chosen(count, Draw(seed, claim), _draw)


def _chosen(count: int, block: Draw, deal: Callable[[Draw, int, Callable[[Case], None]], None]) -> tuple[Case, ...]:
    choice = _Choice(count)
    with suppress(_EnoughError):
        for attempt in range(ATTEMPTS if block.claim.text else 1):  # a narrow claim has few cases, and rejects many
            deal(block, attempt, choice.take)
        choice.choose(count)
    return tuple(choice.chosen)


class _Choice:
    """Chooses `count` of the cases drawn, so many of each portion, the least familiar first."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._drawn = 0
        self._known: set[str] = set()
        self._seen: collections.Counter[object] = collections.Counter()
        self._left: list[tuple[int, int, Case]] = []
        self.chosen: list[Case] = []

    def take(self, case: Case) -> None:
        """Takes in a case. Raises _EnoughError when no more are needed."""
        self._drawn += 1
        if case.id not in self._known:
            self._known.add(case.id)
            heapq.heappush(self._left, (self._seen[_family(case)], self._drawn, case))
            self._seen[_family(case)] += 1
        if self._drawn % (SPARE * PORTION) == 0:
            self.choose(PORTION)

    def choose(self, count: int) -> None:
        """Chooses so many of those left. Raises _EnoughError when no more are needed."""
        for _ in range(min(count, len(self._left), self._count - len(self.chosen))):
            self.chosen.append(heapq.heappop(self._left)[-1])
        if len(self.chosen) == self._count:
            raise _EnoughError


def _draw(block: Draw, attempt: int, examine: Callable[[Case], object], shrinking: tuple[Phase, ...] = ()) -> None:
    """Has Hypothesis draw from the block's seed, or another for each further attempt."""
    seed = block.seed + attempt * FURTHER_SEEDS
    _hypothesis(cases(block.claim), seed, _most(), (Phase.generate, *shrinking), examine)


def _sample(block: Draw, attempt: int, examine: Callable[[Case], object]) -> None:
    """Draws without Hypothesis, so many as it would."""
    seed = block.seed + attempt * FURTHER_SEEDS
    for case in itertools.islice(sampled(seed, block.claim), _most()):
        if block.claim.covers(case):
            examine(case)


def _most() -> int:
    """The draws that are made for a block, in one attempt."""
    return SPARE * BLOCK + 16


def _family(case: Case) -> object:
    c = case.config
    return c.kernel_size, c.activation, c.dtype, c.depth_multiplier, c.data_format


def draw_pool(seed: int, claim: Claim = EVERYTHING) -> tuple[Case, ...]:
    """Cases of which no run judges any, to be asked for in a diagnosis."""
    return draw_block(seed * 1_000_003 + 500_001, POOL, claim)


@functools.lru_cache(maxsize=8)
@kept
def draw_refusals(seed: int, count: int) -> tuple[Refusal, ...]:
    """Everything outside what the documentation accepts, and `count` draws of what it refuses by name."""
    return tuple(dict.fromkeys((*OUTSIDE, *_first(refusals(), seed, count))))


@functools.lru_cache(maxsize=8)
@kept
def draw_layer_cases(seed: int, count: int) -> tuple[LayerCase, ...]:
    """`count` distinct layers whose arguments are all drawn."""
    return tuple(dict.fromkeys(_first(drawn_layer_cases(), seed, count)))


def _first(strategy: SearchStrategy[T], seed: int, count: int) -> list[T]:
    """The first draws of a seed, the same however many there are to be, up to LAYERS_AT_MOST."""
    drawn: list[T] = []

    def take(case: T) -> None:
        drawn.append(case)
        if len(drawn) == count:
            raise _EnoughError

    with suppress(_EnoughError):
        _hypothesis(strategy, seed, LAYERS_AT_MOST, (Phase.generate,), take)
    return drawn


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
