"""The arrays of a case, from a named recipe and a seed.

The same recipe, seed and shapes give the same numbers on any machine and in any release: raw bits of PCG64, whose
stream NumPy guarantees, turned into numbers by exact operations only (integers, powers of two, one rounding to the
case's dtype). A recipe's meaning never changes; a better one gets a new name.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.case import Case
from depthwise_conformance.reference import kernel_shape, output_shape

AnyArray = NDArray[Any]
Bits = NDArray[np.uint64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Arrays:
    """The arguments of a case's calls, in its dtype and layout; `bias` is None without a bias."""

    x: AnyArray
    kernel: AnyArray
    bias: AnyArray | None
    cotangent: AnyArray


def numpy_dtype(name: str) -> np.dtype[Any]:
    """NumPy's dtype of a format's name."""
    return np.dtype(ml_dtypes.bfloat16) if name == "bfloat16" else np.dtype(name)


@functools.lru_cache
def format_name(dtype: np.dtype[Any]) -> str:
    """The name of a NumPy dtype, which NumPy makes anew each time."""
    return dtype.name


def make_arrays(case: Case) -> Arrays:
    """The case's arrays. Raises ValueError for an unknown recipe."""
    recipe = RECIPES.get(case.data.recipe)
    if recipe is None:
        raise ValueError(f"recipe={case.data.recipe!r}: accepted are {', '.join(RECIPES)}")
    config = case.config
    shapes = {
        "x": case.input_shape,
        "kernel": kernel_shape(config, case.channels),
        "bias": (case.channels * config.depth_multiplier,),
        "cotangent": output_shape(config, case.input_shape),
    }
    arrays = _draw(recipe, shapes, case.data.seed, numpy_dtype(case.dtype))
    return Arrays(arrays["x"], arrays["kernel"], arrays["bias"] if config.use_bias else None, arrays["cotangent"])


def _draw(recipe: Recipe, shapes: dict[str, tuple[int, ...]], seed: int, dtype: np.dtype[Any]) -> dict[str, AnyArray]:
    sizes = [int(np.prod(shape)) for shape in shapes.values()]
    pieces = np.split(np.random.PCG64(seed).random_raw(sum(sizes)), np.cumsum(sizes)[:-1])
    return {
        role: recipe(role, bits.reshape(shape)).astype(dtype)
        for (role, shape), bits in zip(shapes.items(), pieces, strict=True)
    }


Recipe = Callable[[str, Bits], Floats]


def _integers(role: str, bits: Bits) -> Floats:
    """Whole numbers of -4 to 4: partial sums are exact, and ties (zeros before relu) abound."""
    return (bits % np.uint64(9)).astype(np.float64) - 4.0


def _uniform(role: str, bits: Bits) -> Floats:
    """Multiples of 2**-52 in [-1, 1)."""
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0


def _wide(role: str, bits: Bits) -> Floats:
    """Uniform numbers scaled by powers of two from 2**-10 to 2**2: small terms beside large ones."""
    scaled: Floats = np.ldexp(_uniform(role, bits), (bits % np.uint64(13)).astype(np.int64) - 10)
    return scaled


def _cancellation(role: str, bits: Bits) -> Floats:
    """A kernel whose first tap is 16 and last -16, with small ones between, on an input of 1 and 9/8.

    Large partial sums cancel, so an accumulator that lost the small terms shows.
    """
    if role == "x":
        return 1.0 + (bits % np.uint64(2)).astype(np.float64) / 8.0
    values = _uniform(role, bits) / 4.0
    if role == "kernel":
        values[-1, -1] = -16.0
        values[0, 0] = 16.0
    return values


def _impulses(role: str, bits: Bits) -> Floats:
    """An input of zeros and a few ones, so that the output shows where each tap went; the rest whole numbers."""
    if role == "x":
        return np.asarray(bits % np.uint64(8) == 0, dtype=np.float64)
    return _integers(role, bits)


def _zeros(role: str, bits: Bits) -> Floats:
    """Nothing but zeros."""
    return np.zeros(bits.shape)


RECIPES: dict[str, Recipe] = {
    "integers": _integers,
    "uniform": _uniform,
    "cancellation": _cancellation,
    "wide": _wide,
    "impulses": _impulses,
    "zeros": _zeros,
}
