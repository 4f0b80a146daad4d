"""How the memory of the input is read, and which sizes are taken for which."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from depthwise_conformance.diagnosis.deviations.deviation import Deviation, MapChange, of_map, throughout
from depthwise_conformance.diagnosis.deviations.windows import SideChange, rebuilt, same_zeros
from depthwise_conformance.diagnosis.program import PARTS, Index, Map, numbered
from depthwise_conformance.reference import LayerConfig


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


def layout_deviations() -> Iterator[Deviation]:
    """What the memory of the input is taken for."""
    name, sentence = (
        "same padding of the sizes in the other data format",
        'padding="same": zeros are counted for the sizes that stand where the other data format has height and width.',
    )
    yield from of_map(name, sentence, "padding", _sizes_of_other_format)
    for name, sentence, change in READINGS:
        yield Deviation(name, sentence, "input", PARTS, throughout(change))
