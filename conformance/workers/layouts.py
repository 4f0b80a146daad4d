"""Arrays with the same numbers, laid out otherwise in memory: those of `adapters.base.LAYOUTS`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from depthwise_conformance.adapters.base import LAYOUTS
from depthwise_conformance.workers.protocol import AnyArray

FIRST, LAST = (0, 3, 1, 2), (0, 2, 3, 1)  # the axes of channels_last as channels_first has them, and the reverse
GROUPED = (2, 3, 0, 1)  # those of a kernel, its channels first


def laid_out(arrays: Mapping[str, AnyArray], layout: str, channels_last: bool) -> dict[str, AnyArray]:
    """Arguments of a call, by name, in memory of their own. Raises ValueError for an unknown layout."""
    if layout not in LAYOUTS:
        raise ValueError(f"layout {layout!r}: accepted are {', '.join(LAYOUTS)}")
    if layout == "transposed":
        images = FIRST if channels_last else LAST
        return {name: _transposed(array, GROUPED if name == "kernel" else images) for name, array in arrays.items()}
    make = {"sliced": _sliced, "every_second": _every_second, "reversed": _reversed, "new_axes": _new_axes}[layout]
    return {name: make(array) for name, array in arrays.items()}


def _transposed(array: AnyArray, order: tuple[int, ...]) -> AnyArray:
    if array.ndim != len(order):  # a bias
        return array.copy()
    return array.transpose(order).copy().transpose(np.argsort(order))


def _sliced(array: AnyArray) -> AnyArray:
    return _placed(array, [size + 3 for size in array.shape], [slice(1, size + 1) for size in array.shape])


def _every_second(array: AnyArray) -> AnyArray:
    return _placed(array, [2 * size + 1 for size in array.shape], [slice(1, None, 2)] * array.ndim)


def _placed(array: AnyArray, shape: list[int], where: list[slice]) -> AnyArray:
    view: AnyArray = np.full(shape, np.nan, array.dtype)[tuple(where)]
    view[...] = array
    return view


def _reversed(array: AnyArray) -> AnyArray:
    return np.flip(np.flip(array).copy())


def _new_axes(array: AnyArray) -> AnyArray:
    own = array.copy()
    strides = [0 if size == 1 else stride for size, stride in zip(own.shape, own.strides, strict=True)]
    return np.lib.stride_tricks.as_strided(own, strides=strides)
