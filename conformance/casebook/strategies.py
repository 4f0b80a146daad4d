"""Hypothesis strategies for cases: what the specification settles, and what it refuses.

Every choice lists the plainest value first, since that is where Hypothesis shrinks to. Spatial sizes are drawn as
the output's, plus what does not divide, so that sizes just below, at and above a multiple of the stride occur.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.casebook.recipes import SPECIAL
from depthwise_conformance.reference import LayerConfig
from depthwise_conformance.reference.activations import ACTIVATIONS as ALL_ACTIVATIONS

Sizes = dict[str, int]
Shape = tuple[int, int, int, int]

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
RECIPES = (
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


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Cases whose result the specification settles (and strides with dilation, which only raw operations compute)."""
    sizes = _limit(_coincide(draw(st.sampled_from(COINCIDENCES)), _draw_sizes(draw)))
    padding = draw(st.sampled_from(("valid", "same")))
    data_format = draw(st.sampled_from(("channels_last", "channels_first")))
    height, width = (
        _input_size(sizes, axis, padding, draw(st.integers(0, sizes[f"stride_{axis}"] - 1)))
        for axis in ("height", "width")
    )
    strides, dilation = _both(sizes, "stride"), _both(sizes, "dilation")
    config = LayerConfig(
        kernel_size=_both(sizes, "kernel"),
        strides=strides,
        padding=padding,
        depth_multiplier=sizes["depth_multiplier"],
        data_format=data_format,
        dilation_rate=dilation,
        activation=draw(st.sampled_from(ACTIVATIONS)),
        use_bias=draw(st.sampled_from((False, True, True))),
        dtype=draw(st.sampled_from(DTYPES)),
        strided_dilation=max(strides) > 1 and max(dilation) > 1,
    )
    batch, channels = sizes["batch"], sizes["channels"]
    last = data_format == "channels_last"
    shape = (batch, height, width, channels) if last else (batch, channels, height, width)
    return Case(config, shape, Data(draw(st.sampled_from(RECIPES)), draw(st.integers(0, SEEDS - 1))))


def fixed_cases() -> tuple[Case, ...]:
    """MobileNet's layers (v1, v2 and v3) at their own sizes, and extremes of what the drawn cases keep small."""
    return (
        _real((1, 112, 112, 32), 3, 1),
        _real((1, 112, 112, 64), 3, 2),
        _real((1, 14, 14, 512), 3, 1),
        _real((2, 7, 7, 960), 5, 1),
        *(_fixed(*extreme) for extreme in EXTREMES),
    )


def activation_cases() -> tuple[Case, ...]:
    """Every activation that the drawn cases leave out, a few small cases of each, on both data formats."""
    others = [name for name in ALL_ACTIVATIONS if name not in ACTIVATIONS]
    return tuple(_activation_case(name, index, turn) for index, name in enumerate(others) for turn in range(4))


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


def _real(shape: Shape, kernel: int, stride: int) -> Case:
    return _fixed(shape, {"kernel_size": kernel, "strides": stride, "padding": "same", "activation": "relu6"})


def _fixed(shape: Shape, arguments: dict[str, Any]) -> Case:
    return Case(LayerConfig.from_json(arguments), shape, Data("uniform", 1))


FIRST = {"data_format": "channels_first"}
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
)


def _draw_sizes(draw: st.DrawFn) -> Sizes:
    kind = draw(st.sampled_from(KINDS))
    sizes = {
        "kernel_height": draw(st.sampled_from(KERNELS)),
        "kernel_width": draw(st.sampled_from(KERNELS)),
        "output_height": draw(st.sampled_from(OUTPUTS)),
        "output_width": draw(st.sampled_from(OUTPUTS)),
        "channels": draw(st.sampled_from(CHANNELS)),
        "depth_multiplier": draw(st.sampled_from(MULTIPLIERS)),
        "batch": draw(st.sampled_from(BATCHES)),
    }
    for step, word in (("stride", "strided"), ("dilation", "dilated")):
        present = word in kind
        height = draw(st.sampled_from(STEPS)) if present else 1
        width = (draw(st.sampled_from(SECOND_STEPS)) or height) if present else 1
        sizes |= {f"{step}_height": height, f"{step}_width": width}
    return sizes


def _coincide(pair: tuple[str, str] | None, sizes: Sizes) -> Sizes:
    if pair is None:
        return sizes
    known = {**sizes, "output_channels": sizes["channels"] * sizes["depth_multiplier"]}
    return {**sizes, pair[0]: known[pair[1]]}


def _limit(sizes: Sizes) -> Sizes:
    """Halves the larger extents until the case is small work."""
    sizes = dict(sizes)
    while _work(sizes) > WORK:
        largest = max(("output_height", "output_width", "batch"), key=sizes.__getitem__)
        if sizes[largest] <= 1:
            largest = max(("channels", "depth_multiplier", "kernel_height", "kernel_width"), key=sizes.__getitem__)
        sizes[largest] = max(sizes[largest] // 2, 1)
    return sizes


def _work(sizes: Sizes) -> int:
    work = max(sizes["batch"], 1)
    for name in ("kernel_height", "kernel_width", "output_height", "output_width", "channels", "depth_multiplier"):
        work *= sizes[name]
    return work


def _input_size(sizes: Sizes, axis: str, padding: str, slack: int) -> int:
    """The input that gives the drawn output: `slack` is how far it is from the size that divides."""
    output, stride = sizes[f"output_{axis}"], sizes[f"stride_{axis}"]
    if padding == "same":
        return output * stride - slack
    extent = (sizes[f"kernel_{axis}"] - 1) * sizes[f"dilation_{axis}"] + 1
    return (output - 1) * stride + extent + slack


def _both(sizes: Sizes, name: str) -> tuple[int, int]:
    return sizes[f"{name}_height"], sizes[f"{name}_width"]
