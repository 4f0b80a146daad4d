"""What the readers of model files find: depthwise layers with their weights, and what they leave out, told in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from depthwise_conformance.adapters.base import AnyArray
from depthwise_conformance.reference.config import LayerConfig

Shape = tuple[int, ...]


class UnreadableError(Exception):
    """A file that is no model, or asks for what is not there; the message is for its user."""


@dataclass(frozen=True)
class FoundLayer:
    """A depthwise layer of a model: its name there, its configuration, the shape of its input.

    `kernel` is `(kernel_height, kernel_width, channels, depth_multiplier)`. Weights are None where the file has none,
    `x` where nobody gave the model an input. `note` says in words what about the layer was put in another way.
    """

    name: str
    config: LayerConfig
    input_shape: Shape
    kernel: AnyArray | None = None
    bias: AnyArray | None = None
    x: AnyArray | None = None
    note: str = ""


@dataclass(frozen=True)
class Skipped:
    """A layer that is left out, and why."""

    name: str
    why: str


Found = Iterator[FoundLayer | Skipped]


def concrete(name: str, sizes: Sequence[Any], batch: int = 1) -> Shape:
    """An input's shape, a batch that is not known being `batch`. Raises UnreadableError for other unknown sizes."""
    known = [size if isinstance(size, int) and size > 0 else None for size in sizes]
    if None in known[1:]:
        told = f"the input {name!r} is of shape {(*known,)}, where None is not known"
        raise UnreadableError(f"{told}: give the model an input of the size that you mean, by --input FILE.npy")
    return (known[0] or batch, *(size for size in known[1:] if size is not None))
