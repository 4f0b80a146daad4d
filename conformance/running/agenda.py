"""What a run judges: the cases of its seed, in the order in which they are asked."""

from __future__ import annotations

import collections
import functools
import itertools
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from depthwise_conformance.casebook.case import AnyCase, Case, WholeLayer
from depthwise_conformance.casebook.claims import Claim
from depthwise_conformance.casebook.covering import catalogue
from depthwise_conformance.casebook.fixed import activation_cases, fixed_cases
from depthwise_conformance.casebook.strategies import Draw
from depthwise_conformance.judging.tally import extent
from depthwise_conformance.layers.catalogue import layer_cases
from depthwise_conformance.reports.record import CHECKS, LAYER_CHECKS
from depthwise_conformance.running.drawing import (
    BLOCK,
    LAYERS_AT_MOST,
    draw,
    draw_layer_cases,
    draw_refusals,
)

PLAIN = 3  # cases that come before all others: if they all raise the same, nothing else is asked
ENDLESS = sys.maxsize  # cases drawn until a clock ends it
CHUNK = 16  # cases that are handed to the targets together

C = TypeVar("C")


@dataclass(frozen=True)
class Options:
    """What a run was asked for."""

    checks: tuple[str, ...] = CHECKS
    examples: int = 250  # or ENDLESS
    seed: int = 0
    strength: int = 2
    first: tuple[AnyCase, ...] = ()  # asked before all others
    given: tuple[AnyCase, ...] = ()  # what somebody brought: then nothing else is asked
    shard: tuple[int, int] = (1, 1)  # which of so many parts of all cases, by the hash in their ids
    fast: bool = False  # the catalogue alone, and nothing asked beyond it
    search_steps: int = 120  # by which one discrepancy is shrunk
    search_budget: int = 2500  # steps for all of one target's
    questions: int = 2000  # further cases that one target is asked for in the diagnosis
    backstop: float = (
        600.0  # seconds for either of them: a clock that no run should reach, and that is told if one does
    )


class Drawing(Protocol):
    """Where cases are drawn: `draw` begins, what it returns waits for them. So many blocks may be drawn `ahead`."""

    ahead: int

    def draw(self, block: Draw, count: int) -> Callable[[], tuple[Case, ...]]:
        """The first `count` of a block."""


class Directly:
    """Draws when the cases are needed."""

    ahead = 0

    def draw(self, block: Draw, count: int) -> Callable[[], tuple[Case, ...]]:
        """The first `count` of a block."""
        return functools.partial(draw, block, count)


