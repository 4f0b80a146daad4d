"""NaN, infinities, signed zeros, subnormals and overflow: what IEEE 754 and the documentation settle, and what not.

The layer is a sum of products, so IEEE 754 settles most of it (the table is in docs/numerics.md):

- A product that is NaN (a factor is, or zero meets an infinity) makes its sum NaN, and so do infinities of both signs.
- Other infinite products make their sum infinite. Other channels, other images and windows that do not see a special
  value have nothing to do with it.
- Hardware may take subnormal numbers for zero: where that matters, anything is accepted.
- A tap on the padding multiplies a zero that need not exist: where its weight is infinite or NaN, a kernel that
  multiplies gets NaN and one that skips does not. Both are accepted, as they are where an infinity meets a subnormal.
- Where a sum of finite products may overflow on its way, anything is accepted.
- Zeros of either sign are the same, and subnormal results may be zero (`Format.tiny` in the bound).
- The activation has the limits of its function; what its formula leaves open (`OPEN`) is accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.reference import operation
from depthwise_conformance.reference.bounds import Array, Bounded, Evaluation
from depthwise_conformance.reference.config import LayerConfig
from depthwise_conformance.reference.floats import FORMATS, Arithmetic

AnyArray = NDArray[Any]
Mask = NDArray[np.bool_]

# What an activation makes of -infinity, infinity and NaN; None where that is open.
LIMITS: dict[str | None, tuple[float | None, float | None, float | None]] = {
    None: (-np.inf, np.inf, np.nan),
    "linear": (-np.inf, np.inf, np.nan),
    "relu": (0.0, np.inf, None),  # max(NaN, 0) is either
    "relu6": (0.0, 6.0, None),
    "tanh": (-1.0, 1.0, np.nan),
    "sigmoid": (0.0, 1.0, np.nan),
    "softplus": (0.0, np.inf, np.nan),
    "gelu": (None, np.inf, np.nan),  # -infinity times 0
    "softmax": (None, None, None),  # infinity - infinity, or the limit
}


@dataclass(frozen=True)
class SpecialOutput:
    """The output of a layer whose arguments may hold special values.

    `expected` has NaN and infinities where they are settled, and an infinite bound where anything is accepted;
    `nan_too` marks where NaN is accepted as well. `open` marks, by topic, what implementations may choose.
    """

    expected: Bounded
    nan_too: Mask
    open: Mapping[str, Mask]


@np.errstate(over="ignore", invalid="ignore")
def special_output(
    config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None, arithmetic: Arithmetic
) -> SpecialOutput:
    """What the layer makes of these arguments, with the bounds of an arithmetic where the result is finite."""
    finite = Evaluation(config, _finite(x), _finite(kernel), None if bias is None else _finite(bias))
    before, after = finite.before_activation(arithmetic), finite.output(arithmetic)
    products = _Products(config, x, kernel, bias)
    positive, negative = products.infinite(1.0), products.infinite(-1.0)
    nan = products.nan() | (positive & negative)
    sides = (negative & ~nan, positive & ~nan, nan)
    # A sum of finite products that overflows on its way may do so to the side opposite to an infinity.
    overflow = (np.isinf(before.bound) | products.rounded_away(arithmetic.inputs)) & ~nan
    padded = products.nonfinite_on_padding() & ~nan
    nan_too = padded | products.infinity_meets_subnormal()

    value, bound = after.value.copy(), after.bound.copy()
    for where, limit in zip(sides, LIMITS[config.activation], strict=True):
        value[where] = np.nan if limit is None else limit
        bound[where] = np.inf if limit is None else FORMATS[config.dtype].roundoff
    flushed = products.flushed()
    bound += 2.0 * flushed  # more than any activation makes of it
    bound[overflow | ((flushed > 0.0) & (config.activation == "softmax"))] = np.inf
    if LIMITS[config.activation][2] is None:  # what the activation makes of NaN is open
        bound[nan_too] = np.inf
    if config.activation == "softmax":
        bound[np.isinf(bound).any(axis=-1)] = np.inf

    smallest, largest = FORMATS[config.dtype].smallest, FORMATS[config.dtype].largest
    linear = config.activation in (None, "linear")
    special = positive | negative | nan | nan_too
    topics = {
        "an infinite or NaN weight on the padding": padded & ~(positive | negative) & np.isfinite(bound),
        "a sum beyond the largest number": linear & (np.abs(before.value) - largest > largest * 2.0**-6) & ~special,
        "a subnormal result": (np.abs(after.value) < smallest) & (after.value != 0.0) & ~special,
        "a sum of zeros": linear & (finite.sums.reach == 0.0) & ~special,
    }
    for limit, where, name in zip(LIMITS[config.activation], sides, ("-infinity", "infinity", "NaN"), strict=True):
        if limit is None:
            topics[f"{config.activation} of {name}"] = where
    return SpecialOutput(Bounded(value, bound), nan_too, topics)


def _finite(array: AnyArray) -> AnyArray:
    return np.where(np.isfinite(array), array, array.dtype.type(0))


class _Products:
    """Which sums have a product of some kind: the convolution itself, on indicators instead of numbers."""

    def __init__(self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None) -> None:
        self._config, self._smallest = config, FORMATS[config.dtype].smallest
        self._x, self._kernel = operation.widen(x), operation.widen(kernel)
        self._bias = None if bias is None else operation.widen(bias)

    def nan(self) -> Mask:
        """A factor is NaN, or zero meets an infinity."""
        x, k = self._x, self._kernel
        found = self._meet(np.isnan(x), np.ones_like(k)) | self._meet(np.ones_like(x), np.isnan(k))
        found |= self._meet(np.isinf(x), k == 0.0) | self._meet(x == 0.0, np.isinf(k))
        return self._with_bias(found, np.isnan)

    def infinite(self, sign: float) -> Mask:
        """A product is an infinity of this sign."""
        x, k = self._x, self._kernel
        found = np.zeros(())
        for side in (1.0, -1.0):
            found = found + self._meet(x == side * np.inf, side * sign * k > 0.0)
            found = found + self._meet(side * x > 0.0, k == side * sign * np.inf)
        return self._with_bias(found > 0.0, lambda bias: bias == sign * np.inf)

    def infinity_meets_subnormal(self) -> Mask:
        """A product is an infinity, unless hardware takes its other factor for zero."""
        x, k = self._x, self._kernel
        return self._meet(np.isinf(x), self._subnormal(k)) | self._meet(self._subnormal(x), np.isinf(k))

    def rounded_away(self, roundoff: float) -> Mask:
        """A factor is so large that rounding it to `roundoff` may make it infinite."""
        limit = FORMATS[self._config.dtype].largest * (1.0 - roundoff)
        large = [np.isfinite(array) & (np.abs(array) > limit) for array in (self._x, self._kernel)]
        return self._meet(large[0], np.ones_like(self._kernel)) | self._meet(np.ones_like(self._x), large[1])

    def flushed(self) -> Array:
        """What finite products with a subnormal factor come to."""
        x, k = np.abs(_finite(self._x)), np.abs(_finite(self._kernel))
        lost = operation.depthwise_conv2d(self._config, x * self._subnormal(x), k)
        return lost + operation.depthwise_conv2d(self._config, x, k * self._subnormal(k))

    def nonfinite_on_padding(self) -> Mask:
        """A weight that is not finite lies on the padding, and no product with it makes the sum NaN anyway."""
        weights = (~np.isfinite(self._kernel)).astype(np.float64).sum(axis=(0, 1)).reshape(-1)
        inside = operation.depthwise_conv2d(self._config, np.ones_like(self._x), ~np.isfinite(self._kernel))
        return np.asarray(operation.add_bias(self._config, -inside, weights) > 0.0)

    def _subnormal(self, array: Array) -> Mask:
        return np.asarray((array != 0.0) & (np.abs(array) < self._smallest))

    def _meet(self, x: AnyArray, kernel: AnyArray) -> Mask:
        return np.asarray(operation.depthwise_conv2d(self._config, x, kernel) > 0.0)

    def _with_bias(self, found: Mask, is_special: Callable[[Array], Mask]) -> Mask:
        if self._bias is None:
            return found
        return np.asarray(operation.add_bias(self._config, found.astype(np.float64), is_special(self._bias)) > 0.0)
