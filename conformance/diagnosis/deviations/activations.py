"""The activation: missing, twice, another one, or over other axes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from depthwise_conformance.diagnosis.deviations.deviation import Change, Deviation
from depthwise_conformance.diagnosis.deviations.functions import DERIVATIVES, INSTEAD, applied_twice
from depthwise_conformance.diagnosis.deviations.places import PLACES, Place
from depthwise_conformance.diagnosis.program import PARTS, Along, Program
from depthwise_conformance.reference.activations import LINEAR, Activation
from depthwise_conformance.reference.rows import SOFTMAX

Where = tuple[Any, ...]
SOFTMAX_AXES = (
    ("channels", (3,)),
    ("width", (2,)),
    ("height", (1,)),
    ("batch", (0,)),
    ("pixels", (1, 2)),
    ("whole image", (1, 2, 3)),
)


def _applies(program: Program, activation: str) -> bool:
    own = program.config.activation
    return own == activation or (own is None and activation == "linear")


def _activation(replaced: str, activation: Activation, back_only: bool = False) -> Change:
    def apply(program: Program) -> Program | None:
        if not _applies(program, replaced):
            return None
        forward = program.activation if back_only else activation
        return replace(program, activation=forward, backward=activation)

    return apply


def _over(axes: tuple[int, ...]) -> Change:
    def apply(program: Program) -> Program | None:
        a = program.activation
        if not isinstance(a, Along) or a.axes == axes:
            return None
        other = replace(a, axes=axes)
        return replace(program, activation=other, backward=other)

    return apply


def _diagonal(program: Program) -> Program | None:
    a = program.backward
    if not isinstance(a, Along) or a.function is not SOFTMAX:
        return None
    return replace(program, backward=replace(a, diagonal=True))


def _activation_missing(program: Program) -> Program | None:
    return None if program.activation is LINEAR else replace(program, activation=LINEAR, backward=LINEAR)


def _activated_twice(program: Program) -> Program | None:
    a = program.activation
    if isinstance(a, Along) or a is LINEAR or a.is_steep:
        return None
    return replace(program, activation=applied_twice(a), backward=applied_twice(a))


def _not_activated(where: Callable[[tuple[int, ...]], Where | None]) -> Change:
    """Without the activation in the places that an index gives, for the shape of the output."""

    def apply(program: Program) -> Program | None:
        at = where(program.forward.shape)
        if at is None or program.activation is LINEAR:
            return None
        activated = np.ones(program.forward.shape, bool)
        activated[at] = False
        return replace(program, activated=activated)

    return apply


def _within(place: Place) -> Callable[[tuple[int, ...]], Where | None]:
    def where(shape: tuple[int, ...]) -> Where | None:
        region = place.slices(shape)
        return None if region is None else place.at(*region)

    return where


def _channels(start: int, step: int | None = None) -> Callable[[tuple[int, ...]], Where | None]:
    return lambda shape: (..., slice(start, None, step)) if shape[3] > start else None


UNACTIVATED = (
    *((place.name, _within(place)) for place in PLACES),
    ("first channel", lambda shape: (..., slice(0, 1))),
    ("channels after the first", _channels(1)),
    ("odd channels", _channels(1, 2)),
    ("even channels", _channels(0, 2)),
)


def activation_deviations() -> Iterator[Deviation]:
    """What goes wrong with the activation and its derivative."""

    def about(name: str, sentence: str, change: Change, parts: tuple[str, ...] = PARTS) -> Deviation:
        return Deviation(name, sentence, "activation" if parts is PARTS else "derivative", parts, change)

    yield about("activation missing", "No activation is applied.", _activation_missing)
    yield about("activation applied twice", "The activation is applied twice.", _activated_twice)
    for name, replaced, activation in INSTEAD:
        yield about(name, f"{name[0].upper()}{name[1:]}.", _activation(replaced, activation))
    for axis, axes in SOFTMAX_AXES:
        name = f"softmax over the {axis}"
        yield about(name, f"softmax, log_softmax and sparsemax are taken over the {axis}.", _over(axes))
    for name, where in UNACTIVATED:
        without = f"activation: {name} without"
        yield Deviation(without, f"The {name}: not activated.", "place", PARTS, _not_activated(where))
    for name, replaced, activation in DERIVATIVES:
        yield about(name, f"The {name}.", _activation(replaced, activation, back_only=True), PARTS[1:])
    name, sentence = (
        "derivative of softmax by its diagonal",
        "The derivative of softmax leaves out what one output does to the others.",
    )
    yield about(name, sentence, _diagonal, PARTS[1:])