class Agenda:
    """The cases of a run, for targets that make these claims.

    Each claim brings a catalogue of its own, and as many draws as were asked for; but a case goes to every target that
    claims it, so draws made for one claim count for the next where they fit. What is drawn ends when it is `over`;
    `reached` then is the number of examples that asks for the same.
    """

    def __init__(
        self,
        options: Options,
        claims: Iterable[Claim],
        smallest_first: bool = False,
        over: Callable[[], bool] = lambda: False,
        drawing: Drawing | None = None,
    ) -> None:
        self._options = options
        self._order = (lambda cases: sorted(cases, key=extent)) if smallest_first else iter
        self._claims = tuple(dict.fromkeys(claims))
        self._asked: set[int] = set()
        self._drawn: collections.Counter[Claim] = collections.Counter()  # for this claim
        self._brought: collections.Counter[Claim] = collections.Counter()  # for others, and fitting this one
        self._over = over
        self._drawing = drawing or Directly()
        self._begun: dict[tuple[int, Claim], Callable[[], tuple[Case, ...]]] = {}
        self.reached = 0

    def blocks(self) -> Iterator[tuple[Draw | None, Iterable[Case]]]:
        """The cases of operations, in blocks, each with where it was drawn; None where it was not drawn."""
        return ((block, filter(self._is_mine, cases)) for block, cases in self._all())

    def _is_mine(self, case: Case) -> bool:
        return is_in(self._options.shard, case)

    def _all(self) -> Iterator[tuple[Draw | None, Iterable[Case]]]:
        """The blocks with the cases of all shards: whose a case is decides nothing of what else is drawn."""
        if self._options.given:  # one by one, since they may be large
            yield from ((None, [case]) for case in self._options.given if isinstance(case, Case))
            return
        yield None, self._new(case for case in self._options.first if isinstance(case, Case))
        for claim in self._claims:
            mine = filter(self._is_mine, catalogue(self._options.strength, claim))
            yield None, self._new(sorted(mine, key=_plainness)[:PLAIN])
        for claim in self._claims:
            yield None, self._new(self._order(catalogue(self._options.strength, claim)))
        if self._options.fast:
            return
        for number in range(-(-self._options.examples // BLOCK)):
            if self._over():
                break
            for claim in self._claims:
                yield self._draws(number, claim)
        for claim in self._claims:
            yield None, self._new((*activation_cases(claim), *fixed_cases(claim)))

    def _draws(self, number: int, claim: Claim) -> tuple[Draw, Iterable[Case]]:
        """The next block of a claim, as far as other claims have not brought so many of its cases."""
        wanted = min(self._options.examples, (number + 1) * BLOCK) - self._drawn[claim] - self._brought[claim]
        for following in range(number, number + 1 + self._drawing.ahead):
            self._begin(following, claim)
        drawn = self._begun.pop((number, claim))
        block = self._block(number, claim)
        return block, self._until_over(block, drawn()[: min(wanted, BLOCK)] if wanted > 0 else ())

    def _block(self, number: int, claim: Claim) -> Draw:
        """Hypothesis draws the first alone, which it can repeat and shrink: the next ones take a tenth of its time."""
        return Draw(self._options.seed * 1_000_003 + number, claim, shrinkable=number == 0)

    def _begin(self, number: int, claim: Claim) -> None:
        """Has a block drawn, if there is one and it is not under way: as many cases as may be needed of it."""
        count = min(self._options.examples - number * BLOCK, BLOCK)
        if (number, claim) not in self._begun and count > 0:
            self._begun[number, claim] = self._drawing.draw(self._block(number, claim), count)

    def _until_over(self, block: Draw, drawn: Sequence[Case]) -> Iterator[Case]:
        for case in drawn:
            if self._over():
                break
            self._drawn[block.claim] += 1
            for new in self._new([case]):
                self._brought.update(one for one in self._claims if one != block.claim and one.covers(new))
                yield new
        self.reached = max(self.reached, self._drawn[block.claim])

    def _new(self, cases: Iterable[Case]) -> Iterator[Case]:
        """Those that were not asked yet."""
        for case in cases:
            if (key := int(case.id, 16)) not in self._asked:  # a number takes half the memory of its text
                self._asked.add(key)
                yield case


class Few:
    """What a target is asked that is to be asked few cases, so many of the run's at most.

    They are the first of its own catalogue, each of which covers what most tuples of those before left, then draws; and
    as many whole layers. A run of fewer examples asks fewer.
    """

    def __init__(self, options: Options, claim: Claim, most: int) -> None:
        whole = catalogue(options.strength, claim)
        self.most = min(most, options.examples)
        order = dict.fromkeys((*sorted(whole, key=_plainness)[:PLAIN], *whole))
        self._first = {case.id for case in (*itertools.islice(order, self.most), *options.first)}
        parts = options.shard[1]
        self._draws, self._layers = -(-(self.most - len(whole)) // parts), -(-self.most // parts)

    def take(self, cases: Iterable[Case], drawn: bool) -> list[Case]:
        """Those of the next cases that are asked."""
        taken = []
        for case in cases:
            if case.id in self._first:
                taken.append(case)
            elif drawn and self._draws > 0:
                self._draws -= 1
                taken.append(case)
        return taken

    def take_layers(self, cases: Iterable[WholeLayer]) -> list[WholeLayer]:
        """Those of the next layers that are asked."""
        taken = list(cases)[: self._layers]
        self._layers -= len(taken)
        return taken


def is_in(shard: tuple[int, int], case: AnyCase) -> bool:
    """Whether a case belongs to that shard, counted from 1, of so many."""
    number, count = shard
    return int(case.id[-8:], 16) % count == number - 1


def _plainness(case: Case) -> tuple[object, ...]:
    """Sorts first what an implementation that computes anything will compute, small cases before large ones."""
    c = case.config
    unusual = (c.dtype != "float32", c.activation is not None, max(c.dilation_rate) > 1, max(c.strides) > 1)
    others = (not c.channels_last, c.padding != "valid", c.depth_multiplier > 1)
    return (not case.input_shape[0], *unusual, *others, extent(case))


def planned(options: Options, checks: Collection[str], claim: Claim, most: int = 0) -> int:
    """The number of cases that a target with this claim is judged on by these checks, if it is alone; 0 if endless.

    `most` is how many it is asked at most, 0 for all. Of a shard, it is about as many.
    """
    few = min(most, options.examples) or ENDLESS
    if options.examples == few == ENDLESS:
        return 0
    whole = sum(case.check in checks for case in layers(options))
    if options.given:
        return whole + sum(isinstance(case, Case) and claim.covers(case) for case in options.given)
    operation = len(catalogue(options.strength, claim))
    if not options.fast:
        operation += options.examples + len(activation_cases(claim)) + len(fixed_cases(claim))
    whole, operation = min(whole, few // options.shard[1]), min(operation, few)
    return whole + (operation // options.shard[1] if set(checks) - set(LAYER_CHECKS) else 0)


def layers(options: Options) -> tuple[WholeLayer, ...]:
    """What is asked of whole layers; those that need a home of their own are last, together. Nothing in haste."""
    chosen = options.given or options.first
    first: tuple[WholeLayer, ...] = tuple(case for case in chosen if not isinstance(case, Case))
    if options.fast or options.given:
        return first
    count = min(max(options.examples // 10, 10), LAYERS_AT_MOST)
    drawn = (*layer_cases(), *draw_layer_cases(options.seed, count))
    others: tuple[WholeLayer, ...] = (
        *draw_refusals(options.seed, count),
        *sorted(drawn, key=lambda case: bool(case.home)),
    )
    return tuple(case for case in dict.fromkeys((*first, *others)) if is_in(options.shard, case))


def chunks(cases: Iterable[C], size: int = CHUNK) -> Iterator[list[C]]:
    """The cases in portions."""
    chunk: list[C] = []
    for case in cases:
        chunk.append(case)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
