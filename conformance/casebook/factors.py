"""The factors of the covering array: arguments, sizes, and boundaries that the sizes make, with the values of each."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from depthwise_conformance.casebook.case import Case
from depthwise_conformance.casebook.claims import Claim, ClaimError, Statement, names_in
from depthwise_conformance.casebook.facts import PAIRS
from depthwise_conformance.casebook.strategies import ACTIVATIONS
from depthwise_conformance.reference import FORMATS, split_shape
from depthwise_conformance.reference.geometry import Axis, axis_geometry, effective_extent, spatial_axes

Factors = Mapping[str, tuple[Any, ...]]  # the values of each: arguments, sizes, or words for a class of sizes
AxisValues = tuple[Any, ...]
AxisSizes = dict[int, int]  # input sizes along an axis, ascending, each with the work that it makes: outputs * kernel
Inputs = dict[tuple[str, str], dict[AxisValues, AxisSizes]]  # by axis and padding
AXES = ("height", "width")
AXIS: Factors = {
    "kernel": (1, 2, 3, 5),
    "stride": (1, 2, 3),
    "dilation": (1, 2, 3),
    "output": (1, 2, "several"),
    "remainder": ("exact", "one over", "one short"),  # what is left of the size by the stride; 1 of 2 is "one over"
    "zeros": ("none", "even", "odd"),  # added by padding="same", before and after together
    "span": ("smaller", "equal", "larger"),  # one window, compared with the input
}
SPATIAL: Factors = {
    "padding": ("valid", "same"),
    **{f"{name}_{axis}": values for axis in AXES for name, values in AXIS.items()},
    "square": (True, False),  # whether input_height == input_width
}
FREE: Factors = {
    "depth_multiplier": (1, 2, 3),
    "data_format": ("channels_last", "channels_first"),
    "activation": tuple(dict.fromkeys(ACTIVATIONS)),
    "use_bias": (True, False),
    "dtype": tuple(FORMATS),
    "batch": (0, 1, 2, "several"),
    "channels": (1, 2, 3, 8, 17),  # below, at and above the widths of vector units
}
FACTORS: Factors = {**SPATIAL, **FREE}
SEVERAL = (3, 4, 5)  # images in a batch of "several"
LARGEST = 40  # input size tried: larger ones make no further combination of classes
MARGIN = 9  # sizes tried beyond what a claim names, or a large kernel spans
FURTHEST = 4097  # sizes tried where a claim leaves none of the usual ones
SIZES = (*(f"{stem}_{axis}" for stem in PAIRS for axis in AXES), "depth_multiplier", "channels")  # any number will do
SETTLED = (*SIZES, "padding", "data_format", "use_bias", "dtype", "batch")  # factors that are facts by the same name
SPOKEN_OF = {
    "half_precision": ("dtype",),
    "empty": ("batch",),
    "output_channels": ("channels", "depth_multiplier"),
    "taps": tuple(f"kernel_{axis}" for axis in AXES),
}


def classify(case: Case) -> dict[str, Any]:
    """The case's value of every factor, whether `FACTORS` lists it or not."""
    config = case.config
    batch, height, width, channels = split_shape(config, case.input_shape)
    found: dict[str, Any] = {"padding": config.padding, "square": height == width}
    for name, axis in zip(AXES, spatial_axes(config, height, width), strict=True):
        values = zip(AXIS, axis_values(axis, config.padding), strict=True)
        found |= {f"{factor}_{name}": value for factor, value in values}
    found |= {name: getattr(config, name) for name in FREE if name not in ("batch", "channels")}
    return found | {"batch": batch if batch < 3 else "several", "channels": channels}


def axis_values(axis: Axis, padding: str) -> AxisValues:
    """The values of one axis, in the order of `AXIS`."""
    past = (axis.input - axis.span if padding == "valid" else axis.input) % axis.stride
    zeros = axis.before + axis.after
    return (
        axis.kernel,
        axis.stride,
        axis.dilation,
        axis.output if axis.output < 3 else "several",
        {axis.stride - 1: "one short", 1: "one over", 0: "exact"}.get(past, past),
        "none" if zeros == 0 else "odd" if zeros % 2 else "even",
        "smaller" if axis.span < axis.input else "equal" if axis.span == axis.input else "larger",
    )


def claimed_factors(claim: Claim) -> Factors:
    """`FACTORS` with the values that a claim leaves, and those that it names besides.

    Raises ClaimError where it leaves none of a factor.
    """
    found = {}
    for name, values in FACTORS.items():
        found[name] = tuple(value for value in _named(claim, name, values) if _may_be(claim, name, value))
        if not found[name]:
            tried = range(1, FURTHEST)
            further = next((value for value in tried if name in SIZES and _may_be(claim, name, value)), None)
            if further is None:
                raise ClaimError(f"{claim.text!r} leaves no {name}: it claims nothing")
            found[name] = (further,)
    return found


