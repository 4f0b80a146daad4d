"""The gradients: what they leave out, divide by, or take for the cotangent."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from depthwise_conformance.diagnosis.deviations.deviation import Change, Deviation
from depthwise_conformance.diagnosis.deviations.places import COLUMNS, PLACES, ROWS, Place
from depthwise_conformance.diagnosis.program import PARTS, Array, Program
from depthwise_conformance.reference.activations import LINEAR


def _share(part: str, share: Callable[[Program], Array | float | None]) -> Change:
    def apply(program: Program) -> Program | None:
        found = share(program)
        back = program.backs[part]
        return (
            None
            if found is None
            else replace(program, backs={**program.backs, part: replace(back, share=back.share * found)})
        )

    return apply


def _left_out(place: Place) -> Callable[[Program], Array | None]:
    def share(program: Program) -> Array | None:
        region = place.slices(program.forward.shape)
        if region is None:
            return None
        kept = np.ones(program.forward.shape)
        kept[place.at(*region)] = 0.0
        return kept

    return share


def _first_filters(program: Program) -> Array | None:
    multiplier = program.config.depth_multiplier
    return None if multiplier == 1 else (np.arange(program.forward.shape[3]) % multiplier == 0) * 1.0


def _over_batch(program: Program) -> float | None:
    batch = program.forward.shape[0]
    return None if batch < 2 else 1.0 / batch


def _over_positions(program: Program) -> float | None:
    count = math.prod(program.forward.shape[:3])
    return None if count < 2 else 1.0 / count


def _unactivated(parts: tuple[str, ...]) -> Change:
    def apply(program: Program) -> Program | None:
        if program.backward is LINEAR:
            return None
        backs = {
            part: replace(back, activated=back.activated and part not in parts) for part, back in program.backs.items()
        }
        return replace(program, backs=backs)

    return apply


def gradient_deviations() -> Iterator[Deviation]:
    """What goes wrong in gradients alone."""
    sentence = "The gradients are those of the plain sum of the output."
    yield Deviation("cotangent ignored", sentence, "cotangent", PARTS[1:], lambda p: replace(p, ones=True))
    yield Deviation(
        "gradients without the activation",
        "The gradients ignore the activation.",
        "derivative",
        PARTS[1:],
        _unactivated(PARTS[1:]),
    )
    for part in PARTS[1:]:
        kind = f"{part} gradient"

        def about(name: str, sentence: str, change: Change, part: str = part, kind: str = kind) -> Deviation:
            return Deviation(
                f"{part} gradient {name}", f"The gradient of the {part} {sentence}.", kind, (part,), change
            )

        yield about("without the activation", "ignores the activation", _unactivated((part,)))
        yield about("averaged over the batch", "is divided by the batch", _share(part, _over_batch))
        yield about(
            "averaged over batch and positions", "is divided by the number of windows", _share(part, _over_positions)
        )
        yield about("doubled", "is twice what it should be", _share(part, lambda p: 2.0))
        yield about("halved", "is half what it should be", _share(part, lambda p: 0.5))
        yield about("of the first filter", "comes from each channel's first filter", _share(part, _first_filters))
        for place in PLACES if part != "input" else (*ROWS, *COLUMNS):
            yield about(
                f"without the {place.name}",
                f"leaves out the {place.name} of the output",
                _share(part, _left_out(place)),
            )
