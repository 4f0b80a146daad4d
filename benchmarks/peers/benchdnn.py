"""oneDNN's benchdnn, convolution driver in correctness mode (oneapi-src/oneDNN, commit 3f27bec, tests/benchdnn).

Whole numbers are drawn so that every partial sum is exact, and the result must be equal to the last bit (but for
FLT_EPSILON around zero, and a little more behind relu). Directions: forward without and with bias, the gradient of
the input, those of weights and bias. Batches are two (`--mb=2`), whatever the files say.

Shapes: the nine of MobileNet, the 45 regressions, and every 20th of the other files of set_conv_dw and of the two
minibatch files, which are grids. float32 as in test_conv_depthwise, channels first; bfloat16 with channels first and
last and float16 with channels last as in harness_conv_dw_*, on the nine and the 45. Cut are images of 112 and 56 in
MobileNet, to half; in the regressions images of 202 and 266, to 50 and 66, and 128 channels, to 48; and in the last
grid 512 and 1024 channels, to 128. The post-ops other than relu have no counterpart.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from peers.calls import Random, case
from peers.cases import Array, Case, Pair
from peers.suites import Suite

BATCH, EVERY = 2, 20
EPSILON = 1.19e-7


class Line(NamedTuple):
    """One axis of a descriptor: size, kernel, stride, zeros before, outputs; None is worked out as benchdnn does."""

    size: int
    kernel: int
    stride: int = 1
    before: int | None = None
    output: int | None = None

    def pads(self) -> Pair:
        """The zeros before and after; fewer than none after are rows that are not read."""
        before, output = self.before, self.output
        if output is None:
            before = before or 0
            output = (self.size - self.kernel + 2 * before) // self.stride + 1
        if before is None:
            before = ((output - 1) * self.stride - self.size + self.kernel) // 2
        return before, (output - 1) * self.stride + self.kernel - self.size - before


class Shape(NamedTuple):
    """Groups, that is, channels, and the two axes."""

    groups: int
    rows: Line
    columns: Line


class Grid(NamedTuple):
    """A file of shapes: all combinations; zeros come before only, and there is one output at least.

    `axes` says along which the kernel lies; the other is one wide. Of the zeros before there are fewer than the kernel
    has taps, or with `full` at most as many.
    """

    axes: str
    groups: Sequence[int]
    kernels: Sequence[int]
    sizes: Sequence[int]
    strides: Sequence[int] = (1,)
    before: Sequence[int] = (0,)
    full: bool = False

    def shapes(self) -> Iterator[Shape]:
        """All shapes, in the file's order."""
        for groups, k, size, stride, before in itertools.product(
            self.groups, self.kernels, self.sizes, self.strides, self.before
        ):
            if before < k + self.full:
                line = Line(size, k, stride, before, max((size - k + before) // stride + 1, 1))
                single = Line(1, 1, 1, 0, 1)
                yield Shape(groups, line if "h" in self.axes else single, line if "w" in self.axes else single)


WIDTHS = (1, 2, 3, 4, 5, 6, 7, 11, 12, 33, 55, 64, 111, 202, 300, 610, 1000)
HEIGHTS = (*range(2, 13), 21, 23, 31, 32, 33, 55, 56, 111, 112, 202)
GRIDS = (
    Grid("w", (16,), (1, 2, 3, 5, 11), WIDTHS),  # 1d_unit-stride_no-padding
    Grid("w", (16,), (1, 2, 3, 5, 11), WIDTHS, before=(0, 1, 2, 3, 4, 5, 10), full=True),
    Grid("w", (16,), (1, 2, 3, 5, 11), WIDTHS, strides=(1, 2, 3, 5)),
    Grid("hw", (16,), (2, 3, 5), (2, 3, 4, 5, 6, 7, 11, 13, 23, 32, 55, 111, 202), (1, 2, 3, 5), range(6), full=True),
    Grid(
        "h",
        (1, 2, 3, 4, 8, 16, 32, 64, 128, 240, 512),
        (2, 3, 5, 7, 11),
        (2, 3, 4, 5, 6, 11, 13, 21, 22, 23, 31, 32, 33, 53, 54, 55, 101, 111, 202),
    ),
    Grid("h", (16,), (2, 3, 5, 7, 11), HEIGHTS, before=range(11), full=True),
    Grid("h", (16,), (2, 3, 5, 7, 11), HEIGHTS, strides=(1, 2, 3, 5, 9, 10)),
    Grid(
        "h",
        (4, 8, 16, 32, 64, 128),
        (2, 5, 7, 11),
        (2, 3, 4, 5, 6, 11, 13, 31, 32, 33, 53, 55),
        strides=(2, 5, 7),
        before=(1, 2, 5),
    ),
    Grid("hw", (1, 2, 4, 7, 8, 16, 31, 32, 33, 64, 127, 128), (1, 3), (2, 3, 4), (1, 2), range(3)),
    Grid("hw", (1, 3, 4, 8, 16, 64, 112, 128, 128, 128), (2, 5, 7, 11), (13, 15, 21, 32, 41, 43), (1, 2), range(3)),
)
MOBILENET = tuple(
    Shape(groups, *[Line(size, 3, stride, 1, size // stride)] * 2)
    for groups, size, stride in (
        *((32, 56, 1), (64, 56, 2), (128, 28, 1), (128, 28, 2), (256, 28, 1), (256, 28, 2)),
        *((512, 14, 1), (512, 14, 2), (1024, 7, 1)),
    )
)


def square(groups: int, *line: int | None) -> Shape:
    """Both axes alike."""
    return Shape(groups, Line(*line), Line(*line))  # type: ignore[arg-type]


def regressions() -> Iterator[Shape]:
    """shapes_regression_dw."""
    for groups, size, along in ((16, 50, "w"), (32, 50, "h"), (64, 49, "w"), (96, 49, "h")):
        for kernel in (7, 9):
            other, line = Line(size, 1, 1, 0, 50), Line(50, kernel, 1, kernel // 2, 50)
            yield Shape(groups, other, line) if along == "w" else Shape(groups, line, other)
    yield from (square(16, 16, 3, 2, before, 9) for before in (2, 1))
    columns = Line(10, 3, 1, None, 10)
    yield from (
        Shape(16, Line(*rows), columns)
        for rows in ((15, 6, 2, 3, 7), (15, 5, 3, 2, 5), (15, 7, 5, 3, 3), (14, 5, 5, 1, 3), (15, 3, 2, 1, 8))
    )
    yield from (Shape(16, Line(10, 3, 1, None, 10), Line(15, 1, 2, 0, 8)), Shape(16, Line(14, 2, 2, 1, 8), columns))
    yield square(7, 32, 5, 1, 2)
    tails = (13, 20, 42, 55, 72, 111, 113, 127, 129, 130, 255, 257, 511, 1000)
    yield from (square(groups, 10, 3, 1, 1) for groups in tails)
    for kernel, stride, before in ((2, 2, 0), (2, 1, 1), (3, 1, 2), (3, 2, 1), (3, 1, 0)):
        yield square(48, 56, kernel, stride, before)
    for kernel, stride, before in ((4, 2, 3), (4, 1, 2), (4, 1, 1), (4, 2, 0)):
        yield square(48, 56, kernel, stride, before)
    yield from (square(48, 56, 4, 2, 1, 29), square(48, 56, 4, 2, 0, 32), square(56, 66, 3, 1, 0, 64))
    yield square(113, 1, 3, 1, 1, 1)


@dataclass(frozen=True)
class Format:
    """A dtype's law of data: the largest of each, and the digits in which a partial sum has to be exact."""

    dtype: Any
    source: int
    weights: int
    bias: int
    cotangent: int
    digits: int

    @property
    def room(self) -> float:
        """How many products a sum may have at most for all partial sums to be exact."""
        return float(2**self.digits) / (self.source * self.weights)


FLOAT32 = Format(np.float32, 32, 32, 8, 8, 24)
BFLOAT16 = Format(ml_dtypes.bfloat16, 4, 4, 8, 4, 8)
FLOAT16 = Format(np.float16, 4, 2, 8, 4, 11)


def fill(random: Random, shape: tuple[int, ...], largest: int, dtype: Any, density: float = 1.0) -> Array:
    """Whole numbers, thinned with zeros; the first of every 64 is positive."""
    numbers = random.integers(-largest, largest, shape, endpoint=True)
    if density < 1:
        numbers *= random.random(shape) < density
    flat = numbers.reshape(-1)
    flat[::64] = random.integers(1, largest, flat[::64].size, endpoint=True)
    return numbers.astype(dtype)


def near(found: Array, expected: Array) -> bool:
    """Equal, or around zero."""
    close = (np.abs(expected) <= 1e-5) & (np.abs(found - expected) < EPSILON)
    return bool(((found == expected) | close).all())


def near_after_relu(found: Array, expected: Array) -> bool:
    """What an eltwise post-op is allowed."""
    difference = np.abs(found - expected)
    return bool(((difference <= 2e-5) | (difference <= 8e-6 * np.abs(expected))).all())


class Drawer:
    """Draws the cases of one shape after the other, in one format and layout."""

    def __init__(self, random: Random, law: Format, data_format: str) -> None:
        self.random, self.law, self.data_format = random, law, data_format

    def image(self, channels: int, height: int, width: int, largest: int, density: float = 1.0) -> Array:
        """A batch of images, laid out."""
        first = self.data_format == "channels_first"
        sizes = (channels, height, width) if first else (height, width, channels)
        return fill(self.random, (BATCH, *sizes), largest, self.law.dtype, density)

    def arrays(self, shape: Shape, density: float) -> tuple[Array, Array, Array]:
        """Input, weights and bias."""
        law, taps = self.law, (shape.rows.kernel, shape.columns.kernel)
        x = self.image(shape.groups, shape.rows.size, shape.columns.size, law.source, density)
        kernel = fill(self.random, (*taps, shape.groups, 1), law.weights, law.dtype)
        return x, kernel, fill(self.random, (shape.groups,), law.bias, law.dtype)

    def arguments(self, shape: Shape) -> dict[str, Any]:
        """Strides, pads and layout."""
        return {
            "strides": (shape.rows.stride, shape.columns.stride),
            "pads": (shape.rows.pads(), shape.columns.pads()),
            "data_format": self.data_format,
        }

    def forward(self, shape: Shape, bias: bool, relu: bool = False) -> Case:
        """FWD_D, FWD_B, or FWD_D with the post-op relu."""
        density = min(1.0, self.law.room / (shape.rows.kernel * shape.columns.kernel))
        x, kernel, b = self.arrays(shape, density)
        return case(
            f"{shape} {self.law.dtype.__name__} {self.data_format} {'relu' if relu else 'forward'}",
            x,
            kernel,
            near_after_relu if relu else near,
            bias=b if bias else None,
            activation="relu" if relu else None,
            **self.arguments(shape),
        )

    def backward(self, shape: Shape) -> Iterator[Case]:
        """BWD_D and BWD_WB; one call shows both where the cotangent is dense in either."""
        taps = shape.rows.kernel * shape.columns.kernel
        sizes = [(line.size + sum(line.pads()) - line.kernel) // line.stride + 1 for line in shape[1:]]
        densities = {"data": self.law.room / taps, "weights": self.law.room / (BATCH * math.prod(sizes))}
        together = min(densities.values()) >= 1
        for direction, density in densities.items():
            x, kernel, bias = self.arrays(shape, 1.0)
            parts = ("input",) if direction == "data" else ("kernel", "bias")
            cotangent = self.image(shape.groups, sizes[0], sizes[1], self.law.cotangent, min(1.0, density))
            yield case(
                f"{shape} {self.law.dtype.__name__} {self.data_format} backward by {direction}",
                x,
                kernel,
                near,
                bias=bias,
                **self.arguments(shape),
                more={"cotangent": cotangent, "parts": ("input", "kernel", "bias") if together else parts},
            )
            if together:
                return


def cases(random: Random) -> list[Case]:
    """All directions of all shapes."""
    found: list[Case] = []
    named = (*MOBILENET, *regressions())
    thinned = [shape for grid in GRIDS for shape in list(grid.shapes())[::EVERY]]
    single = Drawer(random, FLOAT32, "channels_first")
    for shape in named:
        found += [single.forward(shape, bias=False), *single.backward(shape)]
    found += [single.forward(shape, bias=False, relu=True) for shape in MOBILENET]
    for shape in thinned:
        found += [single.forward(shape, bias=True), *single.backward(shape)]
    for law, data_format in ((BFLOAT16, "channels_first"), (BFLOAT16, "channels_last"), (FLOAT16, "channels_last")):
        half = Drawer(random, law, data_format)
        for shape in named:
            found += [half.forward(shape, bias=True), *half.backward(shape)]
        found += [half.forward(shape, bias=False, relu=True) for shape in MOBILENET]
    return found


SUITES = (Suite("oneDNN benchdnn", "oneapi-src/oneDNN 3f27bec", cases),)
