"""TFLite and LiteRT (google-ai-edge/LiteRT, commit f674577).

- fixed: tflite/kernels/depthwise_conv_test.cc, whole numbers, exact equality.
- fuzz: tflite/kernels/internal/depthwiseconv_float_test.cc, here 300 of its 10,000 cases a seed. Input, filter and
  bias are filled each from a copy of the same generator, so that they are the same numbers; the limit is on a mean.
- XNNPACK delegate: tflite/delegates/xnnpack/depthwise_conv_2d_test.cc, every test once a seed. A channel's weights and
  bias have one sign, and inputs are positive: nothing cancels. Its other formats of weights are left out.
- ATS: litert/ats; a filter of ones on inputs of random bits, redrawn here where nine of them could overflow.
- GPU delegate: tests of 2x2 images with 3x1 kernels, as in float32.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from peers.calls import Random, among, case, either, pair_among, ramp, uniform
from peers.cases import Array, Case, Pair
from peers.judges import exactly, mean_within, within
from peers.suites import Suite

FUZZED = 300
CLAMPS: dict[str, Callable[[Array], Array]] = {
    "relu6": partial(np.clip, a_min=0.0, a_max=6.0),
    "relu_n1_to_1": partial(np.clip, a_min=-1.0, a_max=1.0),
}


def activated(name: str) -> dict[str, Any]:
    """The arguments of an activation: relu is the kernel's, other clamps are outside."""
    if name in CLAMPS:
        return {"more": {"finish": CLAMPS[name]}}
    return {"activation": name or None}


def numbers(*values: float, shape: tuple[int, ...]) -> Array:
    """A tensor written out."""
    return np.array(values, np.float32).reshape(shape)


# The fixed tests.

BASE_X = numbers(1, 2, 7, 8, 3, 4, 9, 10, 5, 6, 11, 12, shape=(1, 3, 2, 2))
BASE_KERNEL = numbers(1, 2, 3, 4, -9, 10, -11, 12, 5, 6, 7, 8, 13, -14, 15, -16, shape=(2, 2, 2, 2))


def fixed_cases(random: Random) -> list[Case]:
    """Eleven calls; each name says what the tests expect, as they write it."""
    base = partial(case, x=BASE_X, kernel=BASE_KERNEL, judge=exactly, bias=numbers(1, 2, 3, 4, shape=(4,)))
    middle = np.pad(np.ones((1, 3, 3, 1), np.float32), ((0, 0), (3, 3), (3, 3), (0, 0)))
    nine, four = ramp((3, 3, 1, 1), 1), ramp((2, 2, 1, 1), 1)
    none, ones = np.zeros(1, np.float32), np.ones((1, 3, 3, 1), np.float32)
    pixels = np.tile(numbers(1, 1, 0, 0, shape=(4,)), (2, 3, 3, 1))
    tapped = np.tile(numbers(1, 2, 3, 4, shape=(4, 1)), (3, 3, 1, 1))
    batch = numbers(*[1] * 4, *[0] * 4, 1, 1, 2, 2, *[2] * 4, shape=(4, 2, 2, 1))
    cross = numbers(1, 1, 1, 0, 2, 0, 1, 1, 1, shape=(3, 3, 1, 1))
    return [
        base("71,-34,99,-20, 91,-26,127,-4"),
        *(base(f"the same, {name}", **activated(name)) for name in ("relu", "relu_n1_to_1", "relu6")),
        base("71,-34,99,-20", strides=2),
        base("71,-34,99,-20, -93,122,-111,172", strides=2, padding="same"),
        case("3x3 of 5", middle, nine, exactly, bias=none, dilation=3),
        case("4,7,3, 6,10,4, 2,3,1", ones, four, exactly, bias=none, dilation=2, padding="same"),
        case("9,18,0,0 twice", pixels, tapped, exactly, bias=np.zeros(4, np.float32)),
        case("4x4, 0x4, 6x4, 8x4", batch, cross, exactly, bias=none, padding="same"),
    ]


# The fuzz.


def exponential(random: Random, quantile: float, value: float, largest: int) -> int:
    """The ceiling of an exponential variable with that quantile, redrawn while it is above the largest."""
    while (drawn := math.ceil(random.exponential(value / -math.log(1 - quantile)))) > largest:
        pass
    return max(drawn, 1)


def fuzz_cases(random: Random) -> list[Case]:
    """Random layers in which input, filter and bias are the same numbers."""
    return [fuzzed(random, number) for number in range(FUZZED)]


def fuzzed(random: Random, number: int) -> Case:
    """One of them."""
    while True:
        batch, channels, multiplier = (
            among(random, 1, 2),
            exponential(random, 0.9, 6, 50),
            exponential(random, 0.8, 6, 50),
        )
        width, height = (exponential(random, 0.9, 20, 200) for _ in range(2))
        taps = tuple(exponential(random, 0.9, 4, 10) for _ in range(2))
        stride, dilation = exponential(random, 0.9, 3, 8), tuple(int(random.choice((1, 2, 4))) for _ in range(2))
        name, same = str(random.choice(("", "relu", "relu_n1_to_1", "relu6"))), either(random)
        spans = [(k - 1) * d + 1 for k, d in zip(taps, dilation, strict=True)]
        if channels * multiplier <= 1024 and (same or (spans[0] <= height and spans[1] <= width)):
            break
    shapes = ((batch, height, width, channels), (*taps, channels, multiplier), (channels * multiplier,))
    stream = random.random(max(map(math.prod, shapes)))
    x, kernel, bias = (stream[: math.prod(shape)].reshape(shape) * 2 - 1 for shape in shapes)
    return case(
        f"{number}: {shapes} s{stride} d{dilation} {'same' if same else 'valid'} {name}",
        x.astype(np.float32),
        kernel.astype(np.float32),
        mean_within(1e-5),
        bias=(bias * math.prod(taps)).astype(np.float32),
        strides=stride,
        dilation=dilation,
        padding="same" if same else "valid",
        **activated(name),
    )


