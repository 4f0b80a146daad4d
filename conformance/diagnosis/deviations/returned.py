"""The shape of what is returned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from depthwise_conformance.diagnosis.deviations.deviation import Change, Deviation
from depthwise_conformance.diagnosis.program import Array, Program
from depthwise_conformance.reference import LayerConfig


def _returned(change: Callable[[LayerConfig, Array], Array]) -> Change:
    def apply(program: Program) -> Program | None:
        config = program.config
        return replace(program, returned=lambda y: change(config, y))

    return apply


def _other_layout(config: LayerConfig, y: Array) -> Array:
    return y.transpose(0, 3, 1, 2) if config.channels_last else y.transpose(0, 2, 3, 1)


def _filters_apart(config: LayerConfig, y: Array) -> Array:
    axis, multiplier = (3 if config.channels_last else 1), config.depth_multiplier
    return y.reshape(*y.shape[:axis], y.shape[axis] // multiplier, multiplier, *y.shape[axis + 1 :])


def _squeezed(*axes: int) -> Callable[[LayerConfig, Array], Array]:
    """Without these of (batch, height, width, channels), where they are all one."""

    def apply(config: LayerConfig, y: Array) -> Array:
        at = axes if config.channels_last else tuple((0, 2, 3, 1)[axis] for axis in axes)
        return y.squeeze(at) if all(y.shape[axis] == 1 for axis in at) else y

    return apply


RETURNED: tuple[tuple[str, str, Callable[[LayerConfig, Array], Array]], ...] = (
    ("output in the other data format", "comes in the other data format", _other_layout),
    (
        "output's memory in the other data format",
        "has the documented shape and the memory of the other data format",
        lambda c, y: _other_layout(c, y).reshape(y.shape),
    ),
    ("filters in a dimension of their own", "has five dimensions, the filters apart from the channels", _filters_apart),
    ("batch of one dropped", "lacks a batch of one", _squeezed(0)),
    ("single channel dropped", "lacks a single channel", _squeezed(3)),
    ("single pixel dropped", "lacks height and width where they are one", _squeezed(1, 2)),
    ("all ones dropped", "lacks every dimension of one", lambda c, y: y.squeeze()),
)


def returned_deviations() -> Iterator[Deviation]:
    """What goes wrong with the shape."""
    for name, sentence, change in RETURNED:
        yield Deviation(name, f"The output {sentence}.", "returned", ("output",), _returned(change))
