"""What those who implement the protocol get wrong: a layout or a convention misread, told from one wrong output."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from depthwise_conformance.casebook.case import Case
from depthwise_conformance.casebook.recipes import Arrays
from depthwise_conformance.judging.values import AnyArray, Expectation, judge_values
from depthwise_conformance.reports.record import Verdict

# What the worker has read in the place of its arguments, and what it has written for the output.
Misreading = tuple[Callable[[Case, Arrays], Arrays], Callable[[Case, AnyArray], AnyArray]]


def misread(observed: AnyArray, expectation: Expectation) -> str:
    """The misreading under which the output would be right; "" where none of the usual ones explains it."""
    case, arrays = expectation.case, expectation.arrays
    for told, (arguments, output) in MISREADINGS.items():
        read = replace(expectation, given=arguments(case, arrays))
        with np.errstate(all="ignore"):
            if judge_values(output(case, observed), read, "output").verdict is Verdict.PASS:
                return told
    return ""


def _same_arrays(case: Case, arrays: Arrays) -> Arrays:
    return arrays


def _same_output(case: Case, observed: AnyArray) -> AnyArray:
    return observed


def _channels_swapped(case: Case, observed: AnyArray) -> AnyArray:
    """The output with channel `m * channels + c` where `c * depth_multiplier + m` belongs."""
    last = observed if case.config.channels_last else np.moveaxis(observed, 1, -1)
    swapped = last.reshape(*last.shape[:3], case.config.depth_multiplier, case.channels).swapaxes(-1, -2)
    joined = swapped.reshape(last.shape)
    return joined if case.config.channels_last else np.moveaxis(joined, -1, 1)


def _in_turned(case: Case, arrays: Arrays) -> Arrays:
    """The image and the kernel turned by half: its windows begin at the other end."""
    axes = (1, 2) if case.config.channels_last else (2, 3)
    return replace(arrays, x=np.flip(arrays.x, axes), kernel=np.flip(arrays.kernel, (0, 1)))


def _out_turned(case: Case, observed: AnyArray) -> AnyArray:
    return np.flip(observed, (1, 2) if case.config.channels_last else (2, 3))


def _kernel(change: Callable[[AnyArray], AnyArray]) -> Callable[[Case, Arrays], Arrays]:
    return lambda case, arrays: replace(arrays, kernel=change(arrays.kernel))


def _grouped(kernel: AnyArray) -> AnyArray:
    """The kernel's numbers taken as `(channels, depth_multiplier, kernel_height, kernel_width)`."""
    height, width, channels, multiplier = kernel.shape
    return kernel.reshape(channels, multiplier, height, width).transpose(2, 3, 0, 1)


def _other_format(case: Case, arrays: Arrays) -> Arrays:
    """The input's numbers taken in the order of the other data format."""
    shape: Any = case.input_shape
    if case.config.channels_last:
        x = arrays.x.reshape(shape[0], shape[3], shape[1], shape[2]).transpose(0, 2, 3, 1)
    else:
        x = arrays.x.reshape(shape[0], shape[2], shape[3], shape[1]).transpose(0, 3, 1, 2)
    return replace(arrays, x=x)


def _output_in_other_format(case: Case, observed: AnyArray) -> AnyArray:
    one, two, three, four = observed.shape
    if case.config.channels_last:
        return observed.reshape(one, four, two, three).transpose(0, 2, 3, 1)
    return observed.reshape(one, three, four, two).transpose(0, 3, 1, 2)


def _no_bias(case: Case, arrays: Arrays) -> Arrays:
    return arrays if arrays.bias is None else replace(arrays, bias=np.zeros_like(arrays.bias))


MISREADINGS: Mapping[str, Misreading] = {
    "output channel m * channels + c is where c * depth_multiplier + m belongs": (_same_arrays, _channels_swapped),
    'of an odd number of zeros for "same", the one more stands before, not after': (_in_turned, _out_turned),
    "the bias is left out": (_no_bias, _same_output),
    "the kernel is turned by half, as a mathematical convolution has it": (
        _kernel(lambda kernel: np.flip(kernel, (0, 1))),
        _same_output,
    ),
    "the kernel is read as (channels, depth_multiplier, kernel_height, kernel_width)": (
        _kernel(_grouped),
        _same_output,
    ),
    "x is read in the other data format": (_other_format, _same_output),
    "the output is written in the other data format": (_same_arrays, _output_in_other_format),
    "x is read, and the output written, in the other data format": (_other_format, _output_in_other_format),
}
