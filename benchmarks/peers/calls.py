"""Cases made from what suites say: sizes, strides, explicit pads, laws of data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from depthwise_conformance.reference import LayerConfig
from peers.cases import Array, Case, Judge, Pads, Pair

Random = np.random.Generator


def both(given: int | Pair) -> Pair:
    """One number for each axis."""
    return (given, given) if isinstance(given, int) else given


def same_pads(size: int, kernel: int, stride: int, dilation: int) -> Pair:
    """What TensorFlow's SAME puts before and after an axis."""
    total = max((math.ceil(size / stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def layer(x: Array, kernel: Array, **arguments: Any) -> LayerConfig:
    """The configuration for a kernel and an input of this dtype."""
    strides, dilation = both(arguments.pop("strides", 1)), both(arguments.pop("dilation", 1))
    return LayerConfig(
        kernel.shape[:2],
        strides,
        depth_multiplier=kernel.shape[3],
        dilation_rate=dilation,
        dtype=x.dtype.name,
        strided_dilation=max(strides) > 1 and max(dilation) > 1,
        **arguments,
    )


def case(
    name: str,
    x: Array,
    kernel: Array,
    judge: Judge,
    *,
    bias: Array | None = None,
    pads: Pads | None = None,
    kind: type[Case] = Case,
    more: dict[str, Any] | None = None,
    **arguments: Any,
) -> Case:
    """A case of these arrays; `arguments` are strides, dilation, padding, data_format, activation.

    With `pads`, the padding is "same" or "valid" where the pads are those, and put around x where they are not.
    """
    more = dict(more or {})
    config = layer(x, kernel, use_bias=bias is not None, **arguments)
    if pads is not None:
        padding, around = translated(config, x.shape, pads)
        config = LayerConfig.from_json({**config.to_json(), "padding": padding})
        if around is not None:
            more |= {"padded_outside": True, "inside": inner(around, x.shape)}
            x = np.pad(x, around)
    return kind(name=name, config=config, x=x, kernel=kernel, bias=bias, judge=judge, **more)


def translated(config: LayerConfig, shape: tuple[int, ...], pads: Pads) -> tuple[str, list[Pair] | None]:
    """The padding that these pads are, and else the zeros that are to be put around an input of this shape.

    A negative number of zeros after means rows that no window reads, fewer than a stride has.
    """
    sizes = shape[1:3] if config.channels_last else shape[2:4]
    axes = list(zip(sizes, config.kernel_size, config.strides, config.dilation_rate, strict=True))
    given = [(before, max(after, 0)) for before, after in pads]
    outputs = [(size + sum(p) - (k - 1) * d - 1) // s + 1 for (size, k, s, d), p in zip(axes, pads, strict=True)]
    whole = [math.ceil(size / stride) for size, _, stride, _ in axes]
    if given == [same_pads(*axis) for axis in axes] and outputs == whole:
        return "same", None
    if given == [(0, 0), (0, 0)]:
        return "valid", None
    none = (0, 0)
    return "valid", [none, *given, none] if config.channels_last else [none, none, *given]


def inner(around: list[Pair], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Where an input of this shape is, once it is padded."""
    return tuple(slice(before, before + size) for (before, _), size in zip(around, shape, strict=True))


def uniform(random: Random, shape: tuple[int, ...], low: float = 0, high: float = 1, dtype: Any = "float32") -> Array:
    """Uniform numbers."""
    return random.uniform(low, high, shape).astype(dtype)


def normal(random: Random, shape: tuple[int, ...]) -> Array:
    """Standard normal numbers, in float32."""
    return random.standard_normal(shape).astype(np.float32)


def integers(random: Random, shape: tuple[int, ...], limit: int, dtype: Any = "float32") -> Array:
    """Whole numbers from `-limit` to `limit`."""
    return random.integers(-limit, limit, shape, endpoint=True).astype(dtype)


def ramp(shape: tuple[int, ...], start: int = 0, dtype: Any = "float32") -> Array:
    """start, start + 1, ... in the order of memory."""
    return np.arange(start, start + math.prod(shape)).reshape(shape).astype(dtype)


def output_channels_first(weights: Array, channels: int) -> Array:
    """Weights as torch and ONNX have them, (outputs, 1, height, width), as (height, width, channels, multiplier)."""
    outputs, _, height, width = weights.shape
    return np.ascontiguousarray(weights.reshape(channels, outputs // channels, height, width).transpose(2, 3, 0, 1))


def either(random: Random, chance: float = 0.5) -> bool:
    """Whether it happens."""
    return bool(random.random() < chance)


def among(random: Random, low: int, high: int) -> int:
    """A whole number from `low` to `high`."""
    return int(random.integers(low, high, endpoint=True))


def pair_among(random: Random, low: int, high: int) -> Pair:
    """One for each axis."""
    return among(random, low, high), among(random, low, high)
