"""The arrays of a case, from a named recipe and a seed.

The same recipe, seed and shapes give the same numbers on any machine and in any release: raw bits of PCG64, whose
stream NumPy guarantees, turned into numbers by exact operations only (integers, powers of two, one rounding to the
case's dtype). A recipe's meaning never changes; a better one gets a new name.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.reference import FORMATS, LayerConfig
from depthwise_conformance.reference.floats import Format

AnyArray = NDArray[Any]
Bits = NDArray[np.uint64]
Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


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


@dataclass(frozen=True)
class Blank:
    """An array to be filled: its role ("x", "kernel", "bias" or "cotangent"), and the random bits of every element.

    `tap` is the kernel's tap that an element is thought of with, of `taps`: its own in the kernel, one in turn in an
    image. `channel` counts the input channels. Both broadcast to the bits. `fmt` is the case's format.
    """

    role: str
    bits: Bits
    tap: Indices
    taps: int
    channel: Indices
    fmt: Format

    @property
    def limit(self) -> float:
        """The largest power of two, less a little, whose square the format holds: TOSA's B."""
        power = 2.0 ** (math.frexp(self.fmt.largest)[1] // 2)
        return power * (1.0 - 8.0 * self.fmt.roundoff)


def recipe_of(data: Data) -> str:
    """By what recipe a case is judged: OWN where it has arrays of its own, SPECIAL where they are not finite."""
    if data.arrays and data.recipe != SPECIAL:
        return OWN if all(one.is_finite for one in data.arrays) else SPECIAL
    return data.recipe


def make_arrays(case: Case) -> Arrays:
    """The case's arrays: its own, the others by its recipe. Raises ValueError for an unknown recipe."""
    recipe = RECIPES.get(case.data.recipe)
    if recipe is None:
        raise ValueError(f"recipe={case.data.recipe!r}: accepted are {', '.join(RECIPES)}")
    shapes = case.shapes
    sizes = [math.prod(shape) for shape in shapes.values()]
    pieces = np.split(np.random.PCG64(case.data.seed).random_raw(sum(sizes)), np.cumsum(sizes)[:-1])
    dtype = numpy_dtype(case.dtype)
    with np.errstate(over="ignore"):
        made = {
            role: recipe(_array(case.config, role, bits.reshape(shape))).astype(dtype)
            for (role, shape), bits in zip(shapes.items(), pieces, strict=True)
        }
    made |= {one.role: one.array for one in case.data.arrays}
    return Arrays(made["x"], made["kernel"], made["bias"] if case.config.use_bias else None, made["cotangent"])


def _array(config: LayerConfig, role: str, bits: Bits) -> Blank:
    height, width = config.kernel_size
    multiplier = 1 if role in ("x", "kernel") else config.depth_multiplier
    tap: Indices
    channel: Indices
    if role == "bias":
        tap, channel = np.zeros(1, np.int64), np.arange(bits.size) // multiplier
    elif role == "kernel":
        tap, channel = np.arange(height * width).reshape(height, width, 1, 1), np.arange(bits.shape[2])[:, None]
    else:
        rows, columns, channels = bits.shape[1:] if config.channels_last else (*bits.shape[2:], bits.shape[1])
        tap = np.arange(rows)[:, None] % height * width + np.arange(columns) % width
        channel = np.arange(channels) // multiplier
        if config.channels_last:
            tap = tap[:, :, None]
        else:
            channel = channel[:, None, None]
    return Blank(role, bits, tap, height * width, channel, FORMATS[config.dtype])


Recipe = Callable[[Blank], Floats]


def _integers(a: Blank) -> Floats:
    """Whole numbers of -4 to 4: partial sums are exact, and ties (zeros before relu) abound."""
    return (a.bits % np.uint64(9)).astype(np.float64) - 4.0


def _uniform(a: Blank) -> Floats:
    """Multiples of 2**-52 in [-1, 1)."""
    return (a.bits >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0


def _normal(a: Blank) -> Floats:
    """Near enough to a normal distribution of variance one: the sum of four uniform numbers of 16 bits."""
    total = sum((a.bits >> np.uint64(shift) & np.uint64(0xFFFF)).astype(np.float64) for shift in (0, 16, 32, 48))
    return np.asarray((total - 2.0 * 0xFFFF) * (math.sqrt(3.0) / 2.0**16))


def _wide(a: Blank) -> Floats:
    """Uniform numbers scaled by powers of two from 2**-10 to 2**2: small terms beside large ones."""
    scaled: Floats = np.ldexp(_uniform(a), (a.bits % np.uint64(13)).astype(np.int64) - 10)
    return scaled


def _cancellation(a: Blank) -> Floats:
    """A kernel whose first tap is 16 and last -16, with small ones between, on an input of 1 and 9/8.

    Large partial sums cancel, so an accumulator that lost the small terms shows.
    """
    if a.role == "x":
        return 1.0 + (a.bits % np.uint64(2)).astype(np.float64) / 8.0
    values = _uniform(a) / 4.0
    if a.role == "kernel":
        values[-1, -1] = -16.0
        values[0, 0] = 16.0
    return values


def _impulses(a: Blank) -> Floats:
    """An input of zeros and a few ones, so that the output shows where each tap went; the rest whole numbers."""
    if a.role == "x":
        return np.asarray(a.bits % np.uint64(8) == 0, dtype=np.float64)
    return _integers(a)


def _zeros(a: Blank) -> Floats:
    """Nothing but zeros."""
    return np.zeros(a.bits.shape)


def _underflow(a: Blank) -> Floats:
    """Products about the smallest normal number, down to nothing; an ordinary cotangent."""
    if a.role == "cotangent":
        return _uniform(a)
    least = math.frexp(a.fmt.smallest)[1]
    exponent = least if a.role == "bias" else least // 2
    scaled: Floats = np.ldexp(_uniform(a), exponent - (a.bits % np.uint64(6)).astype(np.int64))
    return scaled


def _s0(a: Blank) -> Floats:
    """TOSA's set 0: wherever the input is not zero the kernel is, by channels, so every sum is exactly zero."""
    zero = {"x": a.channel % 2 == 0, "kernel": a.channel % 2 == 1}.get(a.role, a.role == "bias")
    return np.where(zero, 0.0, _uniform(a))


def _s1(a: Blank) -> Floats:
    """TOSA's set 1: numbers of either sign, about as large as they may be before sums overflow."""
    if a.role == "cotangent":
        return _uniform(a)
    sign = np.where(a.bits & np.uint64(1), -1.0, 1.0)
    return np.asarray(sign * (0.75 + 0.25 * _uniform(a)) * (a.limit / math.sqrt(a.taps + 1)))


def _s2(a: Blank) -> Floats:
    """TOSA's set 2: one large product, to which small ones are added."""
    return np.where(a.tap == 0, 1.0, _uniform(a) / math.sqrt(a.taps))


def _s3(a: Blank) -> Floats:
    """TOSA's set 3: one large product, to which small ones of varying size are added."""
    sign = np.where(a.bits & np.uint64(1), -16.0, 16.0)
    low = (a.bits & np.uint64(0xFFFFF)).astype(np.float64) * 2.0**-19 - 1.0
    return np.where(a.tap == 0, sign, _exp(2.0 * low) * _uniform(a))


def _s4(a: Blank) -> Floats:
    """TOSA's set 4: zero and other products in a mix, with a half of either sign in the middle."""
    mixed = np.where(a.bits & np.uint64(1), 0.0, _uniform(a))
    return np.where(a.tap == a.taps // 2, -0.5 if a.role == "x" else 0.5, mixed)


def _s5(a: Blank) -> Floats:
    """TOSA's set 5: uniform numbers, as large as they may be before sums overflow."""
    large = 1.0 if a.role == "cotangent" else a.limit / math.sqrt(a.taps + 1)
    return _uniform(a) * large


def _special(a: Blank) -> Floats:
    """Uniform numbers among which NaN, infinities, zeros of both signs, subnormals and the largest are planted."""
    values = _uniform(a)
    tiny = a.fmt.smallest / 4.0
    planted = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, tiny, -tiny, a.fmt.largest, -a.fmt.largest])
    rare = {"x": 24, "kernel": 32, "bias": 10}.get(a.role)
    if rare is None:
        return values
    chosen = a.bits % np.uint64(rare) == 0
    values[chosen] = planted[(a.bits[chosen] >> np.uint64(5)) % np.uint64(len(planted))]
    return values


def _exp(p: Floats) -> Floats:
    """exp on [-2, 2] to a part in 10**9, by operations that are the same on any machine."""
    y = np.ones_like(p)
    for n in range(18, 0, -1):
        y = 1.0 + y * p / n
    return y


SPECIAL = "special"  # whose cases only `special_values` judges
OWN = "own arrays"  # what no recipe made
RECIPES: dict[str, Recipe] = {
    "integers": _integers,
    "uniform": _uniform,
    "normal": _normal,
    "cancellation": _cancellation,
    "wide": _wide,
    "impulses": _impulses,
    "zeros": _zeros,
    "underflow": _underflow,
    "s0": _s0,
    "s1": _s1,
    "s2": _s2,
    "s3": _s3,
    "s4": _s4,
    "s5": _s5,
    SPECIAL: _special,
}
