"""What the layer has to refuse: arguments that the documentation excludes, and when they are refused at the latest."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from depthwise_conformance.casebook.case import STRIDED_DILATION, Refusal, canonical
from depthwise_conformance.judging.values import Judgement, judge_without_value
from depthwise_conformance.reference.config import NAMED
from depthwise_conformance.reports.record import Verdict
from depthwise_conformance.workers.outcomes import Outcome
from depthwise_conformance.workers.protocol import Message

Shape = tuple[int | None, ...]
SYMBOLIC = ("build", "symbolic_shape")
UPDATED = ("build", "step")


def refusals() -> st.SearchStrategy[Refusal]:
    """Arguments that the documentation refuses by name, and arguments outside what it accepts."""
    return st.one_of(_strided_dilations(), st.sampled_from(OUTSIDE))


@st.composite
def _strided_dilations(draw: st.DrawFn) -> Refusal:
    """`strides > 1` with `dilation_rate > 1`: the one ValueError that the documentation promises."""
    step = st.sampled_from((2, 3, 4, [2, 2], [3, 2]))
    arguments = {
        "kernel_size": draw(st.sampled_from((1, 2, 3))),
        "strides": draw(step),
        "dilation_rate": draw(step),
        "padding": draw(st.sampled_from(("valid", "same"))),
        "depth_multiplier": draw(st.sampled_from((1, 2))),
        "data_format": draw(st.sampled_from(("channels_last", "channels_first"))),
        "use_bias": draw(st.sampled_from((True, False))),
        "activation": draw(st.sampled_from((None, "relu"))),
    }
    return Refusal(canonical(arguments), (1, 16, 16, 16), "ValueError", STRIDED_DILATION)


def _outside(
    wrong: str, given: dict[str, Any], shape: Shape = (1, 8, 8, 2), steps: tuple[str, ...] = Refusal.steps
) -> Refusal:
    return Refusal(
        canonical({"kernel_size": 2, "data_format": "channels_last", **given}), shape, wrong=wrong, steps=steps
    )


def _each(name: str, wrong: str, *values: Any) -> tuple[Refusal, ...]:
    return tuple(_outside(f"{name} {wrong}", {name: value}) for value in values)


def _sizes(name: str) -> tuple[Refusal, ...]:
    """Window, strides and dilation: an int or two integers, of 1 or more."""
    return (
        *_each(name, "is zero", 0, [2, 0]),
        *_each(name, "is negative", -1, [1, -1]),
        *_each(name, "has a wrong length", [2], [1, 1, 1], []),
        *_each(name, "is not an integer", 1.5, [1, 1.5], "3", [1, "1"]),
    )


NOWHERE = {"class_name": "NoSuchClass", "config": {}}
OUTSIDE = (
    *(case for name in ("kernel_size", "strides", "dilation_rate") for case in _sizes(name)),
    *_each("kernel_size", "is None", None),
    *_each("padding", "is unknown", "full", "causal", "", None, 1),
    *_each("data_format", "is unknown", "channels_middle", "NHWC", 1),
    *_each("depth_multiplier", "is zero or negative", 0, -1),
    *_each("depth_multiplier", "is not an integer", 1.5, "2", [2], None),
    *_each("activation", "is unknown", "no_such_activation", 3),
    *(case for name in NAMED for case in _each(name, "is unknown", "no_such_name", 3, NOWHERE)),
    *_each("depthwise_initializer", "has nothing for four dimensions", "identity"),
    _outside(
        "depthwise_constraint changes the shape", {"depthwise_constraint": {"function": "cropped"}}, steps=UPDATED
    ),
    *_each("dtype", "is unknown", "float99"),
    _outside("an argument is unknown", {"filters": 3}),
    *(_outside("the input has a wrong rank", {}, shape) for shape in ((8, 8, 2), (1, 8, 8, 2, 1), (8, 2))),
    _outside("the input's channels are unknown", {}, (1, 8, 8, None), SYMBOLIC),
    _outside("the kernel is larger than a valid input", {"kernel_size": 4}, (1, 3, 9, 2)),
    _outside("the kernel is larger than a valid input", {"dilation_rate": 3}, (1, 9, 3, 2)),
)


def refusal_request(case: Refusal) -> Message:
    """The one call for a refusal."""
    header = {
        "type": "run",
        "operation": "layer",
        "arguments": json.loads(case.arguments),
        "input_shape": list(case.input_shape),
        "steps": list(case.steps),
    }
    return Message(header)


def judge_refusal(case: Refusal, outcome: Outcome) -> Judgement:
    """Whether the layer refused, with the documented class where one is documented.

    The signature of a pass says what was raised, and in which step; the first line of the detail, what is wrong.
    """
    wanted = case.documented or "an exception"
    wrong = case.wrong or case.arguments
    story = f"{wrong}\n{case.arguments}"
    if outcome.kind == "value":
        detail = f"{story}\nexpected {wanted}\n     got through {', '.join(case.steps)}"
        return Judgement(Verdict.ERROR_MISSING, signature=wrong, detail=detail)
    if outcome.kind != "error":
        return replace(judge_without_value(outcome), detail=f"{story}\n{outcome.message}")
    raised = f"{outcome.classes[0]} at {outcome.step}"
    if not case.documented or case.documented in outcome.classes:
        return Judgement(Verdict.PASS, signature=raised, detail=f"{wrong}\n{outcome.message}")
    detail = f"{story}\nexpected {wanted}\n     got {outcome.message}"
    return Judgement(Verdict.ERROR_WRONG, signature=f"{wrong}: {outcome.classes[0]}", detail=detail)
