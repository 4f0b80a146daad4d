"""What can be said of a case in plain words, and the case with one of these things changed.

A fact that is named without an axis (`stride`, `zeros`) is that of the axis where it is larger.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.casebook.recipes import RECIPES, recipe_of
from depthwise_conformance.reference import LayerConfig, split_shape
from depthwise_conformance.reference.geometry import Axis, effective_extent, join_shape, spatial_axes

Fact = int | str | bool
AXES = ("height", "width")
PAIRS = {"kernel": "kernel_size", "stride": "strides", "dilation": "dilation_rate"}
ARGUMENTS = ("padding", "activation", "use_bias", "dtype", "depth_multiplier")


@functools.lru_cache(maxsize=1 << 14)
def facts(case: Case) -> Mapping[str, Fact]:
    """All facts of a case by their names: sizes as int, choices as str, and what is so or not as bool."""
    config = case.config
    batch, height, width, channels = split_shape(config, case.input_shape)
    rows, columns = spatial_axes(config, height, width)
    known: dict[str, Fact] = {
        "padding": config.padding,
        "data_format": config.data_format,
        "activation": config.activation or "linear",
        "use_bias": config.use_bias,
        "dtype": config.dtype,
        "half_precision": config.dtype in ("float16", "bfloat16"),
        "recipe": recipe_of(case.data),
        "batch": batch,
        "channels": channels,
        "depth_multiplier": config.depth_multiplier,
        "output_channels": channels * config.depth_multiplier,
        "taps": rows.kernel * columns.kernel,
        "taps_reaching_input": _reaching(rows) * _reaching(columns),
        "input_pixels": height * width,
        "output_pixels": rows.output * columns.output,
        "elements": batch * rows.output * columns.output * channels * config.depth_multiplier,
        "empty": batch == 0,
        "zeros_above": rows.before,
        "zeros_below": rows.after,
        "zeros_left": columns.before,
        "zeros_right": columns.after,
        "zeros_before": max(rows.before, columns.before),
        "zeros_after": max(rows.after, columns.after),
        "odd_zeros": any((axis.before + axis.after) % 2 for axis in (rows, columns)),
        "even_kernel": rows.kernel % 2 == 0 or columns.kernel % 2 == 0,
        "gaps_between_windows": any(axis.stride > axis.span for axis in (rows, columns)),
        "kernel_exceeds_input": any(axis.span > axis.input for axis in (rows, columns)),
    }
    along = [_along(axis, config.padding) for axis in (rows, columns)]
    for name in along[0]:
        known |= {f"{name}_{axis}": of_axis[name] for axis, of_axis in zip(AXES, along, strict=True)}
    for name in ("kernel", "stride", "dilation", "zeros", "remainder", "leftover"):
        known[name] = max(of_axis[name] for of_axis in along)
    return known


def altered(case: Case, fact: str, value: Fact) -> Case:
    """The case with one argument, size, format or recipe changed, so that the fact has this value.

    A size of the output is reached by the input's; arrays of the case's own are left out, which would no longer fit.
    Raises ValueError where that is no valid case, or no change of one.
    """
    config = case.config
    stem, _, axis = fact.rpartition("_")
    sizes = dict(zip(("batch", "height", "width", "channels"), split_shape(config, case.input_shape), strict=True))
    if fact == "recipe" and value in RECIPES:
        return dataclasses.replace(case, data=Data(str(value), case.data.seed))
    if fact in ARGUMENTS:
        changes: dict[str, Any] = {fact: None if value == "linear" else value}
        config = dataclasses.replace(config, **changes)
    elif fact == "data_format":
        config = dataclasses.replace(config, data_format=str(value))
    elif fact in PAIRS:
        config = _with_pair(config, fact, (int(value), int(value)))
    elif stem in PAIRS and axis in AXES:
        old = getattr(config, PAIRS[stem])
        config = _with_pair(config, stem, (int(value), old[1]) if axis == "height" else (old[0], int(value)))
    elif fact in ("batch", "channels"):
        sizes[fact] = int(value)
    elif stem == "input" and axis in AXES:
        sizes[axis] = int(value)
    elif stem == "output" and axis in AXES:
        sizes[axis] = _input_for(config, AXES.index(axis), int(value))
    elif fact == "output_channels" and int(value) % config.depth_multiplier == 0:
        sizes["channels"] = int(value) // config.depth_multiplier
    else:
        raise ValueError(f"{fact}={value!r} is not reached by one change")
    return Case(config, join_shape(config, **sizes), Data(case.data.recipe, case.data.seed))


def _along(axis: Axis, padding: str) -> dict[str, int]:
    """The facts of one axis: `leftover` input positions at its end are seen by no window, with padding="valid"."""
    return {
        "kernel": axis.kernel,
        "stride": axis.stride,
        "dilation": axis.dilation,
        "input": axis.input,
        "output": axis.output,
        "zeros": axis.before + axis.after,
        "extent": axis.span,
        "remainder": axis.input % axis.stride,
        "leftover": (axis.input - axis.span) % axis.stride if padding == "valid" else 0,
    }


@functools.lru_cache(maxsize=1 << 12)
def _reaching(axis: Axis) -> int:
    """How many taps of the kernel see the input in at least one window; the others see only zeros."""
    firsts = (tap * axis.dilation - axis.before for tap in range(axis.kernel))  # what each sees in the first window
    steps = ((max(-(first // axis.stride), 0), first) for first in firsts)
    return sum(step < axis.output and first + step * axis.stride < axis.input for step, first in steps)


def _with_pair(config: LayerConfig, stem: str, pair: tuple[int, int]) -> LayerConfig:
    """The pair replaced; strides with dilation only if the layer had both already."""
    changes: dict[str, Any] = {PAIRS[stem]: pair}
    strides, dilation = changes.get("strides", config.strides), changes.get("dilation_rate", config.dilation_rate)
    both = max(strides) > 1 and max(dilation) > 1
    return dataclasses.replace(config, **changes, strided_dilation=both and config.strided_dilation)


def _input_for(config: LayerConfig, axis: int, output: int) -> int:
    stride = config.strides[axis]
    if config.padding == "same":
        return output * stride
    return (output - 1) * stride + effective_extent(config.kernel_size[axis], config.dilation_rate[axis])
