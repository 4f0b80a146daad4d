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
from depthwise_conformance.reference.activations import ACTIVATIONS, ALPHA, OVER_LAST_AXIS, SCALE, Activation
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
    "leaky_relu": (-np.inf, np.inf, None),
    **dict.fromkeys(("celu", "elu"), (-1.0, np.inf, None)),  # NaN is neither above nor below zero
    "selu": (-SCALE * ALPHA, np.inf, None),
    "softsign": (None, None, np.nan),  # infinity / infinity
    "squareplus": (None, np.inf, np.nan),  # infinity - infinity
    **dict.fromkeys(("soft_shrink", "hard_shrink"), (-np.inf, np.inf, None)),
    "sparse_plus": (0.0, np.inf, None),
    **dict.fromkeys(("silu", "swish", "mish"), (None, np.inf, np.nan)),
    **dict.fromkeys(("hard_silu", "hard_swish"), (None, np.inf, None)),  # x * relu6(x + 3) / 6 is -infinity times 0
    "tanh_shrink": (-np.inf, np.inf, np.nan),
    **dict.fromkeys(("sparse_sigmoid", "hard_sigmoid"), (0.0, 1.0, None)),
    "hard_tanh": (-1.0, 1.0, None),
    "exponential": (0.0, np.inf, np.nan),
    "log_sigmoid": (-np.inf, 0.0, np.nan),
    **dict.fromkeys(OVER_LAST_AXIS, (None, None, None)),  # infinity - infinity, or the limit
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
    # A sum of finite products that overflows on its way may do so to the side opposite to an infinity.
    overflow = (np.isinf(before.bound) | products.rounded_away(arithmetic.inputs)) & ~nan
    padded = products.infinite_on_padding(arithmetic.inputs) & ~nan
    nan_too = padded | products.infinity_meets_subnormal()
    flushed = products.flushed()
    if config.activation in OVER_LAST_AXIS:  # what one element of a row is shows in all of it
        masks = (positive, negative, nan, overflow | (flushed > 0.0), padded, nan_too)
        positive, negative, nan, overflow, padded, nan_too = (_over_rows(mask, after.value) for mask in masks)
        flushed = np.zeros_like(after.value)
    sides = (negative & ~nan, positive & ~nan, nan)

    value, bound = after.value.copy(), after.bound.copy()
    for where, limit in zip(sides, LIMITS[config.activation], strict=True):
        value[where] = np.nan if limit is None else limit
        bound[where] = _near(limit, FORMATS[config.dtype].roundoff)
    bound += 2.0 * flushed  # as much as most activations make of it
    activation = ACTIVATIONS[config.activation]
    if isinstance(activation, Activation) and activation.is_steep:
        bound[flushed > 0.0] = np.inf
    bound[overflow] = np.inf
    if LIMITS[config.activation][2] is None:  # what the activation makes of NaN is open
        bound[nan_too] = np.inf
    if config.activation in OVER_LAST_AXIS:
        bound[np.isinf(bound).any(axis=-1)] = np.inf
    special = positive | negative | nan | nan_too
    topics = {"an infinite or NaN weight on the padding": padded & ~(positive | negative) & np.isfinite(bound)}
    topics |= _open_sums(finite, before.value, after.value, special)
    for limit, where, name in zip(LIMITS[config.activation], sides, ("-infinity", "infinity", "NaN"), strict=True):
        if limit is None:
            topics[f"{config.activation} of {name}"] = where
    return SpecialOutput(Bounded(value, bound), nan_too, topics)


def _open_sums(finite: Evaluation, sums: Array, output: Array, special: Mask) -> dict[str, Mask]:
    """Where finite arguments leave something open, by topic: results that may be flushed, overflow, signed zeros."""
    config = finite.config
    smallest, largest = FORMATS[config.dtype].smallest, FORMATS[config.dtype].largest
    topics = {"a subnormal result": (np.abs(output) < smallest) & (output != 0.0) & ~special}
    if config.activation in (None, "linear"):
        topics["a sum beyond the largest number"] = (np.abs(sums) - largest > largest * 2.0**-6) & ~special
        topics["a sum of zeros"] = (finite.sums.reach == 0.0) & ~special
    return topics


def _near(limit: float | None, roundoff: float) -> float:
    """The bound at a limit: the rounding of one that is no whole number, whose digits the documentation may cut."""
    if limit is None:
        return np.inf
    return roundoff if np.isinf(limit) or np.rint(limit) == limit else 16.0 * roundoff + 1e-7


def _over_rows(mask: Mask, like: Array) -> Mask:
    return np.broadcast_to(mask.any(axis=-1, keepdims=True), like.shape)


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

    def infinite_on_padding(self, roundoff: float) -> Mask:
        """A weight that is not finite, or not so once it is rounded, lies on the padding."""
        limit = FORMATS[self._config.dtype].largest * (1.0 - roundoff)
        unlimited = ~(np.abs(self._kernel) <= limit)
        weights = unlimited.astype(np.float64).sum(axis=(0, 1)).reshape(-1)
        inside = operation.depthwise_conv2d(self._config, np.ones_like(self._x), unlimited)
        return np.asarray(operation.add_bias(self._config, -inside, weights) > 0.0)

    def _subnormal(self, array: Array) -> Mask:
        return np.asarray((array != 0.0) & (np.abs(array) < self._smallest))

    def _meet(self, x: AnyArray, kernel: AnyArray) -> Mask:
        return np.asarray(operation.depthwise_conv2d(self._config, x, kernel) > 0.0)

    def _with_bias(self, found: Mask, is_special: Callable[[Array], Mask]) -> Mask:
        if self._bias is None:
            return found
        return np.asarray(operation.add_bias(self._config, found.astype(np.float64), is_special(self._bias)) > 0.0)
