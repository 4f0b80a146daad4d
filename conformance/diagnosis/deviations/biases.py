"""The bias: missing, twice, too late, or along another axis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from depthwise_conformance.diagnosis.deviations.deviation import Change, Deviation
from depthwise_conformance.diagnosis.deviations.places import PLACES, Place, zeroed
from depthwise_conformance.diagnosis.program import PARTS, Index, Program, numbered
from depthwise_conformance.reference.activations import LINEAR


def _bias(index: Callable[[Program], Index | None], back_only: bool = False) -> Change:
    def apply(program: Program) -> Program | None:
        if not program.config.use_bias:
            return None
        found = index(program)
        if found is None or (found.shape == program.bias.shape and np.array_equal(found, program.bias)):
            return None
        return replace(program, bias=program.bias if back_only else found, bias_back=found)

    return apply


def _bias_along(axis: int) -> Callable[[Program], Index | None]:
    def index(program: Program) -> Index | None:
        shape = program.forward.shape
        if shape[axis] != shape[3]:
            return None
        along = [1, 1, 1, 1]
        along[axis] = shape[3]
        return numbered((shape[3],)).reshape(along)

    return index


def _bias_not_at(place: Place) -> Callable[[Program], Index | None]:
    def index(program: Program) -> Index | None:
        everywhere: Index = np.broadcast_to(program.bias, program.forward.shape)
        return zeroed(place)(everywhere)

    return index


def _filterwise(program: Program) -> Index:
    outputs = program.forward.shape[3]
    return numbered((outputs,)).reshape(program.config.depth_multiplier, -1).T.reshape(1, 1, 1, outputs)


BIASES: tuple[tuple[str, str, Callable[[Program], Index | None]], ...] = (
    ("along the width", "runs along the width, where that has its size", _bias_along(2)),
    ("along the height", "runs along the height, where that has its size", _bias_along(1)),
    ("along the batch", "runs along the batch, where that has its size", _bias_along(0)),
    (
        "of the first filter for all",
        "of a channel's first filter is that of all its filters",
        lambda p: p.bias // p.config.depth_multiplier * p.config.depth_multiplier,
    ),
    ("of the first channel for all", "of the first output channel is that of all", lambda p: np.zeros_like(p.bias)),
    ("in multiplier-major order", "is read in the order m * channels + c", _filterwise),
)


def bias_deviations() -> Iterator[Deviation]:
    """What goes wrong with the bias."""

    def changed(**fields: Any) -> Change:
        return lambda program: replace(program, **fields) if program.config.use_bias else None

    yield Deviation("bias missing", "The bias is not added.", "bias", PARTS, _bias(lambda p: np.full_like(p.bias, -1)))
    yield Deviation("bias doubled", "The bias is added twice.", "bias", PARTS, changed(bias_scale=2.0))
    late = changed(bias_late=True)
    yield Deviation(
        "bias after the activation",
        "The bias is added after the activation.",
        "bias",
        PARTS,
        lambda p: late(p) if p.activation is not LINEAR else None,
    )
    for name, sentence, index in BIASES:
        yield Deviation(f"bias {name}", f"The bias {sentence}.", "bias", PARTS, _bias(index))
        yield Deviation(
            f"bias {name} (bias gradient)",
            f"The bias {sentence}. Only in its gradient.",
            "bias gradient",
            ("bias",),
            _bias(index, back_only=True),
        )
    for place in PLACES:
        yield Deviation(
            f"bias: {place.name} without", f"The {place.name}: no bias.", "place", PARTS, _bias(_bias_not_at(place))
        )
