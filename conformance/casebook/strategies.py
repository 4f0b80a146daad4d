"""Hypothesis strategies for cases: what the specification settles, and what it refuses.

Every choice lists the plainest value first, since that is where Hypothesis shrinks to. Spatial sizes are drawn as
the output's, plus what does not divide, so that sizes just below, at and above a multiple of the stride occur.
"""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from hypothesis import strategies as st

from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.casebook.claims import EVERYTHING, Claim
from depthwise_conformance.casebook.recipes import SPECIAL
from depthwise_conformance.reference import LayerConfig

Sizes = dict[str, int]
T = TypeVar("T")

KERNELS = (1, 1, 2, 2, 3, 3, 3, 3, 4, 5, 5, 6, 7, 9)
STEPS = (2, 2, 3, 1, 4, 5)  # strides or dilations, where there are any
SECOND_STEPS = (0, 0, 0, 0, 1, 2, 3, 4)  # along the width; 0 is "as along the height"
OUTPUTS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 16, 17)
CHANNELS = (1, 2, 3, 3, 4, 5, 7, 8, 9, 16, 17, 33)  # below, at and above the widths of vector units
MULTIPLIERS = (1, 1, 1, 1, 2, 2, 3, 4, 5, 6)
BATCHES = (1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 4, 5, 0)
KINDS = ("plain", "plain", "plain", "strided", "strided", "strided", "dilated", "dilated", "strided and dilated")
ACTIVATIONS = (
    *(None,) * 9,
    *("linear", "relu", "relu", "relu6", "relu6", "tanh", "sigmoid", "softplus", "gelu", "softmax", "softmax"),
)
DTYPES = ("float32", "float32", "float32", "float64", "float16", "bfloat16")
DRAWN_RECIPES = (
    *("integers", "integers", "integers", "uniform", "uniform", "uniform", "normal", "normal"),
    *("cancellation", "wide", "impulses", "s2", "s3", "s0", "s1", "s4", "s5", "underflow", SPECIAL, SPECIAL),
)
# Sizes made equal on purpose: where a wrong broadcast or transpose hides.
COINCIDENCES = (
    *(None,) * 8,
    ("output_width", "output_height"),
    ("kernel_width", "kernel_height"),
    ("channels", "output_height"),
    ("channels", "output_width"),
    ("output_width", "channels"),
    ("output_height", "kernel_height"),
    ("batch", "channels"),
    ("batch", "output_height"),
    ("depth_multiplier", "channels"),
    ("depth_multiplier", "kernel_width"),
    ("channels", "kernel_height"),
    ("output_width", "output_channels"),
    ("output_height", "output_channels"),
    ("batch", "output_channels"),
    ("kernel_height", "stride_height"),
    ("kernel_width", "stride_width"),
)
SEEDS = 100  # no more: into wider ranges Hypothesis puts constants of whatever modules are loaded
WORK = 40_000  # multiplications in one forward pass: small, so that thousands of cases run
FURTHER = (*range(1, 65), 96, 100, 127, 128, 129, 224, 255, 256, 257, 512, 1000, 1024)  # where a claim speaks of a size


@dataclass(frozen=True)
class Draw:
    """A block of cases: those of a seed, drawn inside a claim.

    Those that are not `shrinkable` are drawn without Hypothesis, which cannot repeat them, in a tenth of its time.
    """

    seed: int
    claim: Claim = EVERYTHING
    shrinkable: bool = True


class _Choosing(Protocol):
    """What makes the choices of a case."""

    def one_of(self, values: Sequence[T]) -> T:
        """One of the values."""

    def whole(self, first: int, last: int) -> int:
        """An integer from the first to the last."""


@dataclass(frozen=True)
class _Hypothesis:
    draw: st.DrawFn

    def one_of(self, values: Sequence[T]) -> T:
        chosen: T = self.draw(_strategy(type(values[0]).__name__, tuple(values)))
        return chosen

    def whole(self, first: int, last: int) -> int:
        return self.draw(_whole(first, last))