# The tests of the XNNPACK delegate.


class Delegate:
    """Draws its tests."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def one(
        self, kernel: Pair, least: int = 5, batch: Pair = (1, 1), multiplier: int = 1, name: str = "", **arguments: Any
    ) -> Case:
        """One test, on images of `least` to 25 rows and columns."""
        random = self.random
        channels, sizes = among(random, 3, 32), pair_among(random, least, 25)
        x = uniform(random, (among(random, *batch), *sizes, channels))
        signed = random.uniform(-25, 25, channels)
        weights = random.random((*kernel, channels, multiplier)) * signed[:, None]
        bias = (random.random((channels, multiplier)) * signed[:, None]).reshape(-1)
        words = f"x{x.shape} w{weights.shape} {arguments} {name}"
        kernel32, bias32 = weights.astype(np.float32), bias.astype(np.float32)
        return case(words, x, kernel32, within(0, 3e-6), bias=bias32, **arguments, **activated(name))

    def general(self, kernel: Pair, **arguments: Any) -> Case:
        """One of those with batches and larger images."""
        taps = pair_among(self.random, *kernel)
        return self.one(taps, 10, (2, 4), **arguments)

    def steps(self) -> Pair:
        """A stride or a dilation for each axis."""
        return pair_among(self.random, 2, 3)

    def all(self) -> Iterator[Case]:
        """Every test once."""
        yield self.one((1, 1))
        yield from (self.one((size, size), padding="same") for size in (2, 3, 5))
        yield from (self.one((size, size), padding="same", strides=2) for size in (3, 5))
        for padding in ("same", "valid"):
            yield self.general((2, 7), padding=padding)
            yield self.general((3, 5), padding=padding, strides=self.steps())
            yield self.general((2, 3), padding=padding, dilation=self.steps())
        yield self.general((3, 5), strides=self.steps(), multiplier=among(self.random, 2, 8))
        for name in ("relu", "relu6", "relu_n1_to_1"):
            yield self.general((3, 5), strides=self.steps(), name=name)


# LiteRT's ATS, and the GPU delegate.


def random_bits(random: Random, shape: tuple[int, ...], dtype: str) -> Array:
    """Numbers of random bits, none of them beyond a sixteenth of the largest."""
    size, largest = np.dtype(dtype).itemsize, np.finfo(dtype).max / 16
    kept: list[float] = []
    while len(kept) < math.prod(shape):
        drawn = np.frombuffer(random.bytes(size * math.prod(shape)), dtype)
        kept += drawn[np.abs(drawn) <= largest].tolist()
    return np.array(kept[: math.prod(shape)], dtype).reshape(shape)


def ats_cases(random: Random) -> list[Case]:
    """Strides, paddings, relu and dtypes, in all combinations."""
    found = []
    for dtype, stride, padding, name in itertools.product(
        ("float32", "float16"), itertools.product((1, 2), (1, 2)), ("same", "valid"), ("", "relu")
    ):
        epsilon = float(np.finfo(dtype).eps)
        judge = within(10 * epsilon, max(1e-4 if dtype == "float32" else 5e-3, 10 * epsilon * 3))
        x, kernel = random_bits(random, (1, 10, 10, 1), dtype), np.ones((3, 3, 1, 1), dtype)
        words = f"{dtype} {stride} {padding} {name}"
        zero = np.zeros(1, dtype)
        found.append(case(words, x, kernel, judge, bias=zero, strides=stride, padding=padding, **activated(name)))
    return found


def gpu_cases(random: Random) -> list[Case]:
    """Ones; a filter for each channel; two filters for each."""
    x, judge = ramp((1, 2, 2, 2)), within(1e-6)
    kernels = (np.ones((3, 1, 2, 1), np.float32), ramp((3, 1, 2, 1)), ramp((2, 3, 1, 2)).transpose(1, 2, 3, 0).copy())
    biases = (numbers(0, 0, shape=(2,)), numbers(0.5, -0.5, shape=(2,)), numbers(0.5, -0.5, 1, -1, shape=(4,)))
    names = ("simple weights", "no multiplier", "multiplier 2")
    pads = ((1, 1), (0, 0))
    return [case(n, x, k, judge, bias=b, pads=pads) for n, k, b in zip(names, kernels, biases, strict=True)]


SOURCE = "google-ai-edge/LiteRT f674577"
SUITES = (
    Suite("TFLite fixed tests", SOURCE, fixed_cases, random=False),
    Suite("TFLite float fuzz", SOURCE, fuzz_cases),
    Suite("TFLite XNNPACK delegate", SOURCE, lambda random: list(Delegate(random).all())),
    Suite("LiteRT ATS", SOURCE, ats_cases),
    Suite("TFLite GPU delegate", SOURCE, gpu_cases, random=False),
)
