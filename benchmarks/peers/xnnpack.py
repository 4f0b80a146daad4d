"""XNNPACK (google/XNNPACK, commit 75db3c0): its subgraph fuzz, its operator tests, its micro-kernel tester.

The fuzz (test/subgraph/depthwise-convolution-2d.cc) runs for a second a dtype; here for 500 layers in float32 and 250
in float16, each put to the same object twice, with other sizes. The operator tests are those of
test/operators/convolution-nhwc.cc in float32, the micro-kernel tests those of a tile of eight channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from peers.calls import Random, among, case, either, uniform
from peers.cases import Array, Case, Pads, Pair
from peers.judges import within, within_larger
from peers.suites import Suite

LAYERS = {"float32": 500, "float16": 250}
EPSILON = {"float32": 2.0**-23, "float16": 2.0**-10}
TILE = 8


class FuzzedAxis:
    """One axis of a fuzzed layer: kernel, dilation, stride, and pads that stay below the extent."""

    def __init__(self, random: Random, same: bool) -> None:
        self.random, self.same = random, same
        self.kernel, self.dilation = among(random, 1, 7), among(random, 1, 2)
        self.extent = (self.kernel - 1) * self.dilation + 1
        self.stride = min(among(random, 1, 3), max(self.extent - 1, 1))
        before = among(random, 0, self.extent - 1)
        self.pads: Pair = (before, among(random, 0, self.extent - 1 - before))

    def size(self) -> int:
        """An input size that gives between one and nine outputs."""
        output = among(self.random, 1, 9)
        if self.same:
            return output * self.stride
        return max(1, self.stride * (output - 1) + self.extent - sum(self.pads))


def fuzz(random: Random) -> list[Case]:
    """The subgraph fuzz."""
    return [one for dtype, layers in LAYERS.items() for _ in range(layers) for one in fuzzed(random, dtype)]


def fuzzed(random: Random, dtype: str) -> Iterator[Case]:
    """One layer, on two inputs."""
    same = either(random)
    columns, rows = FuzzedAxis(random, same), FuzzedAxis(random, same)
    multiplier, channels = among(random, 1, 7), among(random, 10, 15)
    kernel = uniform(random, (rows.kernel, columns.kernel, channels, multiplier), -1, 1, dtype)
    bias = uniform(random, (channels * multiplier,), -1, 1, dtype) if either(random) else None
    low, high = random.uniform(-1, 1, 2)
    tolerance = 20 * EPSILON[dtype]
    for _ in range(2):
        x = uniform(random, (among(random, 1, 9), rows.size(), columns.size(), channels), -1, 1, dtype)
        yield case(
            f"{dtype} x{x.shape} w{kernel.shape} {'same' if same else (rows.pads, columns.pads)}"
            f" s{rows.stride, columns.stride} d{rows.dilation, columns.dilation}",
            x,
            kernel,
            within(tolerance, tolerance),
            bias=bias,
            strides=(rows.stride, columns.stride),
            dilation=(rows.dilation, columns.dilation),
            **({"padding": "same"} if same else {"pads": (rows.pads, columns.pads)}),
            more={"finish": partial(np.clip, a_min=low, a_max=high)} if low < high else None,
        )


# The operator tests.

STRIDES_AND_DILATIONS: tuple[dict[str, Any], ...] = (
    *({"strides": pair} for pair in (2, (1, 2), (2, 1))),
    *({"dilation": pair} for pair in (2, (1, 2), (2, 1))),
)


class Operators:
    """Draws the operator tests: all data positive, in [0.1, 1)."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def positive(self, *shape: int) -> Array:
        """Uniform in [0.1, 1)."""
        return uniform(self.random, shape, 0.1, 1.0)

    def one(
        self,
        kernel: Pair,
        groups: int,
        pad: int | None,
        size: Pair = (15, 14),
        *,
        with_bias: bool = True,
        multiplier: int = 1,
        **arguments: Any,
    ) -> Case:
        """One test; without a pad it has TensorFlow's SAME."""
        x, weights = self.positive(1, *size, groups), self.positive(*kernel, groups, multiplier)
        bias = self.positive(groups * multiplier) if with_bias else None
        pads: Pads | None = None if pad is None else ((pad, pad), (pad, pad))
        padding = {"padding": "same"} if pad is None else {"pads": pads}
        name = f"{kernel} pad {pad} groups {groups} size {size} multiplier {multiplier} {arguments}"
        return case(name, x, weights, within_larger(1e-4, 1e-4), bias=bias, **padding, **arguments)

    def plain(self) -> Iterator[Case]:
        """Weights as a group convolution has them."""
        for kernel, pad, groups in ((1, 0, 24), (2, 1, 24), (3, 1, 27), (5, 2, 27)):
            yield self.one((kernel, kernel), groups, pad)
            yield self.one((kernel, kernel), groups, pad, with_bias=False)
        for kernel, pad in ((2, 1), (3, 1), (5, 2)):
            yield from (self.one((kernel, kernel), 27, pad, **change) for change in STRIDES_AND_DILATIONS)
        for size in ((14, 14), (14, 15), (15, 14), (15, 15)):
            yield from (self.one((3, 3), 27, None, size, strides=strides) for strides in (2, (1, 2), (2, 1)))
        yield self.one((2, 5), 27, 1)
        yield self.one((2, 5), 27, 1, strides=(5, 6))

    def depthwise(self) -> Iterator[Case]:
        """Weights as a depthwise convolution has them. The last says stride 2 by its name, and sets none."""
        for kernel, pad in ((1, 0), (2, 1), (3, 1), (5, 2), (7, 3)):
            yield self.one((kernel, kernel), 24, pad)
            yield self.one((kernel, kernel), 24, pad, with_bias=False)
            if kernel < 7:
                yield self.one((kernel, kernel), 24, pad, multiplier=3)
        for size in ((14, 14), (14, 15), (15, 14), (15, 15)):
            yield self.one((3, 3), 24, None, size)

    def set_up_again(self) -> Iterator[Case]:
        """The same operator, set up for one input and then for another."""
        first = (3, 8, 8)
        changes = [(first, (3, *size)) for size in ((9, 8), (7, 8), (8, 9), (8, 7))]
        for pair in (*changes, ((3, 9, 8), (3, 8, 9)), (first, (5, 8, 8)), (first, (2, 8, 8))):
            weights, bias = self.positive(3, 3, 19, 1), self.positive(19)
            for shape in pair:
                x = self.positive(*shape, 19)
                yield case(f"set up {pair}, {shape}", x, weights, within_larger(1e-4, 1e-4), bias=bias)