class _Chance:
    """Takes `random` alone of Python's generator, which is the same for a seed in all releases."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random

    def one_of(self, values: Sequence[T]) -> T:
        return values[int(self._random() * len(values))]

    def whole(self, first: int, last: int) -> int:
        return first + int(self._random() * (last - first + 1))


def cases(claim: Claim = EVERYTHING) -> st.SearchStrategy[Case]:
    """Cases whose result the specification settles (and strides with dilation, which only raw operations compute).

    Those of a claim are drawn from what it leaves of each list, and what it names besides.
    """
    return _cases(claim).filter(claim.covers) if claim.text else _cases(claim)


def sampled(seed: int, claim: Claim = EVERYTHING) -> Iterator[Case]:
    """Cases without end, chosen as `cases` has them drawn, but by chance alone; for a claim, not all are inside."""
    chance = _Chance(seed)
    while True:
        yield _case(chance, claim)


@st.composite
def _cases(draw: st.DrawFn, claim: Claim) -> Case:
    return _case(_Hypothesis(draw), claim)


def _case(choose: _Choosing, claim: Claim) -> Case:
    left = functools.partial(claimed, claim)
    coincidence = choose.one_of(COINCIDENCES)
    sizes = _limit(_coincide(coincidence, _draw_sizes(choose, claim)), claim)
    padding = choose.one_of(left("padding", ("valid", "same")))
    data_format = choose.one_of(left("data_format", ("channels_last", "channels_first")))
    height, width = (_draw_input(choose, claim, sizes, axis, padding) for axis in ("height", "width"))
    strides, dilation = _both(sizes, "stride"), _both(sizes, "dilation")
    config = LayerConfig(
        kernel_size=_both(sizes, "kernel"),
        strides=strides,
        padding=padding,
        depth_multiplier=sizes["depth_multiplier"],
        data_format=data_format,
        dilation_rate=dilation,
        activation=choose.one_of(left("activation", ACTIVATIONS)),
        use_bias=choose.one_of(left("use_bias", (False, True, True))),
        dtype=choose.one_of(left("dtype", DTYPES)),
        strided_dilation=max(strides) > 1 and max(dilation) > 1,
    )
    batch, channels = sizes["batch"], sizes["channels"]
    last = data_format == "channels_last"
    shape = (batch, height, width, channels) if last else (batch, channels, height, width)
    recipe = choose.one_of(left("recipe", DRAWN_RECIPES))
    return Case(config, shape, Data(recipe, choose.whole(0, SEEDS - 1)))


@functools.lru_cache(maxsize=1 << 10)
def claimed(claim: Claim, name: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values of a fact that a claim leaves, with those that it names; all of them where it leaves none."""
    if not claim.text:
        return values
    named = [one for value in claim.constants(name) for one in (value if isinstance(value, tuple) else (value,))]
    kind = type(next(value for value in values if value is not None))
    further = [value for value in named if type(value) is kind and not (kind is int and value < 1)]
    found = [value for value in (*values, *dict.fromkeys(further)) if _may_be(claim, name, value)]
    if kind is int and named:
        found += [size for size in FURTHER if size not in found and _may_be(claim, name, size)][: len(values)]
    return tuple(found) or values


