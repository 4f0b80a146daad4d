"""Cases as other suites have them: arrays, a call, and the rule by which the suite judges what comes back.

A kernel is called as this project calls it, whatever the suite's own conventions are: weights as (height, width,
channels, multiplier), channels_first as an argument beside arrays laid out so, relu as an activation, other clamps
outside. Where a suite gives explicit pads that are TensorFlow's SAME, the call says "same"; where all are zero,
"valid"; else the zeros are put around the input outside the kernel, and such a case counts as `padded_outside`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from honest import Honest
from numpy.typing import NDArray

from depthwise_conformance.adapters.base import Adapter, Unsupported
from depthwise_conformance.reference import LayerConfig
from depthwise_conformance.reference.operation import (
    bias_gradient,
    depthwise_conv2d,
    input_gradient,
    kernel_gradient,
)

Array = NDArray[Any]
Pair = tuple[int, int]
Pads = tuple[Pair, Pair]  # before and after, for rows and for columns
Judge = Callable[[Array, Array], bool]  # what came back and what was expected, in float64
GRADIENTS = ("input", "kernel", "bias")


class Wrong(Exception):
    """The kernel raised, or what it returned is no array of the shape and dtype that it has to be."""


class Verdict(NamedTuple):
    """Whether a case fails by the suite's rule, and whether any bit of it differs from what an honest kernel does."""

    failed: bool
    differs: bool


class Subject:
    """A fresh kernel on trial, and the weights that it owns, for suites in which they last from call to call."""

    def __init__(self, fake: type[Adapter]) -> None:
        self.adapter = fake()
        self.weights: Array | None = None


@dataclass(eq=False)
class Memory:
    """The arguments of a call, which a kernel may change."""

    x: Array
    kernel: Array
    bias: Array | None
    cotangent: Array | None


def unchanged(y: Array) -> Array:
    """Nothing is done to an output before it is compared."""
    return y


