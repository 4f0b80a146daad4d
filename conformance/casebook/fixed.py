"""Cases that are the same in every run: real networks' layers, extremes of every size, and the rarer activations.

Inside a claim, each is brought to what is claimed by as few changes as it takes, or left out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.casebook.claims import EVERYTHING, Claim
from depthwise_conformance.casebook.facts import Fact, altered, facts
from depthwise_conformance.casebook.recipes import SPECIAL
from depthwise_conformance.casebook.strategies import ACTIVATIONS
from depthwise_conformance.reference import LayerConfig
from depthwise_conformance.reference.activations import ACTIVATIONS as ALL_ACTIVATIONS

Shape = tuple[int, int, int, int]
# What may be changed to bring a case inside a claim, the plainest value first.
FITTED: dict[str, tuple[Fact, ...]] = {
    "activation": ("linear", "relu", "relu6"),
    "dtype": ("float32", "float64", "float16", "bfloat16"),
    "use_bias": (True, False),
    "data_format": ("channels_last", "channels_first"),
    "padding": ("valid", "same"),
    "depth_multiplier": (1, 2),
    "dilation": (1, 2),
    "stride": (1, 2),
    "batch": (1, 2, 4, 8),
}


def fixed_cases(claim: Claim = EVERYTHING) -> tuple[Case, ...]:
    """Real layers at their own sizes, with and without activation and bias; extremes of what is drawn small."""
    real = [_real(*layer) for layer in REAL]
    return fitted((*real, *(_fixed(*extreme) for extreme in EXTREMES), *map(_bare, real)), claim)


def activation_cases(claim: Claim = EVERYTHING) -> tuple[Case, ...]:
    """Every activation that the drawn cases leave out, a few small cases of each, on both data formats."""
    others = [name for name in ALL_ACTIVATIONS if name not in ACTIVATIONS]
    found = (_activation_case(name, index, turn) for index, name in enumerate(others) for turn in range(4))
    return tuple(case for case in found if claim.covers(case))


def fitted(cases: tuple[Case, ...], claim: Claim) -> tuple[Case, ...]:
    """The cases brought inside a claim, each once; without those that no change of `FITTED` brings there."""
    found = (_fit(case, claim) for case in cases)
    return tuple(dict.fromkeys(case for case in found if case is not None))


def _fit(case: Case, claim: Claim) -> Case | None:
    for name, values in FITTED.items():
        if claim.covers(case):
            return case
        if claim.truth({name: facts(case)[name]}) is False:
            left = [value for value in values if claim.truth({name: value}) is not False]
            try:
                case = altered(case, name, left[0]) if left else case
            except ValueError:  # no such case: a kernel that no longer fits
                return None
    return case if claim.covers(case) else None


def _activation_case(name: str | None, index: int, turn: int) -> Case:
    """float32 twice, and two of the other formats; recipes and padding in turn with the activation's `index`."""
    other = ("float16", "float64", "bfloat16")
    dtype = ("float32", other[index % 3], "float32", other[(index + 1 + index // 3 % 2) % 3])[turn]
    recipe = ("normal", "uniform", "integers", SPECIAL)[(turn + index // 2) % 4]
    kernel = 2 + (turn + index) % 2
    config = LayerConfig(
        kernel_size=(kernel, kernel),
        padding=("valid", "same")[(turn // 2 + index) % 2],
        data_format=("channels_last", "channels_first")[turn % 2],
        activation=name,
        dtype=dtype,
    )
    slack = kernel - 1 if config.padding == "valid" else 0
    # a last axis of four, which glu can halve, and no size of the output that is the number of channels too
    shape = (2, 5, 3 + slack, 4) if config.channels_last else (2, 3, 6, 4 + slack)
    return Case(config, shape, Data(recipe, index))


def _real(shape: Shape, kernel: int, stride: int, activation: str | None) -> Case:
    return _fixed(shape, {"kernel_size": kernel, "strides": stride, "padding": "same", "activation": activation})


def _bare(case: Case) -> Case:
    """The layer as networks have it whose normalisation and activation are layers of their own."""
    return replace(case, config=replace(case.config, activation=None, use_bias=False))


def _fixed(shape: Shape, arguments: dict[str, Any]) -> Case:
    return Case(LayerConfig.from_json(arguments), shape, Data("uniform", 1))


# (input shape, kernel, stride, activation) of MobileNet v1 to v3, then v2, EfficientNet, ConvNeXt and MNasNet.
REAL: tuple[tuple[Shape, int, int, str | None], ...] = (
    ((1, 112, 112, 32), 3, 1, "relu6"),
    ((1, 112, 112, 64), 3, 2, "relu6"),
    ((1, 14, 14, 512), 3, 1, "relu6"),
    ((2, 7, 7, 960), 5, 1, "relu6"),
    ((1, 56, 56, 144), 3, 2, "relu6"),
    ((1, 28, 28, 240), 5, 2, "silu"),
    ((1, 14, 14, 384), 7, 1, None),
    ((1, 28, 28, 120), 5, 1, "relu"),
)
FIRST = {"data_format": "channels_first"}
# Past 2**8, 2**10 and 2**16, where counters overflow and libraries change kernels: taps, channels, pixels, products.
# So many output channels come of few input channels: with as many of these, JAX's gradient takes 64 GiB.
LARGE: tuple[tuple[Shape, dict[str, Any]], ...] = (
    ((2, 2, 300, 3), {"kernel_size": [1, 257]}),
    ((3, 2, 310, 3), {"kernel_size": [300, 2], "strides": 3, "padding": "same", **FIRST}),
    ((2, 3, 5, 1030), {"kernel_size": 3, "padding": "same"}),
    ((1, 2, 65600, 2), {"kernel_size": 3, "padding": "same"}),
    ((2, 1, 66000, 3), {"kernel_size": 3, **FIRST}),
    ((260, 3, 3, 260), {"kernel_size": 3}),
    ((1, 3, 3, 300), {"kernel_size": 3, "depth_multiplier": 220}),
)
EXTREMES: tuple[tuple[Shape, dict[str, Any]], ...] = (
    ((1, 2, 300, 3), {"kernel_size": [1, 3]}),
    ((1, 300, 2, 3), {"kernel_size": [3, 1], "padding": "same", "strides": 2}),
    ((1, 3, 2, 270), {"kernel_size": 2, "padding": "same", **FIRST}),
    ((1, 8, 40, 70), {"kernel_size": 3, "dtype": "float16", **FIRST}),
    ((2, 64, 14, 14), {"kernel_size": 3, "strides": 2, "padding": "same", "dtype": "float64", **FIRST}),
    ((1, 36, 33, 32), {"kernel_size": 3, "dilation_rate": 2, "dtype": "bfloat16"}),
    ((1, 20, 20, 128), {"kernel_size": 3, "strides": 2, "padding": "same", "dtype": "float16", "activation": "relu"}),
    ((1, 9, 9, 64), {"kernel_size": 3, "dtype": "float64", "dilation_rate": 2, "padding": "same"}),
    ((67, 5, 4, 3), {"kernel_size": 3, "padding": "same"}),
    ((130, 2, 3, 3), {"kernel_size": 2, **FIRST}),
    ((1, 3, 3, 300), {"kernel_size": 2, "depth_multiplier": 2}),
    ((1, 2, 2, 3), {"kernel_size": 1, "depth_multiplier": 40}),
    ((1, 24, 22, 3), {"kernel_size": [13, 11]}),
    ((1, 14, 6, 2), {"kernel_size": [1, 17], "padding": "same", "depth_multiplier": 2}),
    ((1, 30, 31, 3), {"kernel_size": 3, "strides": [8, 9]}),
    ((1, 30, 31, 3), {"kernel_size": 2, "strides": 16, "padding": "same"}),
    ((1, 30, 31, 3), {"kernel_size": 3, "dilation_rate": [12, 7], "padding": "same"}),
    ((1, 3, 30, 31), {"kernel_size": 3, "dilation_rate": 13, **FIRST}),
    *LARGE,
)