def several(claim: Claim) -> tuple[int, ...]:
    """The batches that stand for "several"."""
    named = [value for value in claim.constants("batch") if type(value) is int and value > SEVERAL[-1]]
    sizes = [*SEVERAL, *named, 8, 16, 32]
    claimed = dict.fromkeys(size for size in sizes if claim.truth({"batch": size}) is not False)
    return tuple(claimed)[: len(SEVERAL)]


def factors_of(statement: Statement) -> tuple[str, ...]:
    """The factors that a statement speaks of; not those of sizes that only a case has."""
    named: set[str] = set()
    for name in names_in(statement):
        stem = next((stem for stem, argument in PAIRS.items() if name in (stem, argument)), "")
        named |= {f"{stem}_{axis}" for axis in AXES} if stem else set(SPOKEN_OF.get(name, (name,)))
    return tuple(name for name in FACTORS if name in named)


def known_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that some factors' values settle."""
    known = {name: value for name, value in values.items() if name in SETTLED and value != "several"}
    if "activation" in values:
        known["activation"] = values["activation"] or "linear"
    for stem in PAIRS:
        pair = [values.get(f"{stem}_{axis}") for axis in AXES]
        if None not in pair:
            known[stem] = max(value for value in pair if value is not None)
    if "dtype" in values:
        known["half_precision"] = values["dtype"] in ("float16", "bfloat16")
    if {"channels", "depth_multiplier"} <= set(values):
        known["output_channels"] = values["channels"] * values["depth_multiplier"]
    if isinstance(values.get("batch"), int):
        known["empty"] = values["batch"] == 0
    return known


def _named(claim: Claim, name: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values, and what the claim compares the factor with."""
    if name not in SIZES and name != "activation":
        return values
    constants = (one for value in claim.constants(name) for one in (value if isinstance(value, tuple) else (value,)))
    fitting = (value for value in constants if isinstance(value, str) or (type(value) is int and value > 0))
    return tuple(dict.fromkeys((*values, *fitting)))


def _may_be(claim: Claim, name: str, value: Any) -> bool:
    """Whether a case that is claimed may have the value."""
    if (name, value) == ("batch", "several"):
        return bool(several(claim))
    return claim.truth(known_of({name: value})) is not False


def claimed_inputs(factors: Factors, claim: Claim) -> Inputs:
    """The input sizes that have the same values along an axis."""
    found: Inputs = {(name, padding): {} for name in AXES for padding in factors["padding"]}
    for name, padding in found:
        listed = [factors[f"{factor}_{name}"] for factor in AXIS]
        for kernel, stride, dilation, size in itertools.product(*listed[:3], _input_sizes(factors, claim, name)):
            if max(stride, dilation) > 1 < min(stride, dilation):
                continue
            if padding == "same" or effective_extent(kernel, dilation) <= size:
                axis = axis_geometry(size, kernel, stride, dilation, padding)
                values = axis_values(axis, padding)
                accepted = all(value in some for value, some in zip(values, listed, strict=True))
                if accepted and claim.truth(_known_along(axis, name, padding)) is not False:
                    found[name, padding].setdefault(values, {})[size] = axis.output * kernel
    return found


def _input_sizes(factors: Factors, claim: Claim, axis: str) -> list[int]:
    """The sizes tried: small ones, and those about what the claim speaks of."""
    extent = effective_extent(max(factors[f"kernel_{axis}"]), max(factors[f"dilation_{axis}"]))
    tried = set(range(1, max(LARGEST, extent + MARGIN) + 1))
    for value in (*claim.constants(f"input_{axis}"), *claim.constants(f"output_{axis}")):
        if type(value) is int and value > 0:
            tried |= {value * factor + step for factor in factors[f"stride_{axis}"] for step in range(-2, MARGIN)}
    return sorted(size for size in tried if size > 0 and claim.truth({f"input_{axis}": size}) is not False)


def _known_along(axis: Axis, name: str, padding: str) -> dict[str, Any]:
    sizes = {"kernel": axis.kernel, "stride": axis.stride, "dilation": axis.dilation}
    sizes |= {"input": axis.input, "output": axis.output, "extent": axis.span, "zeros": axis.before + axis.after}
    return {"padding": padding, **{f"{fact}_{name}": size for fact, size in sizes.items()}}
