"""What an honest implementation may return: the exact value and, element by element, a bound on its error.

A stage of the layer is a `Bounded`: its float64 value, and how far a result may be from it when sums are taken in
any order in `arithmetic.accumulator` and every stage is stored in `arithmetic.storage`. The sum of n products
obeys `|error| <= gamma_n(u) * sum |x||w|` with `gamma_n(u) = n u / (1 - n u)` (Higham, Accuracy and Stability of
Numerical Algorithms, 2nd ed., section 3.1); the sum on the right, here called the reach, is the same operation on
absolute values. Sums of whole numbers that the formats hold are exact, in whatever order. The reference itself rounds
in float64, so its own gamma_n is added: for float64 layers that doubles the bound. docs/numerics.md has it in full.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.reference import operation
from depthwise_conformance.reference.activations import ACTIVATIONS, Activation, Function
from depthwise_conformance.reference.config import LayerConfig
from depthwise_conformance.reference.floats import FORMATS, USUAL, Arithmetic, gamma
from depthwise_conformance.reference.geometry import Shape4
from depthwise_conformance.reference.rows import Rowwise, largest

Array = NDArray[np.float64]
AnyArray = NDArray[Any]
MIXED = 4  # terms of a sum whose roundings are as good as independent of those of others: one weight alone rounds alike
VAGUE = 0.25  # an arithmetic that loses so much explains anything, and so nothing


@dataclass(frozen=True)
class Bounded:
    """A float64 `value` and the `bound` on the error of an honest result, infinite where it may overflow.

    `variance` bounds the sum of the squares of the roundings behind each element, where all of them are linear: what
    statistics over many elements are held against. None behind an activation that is not, and where roundings are not
    independent: of factors that many elements share, or in sums of few terms.
    """

    value: Array
    bound: Array
    variance: Array | None = None


@dataclass(frozen=True)
class Gradients:
    """The bounded gradients of `sum(cotangent * forward(x, kernel, bias))`; `bias` is None without a bias."""

    input: Bounded
    kernel: Bounded
    bias: Bounded | None


@dataclass(frozen=True)
class Sums:
    """Sums of `terms` products: their values, their reaches, and whether every factor is a whole number.

    `flushed` is the reach of those products that are lost where subnormal factors are taken for zero.
    """

    value: Array
    reach: Array
    terms: int
    whole: bool
    flushed: Array | float = 0.0


@dataclass(frozen=True)
class Evaluation:
    """One call of a layer: what does not depend on the arithmetic is computed once, when first asked for.

    `cotangent` may be left out where no gradients are asked for.
    """

    config: LayerConfig
    x: AnyArray
    kernel: AnyArray
    bias: AnyArray | None
    cotangent: AnyArray | None = None

    @np.errstate(over="ignore", invalid="ignore")
    def output(self, arithmetic: Arithmetic) -> Bounded:
        """`activation(depthwise_conv2d(x, kernel) + bias)`, each step computed and stored in turn."""
        pre = self.before_activation(arithmetic)
        if self.config.activation in (None, "linear"):
            return pre
        return _guard_overflow(activate(self.config, pre, arithmetic), arithmetic)

    @np.errstate(over="ignore", invalid="ignore")
    def before_activation(self, arithmetic: Arithmetic) -> Bounded:
        """`depthwise_conv2d(x, kernel) + bias`, each step stored in turn."""
        sums = replace(self.sums, flushed=self._flushed("output")) if arithmetic.flushing else self.sums
        convolved = _store(_summed(sums, arithmetic), arithmetic, sums.whole)
        if self.bias is None:
            return convolved
        return _store(Bounded(self.pre_activation, convolved.bound, convolved.variance), arithmetic, sums.whole)

    @np.errstate(over="ignore", invalid="ignore")
    def gradients(self, arithmetic: Arithmetic) -> Gradients:
        """The gradients in closed form: the cotangent goes back through the activation, then each linear map."""
        spread = self._spread(arithmetic)
        by_input, by_kernel, by_bias = self._backward
        bias = None if by_bias is None else self._gradient("bias", by_bias, spread, arithmetic)
        by = self._gradient
        return Gradients(by("input", by_input, spread, arithmetic), by("kernel", by_kernel, spread, arithmetic), bias)

    @functools.cached_property
    def sums(self) -> Sums:
        """The convolution's sums. The bias is in their reach and terms, since some kernels start from it."""
        x, kernel, bias = self.x, self.kernel, self.bias
        value = operation.depthwise_conv2d(self.config, x, kernel)
        reach = operation.depthwise_conv2d(self.config, _magnitude(x), _magnitude(kernel))
        if bias is not None:
            reach = operation.add_bias(self.config, reach, _magnitude(bias))
        taps = self.config.kernel_size[0] * self.config.kernel_size[1]
        return Sums(value, reach, taps + (bias is not None), _whole(x, kernel, bias))

    @functools.cached_property
    def pre_activation(self) -> Array:
        """`depthwise_conv2d(x, kernel) + bias`."""
        value = self.sums.value
        return value if self.bias is None else operation.add_bias(self.config, value, self.bias)

    @functools.cached_property
    def _back_value(self) -> Array:
        """The gradient for the pre-activation."""
        c = operation.widen(self._cotangent)
        activation = ACTIVATIONS[self.config.activation]
        if isinstance(activation, Rowwise):
            return activation.back(self.pre_activation, c)
        return np.asarray(c * activation.derivative(self.pre_activation))

    @functools.cached_property
    def _backward(self) -> tuple[Sums, Sums, Sums | None]:
        """The sums of the gradients for input, kernel and bias."""
        d, whole = self._back_value, _whole(self._back_value)
        terms = d[..., 0].size if self.config.channels_last else d[:, 0].size
        taps = self.config.kernel_size[0] * self.config.kernel_size[1]
        found: list[Sums] = []
        counts = {"input": taps * self.config.depth_multiplier, "kernel": terms, "bias": terms}
        for part, other in (("input", self.kernel), ("kernel", self.x), ("bias", self.bias)):
            if other is None:
                return found[0], found[1], None
            exact = whole and (part == "bias" or _whole(other))
            found.append(Sums(self._pull(part, d), self._pull(part, np.abs(d), True), counts[part], exact))
        return found[0], found[1], found[2]

    def reach(self, part: str) -> Array:
        """The reach of the sums behind a part: "output", or the gradient "input", "kernel" or "bias".

        Where an activation mixes the elements of a row, the largest of the row, as a row of one.
        """
        if part == "output":
            found = self.sums.reach
            return largest(found) if isinstance(ACTIVATIONS[self.config.activation], Rowwise) else found
        sums = dict(zip(("input", "kernel", "bias"), self._backward, strict=True))[part]
        if sums is None:
            raise ValueError("a layer without a bias has no gradient for it")
        return sums.reach

    @property
    def _cotangent(self) -> AnyArray:
        if self.cotangent is None:
            raise ValueError("gradients need a cotangent")
        return self.cotangent

    def _pull(self, part: str, d: Array, magnitudes: bool = False) -> Array:
        """The linear map that takes the pre-activation's gradient to that of a part, or the map's absolute value."""
        if part == "bias":
            return operation.bias_gradient(self.config, d)
        other = self.kernel if part == "input" else self.x
        factor = _magnitude(other) if magnitudes else operation.widen(other)
        if part == "kernel":
            return operation.kernel_gradient(self.config, d, factor)
        shape: Shape4 = self.x.shape  # split_shape checks that there are four
        return operation.input_gradient(self.config, d, factor, shape)

    def _flushed(self, part: str) -> Array:
        """What products come to, at most, of which a factor is subnormal; a subnormal bias is among them."""
        smallest = FORMATS[self.config.dtype].smallest

        def small(array: AnyArray) -> Array:
            magnitude = _magnitude(array)
            return np.where(magnitude < smallest, magnitude, 0.0)

        if part == "output":
            lost = operation.depthwise_conv2d(self.config, small(self.x), _magnitude(self.kernel))
            lost = lost + operation.depthwise_conv2d(self.config, _magnitude(self.x), small(self.kernel))
            return lost if self.bias is None else operation.add_bias(self.config, lost, small(self.bias))
        d = self._back_value
        lost = self._pull(part, small(d), True)
        if part == "bias":
            return lost
        narrow = replace(self, x=small(self.x), kernel=small(self.kernel))
        return lost + narrow._pull(part, np.abs(d), True)

    def _spread(self, arithmetic: Arithmetic) -> Array | None:
        """The bound of the gradient for the pre-activation; None where it is the cotangent itself."""
        activation = ACTIVATIONS[self.config.activation]
        if self.config.activation in (None, "linear"):
            return None
        c = operation.widen(self._cotangent)
        pre = self.before_activation(arithmetic)
        if isinstance(activation, Rowwise):
            storage = arithmetic.storing
            error = activation.spread(pre.value, pre.bound, c, _roundoff(arithmetic), storage)
            error = np.where(np.isinf(largest(pre.bound)), np.inf, error)
        else:
            error = np.abs(c) * _turned(activation, pre, arithmetic)
        exact = _whole(self._back_value)
        return _store(Bounded(self._back_value, error), arithmetic, exact).bound

    def _gradient(self, part: str, sums: Sums, spread: Array | None, arithmetic: Arithmetic) -> Bounded:
        """The gradient for a part, of a pre-activation's gradient that is known up to `spread`."""
        if arithmetic.flushing:
            sums = replace(sums, flushed=self._flushed(part))
        if spread is None or not spread.any():
            return _store(_summed(sums, arithmetic), arithmetic, sums.whole)
        carried = self._pull(part, spread, True)
        errors = _summed(replace(sums, reach=sums.reach + carried, whole=False), arithmetic)
        return _store(Bounded(sums.value, carried + errors.bound), arithmetic, False)


