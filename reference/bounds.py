"""What an honest implementation may return: the exact value and, element by element, a bound on its error.

A stage of the layer is a `Bounded`: its float64 value, and how far a result may be from it when sums are taken in
any order in `arithmetic.accumulator` and every stage is stored in `arithmetic.storage`. The sum of n products
obeys `|error| <= gamma_n(u) * sum |x||w|` with `gamma_n(u) = n u / (1 - n u)` (Higham, Accuracy and Stability of
Numerical Algorithms, 2nd ed., section 3.1); the sum on the right is the same operation on absolute values.
The reference itself rounds in float64, so its own gamma_n is added: for float64 layers that doubles the bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.reference import operation
from depthwise_conformance.reference.activations import ACTIVATIONS, softmax, softmax_rounding
from depthwise_conformance.reference.config import LayerConfig
from depthwise_conformance.reference.floats import FORMATS, Arithmetic
from depthwise_conformance.reference.geometry import Shape4

Array = NDArray[np.float64]
VAGUE = 0.25  # an arithmetic that loses so much explains anything, and so nothing


@dataclass(frozen=True)
class Bounded:
    """A float64 `value` and the `bound` on the error of an honest result, infinite where it may overflow."""

    value: Array
    bound: Array


@dataclass(frozen=True)
class Gradients:
    """The bounded gradients of `sum(cotangent * forward(x, kernel, bias))`; `bias` is None without a bias."""

    input: Bounded
    kernel: Bounded
    bias: Bounded | None


def gamma(terms: int, roundoff: float) -> float:
    """`n u / (1 - n u)`, infinite where n u reaches 1 (an accumulator that can no longer count its terms)."""
    product = terms * roundoff
    return product / (1.0 - product) if product < 1.0 else np.inf


@np.errstate(over="ignore", invalid="ignore")
def bounded_output(
    config: LayerConfig, x: NDArray[Any], kernel: NDArray[Any], bias: NDArray[Any] | None, arithmetic: Arithmetic
) -> Bounded:
    """`activation(depthwise_conv2d(x, kernel) + bias)`, each step computed and stored in turn."""
    pre = _pre_activation(config, x, kernel, bias, arithmetic)
    return _guard_overflow(_activate(config, pre, arithmetic), arithmetic)


@np.errstate(over="ignore", invalid="ignore")
def bounded_gradients(
    config: LayerConfig,
    x: NDArray[Any],
    kernel: NDArray[Any],
    bias: NDArray[Any] | None,
    cotangent: NDArray[Any],
    arithmetic: Arithmetic,
) -> Gradients:
    """The gradients in closed form: the cotangent goes back through the activation, then through each linear map."""
    d = _back_through_activation(config, x, kernel, bias, cotangent, arithmetic)
    shape: Shape4 = x.shape  # split_shape checks that there are four
    terms = d.value[..., 0].size if config.channels_last else d.value[:, 0].size
    taps = config.kernel_size[0] * config.kernel_size[1]

    exact = not d.bound.any()

    def linear(apply: Any, other: NDArray[Any], count: int, *rest: Shape4) -> Bounded:
        other = operation.widen(other)
        magnitude = np.abs(other)
        value = apply(config, d.value, other, *rest)
        reach = apply(config, np.abs(d.value) + d.bound, magnitude, *rest)
        carried = 0.0 if exact else apply(config, d.bound, magnitude, *rest)
        whole = exact and not arithmetic.proven and _whole(d.value, other)
        return _finish(value, reach, carried, count, arithmetic, whole)

    return Gradients(
        linear(operation.input_gradient, kernel, taps * config.depth_multiplier, shape),
        linear(operation.kernel_gradient, x, terms),
        None if bias is None else _bias_gradient(config, d, terms, arithmetic),
    )


def _pre_activation(
    config: LayerConfig, x: NDArray[Any], kernel: NDArray[Any], bias: NDArray[Any] | None, arithmetic: Arithmetic
) -> Bounded:
    value = operation.depthwise_conv2d(config, x, kernel)
    reach = operation.depthwise_conv2d(config, np.abs(operation.widen(x)), np.abs(operation.widen(kernel)))
    if bias is not None:  # some kernels start their sum from the bias: one more term
        reach = operation.add_bias(config, reach, np.abs(operation.widen(bias)))
    taps = config.kernel_size[0] * config.kernel_size[1]
    whole = not arithmetic.proven and _whole(x, kernel, bias)
    error = _sum_error(reach, taps + (bias is not None), arithmetic, whole)
    convolved = _store(Bounded(value, error), arithmetic)
    if bias is None:
        return convolved
    return _store(Bounded(operation.add_bias(config, value, bias), convolved.bound), arithmetic)


def _whole(*arrays: NDArray[Any] | None) -> bool:
    return all(array is None or bool(np.all(np.rint(operation.widen(array)) == array)) for array in arrays)


def _sum_error(reach: Array, terms: int, arithmetic: Arithmetic, whole: bool) -> Array:
    """The error of sums of `terms` products whose absolute values sum to `reach`, and of the reference's own sums.

    Without a proof, `2 sqrt(n) u` takes the place of `gamma_n` (Higham and Mary, A New Approach to Probabilistic
    Rounding Error Analysis, 2019), and sums of `whole` numbers that both formats hold are exact.
    """
    accumulator = FORMATS[arithmetic.accumulator]
    rounded_inputs = (2.0 + arithmetic.inputs) * arithmetic.inputs
    growth = gamma(terms, accumulator.roundoff)
    if not arithmetic.proven:
        growth = min(growth, 2.0 * terms**0.5 * accumulator.roundoff)
    relative = rounded_inputs + (1.0 + rounded_inputs) * growth
    error = np.asarray((relative + gamma(terms, FORMATS["float64"].roundoff)) * reach + terms * accumulator.tiny)
    if whole:
        error[reach * max(arithmetic.inputs, accumulator.roundoff) <= 1.0] = 0.0
    elif not arithmetic.proven and relative > VAGUE:
        error = np.zeros_like(error)
    error[~(reach <= accumulator.largest)] = np.inf
    return error


def _store(stage: Bounded, arithmetic: Arithmetic) -> Bounded:
    """The stage after rounding to the storage format."""
    storage = FORMATS[arithmetic.storage]
    bound = stage.bound + storage.roundoff * (np.abs(stage.value) + stage.bound) + storage.tiny
    return _guard_overflow(Bounded(stage.value, bound), arithmetic)


def _guard_overflow(stage: Bounded, arithmetic: Arithmetic) -> Bounded:
    """Anything may come where the format may overflow, or where an overflow before (a NaN bound) leaves all open."""
    fits = np.abs(stage.value) + stage.bound <= FORMATS[arithmetic.storage].largest
    return Bounded(stage.value, np.where(fits, stage.bound, np.inf))


def _activate(config: LayerConfig, pre: Bounded, arithmetic: Arithmetic) -> Bounded:
    roundoff = FORMATS[arithmetic.storage].roundoff + FORMATS["float64"].roundoff
    activation = ACTIVATIONS[config.activation]
    if activation is None:
        s = softmax(pre.value)
        spread = np.expm1(2.0 * _largest_in_row(pre.bound))
        # exp is 2**n times a number of up to sqrt(2): where 2**n underflows, more than the smallest number is lost
        lost = 2.0 * FORMATS[arithmetic.storage].tiny
        return Bounded(s, np.fmin(s * spread + roundoff * softmax_rounding(pre.value, s) + lost, 1.0))
    y = activation.value(pre.value)
    return Bounded(y, activation.lipschitz * pre.bound + roundoff * activation.rounding(pre.value, y))


def _largest_in_row(bound: Array) -> Array:
    return bound.max(axis=-1, keepdims=True) if bound.size else bound


def _back_through_activation(
    config: LayerConfig,
    x: NDArray[Any],
    kernel: NDArray[Any],
    bias: NDArray[Any] | None,
    cotangent: NDArray[Any],
    arithmetic: Arithmetic,
) -> Bounded:
    """The gradient for the pre-activation."""
    c = operation.widen(cotangent)
    if config.activation in (None, "linear"):
        return Bounded(c, np.zeros_like(c))
    pre = _pre_activation(config, x, kernel, bias, arithmetic)
    roundoff = FORMATS[arithmetic.storage].roundoff + FORMATS["float64"].roundoff
    activation = ACTIVATIONS[config.activation]
    if activation is None:
        return _store(_back_through_softmax(c, _activate(config, pre, arithmetic), roundoff), arithmetic)
    slope = activation.derivative(pre.value)
    spread = activation.curvature * pre.bound + roundoff * activation.derivative_rounding
    for kink in activation.kinks:
        spread = np.maximum(spread, np.abs(pre.value - kink) <= pre.bound)
    return _store(Bounded(c * slope, np.abs(c) * spread), arithmetic)


def _back_through_softmax(c: Array, s: Bounded, roundoff: float) -> Bounded:
    """`s_i * (c_i - sum_j c_j s_j)` along the last axis."""
    mean = (c * s.value).sum(axis=-1, keepdims=True)
    magnitude = np.abs(c) + (np.abs(c) * s.value).sum(axis=-1, keepdims=True)
    carried = s.bound * magnitude + (s.value + s.bound) * (np.abs(c) * s.bound).sum(axis=-1, keepdims=True)
    return Bounded(s.value * (c - mean), carried + gamma(c.shape[-1] + 3, roundoff) * (s.value + s.bound) * magnitude)


def _bias_gradient(config: LayerConfig, d: Bounded, terms: int, arithmetic: Arithmetic) -> Bounded:
    value = operation.bias_gradient(config, d.value)
    carried = operation.bias_gradient(config, d.bound)
    reach = operation.bias_gradient(config, np.abs(d.value)) + carried
    whole = not arithmetic.proven and not d.bound.any() and _whole(d.value)
    return _finish(value, reach, carried, terms, arithmetic, whole)


def _finish(
    value: Array, reach: Array, carried: Array | float, terms: int, arithmetic: Arithmetic, whole: bool
) -> Bounded:
    return _store(Bounded(value, carried + _sum_error(reach, terms, arithmetic, whole)), arithmetic)
