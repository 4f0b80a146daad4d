"""Refusals: what every run has to see refused, and how a layer has to refuse."""

from __future__ import annotations

import json

import numpy as np
import pytest
from asked import CRASHED, ERROR, UNSUPPORTED

from depthwise_conformance.casebook.case import Refusal, canonical
from depthwise_conformance.layers.refusals import OUTSIDE, judge_refusal
from depthwise_conformance.reference import LayerConfig
from depthwise_conformance.reports.record import Verdict
from depthwise_conformance.running.drawing import draw_refusals
from depthwise_conformance.workers.outcomes import Outcome

# What every run asks


def test_every_run_refuses_all_that_is_outside_the_documentation():
    drawn = draw_refusals(0, 40)
    assert drawn[: len(OUTSIDE)] == OUTSIDE
    promised = [case for case in drawn if case.documented]
    assert len(promised) >= 10
    assert {case.documented for case in promised} == {"ValueError"}
    for case in promised:
        arguments = json.loads(case.arguments)
        assert np.min(arguments["strides"]) > 1 and np.min(arguments["dilation_rate"]) > 1


@pytest.mark.parametrize("case", [case for case in draw_refusals(0, 40) if case.documented], ids=lambda c: c.arguments)
def test_the_reference_refuses_what_the_documentation_promises_to_refuse(case):
    with pytest.raises(ValueError):
        LayerConfig.from_json(json.loads(case.arguments))


# How a layer has to refuse


def refusal(documented: str = "ValueError") -> Refusal:
    return Refusal(canonical({"kernel_size": 2, "strides": 2, "dilation_rate": 2}), (1, 16, 16, 3), documented)


@pytest.mark.parametrize(
    ("documented", "outcome", "verdict"),
    [
        ("ValueError", ERROR, Verdict.PASS),
        ("ValueError", Outcome("error", "", classes=("ShapeError", "ValueError", "Exception")), Verdict.PASS),
        ("ValueError", Outcome("error", "", classes=("TypeError", "Exception")), Verdict.ERROR_WRONG),
        ("", Outcome("error", "", classes=("TypeError", "Exception")), Verdict.PASS),
        ("ValueError", Outcome("value", shape=(1, 7, 7, 3)), Verdict.ERROR_MISSING),
        ("", Outcome("value", shape=(1, 7, 7, 3)), Verdict.ERROR_MISSING),
        ("ValueError", UNSUPPORTED, Verdict.UNSUPPORTED),
        ("ValueError", CRASHED, Verdict.CRASHED),
        ("ValueError", Outcome("timed_out", "no answer"), Verdict.TIMED_OUT),
        ("ValueError", Outcome("bad_return", "layer returned str"), Verdict.BAD_RETURN),
    ],
)
def test_a_layer_has_to_refuse_as_documented(documented, outcome, verdict):
    assert judge_refusal(refusal(documented), outcome).verdict is verdict


def test_a_missing_refusal_is_told_in_full():
    judged = judge_refusal(refusal(), Outcome("value", shape=(1, 7, 7, 3)))
    assert "expected ValueError" in judged.detail
    assert '"strides":2' in judged.detail
    assert "got through build, call" in judged.detail
