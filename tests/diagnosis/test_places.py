"""Where: places on masks and of known faults."""

from __future__ import annotations

import faults
import numpy as np
import pytest
from failing import block, judged
from hypothesis import given, settings
from hypothesis import strategies as st

from depthwise_conformance.adapters.base import Adapter
from depthwise_conformance.diagnosis.places import Observation, place
from depthwise_conformance.judging.values import expect
from depthwise_conformance.reference import LayerConfig, output_shape


def observed(config: LayerConfig, shape: tuple[int, ...], where: str, part: str = "output") -> Observation:
    """An array with the channels last in which `where`, an index expression, is wrong."""
    wrong = np.zeros(shape, np.bool_)
    eval(f"wrong.__setitem__(np.s_[{where}], True)", {"np": np, "wrong": wrong})
    return Observation(config, part, wrong if config.channels_last or part == "kernel" else wrong.transpose(0, 3, 1, 2))


SHAPES = ((2, 5, 6, 3), (3, 7, 9, 9), (2, 6, 5, 18), (4, 9, 7, 20))
PLACES = {
    ":, 0": "first row",
    ":, :, -1": "last column",
    ":, ::5, [0, -1]": "",
    ":, 1:-1, 1:-1": "interior",
    ":, :, 1::2": "odd columns",
    "1:": "batch elements after the first",
    "..., -1": "last channel",
    "1:, ..., -1": "last channel of the batch elements after the first",
    ":": "all",
}


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("where", PLACES)
def test_places_of_an_output(where: str, data_format: str) -> None:
    config = LayerConfig(3, data_format=data_format)
    assert place([observed(config, shape, where) for shape in SHAPES]) == PLACES[where]


@pytest.mark.parametrize(
    ("shapes", "where", "name"),
    [
        (((2, 4, 6, 20), (2, 4, 6, 36)), "..., 16:", "channels after 16"),
        (((2, 4, 6, 11), (1, 4, 6, 21)), "..., -(wrong.shape[3] % 8):", "tail of the channels beyond a multiple of 8"),
        (((2, 4, 7, 3), (2, 5, 6, 3)), ":, :, 4:", "tail of the columns beyond a multiple of 4"),
    ],
)
def test_places_at_vector_widths(shapes: tuple[tuple[int, ...], ...], where: str, name: str) -> None:
    assert place([observed(LayerConfig(3), shape, where) for shape in shapes]) == name


def test_places_that_rows_and_columns_make() -> None:
    borders, corners = [], []
    for shape in SHAPES:
        wrong = np.ones(shape, np.bool_)
        wrong[:, 1:-1, 1:-1] = False
        borders.append(Observation(LayerConfig(3), "output", wrong))
        corner = np.zeros(shape, np.bool_)
        corner[:, :: shape[1] - 1, :: shape[2] - 1] = True
        corners.append(Observation(LayerConfig(3), "output", corner))
    assert place(borders) == "borders"
    assert place(corners) == "corners"


def test_places_of_a_kernel_and_a_bias() -> None:
    config = LayerConfig((3, 5), depth_multiplier=2)
    kernels = [observed(config, (3, 5, channels, 2), "-1", "kernel") for channels in (3, 4)]
    assert place(kernels) == "last row"
    centres = [observed(config, (3, 5, channels, 2), "1, 2", "kernel") for channels in (3, 4)]
    assert place(centres) == "centre"
    biases = [observed(config, (channels,), "1::2", "bias") for channels in (6, 8, 10)]
    assert place(biases) in ("odd channels", "filters after the first of each channel")


def test_one_channel_that_differs_from_case_to_case() -> None:
    config = LayerConfig(3)
    channels = enumerate((1, 4, 2, 7))
    assert place([observed(config, SHAPES[i], f"..., {c}") for i, c in channels]) == "one channel"


def test_where_sizes_cannot_tell_nothing_is_said() -> None:
    config = LayerConfig(3)
    assert place([]) == ""
    assert place([observed(config, (1, 1, 1, 1), ":")] * 5) == ""
    assert place([observed(config, (2, 5, 6, 3), ":, 0")]) == ""  # one case may be chance


@settings(max_examples=30, derandomize=True, database=None, deadline=None)
@given(st.integers(0, 10_000))
def test_scattered_errors_have_no_place(seed: int) -> None:
    random = np.random.default_rng(seed)
    wrong = [Observation(LayerConfig(3), "output", random.random(shape) < 0.3) for shape in SHAPES]
    assert place(wrong) == ""


PLACED = {
    faults.LastRowMissing: "last row",
    faults.LastColumnRepeated: "last column",
    faults.WidthTailByFour: "tail of the columns beyond a multiple of 4",
    faults.ChannelSeventeen: "channels after 16",
    faults.SecondImageFromFirst: "second batch element",
    faults.BatchBeyondTwoMissing: "batch elements after the second",
    faults.BiasOfFirstImageOnly: "batch elements after the first",
    faults.BiasMissingAtBorders: "first row",
}


@pytest.mark.parametrize("fault", PLACED, ids=lambda fault: fault.name)
def test_the_place_of_a_known_fault_is_found(fault: type[Adapter]) -> None:
    observations = []
    for case in filter(judged(fault), block(0, 250)):
        expectation = expect(case)
        a = expectation.arrays
        output = fault().forward(case.config, a.x, a.kernel, a.bias).astype(np.float64)
        with np.errstate(invalid="ignore", over="ignore"):
            wrong = ~(np.abs(output - expectation.output.value) <= expectation.output.bound)
        assert wrong.shape == output_shape(case.config, case.input_shape)
        observations.append(Observation(case.config, "output", wrong & np.isfinite(expectation.output.bound)))
    assert place(observations[:60]) == PLACED[fault]
