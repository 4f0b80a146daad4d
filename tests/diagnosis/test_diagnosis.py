"""The diagnosis of whole targets: fakes in workers of their own, judged, asked for further cases, told in few rows."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from by_name import location

from depthwise_conformance.diagnosis.distinct import WHEREVER, Distinct
from depthwise_conformance.reports.record import CHECKS, Verdict
from depthwise_conformance.running.agenda import Options
from depthwise_conformance.running.engine import Engine
from depthwise_conformance.running.targets import open_targets, requests


def diagnose(location: str, checks: Sequence[str] = CHECKS, questions: int = 2000) -> list[Distinct]:
    (target,) = open_targets(requests([], [location]), 20.0)
    engine = Engine(Options(examples=150, checks=tuple(checks), questions=questions), lambda records: None)
    try:
        engine.evaluate([target], {target.name: checks})
        engine.diagnose([target])
    finally:
        target.worker.close()
    return engine.distinct.get(target.name, [])


@pytest.mark.parametrize(
    ("fault", "verdict", "cause", "condition", "place"),
    [
        ("KernelFlipped", Verdict.WRONG_VALUE, "kernel flipped", WHEREVER, ""),
        ("BiasMissing", Verdict.WRONG_VALUE, "bias missing", WHEREVER, "all"),
        (
            "ChannelSeventeen",
            Verdict.WRONG_VALUE,
            "sums: channels after 16 repeating the first",
            "channels > 16",
            "channels after 16",
        ),
        (
            "StrideThreeAsTwoOnWidth",
            Verdict.WRONG_VALUE,
            "",
            "output_width > 1 and stride_width == 3",
            "columns after the first",
        ),
        ("GeluBySigmoid", Verdict.WRONG_VALUE, "gelu by sigmoid", None, "all"),
        ("Float64ReturnsFloat32", Verdict.WRONG_DTYPE, "", 'dtype == "float64"', ""),
        ("InfinitySaturates", Verdict.WRONG_SPECIAL, "infinity replaced by the largest number", None, ""),
        ("Bfloat16RoundedTowardsZero", Verdict.IMPRECISE, "results rounded towards zero", None, ""),
        ("KernelCachedByShape", Verdict.IMPURE, "stale kernel", None, ""),
        ("KernelGradientAccumulated", Verdict.IMPURE, "stale gradients", None, ""),
        ("Relu6IsRelu", Verdict.WRONG_VALUE, "relu6 as relu", WHEREVER, ""),
        ("SecondImageFromFirst", Verdict.WRONG_VALUE, None, None, "second batch element"),
    ],
)
def test_a_fault_is_one_row_that_says_what_when_and_where(fault, verdict, cause, condition, place):
    (one,) = diagnose(location(fault))
    assert one.key.verdict is verdict
    assert cause is None or one.cause == cause
    assert condition is None or one.condition == condition
    assert one.place == place


def test_two_faults_are_two_rows():
    found = diagnose(location("TwoFaults"), ("output",))
    assert {(one.cause, one.condition) for one in found} == {
        ("bias missing", "depth_multiplier > 1"),
        ("kernel flipped along the width", 'data_format == "channels_first" and depth_multiplier == 1'),
    }


def test_what_comes_out_at_random_is_one_row():
    (one,) = diagnose(location("SumsInRandomOrder"), ("determinism",))
    assert one.key.verdict is Verdict.NOT_DETERMINISTIC


def test_a_wrong_derivative_beside_results_that_are_random_or_remembered():
    found = diagnose(location("ReluGradientLeaks_and_LastBitAlternates"), ("output", "gradient_input", "determinism"))
    assert {(one.key.verdict, one.cause) for one in found} == {
        (Verdict.NOT_DETERMINISTIC, ""),
        (Verdict.WRONG_VALUE, "derivative of relu leaking by 0.1"),
    }
    both = "KernelGradientAccumulated_and_SoftmaxGradientOfDiagonal"
    found = diagnose(location(both), ("gradient_input", "gradient_kernel", "purity"))
    assert {one.cause for one in found} == {"stale gradients", "derivative of softmax by its diagonal"}


def test_cases_that_were_asked_less_belie_no_condition():
    (one,) = diagnose(location("OutputBufferReused"), ("purity",))
    assert one.condition == "always"


def test_two_faults_of_a_gradient_and_cases_that_have_both():
    found = diagnose(location("InputGradientWithoutPadding_and_InputGradientOfBatchBeyondOne"), ("gradient_input",))
    rolled, repeated = [one for one in found if one.cause]
    assert (rolled.cause, rolled.condition) == ("input gradient rolled by the zeros before", WHEREVER)
    assert (repeated.cause, repeated.condition) == ("input gradient: second image repeating the first", "stride > 1")
    assert all(one.group.failing == 1 for one in found if not one.cause)


def test_two_faults_that_nearly_all_cases_have():
    found = diagnose(location("OddBatchLosesLast_and_ActivationOfFirstChannel"), ("output",))
    named = ", ".join(f'"{name}"' for name in ("gelu", "relu", "relu6", "sigmoid", "softplus", "tanh"))
    assert {(one.cause, one.condition) for one in found} == {
        ("activation: channels after the first without", f"activation in ({named})"),
        ("sums: last image zero", "depth_multiplier > 1 and batch % 2 == 1 and batch > 1"),
    }


def test_faults_without_a_cause_in_the_library_are_told_by_rules():
    found = diagnose(location("StrideThreeAsTwoOnWidth_and_ChannelSeventeen"), ("output",))
    told = {(one.cause, one.condition) for one in found}
    assert ("", "output_width > 1 and stride_width == 3") in told
    assert any(condition == "channels > 16" for _, condition in told)


def test_an_empty_batch_that_fails_in_many_ways_is_one_row():
    (one,) = diagnose(location("EmptyBatchAsItCame"))
    assert one.condition == "only if batch == 0"
    assert one.shown_by.keys() == {"shape"}
    assert one.key.verdict is Verdict.REFUSED


def test_without_questions_every_kind_of_failure_is_a_row_and_nothing_is_claimed():
    found = diagnose(location("KernelFlipped"), ("output", "gradient_input"), questions=0)
    assert found
    assert {(one.cause, one.condition) for one in found} == {("", "")}


def test_an_honest_implementation_has_no_rows():
    assert diagnose(location("Honest"), ("output",)) == []