@dataclass(eq=False, kw_only=True)
class Case:
    """One call of a kernel: `forward`, or with a cotangent the gradients."""

    name: str
    config: LayerConfig
    x: Array
    kernel: Array
    judge: Judge
    bias: Array | None = None
    cotangent: Array | None = None
    parts: tuple[str, ...] = GRADIENTS  # the gradients that are judged
    inside: tuple[slice, ...] = (slice(None),) * 4  # of an input that was padded outside, the suite's own
    padded_outside: bool = False
    finish: Callable[[Array], Array] = unchanged  # what the suite does to outputs, the kernel's and the expected
    ideal: Array | None = None  # the expected output, where it is not that of these very arrays
    group: int = 0  # the cases of a group are put to one object
    owns_weights: bool = False  # the object keeps the weights that the first case of its group brought

    @property
    def combined(self) -> bool:
        """Whether strides and dilation meet, which Keras refuses and raw operations may compute."""
        return max(self.config.strides) > 1 and max(self.config.dilation_rate) > 1

    @cached_property
    def honest(self) -> tuple[Array, ...]:
        """What the honest fake returns, bit for bit."""
        return self.ask(Honest(), self.memory())

    @cached_property
    def expected(self) -> tuple[Array, ...]:
        """The exact results, rounded to the dtype of the case, finished, in float64."""
        return self.expect(self.memory())

    def memory(self, subject: Subject | None = None) -> Memory:
        """Copies of the arguments; the weights are the subject's own where it keeps them."""
        kernel = self.kernel.copy()
        if subject is not None and self.owns_weights:
            subject.weights = kernel = kernel if subject.weights is None else subject.weights
        return Memory(self.x.copy(), kernel, *(None if a is None else a.copy() for a in (self.bias, self.cotangent)))

    def ask(self, adapter: Adapter, memory: Memory) -> tuple[Array, ...]:
        """The results that the suite sees. Raises Wrong, and Unsupported where the kernel says so."""
        try:
            with np.errstate(all="ignore"):
                if memory.cotangent is None:
                    return (adapter.forward(self.config, memory.x, memory.kernel, memory.bias),)
                arrays = adapter.gradients(self.config, memory.x, memory.kernel, memory.bias, memory.cotangent)
                return tuple(self.visible(part, getattr(arrays, part)) for part in self.asked())
        except Unsupported:
            raise
        except Exception as error:
            raise Wrong(type(error).__name__) from None

    def asked(self) -> list[str]:
        """The gradients that the suite judges, of those that there are."""
        return [part for part in self.parts if part != "bias" or self.bias is not None]

    def visible(self, part: str, gradient: Array) -> Array:
        """Of the input's gradient, what does not belong to zeros that were put around the input."""
        return gradient[self.inside] if part == "input" else gradient

    def expect(self, memory: Memory) -> tuple[Array, ...]:
        """The exact results for these arguments, rounded to the dtype of the case, finished, in float64."""
        if memory.cotangent is not None:
            found = self.exact_gradients(memory.cotangent, memory)
            return tuple(self.visible(part, found[part]()) for part in self.asked())
        y = depthwise_conv2d(self.config, memory.x, memory.kernel, memory.bias) if self.ideal is None else self.ideal
        y = np.maximum(y, 0) if self.config.activation == "relu" else y
        return (self.finish(y if self.ideal is not None else self.rounded(y)),)

    def exact_gradients(self, cotangent: Array, memory: Memory) -> dict[str, Callable[[], Array]]:
        """Each gradient, rounded."""
        config, shape = self.config, memory.x.shape
        return {
            "input": lambda: self.rounded(input_gradient(config, cotangent, memory.kernel, shape)),
            "kernel": lambda: self.rounded(kernel_gradient(config, cotangent, memory.x)),
            "bias": lambda: self.rounded(bias_gradient(config, cotangent)),
        }

    def rounded(self, exact: Array) -> Array:
        """Rounded to the dtype of the case."""
        with np.errstate(over="ignore"):
            return exact.astype(self.x.dtype).astype(np.float64)

    def put(self, subject: Subject, thorough: bool = False) -> Verdict:
        """The suite's verdict, and ours on the bits. Unless `thorough`, what has the honest bits is not judged."""
        memory = self.memory(subject)
        try:
            found = self.typed(self.ask(subject.adapter, memory))
        except Wrong:
            return Verdict(True, True)
        same = all(map(same_bits, found, self.honest))
        failed = (thorough or not same) and not self.passes(found, self.expected)
        return Verdict(failed, not same or self.changed(memory))

    def typed(self, found: Sequence[Any]) -> tuple[Array, ...]:
        """The results, if they are arrays of the right shape and dtype. Raises Wrong."""
        for one, honest in zip(found, self.honest, strict=True):
            if not isinstance(one, np.ndarray) or one.shape != honest.shape or one.dtype != honest.dtype:
                raise Wrong("other shape, dtype or kind")
        return tuple(found)

    def passes(self, found: Sequence[Array], expected: Sequence[Array]) -> bool:
        """Whether all results pass by the suite's rule."""
        finish = self.finish if self.cotangent is None else unchanged
        with np.errstate(all="ignore"):
            return all(self.judge(finish(one.astype(np.float64)), e) for one, e in zip(found, expected, strict=True))

    def changed(self, memory: Memory) -> bool:
        """Whether the kernel changed an argument."""
        pairs = [(getattr(memory, name), getattr(self, name)) for name in ("x", "kernel", "bias", "cotangent")]
        return not all(same_bits(now, before) for now, before in pairs if before is not None)

    def repeats(self, subject: Subject) -> bool:
        """Whether the same call on copies gives the same bits twice."""
        try:
            first = [one.copy() for one in self.typed(self.ask(subject.adapter, self.memory()))]
            return all(map(same_bits, first, self.typed(self.ask(subject.adapter, self.memory()))))
        except Wrong:
            return False


class OwnResult(Case):
    """Compared with the same kernel's result for the kernel filled with zeros to its dilation, undilated."""

    def put(self, subject: Subject, thorough: bool = False) -> Verdict:
        """As `Case.put`; the expected result is the kernel's own."""
        memory, other = self.memory(), self.filled.memory()
        try:
            found = self.typed(self.ask(subject.adapter, memory))
            expected = self.filled.typed(self.filled.ask(subject.adapter, other))
        except Wrong:
            return Verdict(True, True)
        same = all(map(same_bits, (*found, *expected), (*self.honest, *self.filled.honest)))
        failed = (thorough or not same) and not self.passes(found, [one.astype(np.float64) for one in expected])
        return Verdict(failed, not same or self.changed(memory) or self.filled.changed(other))

    @cached_property
    def filled(self) -> Case:
        """The same without dilation, its kernel filled with zeros."""
        kernel = zero_filled(self.kernel, self.config.dilation_rate)
        arguments = {**self.config.to_json(), "kernel_size": kernel.shape[:2], "dilation_rate": 1}
        return replace(self, config=LayerConfig.from_json(arguments), kernel=kernel)


def zero_filled(kernel: Array, dilation: Pair) -> Array:
    """The kernel with zeros between its taps."""
    (height, width), (down, right) = kernel.shape[:2], dilation
    filled = np.zeros(((height - 1) * down + 1, (width - 1) * right + 1, *kernel.shape[2:]), kernel.dtype)
    filled[::down, ::right] = kernel
    return filled


def same_bits(one: Array, other: Array) -> bool:
    """Whether two arrays are the same, bit for bit."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    bits = f"u{one.dtype.itemsize}"
    return bool((np.ascontiguousarray(one).view(bits) == np.ascontiguousarray(other).view(bits)).all())