def _magnitude(array: AnyArray) -> Array:
    return np.abs(operation.widen(array))


def _whole(*arrays: AnyArray | None) -> bool:
    return all(array is None or bool(np.all(np.rint(operation.widen(array)) == array)) for array in arrays)


def _summed(sums: Sums, arithmetic: Arithmetic) -> Bounded:
    """The sums with the errors of their accumulation, and of the reference's own.

    Where only the usual error is allowed, `usual * sqrt(n) u` takes the place of `gamma_n` (Higham and Mary, A New
    Approach to Probabilistic Rounding Error Analysis, 2019).
    """
    accumulator, double = arithmetic.summing, FORMATS["float64"]
    rounded_inputs = (2.0 + arithmetic.inputs) * arithmetic.inputs
    growth = min(gamma(sums.terms, accumulator.roundoff), arithmetic.usual * sums.terms**0.5 * accumulator.roundoff)
    relative = rounded_inputs + (1.0 + rounded_inputs) * growth
    lost = 2.0 * sums.terms * accumulator.tiny + sums.flushed  # every product and every partial sum may underflow
    error = np.asarray((relative + gamma(sums.terms, double.roundoff)) * sums.reach + lost)
    if arithmetic.usual == USUAL and relative > VAGUE:
        error = np.zeros_like(error)
    # n - 1 additions, none of which loses more than u times the reach, nor all n products together
    squares = sums.terms * (accumulator.roundoff**2 + double.roundoff**2)
    variance = squares * sums.reach * sums.reach + lost * lost
    if sums.whole:
        exact = sums.reach * max(arithmetic.inputs, accumulator.roundoff) <= 1.0
        error[exact] = variance[exact] = 0.0
    error[~(sums.reach <= accumulator.largest)] = np.inf
    independent = sums.terms >= MIXED and arithmetic.inputs == 0.0
    return Bounded(sums.value, error, variance if independent else None)


