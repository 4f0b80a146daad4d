"""How the kernel is read: flipped, in another order, or without some of its taps."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from depthwise_conformance.diagnosis.deviations.deviation import Deviation, MapChange, of_map
from depthwise_conformance.diagnosis.program import Index, Map
from depthwise_conformance.reference import LayerConfig


def _kernel(change: Callable[[Index], Index]) -> MapChange:
    return lambda m, config: replace(m, kernel=change(m.kernel))


def _without(*taps: Any) -> MapChange:
    """Without the taps at this index of (kernel_height, kernel_width)."""

    def apply(kernel: Index) -> Index:
        if min(kernel.shape[:2]) * max(kernel.shape[:2]) == 1:
            return kernel
        left = kernel.copy()
        left[taps] = -1
        return left

    return _kernel(apply)


def _within_other_side(axes: Sequence[int]) -> MapChange:
    """Without the taps of these axes that lie beyond the size of the kernel's other side."""

    def apply(kernel: Index) -> Index:
        left = kernel.copy()
        if 0 in axes:
            left[kernel.shape[1] :] = -1
        if 1 in axes:
            left[:, kernel.shape[0] :] = -1
        return left

    return _kernel(apply)


def _centre(m: Map, config: LayerConfig) -> Map | None:
    height, width = m.kernel.shape[:2]
    if height % 2 == 0 or width % 2 == 0 or height * width == 1:
        return None
    return _without(height // 2, width // 2)(m, config)


def _read_as(order: Sequence[int]) -> MapChange:
    def apply(kernel: Index) -> Index:
        memory = kernel.reshape([kernel.shape[axis] for axis in order])
        return memory.transpose(np.argsort(order))

    return _kernel(apply)


AXES = ("height", "width", "channels", "multiplier")
KERNELS: tuple[tuple[str, str, MapChange], ...] = (
    (
        "kernel flipped",
        "The kernel is flipped along both axes: a convolution in the mathematician's sense.",
        _kernel(lambda k: k[::-1, ::-1]),
    ),
    ("kernel flipped along the height", "The kernel is upside down.", _kernel(lambda k: k[::-1])),
    ("kernel flipped along the width", "The kernel is mirrored.", _kernel(lambda k: k[:, ::-1])),
    (
        "first filter for all",
        "Every filter of a channel is its first.",
        _kernel(lambda k: np.broadcast_to(k[..., :1], k.shape)),
    ),
    (
        "first channel's filters for all",
        "Every channel has the filters of the first.",
        _kernel(lambda k: np.broadcast_to(k[:, :, :1], k.shape)),
    ),
    (
        "one filter for all",
        "Every output channel has the first channel's first filter.",
        _kernel(lambda k: np.broadcast_to(k[:, :, :1, :1], k.shape)),
    ),
    ("first row of taps lost", "The first row of the kernel is left out.", _without(0)),
    ("last row of taps lost", "The last row of the kernel is left out.", _without(-1)),
    ("first column of taps lost", "The first column of the kernel is left out.", _without(slice(None), 0)),
    ("last column of taps lost", "The last column of the kernel is left out.", _without(slice(None), -1)),
    ("first tap lost", "The first tap of the kernel is left out.", _without(0, 0)),
    ("last tap lost", "The last tap of the kernel is left out.", _without(-1, -1)),
    ("centre tap lost", "The centre of the kernel is left out.", _centre),
    (
        "taps beyond the other side lost",
        "The kernel's smaller side is taken for both: taps beyond it are left out.",
        _within_other_side((0, 1)),
    ),
    (
        "taps of the width along the height",
        "As many rows of taps are read as the kernel has columns, where it has fewer.",
        _within_other_side((0,)),
    ),
    (
        "taps of the height along the width",
        "As many columns of taps are read as the kernel has rows, where it has fewer.",
        _within_other_side((1,)),
    ),
    *(
        (
            f"kernel read as ({', '.join(AXES[i] for i in order)})",
            "The kernel's memory is read in this order.",
            _read_as(order),
        )
        for order in itertools.permutations(range(4))
        if order != (0, 1, 2, 3)
    ),
)


def kernel_deviations() -> Iterator[Deviation]:
    """How the kernel is read."""
    for name, sentence, change in KERNELS:
        yield from of_map(name, sentence, "kernel", change)