@functools.lru_cache(maxsize=1 << 10)
def _strategy(kind: str, values: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    """Made once, since that takes longer than a draw of it; the `kind` tells True from 1."""
    return st.sampled_from(values)


@functools.lru_cache(maxsize=1 << 10)
def _whole(first: int, last: int) -> st.SearchStrategy[int]:
    return st.integers(first, last)


def _may_be(claim: Claim, name: str, value: Any) -> bool:
    return claim.truth({name: value if value is not None else "linear"}) is not False


def _draw_sizes(choose: _Choosing, claim: Claim) -> Sizes:
    left = functools.partial(claimed, claim)
    kind = choose.one_of(_kinds(claim))
    sizes = {
        "kernel_height": choose.one_of(left("kernel_height", KERNELS)),
        "kernel_width": choose.one_of(left("kernel_width", KERNELS)),
        "output_height": choose.one_of(left("output_height", OUTPUTS)),
        "output_width": choose.one_of(left("output_width", OUTPUTS)),
        "channels": choose.one_of(left("channels", CHANNELS)),
        "depth_multiplier": choose.one_of(left("depth_multiplier", MULTIPLIERS)),
        "batch": choose.one_of(left("batch", BATCHES)),
    }
    for step, word in (("stride", "strided"), ("dilation", "dilated")):
        present = word in kind
        height = choose.one_of(left(f"{step}_height", STEPS)) if present else 1
        second = tuple(value for value in SECOND_STEPS if value == 0 or _may_be(claim, f"{step}_width", value))
        width = (choose.one_of(second) or height) if present else 1
        sizes |= {f"{step}_height": height, f"{step}_width": width}
    return sizes


@functools.lru_cache(maxsize=1 << 8)
def _kinds(claim: Claim) -> tuple[str, ...]:
    """The kinds of which some case is claimed, as far as strides and dilation alone tell."""
    found = []
    for kind in KINDS:
        lists = [
            claimed(claim, f"{step}_{axis}", STEPS) if word in kind else (1,)
            for step, word in (("stride", "strided"), ("dilation", "dilated"))
            for axis in ("height", "width")
        ]
        known = (
            {
                **{"stride_height": down, "stride_width": right, "stride": max(down, right)},
                **{"dilation_height": below, "dilation_width": beside, "dilation": max(below, beside)},
            }
            for down, right, below, beside in itertools.product(*lists)
        )
        if any(claim.truth(one) is not False for one in known):
            found.append(kind)
    return tuple(found) or KINDS


def _coincide(pair: tuple[str, str] | None, sizes: Sizes) -> Sizes:
    if pair is None:
        return sizes
    known = {**sizes, "output_channels": sizes["channels"] * sizes["depth_multiplier"]}
    return {**sizes, pair[0]: known[pair[1]]}


def _limit(sizes: Sizes, claim: Claim) -> Sizes:
    """Halves the larger extents until the case is small work, or the claim allows no smaller one."""
    sizes = dict(sizes)
    while _work(sizes) > WORK:
        names: tuple[str, ...] = ("output_height", "output_width", "batch")
        if all(sizes[name] <= 1 for name in names):
            names = ("channels", "depth_multiplier", "kernel_height", "kernel_width")
        smaller = [name for name in names if sizes[name] > 1 and _may_be(claim, name, sizes[name] // 2)]
        if not smaller:
            break
        largest = max(smaller, key=sizes.__getitem__)
        sizes[largest] //= 2
    return sizes


def _work(sizes: Sizes) -> int:
    work = max(sizes["batch"], 1)
    for name in ("kernel_height", "kernel_width", "output_height", "output_width", "channels", "depth_multiplier"):
        work *= sizes[name]
    return work


def _draw_input(choose: _Choosing, claim: Claim, sizes: Sizes, axis: str, padding: str) -> int:
    """A size that gives the drawn output; one of those that the claim names, where it speaks of inputs."""
    slack = choose.whole(0, sizes[f"stride_{axis}"] - 1)
    size = _input_size(sizes, axis, padding, slack)
    if not claim.constants(f"input_{axis}") or _may_be(claim, f"input_{axis}", size):
        return size
    least = _input_size({**sizes, f"output_{axis}": 1}, axis, padding, 0)
    fitting = [other for other in claimed(claim, f"input_{axis}", FURTHER) if other >= least]
    return choose.one_of(fitting) if fitting else size


def _input_size(sizes: Sizes, axis: str, padding: str, slack: int) -> int:
    """The input that gives the drawn output: `slack` is how far it is from the size that divides."""
    output, stride = sizes[f"output_{axis}"], sizes[f"stride_{axis}"]
    if padding == "same":
        return output * stride - slack
    extent = (sizes[f"kernel_{axis}"] - 1) * sizes[f"dilation_{axis}"] + 1
    return (output - 1) * stride + extent + slack


def _both(sizes: Sizes, name: str) -> tuple[int, int]:
    return sizes[f"{name}_height"], sizes[f"{name}_width"]
