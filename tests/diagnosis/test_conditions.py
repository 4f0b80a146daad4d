"""When and where: conditions on synthetic and on known faults, and places on masks."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

import faults
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depthwise_conformance.adapters.base import Adapter
from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.casebook.facts import altered, facts
from depthwise_conformance.casebook.strategies import cases
from depthwise_conformance.diagnosis.conditions import Atom, Condition
from depthwise_conformance.diagnosis.inquiry import Finding, Limit, narrow
from depthwise_conformance.diagnosis.places import Observation, place
from depthwise_conformance.diagnosis.separating import simplest
from depthwise_conformance.judging.values import expect, judge_values
from depthwise_conformance.reference import LayerConfig, output_shape
from depthwise_conformance.reports.record import Verdict
from depthwise_conformance.running.drawing import draw_block

TRUTHS = (
    "kernel_height == 1 and stride_height > 1",
    "batch > 1 and output_channels > 16",
    "padding == 'same' and odd_zeros",
    "padding == 'same' and odd_zeros and activation == 'relu'",
    "channels == 33",
    "input_height == input_width",
    "data_format == 'channels_last' and input_height == input_width",
    "batch > 2",
    "padding == 'same' and stride > 1",
    "padding == 'same' and kernel_height % 2 == 0",
    "channels == input_height",
    "data_format == 'channels_first' and stride_height != stride_width",
    "data_format == 'channels_first' and output_channels == output_width",
    "kernel_height >= 7",
    "kernel_height == 5 and kernel_width == 5 and stride_height > 1",
    "remainder_height > 0",
    "output_width > 4 and output_width % 4 != 0",
    "input_pixels == 1",
    "depth_multiplier > 1 and batch > 1 and batch % 2 == 1",
    "padding == 'same' and kernel_height > input_height",
    "activation == 'softmax' and data_format == 'channels_first'",
    "dtype == 'float64' and activation == 'gelu'",
    "use_bias and activation != 'linear'",
    "kernel_height == 1 and kernel_width == 1 and depth_multiplier == 1",
    "padding == 'valid' and leftover > 0",
    "True",
)
EITHER = (
    "kernel_height == 2 and dilation_height > 1 or kernel_width == 2 and dilation_width > 1",
    "batch > 2 or channels == 33",
    "activation == 'relu' or activation == 'gelu'",
    "kernel_height == 9 or batch == 5",
    "remainder_height > 0 or channels == 1",
    "input_height % 5 == 0",
)
CAUGHT = {  # faults, and where each makes a difference
    faults.SamePaddingAllAfter: "zeros_before > 0",
    faults.ValidCeilInsteadOfFloor: "leftover > 0",
    faults.OneRowMore: "output_height > 8",
    faults.DilationIgnoredOnWidth: "kernel_width > 1 and dilation_width > 1",
    faults.MultiplierUsesFirstFilter: "depth_multiplier > 1",
    faults.OneRowKernelReversed: "kernel_height == 1 and kernel_width > 1 and stride_height > 1",
    faults.SingleChannelKernelFlipped: "kernel > 1 and channels == 1",
    faults.WidthTailByFour: "output_width > 4 and output_width % 4 != 0",
    faults.ChannelSeventeen: "channels > 16",
    faults.SecondImageFromFirst: "batch > 1",
    faults.BatchBeyondTwoMissing: "batch > 2",
    faults.BatchTakenForChannels: "channels > 1 and batch == channels",
    faults.BiasTwice: "padding == 'same' and use_bias",
    faults.BiasMissingWithMultiplier: "use_bias and depth_multiplier > 1",
    faults.ActivationMissing: "activation != 'linear'",
    faults.SigmoidHard: "activation == 'sigmoid'",
    faults.EvenKernelsRefused: "kernel_height % 2 == 0 and kernel_width % 2 == 0",
    faults.MultiplierSixRefused: "depth_multiplier == 6",
    faults.UnequalStridesRefused: "stride_height != stride_width",
    faults.StridesRefusedWithoutDilation: "stride > 1",
    faults.SinglePixelFlattened: "output_pixels == 1",
}
Fails = Callable[[Case], bool]


@functools.cache
def block(seed: int, count: int) -> list[Case]:
    return draw_block(seed, count)


def fails_where(truth: str) -> Fails:
    code = compile(truth, "truth", "eval")
    return lambda case: bool(eval(code, {}, dict(facts(case))))


def find(fails: Fails, most: int = 1000, **options: object) -> Finding:
    """What `narrow` makes of the cases of a run, at most some of the failing ones among them."""
    drawn = block(0, 250)
    failing, passing = [c for c in drawn if fails(c)][:most], [c for c in drawn if not fails(c)]
    return narrow(failing, passing, fails, block(2, 150), **options)  # type: ignore[arg-type]


def agreement(found: Finding, fails: Fails) -> float:
    held_out = block(1, 500)
    return sum(found.condition is not None and found.condition.holds(c) == fails(c) for c in held_out) / len(held_out)


# Facts.


def test_facts_are_told_in_plain_words() -> None:
    config = LayerConfig((3, 2), strides=2, padding="same", depth_multiplier=2, activation="linear", dtype="bfloat16")
    known = facts(Case(config, (5, 7, 8, 3), Data("uniform", 1)))
    told = {
        **{"kernel_height": 3, "kernel_width": 2, "kernel": 3, "stride": 2, "dilation": 1, "extent_height": 3},
        **{"batch": 5, "input_height": 7, "input_width": 8, "channels": 3, "output_channels": 6},
        **{"output_height": 4, "output_width": 4, "elements": 480, "taps": 6, "empty": False},
        **{"zeros_above": 1, "zeros_below": 1, "zeros_left": 0, "zeros_right": 0, "zeros": 2, "odd_zeros": False},
        **{"remainder_height": 1, "remainder_width": 0, "remainder": 1, "leftover": 0},
        **{"activation": "linear", "half_precision": True, "recipe": "uniform", "data_format": "channels_last"},
    }
    assert {name: known[name] for name in told} == told


def test_no_activation_is_the_linear_one() -> None:
    one, other = (Case(LayerConfig(1, activation=name), (1, 2, 2, 1)) for name in (None, "linear"))
    assert facts(one) == facts(other)


@settings(max_examples=60, derandomize=True, database=None, deadline=None)
@given(cases(), st.sampled_from(("kernel_height", "stride_width", "batch", "channels", "output_height", "input_width")))
def test_an_altered_case_has_the_fact_asked_for(case: Case, fact: str) -> None:
    try:
        other = altered(case, fact, 3)
    except ValueError:
        return
    assert facts(other)[fact] == 3
    assert [facts(other)[name] for name in ("padding", "dtype")] == [facts(case)[name] for name in ("padding", "dtype")]


# Conditions that fit.


def test_a_condition_reads_like_the_sentence_of_a_report() -> None:
    atoms = Atom("padding", "==", "same"), Atom("use_bias", "==", False), Atom("stride_height", ">", 1)
    assert str(Condition(atoms)) == 'padding == "same" and not use_bias and stride_height > 1'
    assert str(Atom("channels", "!=", 0, modulus=8)) == "channels % 8 != 0"
    assert str(Atom("kernel_height", ">", "input_height", crossed=True)) == "kernel_height > input_height"
    assert str(Condition()) == "always"


@pytest.mark.parametrize("truth", TRUTHS[:-1])
def test_the_simplest_conditions_fit_every_case_and_are_found_at_once(truth: str) -> None:
    fails = fails_where(truth)
    failing, passing = [c for c in block(0, 250) if fails(c)], [c for c in block(0, 250) if not fails(c)]
    start = time.perf_counter()
    found = simplest(failing[:2], passing)
    assert time.perf_counter() - start < 0.5
    assert found
    assert [round(c.cost, 6) for c in found] == sorted(round(c.cost, 6) for c in found)
    for condition in found[:20]:
        assert len(condition.atoms) <= 3
        assert all(condition.holds(case) for case in failing[:2])
        assert not any(condition.holds(case) for case in passing)


def test_a_natural_threshold_comes_first() -> None:
    config = LayerConfig(1)
    few, many = (Case(config, (1, 2, 2, channels)) for channels in (9, 40))
    found = [str(condition) for condition in simplest([many], [few])]
    assert [text for text in found if text.startswith("channels >")][0] == "channels > 16"  # noqa: RUF015


def test_without_passing_cases_it_is_always() -> None:
    assert simplest(block(0, 250)[:3], []) == [Condition()]


def test_no_condition_fits_a_case_that_both_fails_and_passes() -> None:
    case = block(0, 250)[0]
    assert simplest([case], [case]) == []


# Conditions that are asked for.


@functools.cache
def found_for(truth: str, most: int) -> tuple[Finding, float]:
    fails = fails_where(truth)
    found = find(fails, most)
    return found, agreement(found, fails)


ASKED = [(truth, 1000) for truth in TRUTHS] + [(truth, 1) for truth in TRUTHS[::7]]  # all failing cases, or one


def test_hidden_conditions_are_found() -> None:
    found = [found_for(truth, most) for truth, most in ASKED]
    right = sum(share == 1.0 for _, share in found)
    assert right >= 0.95 * len(ASKED), f"{right} of {len(ASKED)}"
    assert sum(finding.confirmed for finding, _ in found) >= 0.9 * len(ASKED)


@pytest.mark.parametrize(("truth", "most"), ASKED)
def test_what_is_confirmed_agrees_with_the_truth(truth: str, most: int) -> None:
    found, share = found_for(truth, most)
    assert not found.confirmed or share >= 0.99, str(found.condition)
    assert found.asked <= Limit().questions


@pytest.mark.parametrize("truth", EITHER)
def test_what_is_no_conjunction_is_not_confirmed(truth: str) -> None:
    found = find(fails_where(truth))
    assert not found.confirmed, str(found.condition)


@pytest.mark.parametrize("truth", TRUTHS[:3])
def test_data_that_hide_some_failures_do_not_mislead(truth: str) -> None:
    where = fails_where(truth)

    def fails(case: Case) -> bool:
        hidden = (
            20 if case.config.activation in ("relu", "relu6") or case.data.recipe in ("integers", "impulses") else 0
        )
        return where(case) and int(case.id[:4], 16) % 100 >= hidden

    found = find(fails)
    assert found.confirmed
    assert agreement(found, where) >= 0.99


def test_random_failures_have_no_condition() -> None:
    found = find(lambda case: int(case.id[:4], 16) % 4 == 0)
    assert not found.confirmed


def test_the_limit_is_kept_and_leaves_it_open() -> None:
    found = find(fails_where("padding == 'same' and stride > 1"), 1, limit=Limit(3, 20.0))
    assert found.asked == 3
    assert not found.confirmed
    assert found.condition is not None


def test_passing_cases_that_are_not_relevant_are_neither_asked_nor_counted() -> None:
    fails = fails_where("padding == 'same' and kernel_height > 1 and kernel_width > 1 and batch > 1 and channels > 1")
    asked = []

    def relevant(case: Case) -> bool:
        known = facts(case)
        return min(known["kernel_height"], known["kernel_width"], known["batch"], known["channels"]) > 1  # type: ignore[type-var]

    def ask(case: Case) -> bool:
        asked.append(case)
        return fails(case)

    drawn = block(0, 250)
    failing, passing = [c for c in drawn if fails(c)], [c for c in drawn if not fails(c)]
    found = narrow(failing, passing, ask, block(2, 150), relevant=relevant)
    assert str(found.condition) == 'padding == "same"'
    assert found.confirmed
    assert all(map(relevant, asked))


def test_what_the_target_does_not_answer_is_soon_left_alone() -> None:
    refused = []

    def ask(case: Case) -> bool | None:
        if case.dtype != "float32":
            refused.append(case)
            return None
        return int(facts(case)["batch"]) > 2

    known = [case for case in block(0, 250) if case.dtype == "float32"]
    failing, passing = [c for c in known if ask(c)], [c for c in known if ask(c) is False]
    found = narrow(failing[:1], passing, ask, block(2, 150))
    assert str(found.condition) == "batch > 2"
    assert found.confirmed
    assert len(refused) <= 6


def test_an_exception_of_the_target_propagates() -> None:
    def ask(case: Case) -> bool:
        raise RuntimeError("gone")

    with pytest.raises(RuntimeError, match="gone"):
        narrow(block(0, 250)[:1], block(0, 250)[1:9], ask)


def test_the_finding_holds_on_the_cases_that_counted() -> None:
    found, _ = found_for("batch > 1 and output_channels > 16", 1)
    assert found.condition is not None
    assert all(map(found.condition.holds, found.failing))
    assert not any(map(found.condition.holds, found.passing))


@functools.cache
def judged(fault: type[Adapter]) -> Fails:
    def fails(case: Case) -> bool:
        expectation = expect(case)
        a = expectation.arrays
        try:
            output = fault().forward(case.config, a.x, a.kernel, a.bias)
        except ValueError:
            return True
        return judge_values(output, expectation, "output").verdict is not Verdict.PASS

    return functools.cache(fails)


@functools.cache
def found_of(fault: type[Adapter]) -> Finding:
    return find(judged(fault))


@pytest.mark.parametrize("fault", CAUGHT, ids=lambda fault: fault.name)
def test_a_confirmed_condition_of_a_known_fault_is_right(fault: type[Adapter]) -> None:
    found = found_of(fault)
    assert not found.confirmed or agreement(found, fails_where(CAUGHT[fault])) >= 0.97, str(found.condition)


def test_the_conditions_of_known_faults_are_found() -> None:
    assert sum(found_of(fault).confirmed for fault in CAUGHT) >= 0.85 * len(CAUGHT)


# Places.


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
