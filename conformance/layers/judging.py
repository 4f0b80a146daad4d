"""What a case asks of a layer, and the verdict on what its steps gave."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.casebook.case import HOMES, LayerCase, partly_unknown
from depthwise_conformance.casebook.recipes import format_name
from depthwise_conformance.judging.values import (
    Judgement,
    in_units,
    judge_dtype,
    judge_inferred,
    judge_shape,
    judge_without_value,
    tell_errors,
)
from depthwise_conformance.layers.catalogue import EXAMPLE, PRINTED
from depthwise_conformance.layers.rehearsal import (
    LEARNING_RATE,
    Declared,
    Drawn,
    Expected,
    Rehearsal,
    layer_arrays,
    reference_layer,
    step_gradients,
)
from depthwise_conformance.layers.sampling import describe_sample
from depthwise_conformance.reference import FORMATS, Bounded, output_shape
from depthwise_conformance.reference.config import NAMED
from depthwise_conformance.reference.layer import OPERATION
from depthwise_conformance.reports.record import Verdict
from depthwise_conformance.workers.outcomes import Outcome
from depthwise_conformance.workers.protocol import Message
from depthwise_conformance.workers.steps import CONSTRUCTION, UPDATE

AnyArray = NDArray[Any]
SIGNATURE = (*OPERATION, *NAMED)
NUMBERED = {"assign", "call", "gradients", "fit"}  # the steps that need numbers
CHOICE = ": "  # between a topic that is left open and what was chosen, in the signature of a pass
MALFORMED = ("broken", "wrong_type", "unreadable")  # homes whose configuration file is none
OPEN_HOMES = (*MALFORMED, "keras_home")  # of which the documentation promises nothing
START = "start"  # the step at which a target that does not start in a home has raised
PER_IMAGE = f"an activity regularizer's loss{CHOICE}divided by the batch size"
PER_BATCH = f"an activity regularizer's loss{CHOICE}not divided"


def layer_requests(case: LayerCase) -> tuple[Message, ...]:
    """The calls for a case: one, or two of which the second has to repeat the first, where a seed is given."""
    layer = reference_layer(case)
    arrays: dict[str, AnyArray] = {}
    if not NUMBERED.isdisjoint(case.steps):
        a = layer_arrays(case, layer)
        arrays = {"x": a.x, "kernel": a.kernel, "cotangent": a.cotangent}
        arrays |= {} if a.bias is None else {"bias": a.bias}
    if "step" in case.steps:
        arrays |= {UPDATE + name: array for name, array in step_gradients(case, layer).items()}
    header = {
        "type": "run",
        "operation": "layer",
        "arguments": json.loads(case.arguments),
        "positional": json.loads(case.positional),
        "input_shape": list(case.input_shape),
        "steps": list(case.steps),
        "shapes": [list(shape) for shape in partly_unknown(layer.config, case.input_shape)],
        "learning_rate": LEARNING_RATE,
    }
    request = Message(header, arrays)
    return (request, request) if _is_seeded(case) else (request,)


def judge_layer(case: LayerCase, outcomes: Sequence[Outcome], declared: Declared = MappingProxyType({})) -> Judgement:
    """The verdict on a case: that of the first step that is not as it has to be.

    `declared` is the arithmetic that the target declares, by dtype.
    """
    for outcome in outcomes:
        if outcome.kind != "value":
            return _without_value(case, outcome)
    if case.about == EXAMPLE:
        return _judge_example(case, outcomes[0])
    found = _judge_use(case, outcomes[0], declared)
    if found.verdict is Verdict.PASS and len(outcomes) > 1:
        return _judge_repeated(case, outcomes[0], outcomes[1])
    return found


def _judge_use(case: LayerCase, outcome: Outcome, declared: Declared) -> Judgement:
    """The verdict on all steps. Where the documentation leaves something open, each choice passes, and is named."""
    found = _judge_steps(case, outcome, Rehearsal(case, declared))
    passed = found.verdict is Verdict.PASS
    if case.home in OPEN_HOMES:
        return _of_open_home(case, "taken for none") if passed else _judge_followed(case, outcome, declared) or found
    if not _has_open_loss(case):
        return found
    other = _judge_steps(case, outcome, Rehearsal(case, declared, per_image=False)).verdict is Verdict.PASS
    if passed == other:
        return found
    return Judgement(Verdict.PASS, signature=PER_IMAGE if passed else PER_BATCH)


def _judge_followed(case: LayerCase, outcome: Outcome, declared: Declared) -> Judgement | None:
    """The pass of a layer that heeds the variable KERAS_HOME, of which the documentation says nothing."""
    followed = replace(case, home="channels_first")
    heeds = case.home == "keras_home" and _judge_steps(followed, outcome, Rehearsal(followed, declared))
    return _of_open_home(case, "heeded") if heeds and heeds.verdict is Verdict.PASS else None


def _of_open_home(case: LayerCase, choice: str) -> Judgement:
    return Judgement(Verdict.PASS, signature=f"{HOMES[case.home]}{CHOICE}{choice}")


def _has_open_loss(case: LayerCase) -> bool:
    """Whether it makes a difference that the loss of an activity regularizer is divided by the batch size."""
    regularized = json.loads(case.arguments).get("activity_regularizer") is not None
    return regularized and case.input_shape[0] > 1 and not {"loss", "gradients", "fit"}.isdisjoint(case.steps)


def _judge_steps(case: LayerCase, outcome: Outcome, rehearsal: Rehearsal) -> Judgement:
    configs: list[Any] = []
    for number, step in enumerate(case.steps):
        start = f"{number}."
        arrays = {name.removeprefix(start): a for name, a in outcome.arrays.items() if name.startswith(start)}
        facts = outcome.facts[number]
        if step == "config":
            configs.append(facts.get("config"))
        for found in _judge_step(case, number, rehearsal.expect(step), facts, arrays):
            if found.verdict is not Verdict.PASS:
                return found
    if len(configs) > 1 and configs[0] != configs[1]:
        story = f"the configuration was\n  {configs[0]}\nand of the layer made from it\n  {configs[1]}"
        return _wrong(case, "configuration of the recreated layer", story)
    return Judgement(Verdict.PASS)


def _judge_step(
    case: LayerCase, number: int, expected: Expected, facts: Mapping[str, Any], arrays: Mapping[str, AnyArray]
) -> Iterator[Judgement]:
    step = case.steps[number]
    for name, wanted in (expected.facts or {}).items():
        yield _judge_fact(case, step, name, wanted, facts.get(name))
    for name, weight in expected.arrays.items():
        what = _what(case.steps[: number + 1], name)
        if name not in arrays:
            yield _wrong(case, f"no {what}", f"the layer has no {what}")
        else:
            yield _judge_array(case, what, arrays[name], weight, expected.dtype)


def _judge_fact(case: LayerCase, step: str, name: str, wanted: Any, got: Any) -> Judgement:
    if name == "shapes":
        return _judge_shapes(case, step, wanted, got)
    if name == "config":
        return _judge_config(case, wanted, got)
    if got is None and step == "attributes":
        return Judgement(Verdict.PASS)  # not all layers have all of them
    if got == wanted:
        return Judgement(Verdict.PASS)
    what = f"{name} of the weights" if step == "weights" else name
    return _wrong(case, what, f"{what}\nexpected {wanted!r}\n     got {got!r}")


def _judge_config(case: LayerCase, wanted: Mapping[str, Any], got: Any) -> Judgement:
    """Every argument is in the configuration, sizes and names as they were given."""
    if not isinstance(got, dict):
        return _wrong(case, "configuration", f"expected a mapping\n     got {got!r}")
    absent = [name for name in SIGNATURE if name not in got]
    if absent:
        return _wrong(case, f"configuration without {', '.join(absent)}", f"get_config has {sorted(got)}")
    if '"not JSON"' in json.dumps(got):
        return _wrong(case, "configuration that is not JSON", repr(got))
    for name, value in wanted.items():
        if _loosely(got[name]) != _loosely(value):
            story = f"{name} in the configuration\nexpected {value!r}\n     got {got[name]!r}"
            return _wrong(case, f"{name} in the configuration", story)
    return Judgement(Verdict.PASS)


def _judge_shapes(case: LayerCase, step: str, wanted: Sequence[Any], got: Any) -> Judgement:
    given = partly_unknown(reference_layer(case).config, case.input_shape)
    if not isinstance(got, list) or len(got) != len(given) or not all(isinstance(one, list) for one in got):
        return Judgement(
            Verdict.BAD_RETURN, signature=step, detail=f"{step}\nexpected {len(given)} shapes\n     got {got!r:.200}"
        )
    for shape, one, inferred in zip(given, wanted, got, strict=True):
        sizes = tuple(1 if size is None else size for size in one)
        known = tuple(None if size is None else found for size, found in zip(one, inferred, strict=False))
        if len(inferred) != len(one) or any(a is None and b is not None for a, b in zip(one, inferred, strict=True)):
            story = f"{step} of {shape}\nexpected {one}\n     got {tuple(inferred)}"
            return Judgement(Verdict.WRONG_SHAPE, signature=step, detail=story)
        found = judge_inferred(known, shape, sizes)
        if found.verdict is not Verdict.PASS:
            return Judgement(found.verdict, signature=step, detail=f"{step}\n{found.detail}")
    return Judgement(Verdict.PASS)


def _judge_array(case: LayerCase, what: str, observed: AnyArray, wanted: Bounded | Drawn, dtype: str) -> Judgement:
    shape = wanted.shape if isinstance(wanted, Drawn) else wanted.value.shape
    blank = Bounded(np.zeros(shape), np.zeros(shape))
    for found in (judge_shape(observed, blank), judge_dtype(observed, dtype or format_name(observed.dtype))):
        if found.verdict is not Verdict.PASS:
            return Judgement(found.verdict, signature=what, detail=f"{what}\n{found.detail}")
    if isinstance(wanted, Drawn):
        fault, story = describe_sample(observed, wanted, FORMATS[dtype].roundoff)
        return _wrong(case, f"{fault} of the {what}", f"{what}\n{story}") if fault else Judgement(Verdict.PASS)
    values = observed.astype(np.float64)
    errors = in_units(values, wanted)
    worst = float(errors.max(initial=0.0))
    if worst <= 1.0:
        return Judgement(Verdict.PASS, worst)
    detail = f"{what}\n{tell_errors(values, wanted, errors, digits=9)}"
    return Judgement(Verdict.WRONG_VALUE, worst, what, detail)


def _judge_example(case: LayerCase, outcome: Outcome) -> Judgement:
    """Whether the documented example gives the shape printed beside it, or the one that the signature gives.

    The page contradicts itself here: its signature takes the second argument for the strides. Both are accepted.
    """
    by_signature = output_shape(reference_layer(case).config, case.input_shape)
    got = outcome.arrays["0.output"].shape if "0.output" in outcome.arrays else ()
    if got in (PRINTED, by_signature):
        return Judgement(Verdict.PASS, signature=f"the page's example{CHOICE}{got}")
    story = f"expected {PRINTED}, as printed, or {by_signature}, by the signature\n     got {got}"
    return Judgement(Verdict.WRONG_SHAPE, signature="shape", detail=story)


def _judge_repeated(case: LayerCase, first: Outcome, second: Outcome) -> Judgement:
    for name, array in first.arrays.items():
        if name not in second.arrays or array.tobytes() != second.arrays[name].tobytes():
            story = "two layers with the same seed start from different weights"
            return Judgement(Verdict.NOT_DETERMINISTIC, signature="seeded weights", detail=story)
    return Judgement(Verdict.PASS)


def _without_value(case: LayerCase, outcome: Outcome) -> Judgement:
    found = judge_without_value(outcome)
    if outcome.kind != "error":
        return found
    what = f"{outcome.classes[0]} at {outcome.step}"
    if case.home in MALFORMED and outcome.step in (START, CONSTRUCTION):  # a clear error is as good as the default
        return _of_open_home(case, what)
    return replace(found, signature=f"{what}: {found.signature}", detail=f"{what}, {found.detail}")


def _wrong(case: LayerCase, what: str, story: str) -> Judgement:
    return Judgement(Verdict.WRONG_VALUE, signature=what, detail=story)


def _what(steps: Sequence[str], name: str) -> str:
    """An array that the last of some steps gave, in words."""
    if steps[-1] == "gradients":
        return f"gradient for the {name}"
    if steps[-1] != "weights":
        return name
    after = {"build": "initial", "assign": "assigned", "step": "updated", "fit": "trained", "reload": "reloaded"}
    return f"{next(after[step] for step in reversed(steps) if step in after)} {name}"


def _is_seeded(case: LayerCase) -> bool:
    given = json.loads(case.arguments)
    specs = [given.get("depthwise_initializer"), given.get("bias_initializer")]
    return any(isinstance(spec, dict) and "seed" in spec.get("config", {}) for spec in specs)


def _loosely(value: Any) -> Any:
    """A value without the difference between spellings that mean the same."""
    if isinstance(value, str):
        return value.lower()
    return [value, value] if type(value) is int else list(value) if isinstance(value, list | tuple) else value