def _store(stage: Bounded, arithmetic: Arithmetic, whole: bool) -> Bounded:
    """The stage after rounding to the storage format, which holds whole numbers up to 1 / u as they are."""
    storage = arithmetic.storing
    rounding = storage.roundoff * (np.abs(stage.value) + stage.bound) + storage.tiny
    if whole:
        rounding[(stage.bound == 0.0) & (np.abs(stage.value) * storage.roundoff <= 1.0)] = 0.0
    variance = None if stage.variance is None else stage.variance + rounding * rounding
    return _guard_overflow(Bounded(stage.value, stage.bound + rounding, variance), arithmetic)


def _guard_overflow(stage: Bounded, arithmetic: Arithmetic) -> Bounded:
    """Anything may come where the format may overflow, or where an overflow before (a NaN bound) leaves all open."""
    fits = np.abs(stage.value) + stage.bound <= arithmetic.storing.largest
    return Bounded(stage.value, np.where(fits, stage.bound, np.inf), stage.variance)


def activate(config: LayerConfig, pre: Bounded, arithmetic: Arithmetic) -> Bounded:
    """The activation of sums that are known up to a bound, before its overflow is looked at."""
    activation, storage = ACTIVATIONS[config.activation], arithmetic.storing
    y = activation.value(pre.value)
    if isinstance(activation, Rowwise):
        bound = activation.bound(pre.value, pre.bound, _roundoff(arithmetic), storage)
        return Bounded(y, np.where(np.isinf(largest(pre.bound)), np.inf, bound))
    moved = activation.moved(pre.value, pre.bound)
    bound = moved + activation.digits * (np.abs(y) + moved) + _rounded(activation.rounding, pre, arithmetic)
    return Bounded(y, np.where(_overflows(activation, pre, arithmetic), np.inf, bound))


def _turned(activation: Activation, pre: Bounded, arithmetic: Arithmetic) -> Array:
    """The bound of the derivative."""
    bound = activation.turned(pre.value, pre.bound, _roundoff(arithmetic)) + 2.0 * activation.digits
    bound = bound + _rounded(activation.derivative_rounding, pre, arithmetic)
    return np.where(_overflows(activation, pre, arithmetic), np.inf, bound)


def _rounded(rounding: Function, pre: Bounded, arithmetic: Arithmetic) -> Array:
    """What rounding and underflow may do where the pre-activation may be: some underflow, wherever anything rounds."""
    ends = (pre.value, pre.value - pre.bound, pre.value + pre.bound)
    roundoffs = functools.reduce(np.maximum, (np.asarray(rounding(p)) for p in ends))
    return np.asarray(_roundoff(arithmetic) * roundoffs + 4.0 * arithmetic.storing.tiny * (roundoffs > 0.0))


def _overflows(activation: Activation, pre: Bounded, arithmetic: Arithmetic) -> NDArray[np.bool_]:
    if activation.reach is None:
        return np.zeros(pre.value.shape, np.bool_)
    farthest = np.fmax(activation.reach(pre.value - pre.bound), activation.reach(pre.value + pre.bound))
    return np.asarray(~(farthest <= arithmetic.storing.largest))


def _roundoff(arithmetic: Arithmetic) -> float:
    """That of the storage, and the reference's own."""
    return arithmetic.storing.roundoff + FORMATS["float64"].roundoff
