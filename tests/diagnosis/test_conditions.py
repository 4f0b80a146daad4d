"""When: conditions on synthetic and on known faults."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import faults
import pytest
from failing import Fails, block, judged

from depthwise_conformance.adapters.base import Adapter
from depthwise_conformance.casebook.case import Case
from depthwise_conformance.casebook.facts import facts
from depthwise_conformance.diagnosis.conditions import Atom, Condition
from depthwise_conformance.diagnosis.inquiry import Finding, Limit, narrow
from depthwise_conformance.diagnosis.separating import plainest, simplest
from depthwise_conformance.reference import LayerConfig

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


def fails_where(truth: str) -> Fails:
    code = compile(truth, "truth", "eval")
    return lambda case: bool(eval(code, {}, dict(facts(case))))


def find(fails: Fails, most: int = 1000, **options: object) -> Finding:
    """What `narrow` makes of the cases of a run, at most some of the failing ones among them."""
    drawn = block(0, 250)
    failing, passing = [c for c in drawn if fails(c)][:most], [c for c in drawn if not fails(c)]
    return narrow(failing, passing, fails, block(2, 150), **options)  # type: ignore[arg-type]


@contextmanager
def counted() -> Iterator[list[int]]:
    """How many calls of functions of Python the block takes, whatever else the machine does."""
    calls, before = [0], sys.getprofile()

    def count(frame: object, event: str, argument: object) -> None:
        calls[0] += event == "call"

    sys.setprofile(count)
    try:
        yield calls
    finally:
        sys.setprofile(before)


def agreement(found: Finding, fails: Fails) -> float:
    held_out = block(1, 500)
    return sum(found.condition is not None and found.condition.holds(c) == fails(c) for c in held_out) / len(held_out)


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
    with counted() as calls:
        found = simplest(failing[:2], passing)
    assert calls[0] < 500_000  # the dearest takes 200,000
    assert found
    assert [round(c.cost, 6) for c in found] == sorted(round(c.cost, 6) for c in found)
    for condition in found[:20]:
        assert len(condition.atoms) <= 3
        assert all(condition.holds(case) for case in failing[:2])
        assert not any(condition.holds(case) for case in passing)


@pytest.mark.parametrize("truth", [*TRUTHS, "(batch + channels) % 3 == 0", "channels == -1"])
def test_looking_at_some_cases_first_changes_no_condition(truth: str) -> None:
    fails, drawn = fails_where(truth), block(0, 250)
    failing, passing = [c for c in drawn if fails(c)], [c for c in drawn if not fails(c)]
    assert plainest([*drawn, *drawn], fails) == next(iter(simplest(failing, passing)), None)


def test_a_natural_threshold_comes_first() -> None:
    config = LayerConfig(1)
    few, many = (Case(config, (1, 2, 2, channels)) for channels in (9, 40))
    found = [str(condition) for condition in simplest([many], [few])]
    assert [text for text in found if text.startswith("channels >")][0] == "channels > 16"  # noqa: RUF015


def test_several_choices_are_told_where_they_are_known_to_fail_alike() -> None:
    fails, drawn = fails_where("activation in ('tanh', 'gelu', 'sigmoid')"), block(0, 250)
    failing, passing = [c for c in drawn if fails(c)], [c for c in drawn if not fails(c)]
    assert simplest(failing, passing) == []
    (first, *_) = simplest(failing, passing, several=True)
    assert str(first) == 'activation in ("gelu", "sigmoid", "tanh")'


def test_without_passing_cases_it_is_always() -> None:
    assert simplest(block(0, 250)[:3], []) == [Condition()]


def test_what_never_fails_has_no_condition() -> None:
    assert simplest([], block(0, 250)[:3]) == simplest([], []) == []


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
    found = find(fails_where("padding == 'same' and stride > 1"), 1, limit=Limit(3))
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


# Conditions of known faults.


@functools.cache
def found_of(fault: type[Adapter]) -> Finding:
    return find(judged(fault))


@pytest.mark.parametrize("fault", CAUGHT, ids=lambda fault: fault.name)
def test_a_confirmed_condition_of_a_known_fault_is_right(fault: type[Adapter]) -> None:
    found = found_of(fault)
    assert not found.confirmed or agreement(found, fails_where(CAUGHT[fault])) >= 0.97, str(found.condition)


def test_the_conditions_of_known_faults_are_found() -> None:
    assert sum(found_of(fault).confirmed for fault in CAUGHT) >= 0.85 * len(CAUGHT)
