"""TensorFlow's own (tensorflow/tensorflow, commit 0304934, python/kernel_tests/nn_ops/depthwise_conv_op_base.py).

Inputs and filters are ramps, so positive and monotone; the reference is float64 NumPy, unrounded. Eleven layers with
SAME and VALID in float32 and float64, channels last and first, and in the half precisions as cuDNN has them, channels
first; ten with explicit pads in all four dtypes, channels last and first. One layer is worked out by hand. Gradients by
finite differences, on sixteen small layers, in float32 (channels last and first) and float64; those in half precision,
whose limits are 4 and 1, are left out, and so are comparisons of one device with the other. Images of 147, 183 and 299
are cut to 51, 63 and 75.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

import ml_dtypes
import numpy as np
from honest import Honest

from peers.calls import Random, both, case, ramp
from peers.cases import Array, Case, Memory, Pads, Pair, Subject, Verdict, Wrong, same_bits
from peers.judges import within
from peers.suites import Suite

HALVES = ("float16", ml_dtypes.bfloat16)
LAYOUTS = ("channels_last", "channels_first")
DELTA = 1e-3
Shape4 = tuple[int, int, int, int]


class Layer(NamedTuple):
    """The arguments of one test; without pads, padding."""

    x: Shape4
    kernel: Shape4
    strides: int = 1
    padding: str = "same"
    pads: Pads | None = None
    dilation: int | Pair = 1


VALUES = (
    Layer((4, 5, 5, 48), (1, 1, 48, 2)),
    Layer((4, 8, 8, 84), (1, 3, 84, 1)),
    Layer((4, 17, 17, 48), (3, 1, 48, 4)),
    Layer((4, 9, 27, 8), (3, 3, 8, 1)),
    Layer((4, 31, 31, 7), (3, 3, 7, 1)),
    Layer((4, 35, 35, 2), (5, 5, 2, 1)),
    Layer((4, 51, 51, 2), (3, 3, 2, 8), 3, "valid"),
    Layer((3, 75, 75, 3), (3, 2, 3, 8), 2),
    Layer((5, 63, 63, 1), (5, 5, 1, 2), 2),
    Layer((5, 63, 63, 1), (5, 5, 1, 2), dilation=2),
    Layer((5, 41, 35, 2), (4, 7, 2, 2), padding="valid", dilation=(3, 2)),
)
EXPLICIT = (
    Layer((4, 5, 5, 48), (1, 1, 48, 2), pads=((1, 2), (3, 4))),
    Layer((4, 1, 1, 3), (3, 3, 3, 2), pads=((10, 20), (15, 25))),
    Layer((4, 9, 27, 8), (3, 3, 8, 1), pads=((3, 4), (4, 2))),
    Layer((4, 31, 31, 7), (3, 3, 7, 1), pads=((0, 0), (0, 0))),
    Layer((3, 75, 75, 3), (3, 2, 3, 8), 2, pads=((1, 2), (3, 5))),
    Layer((5, 63, 63, 1), (5, 5, 1, 2), 3, pads=((3, 2), (1, 0))),
    Layer((5, 29, 31, 1), (5, 4, 1, 2), pads=((3, 2), (1, 0)), dilation=(2, 3)),
    Layer((4, 5, 5, 48), (3, 3, 48, 1), pads=((0, 2), (0, 2))),
    Layer((1, 8, 7, 2), (8, 7, 2, 1), pads=((0, 7), (3, 3))),
    Layer((2, 4, 3, 2), (3, 2, 2, 1), pads=((2, 0), (1, 0))),
)
GRADIENTS = (
    Layer((2, 5, 8, 1), (4, 4, 1, 2)),
    Layer((4, 5, 5, 1), (2, 2, 1, 2), 2, "valid"),
    Layer((2, 4, 4, 2), (3, 1, 2, 2)),
    Layer((1, 15, 15, 2), (1, 3, 2, 1)),
    Layer((2, 15, 16, 1), (3, 3, 1, 2), 3, "valid"),
    Layer((2, 5, 8, 1), (4, 3, 1, 2), dilation=(1, 2)),
    Layer((1, 3, 1, 2), (2, 1, 2, 1)),
    Layer((2, 2, 3, 2), (2, 1, 2, 1)),
    Layer((2, 2, 3, 1), (2, 2, 1, 1)),
    Layer((2, 5, 8, 1), (4, 4, 1, 2), pads=((0, 1), (2, 3))),
    Layer((4, 5, 5, 1), (2, 2, 1, 2), 2, pads=((3, 1), (5, 0))),
    Layer((2, 4, 4, 2), (3, 1, 2, 2), pads=((4, 1), (3, 4))),
    Layer((1, 15, 15, 2), (1, 3, 2, 1), pads=((3, 0), (2, 8))),
    Layer((2, 15, 16, 1), (3, 3, 1, 2), 3, pads=((0, 0), (10, 0))),
    Layer((2, 5, 8, 1), (3, 4, 1, 2), pads=((3, 1), (2, 3)), dilation=(2, 1)),
    Layer((2, 4, 3, 2), (3, 2, 2, 1), pads=((2, 0), (1, 0))),
)


def laid_out(x: Array, data_format: str) -> Array:
    """Channels last as they are, or first."""
    return x if data_format == "channels_last" else np.ascontiguousarray(x.transpose(0, 3, 1, 2))


def made(
    layer: Layer, x: Array, kernel: Array, data_format: str, kind: type[Case] = Case, tolerance: float = 0
) -> Case:
    """A case of a layer."""
    padding = {"padding": layer.padding} if layer.pads is None else {"pads": layer.pads}
    name = f"{layer} {x.dtype.name} {data_format}"
    return case(
        name,
        laid_out(x, data_format),
        kernel,
        within(tolerance, tolerance),
        kind=kind,
        strides=layer.strides,
        dilation=both(layer.dilation),
        data_format=data_format,
        **padding,
    )


def value_case(layer: Layer, dtype: object, data_format: str, tolerance: float) -> Case:
    """Ramps from just above zero to one, compared with the float64 result of the unrounded ramps."""
    x, kernel = (ramp(shape, 1, "float64") / math.prod(shape) for shape in (layer.x, layer.kernel))
    exact = made(layer, x, kernel, data_format)
    found = made(layer, x.astype(dtype), kernel.astype(dtype), data_format, tolerance=tolerance)  # type: ignore[call-overload]
    found.ideal = exact.expected[0]
    return found


def values() -> Iterator[Case]:
    """The comparisons with NumPy, and the one worked out by hand."""
    for layer in VALUES:
        for data_format in LAYOUTS:
            yield value_case(layer, "float32", data_format, 1e-4)
            yield value_case(layer, "float64", data_format, 1e-12)
        for dtype, tolerance in zip(HALVES, (4e-2, 1e-2), strict=True):
            yield value_case(layer, dtype, "channels_first", tolerance)
    for layer in EXPLICIT:
        for data_format in LAYOUTS:
            for dtype, tolerance in zip(("float32", "float64", *HALVES), (1e-5, 1e-12, 4e-2, 2e-2), strict=True):
                yield value_case(layer, dtype, data_format, tolerance)
    x, kernel = ramp((1, 2, 3, 2), 1), ramp((2, 2, 2, 2), 1)
    yield case("196, 216, 272, 296, 252, 280, 344, 376", x, kernel, within(1e-5))


class Jacobian(Case):
    """All derivatives by one argument: as the gradients give them, and by finite differences of the output.

    `limit` is what the two may differ by at most. The judged argument is uniform, the other a ramp from zero.
    """

    limit: float

    @property
    def part(self) -> str:
        """The argument."""
        return self.parts[0]

    def put(self, subject: Subject, thorough: bool = False) -> Verdict:
        """As `Case.put`."""
        try:
            differs = False
            tables = []
            for calls, honest in ((self.analytic(), self.honest_analytic), (self.numeric(), self.honest_numeric)):
                found = [self.answered(subject, memory, one) for memory, one in zip(calls, honest, strict=True)]
                differs |= not all(map(same_bits, found, honest))
                tables.append(found)
        except Wrong:
            return Verdict(True, True)
        return Verdict((differs or thorough) and self.worst(*tables) >= self.limit, differs)

    def answered(self, subject: Subject, memory: Memory, honest: Array) -> Array:
        """One result, of the right shape and dtype. Raises Wrong."""
        found = self.ask(subject.adapter, memory)[0]
        if not isinstance(found, np.ndarray) or found.shape != honest.shape or found.dtype != honest.dtype:
            raise Wrong("other shape, dtype or kind")
        return found.copy()

    def analytic(self) -> Iterator[Memory]:
        """A call of the gradients for each element of the output."""
        assert self.cotangent is not None
        for k in range(self.cotangent.size):
            memory = self.memory()
            memory.cotangent = np.zeros_like(self.cotangent)
            memory.cotangent.reshape(-1)[k] = 1
            yield memory

    def numeric(self) -> Iterator[Memory]:
        """Two calls of forward for each element of the argument."""
        for index in self.indices():
            for step in (DELTA, -DELTA):
                memory = self.memory()
                memory.cotangent = None
                array = memory.x if self.part == "input" else memory.kernel
                array[index] += array.dtype.type(step)
                yield memory

    def indices(self) -> list[tuple[int, ...]]:
        """Where the elements of the argument are, without zeros that were put around it."""
        whole = self.x if self.part == "input" else self.kernel
        offsets = [s.start or 0 for s in self.inside] if self.part == "input" else [0] * 4
        shape = whole[self.inside].shape if self.part == "input" else whole.shape
        return [tuple(i + o for i, o in zip(at, offsets, strict=True)) for at in np.ndindex(shape)]

    def worst(self, analytic: list[Array], numeric: list[Array]) -> float:
        """The largest difference of the two Jacobians."""
        by_output = np.stack([one.astype(np.float64).reshape(-1) for one in analytic])
        outputs = np.stack([one.astype(np.float64).reshape(-1) for one in numeric])
        return float(np.abs(by_output - ((outputs[::2] - outputs[1::2]) / (2 * DELTA)).T).max())

    @cached_property
    def honest_analytic(self) -> list[Array]:
        """What the honest fake gives."""
        return [self.ask(Honest(), memory)[0] for memory in self.analytic()]

    @cached_property
    def honest_numeric(self) -> list[Array]:
        """What the honest fake gives."""
        return [self.ask(Honest(), memory)[0] for memory in self.numeric()]


def jacobians(random: Random) -> Iterator[Case]:
    """The gradient checks."""
    for dtype, data_format, limit in (
        *(("float32", data_format, 8e-4) for data_format in LAYOUTS),
        ("float64", "channels_last", 1e-12),
    ):
        for layer in GRADIENTS:
            for part in ("input", "kernel"):
                x, kernel = (ramp(shape, 0, "float64") / math.prod(shape) for shape in (layer.x, layer.kernel))
                if part == "input":
                    x = random.random(layer.x)
                else:
                    kernel = random.random(layer.kernel)
                found = made(layer, x.astype(dtype), kernel.astype(dtype), data_format, Jacobian)
                assert isinstance(found, Jacobian)
                found.limit, found.parts = limit, (part,)
                found.cotangent = np.zeros(found.expect(found.memory())[0].shape, dtype)
                yield found


SUITES = (
    Suite(
        "TensorFlow's own",
        "tensorflow/tensorflow 0304934",
        lambda random: [*values(), *jacobians(random)],
        random=False,
    ),
)