def operators(random: Random) -> list[Case]:
    """All operator tests."""
    draw = Operators(random)
    return [*draw.plain(), *draw.depthwise(), *draw.set_up_again()]


# The micro-kernel tests.


def microkernels(random: Random) -> list[Case]:
    """Rows of pixels: taps, channels around the tile, widths, steps, clamps at the middle of the range."""
    found: list[Case] = []
    for taps in (3, 4, 9, 25):
        channels = (*range(1, 2 * TILE), *range(2 * TILE, 16 * TILE, 3 * TILE))
        for count in channels:
            found.append(pixels(random, taps, count, 1, 1))
            if count >= TILE:
                found += [pixels(random, taps, count, 1, 1, clamp) for clamp in ("low", "high")]
        found += [pixels(random, taps, count, 1, 1, dtype="float16") for count in channels]
        for width in (3, 5):
            for count in range(1, 5 * TILE, TILE - 1):
                found += [pixels(random, taps, count, width, step) for step in (1, 2, taps)]
        found += [pixels(random, taps, 2 * TILE, 3, step) for step in range(1, taps + 1)]
    return found


def pixels(
    random: Random, taps: int, channels: int, width: int, step: int, clamp: str = "", dtype: str = "float32"
) -> Case:
    """Some outputs of one row."""
    x = uniform(random, (1, 1, (width - 1) * step + taps, channels), dtype=dtype)
    kernel, bias = uniform(random, (1, taps, channels, 1), dtype=dtype), uniform(random, (channels,), dtype=dtype)
    judge = within(0, 1e-5) if dtype == "float32" else within_larger(1e-4, 1e-2)
    name = f"{dtype} taps {taps} channels {channels} width {width} step {step} {clamp}"
    found = case(name, x, kernel, judge, bias=bias, strides=(1, step))
    if clamp:
        y = found.expect(found.memory())[0]
        middle = float((y.min() + y.max()) / 2)
        found.finish = partial(np.maximum, middle) if clamp == "low" else partial(np.minimum, middle)
    return found


SOURCE = "google/XNNPACK 75db3c0"
SUITES = (
    Suite("XNNPACK subgraph fuzz", SOURCE, fuzz),
    Suite("XNNPACK operator tests", SOURCE, operators),
    Suite("XNNPACK micro-kernel tests", SOURCE, microkernels),
)
