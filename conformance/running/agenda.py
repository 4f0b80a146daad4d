"""What a run judges: the cases of its seed, in the order in which they are asked."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from depthwise_conformance.casebook.case import Case, WholeLayer
from depthwise_conformance.casebook.covering import catalogue
from depthwise_conformance.casebook.strategies import activation_cases, fixed_cases
from depthwise_conformance.layers.catalogue import layer_cases
from depthwise_conformance.reports.record import CHECKS, LAYER_CHECKS
from depthwise_conformance.running.drawing import BLOCK, draw_block, draw_layer_cases, draw_refusals

CHUNK = 16  # cases that are handed to the targets together
LAYERS_AT_MOST = 100  # drawn, and as many refusals: whole layers are slow to make, and have fewer corners

C = TypeVar("C")


@dataclass(frozen=True)
class Options:
    """What a run was asked for."""

    checks: tuple[str, ...] = CHECKS
    examples: int = 250
    seed: int = 0
    strength: int = 2
    search_seconds: float = 5.0  # for one discrepancy
    search_budget: float = 60.0  # seconds for all of them
    diagnosis_seconds: float = 30.0  # for one target

    def block_seed(self, block: int) -> int:
        """The seed that a block of cases is drawn from."""
        return self.seed * 1_000_003 + block

    def block_size(self, block: int) -> int:
        """How many cases a block has."""
        return min(BLOCK, self.examples - block * BLOCK)


def planned(options: Options, checks: Collection[str]) -> int:
    """The number of cases that a target is judged on by these checks."""
    whole = sum(case.check in checks for case in layers(options))
    others = options.examples + len(catalogue(options.strength)) + len(activation_cases()) + len(fixed_cases())
    return whole + (others if set(checks) - set(LAYER_CHECKS) else 0)


def blocks(options: Options) -> Iterator[tuple[int, Iterable[Case]]]:
    """The cases of operations, each block with its number; what is not drawn has a negative one."""
    yield -1, catalogue(options.strength)
    for block in range(math.ceil(options.examples / BLOCK)):
        yield block, draw_block(options.block_seed(block), options.block_size(block))
    yield -1, (*activation_cases(), *fixed_cases())


def layers(options: Options) -> tuple[WholeLayer, ...]:
    """What is asked of whole layers; those that need a home of their own are last, together."""
    count = min(max(options.examples // 10, 10), LAYERS_AT_MOST)
    drawn = (*layer_cases(), *draw_layer_cases(options.seed, count))
    return (*draw_refusals(options.seed, count), *sorted(drawn, key=lambda case: bool(case.home)))


def chunks(cases: Iterable[C]) -> Iterator[list[C]]:
    """The cases in portions of `CHUNK`."""
    chunk: list[C] = []
    for case in cases:
        chunk.append(case)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
