"""What the strategies reach within a default run, and the fixed cases beyond them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from hypothesis import given, settings

from depthwise_conformance.casebook.case import Case
from depthwise_conformance.casebook.fixed import fixed_cases
from depthwise_conformance.casebook.recipes import RECIPES
from depthwise_conformance.casebook.strategies import WORK, Draw, cases
from depthwise_conformance.reference import FORMATS, output_shape, split_shape
from depthwise_conformance.running.drawing import draw
from depthwise_conformance.running.options import TOGETHER

DRAWN = TOGETHER
DTYPES = ("float16", "bfloat16", "float32", "float64")
quick = settings(max_examples=100, deadline=None, derandomize=True, database=None)


def features(case: Case) -> Iterator[str]:
    config = case.config
    batch, height, width, channels = split_shape(config, case.input_shape)
    for axis, size, kernel, stride, dilation in zip(
        ("rows", "columns"), (height, width), config.kernel_size, config.strides, config.dilation_rate, strict=True
    ):
        yield f"{axis}: {'even' if kernel % 2 == 0 else 'odd'} kernel"
        yield f"{axis}: {size=}" if size == 1 else f"{axis}: size > 1"
        if kernel > size:
            yield f"{axis}: kernel larger than the input"
        if kernel > 7:
            yield f"{axis}: kernel beyond 7"
        if stride > kernel:
            yield f"{axis}: stride larger than the kernel"
        if stride > 1 and dilation > 1:
            yield f"{axis}: stride and dilation"
        if stride > 2:
            span = 0 if config.padding == "same" else (kernel - 1) * dilation + 1
            rest = (size - span) % stride
            yield f"{axis}: {config.padding}: {'at' if rest == 0 else 'above' if rest == 1 else 'below'} what divides"
    sizes = (batch, height, width, channels)
    yield "height == width" if height == width else "height != width"
    yield "sizes all different" if len(set(sizes)) == 4 else "sizes coincide"
    yield "kernel " + {(True, True): "1x1", (True, False): "1xN", (False, True): "Nx1"}.get(
        (config.kernel_size[0] == 1, config.kernel_size[1] == 1), "KxN"
    )
    if batch == channels:
        yield "batch == channels"
    if channels in (height, width):
        yield "channels == height or width"
    if channels == config.depth_multiplier > 1:
        yield "channels == depth_multiplier"
    for name, pair in (("strides", config.strides), ("dilation_rate", config.dilation_rate)):
        yield f"{name} {'equal' if pair[0] == pair[1] else 'unequal'}" if max(pair) > 1 else f"no {name}"
    yield f"batch {min(batch, 2)}"
    yield from (f"{channels} channels", f"multiplier {config.depth_multiplier}", config.padding, config.data_format)
    yield from (f"bias {config.use_bias}", f"activation {config.activation}", config.dtype, case.data.recipe)


AXES = [
    *("even kernel", "odd kernel", "kernel larger than the input", "kernel beyond 7", "size=1"),
    *("stride larger than the kernel", "stride and dilation"),
    *(f"{padding}: {place} what divides" for padding in ("valid", "same") for place in ("below", "at", "above")),
]
REACHED = {
    *(f"{axis}: {feature}" for axis in ("rows", "columns") for feature in AXES),
    *("height == width", "height != width", "sizes all different", "sizes coincide"),
    *("batch == channels", "channels == height or width", "channels == depth_multiplier"),
    *("kernel 1x1", "kernel 1xN", "kernel Nx1", "kernel KxN", "no strides", "no dilation_rate"),
    *(f"{name} {how}" for name in ("strides", "dilation_rate") for how in ("equal", "unequal")),
    *(f"batch {size}" for size in (0, 1, 2)),
    *(f"{count} channels" for count in (1, 2, 3, 4, 7, 8, 9, 16, 17, 33)),
    *(f"multiplier {count}" for count in (1, 2, 3, 4, 5, 6)),
    *("valid", "same", "channels_last", "channels_first", "bias True", "bias False", *DTYPES),
    *(f"activation {name}" for name in (None, "linear", "relu", "relu6", "tanh", "sigmoid", "softplus", "gelu")),
    *("activation softmax", *(name for name in RECIPES if name != "zeros")),
}


@pytest.mark.parametrize("shrinkable", [True, False])
@pytest.mark.parametrize("seed", [0, 1])
def test_as_many_draws_as_by_default_reach_what_implementations_get_wrong(seed, shrinkable):
    drawn = draw(Draw(seed, shrinkable=shrinkable), DRAWN)
    assert len(drawn) == DRAWN == len({case.id for case in drawn})
    reached = {feature for case in drawn for feature in features(case)}
    assert not REACHED - reached


@quick
@given(cases())
def test_drawn_cases_are_small_work(case):
    config = case.config
    work = math.prod(output_shape(config, case.input_shape)) * math.prod(config.kernel_size)
    assert work <= WORK
    assert math.prod(case.input_shape) <= 50 * WORK
    assert config.strided_dilation == (max(config.strides) > 1 and max(config.dilation_rate) > 1)


def test_the_first_fixed_cases_are_mobilenets():
    assert {case.dtype for case in fixed_cases()[:4]} == {"float32"}
    assert max(math.prod(case.input_shape) for case in fixed_cases()) == 112 * 112 * 64


def test_fixed_cases_go_past_what_counters_hold():
    several = [case for case in fixed_cases() if case.input_shape[0] > 1]
    for axis in (0, 1):
        assert any(case.config.kernel_size[axis] > 2**8 for case in several)
        assert any(split_shape(case.config, case.input_shape)[1 + axis] > 2**16 for case in fixed_cases())
    assert any(2**10 < case.channels < 2**11 for case in several)
    assert any(case.channels * case.config.depth_multiplier > 2**16 for case in fixed_cases())
    assert any(case.input_shape[0] * case.channels > 2**16 for case in several)


def test_the_other_fixed_cases_go_beyond_what_is_drawn():
    extremes = [case for case in fixed_cases() if case not in fixed_cases()[:4]]
    sizes = [max(case.input_shape[1:]) for case in extremes]
    assert max(sizes) > 255
    assert max(case.input_shape[0] for case in extremes) > 128
    assert max(max(case.config.kernel_size) for case in extremes) > 16
    assert max(max(case.config.strides) for case in extremes) > 8
    assert max(max(case.config.dilation_rate) for case in extremes) > 8
    assert {case.dtype for case in extremes} == set(FORMATS)
    assert {case.config.data_format for case in extremes} == {"channels_last", "channels_first"}
