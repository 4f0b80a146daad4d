"""How the memory of the kernel and of the input is read."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from depthwise_conformance.diagnosis.deviations.deviation import Deviation, MapChange, of_map, throughout
from depthwise_conformance.diagnosis.deviations.windows import SideChange, rebuilt, same_zeros
from depthwise_conformance.diagnosis.program import PARTS, Index, Map, numbered
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


def _axes_swapped(m: Map, config: LayerConfig) -> Map:
    """The kernel's, strides' and dilation's height is used for the width and the other way round."""
    same = config.padding == "same"
    take: SideChange = rebuilt(lambda s, o: {"kernel": o.kernel, "stride": o.stride, "dilation": o.dilation})
    rows, columns = take(m.rows, m.columns, same), take(m.columns, m.rows, same)
    assert rows is not None and columns is not None
    return replace(m, rows=rows, columns=columns, kernel=m.kernel.swapaxes(0, 1))


def _memory(first: int, second: int) -> MapChange:
    """The input's memory, with two of (batch, height, width, channels) taken for one another."""

    def apply(m: Map, config: LayerConfig) -> Map:
        layout = [0, 1, 2, 3] if config.channels_last else [0, 3, 1, 2]
        exchange = {first: second, second: first}
        return replace(m, images=_laid_out(m, [exchange.get(axis, axis) for axis in layout]))

    return apply


def _other_format(m: Map, config: LayerConfig) -> Map:
    return replace(m, images=_laid_out(m, [0, 3, 1, 2] if config.channels_last else [0, 1, 2, 3]))


def _laid_out(m: Map, layout: Sequence[int]) -> Index:
    return numbered(tuple(m.images.shape[axis] for axis in layout)).transpose(np.argsort(layout))


def _sizes_of_other_format(m: Map, config: LayerConfig) -> Map | None:
    """Zeros are counted for the sizes that stand where the other data format has them."""
    _, height, width, channels = m.images.shape
    wrong = (width, channels) if config.channels_last else (channels, height)
    if config.padding == "valid":
        return None
    rows, columns = (
        replace(s, before=max(same_zeros(size, s.kernel, s.stride, s.dilation), 0) // 2)
        for s, size in zip((m.rows, m.columns), wrong, strict=True)
    )
    return replace(m, rows=rows, columns=columns)


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
SIZE_NAMES = ("batch", "height", "width", "channels")
READINGS: tuple[tuple[str, str, MapChange], ...] = (
    (
        "height and width swapped throughout",
        "The kernel's, strides' and dilation's two sides are exchanged.",
        _axes_swapped,
    ),
    *(
        (
            f"{SIZE_NAMES[i]} taken for {SIZE_NAMES[j]}",
            f"The input's memory is read with {SIZE_NAMES[i]} and {SIZE_NAMES[j]} exchanged.",
            _memory(i, j),
        )
        for i, j in itertools.combinations(range(4), 2)
    ),
    ("input read in the other data format", "The input's memory is read in the other data format.", _other_format),
)


def reading_deviations() -> Iterator[Deviation]:
    """How memory is read."""
    name, sentence = (
        "same padding of the sizes in the other data format",
        'padding="same": zeros are counted for the sizes that stand where the other data format has height and width.',
    )
    yield from of_map(name, sentence, "padding", _sizes_of_other_format)
    for name, sentence, change in READINGS:
        yield Deviation(name, sentence, "input", PARTS, throughout(change))
    for name, sentence, change in KERNELS:
        yield from of_map(name, sentence, "kernel", change)
