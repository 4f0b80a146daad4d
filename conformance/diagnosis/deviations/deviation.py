"""A named deviation, and what turns a change of the linear map into one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from depthwise_conformance.diagnosis.program import PARTS, Back, Map, Program
from depthwise_conformance.reference import LayerConfig

Change = Callable[[Program], Program | None]
MapChange = Callable[[Map, LayerConfig], Map | None]
GRADIENTS = ("input", "kernel")


@dataclass(frozen=True)
class Deviation:
    """A named way to be wrong.

    `kind` is what it is about, `parts` are those of "output", "input", "kernel" and "bias" (the gradients) that it may
    change. `change` gives the deviating program, None where it is no other than the program given.
    """

    name: str
    sentence: str
    kind: str
    parts: tuple[str, ...]
    change: Change


def _same_map(a: Map, b: Map) -> bool:
    if (a.rows, a.columns, a.scale, a.narrow, a.quantise) != (b.rows, b.columns, b.scale, b.narrow, b.quantise):
        return False
    if (a.sums is None) != (b.sums is None):
        return False
    pairs = [(a.images, b.images), (a.kernel, b.kernel)]
    if a.sums is not None and b.sums is not None:
        pairs.append((a.sums, b.sums))
    return all(first is second or np.array_equal(first, second) for first, second in pairs)


def _applied(change: MapChange, m: Map, config: LayerConfig) -> Map:
    """The changed map; the one given where the change does not apply to it."""
    try:
        changed = change(m, config)
    except ValueError:  # a kernel that does not fit
        return m
    return m if changed is None or _same_map(changed, m) else changed


def throughout(change: MapChange) -> Change:
    """The change of the map forwards and in both gradients that are taken by its transpose."""

    def apply(program: Program) -> Program | None:
        forward = _applied(change, program.forward, program.config)
        backs = {
            part: _back_map(
                back, forward if back.map is program.forward else _applied(change, back.map, program.config)
            )
            for part, back in program.backs.items()
        }
        if forward is program.forward and all(backs[part] is program.backs[part] for part in backs):
            return None
        return replace(program, forward=forward, backs=backs)

    return apply


def in_gradient(part: str, change: MapChange) -> Change:
    """The change of the map in one gradient alone."""

    def apply(program: Program) -> Program | None:
        back = program.backs[part]
        changed = _back_map(back, _applied(change, back.map, program.config))
        return None if changed is back else replace(program, backs={**program.backs, part: changed})

    return apply


def _back_map(back: Back, m: Map) -> Back:
    return back if m is back.map else replace(back, map=m)


def of_map(name: str, sentence: str, kind: str, change: MapChange) -> Iterator[Deviation]:
    """The change throughout, and in each gradient alone."""
    yield Deviation(name, sentence, kind, PARTS, throughout(change))
    for part in GRADIENTS:
        alone = f"{sentence} Only in the gradient of the {part}."
        yield Deviation(f"{name} ({part} gradient)", alone, f"{part} gradient", (part,), in_gradient(part, change))
