"""The suite's judge for one's own tests: arrays that one has, one case at a time, and cases drawn by Hypothesis."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from hypothesis import strategies as st

from depthwise_conformance.adapters.base import Adapter, AnyArray, Gradients, Unsupported
from depthwise_conformance.casebook import strategies
from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.casebook.claims import Claim
from depthwise_conformance.casebook.recipes import OWN, Arrays
from depthwise_conformance.judging.checks import judge_case, plan
from depthwise_conformance.judging.values import (
    Expectation,
    Judgement,
    expect,
    judge_dtype,
    judge_special,
    judge_values,
)
from depthwise_conformance.reference import LayerConfig, output_shape
from depthwise_conformance.reports.record import CHECKS, LAYER_CHECKS, Verdict
from depthwise_conformance.running.telling import tell_case
from depthwise_conformance.workers.outcomes import read_outcome
from depthwise_conformance.workers.protocol import Message
from depthwise_conformance.workers.server import Server

Forward = Callable[[LayerConfig, AnyArray, AnyArray, "AnyArray | None"], AnyArray]
OPERATION = tuple(name for name in CHECKS if name not in LAYER_CHECKS)


def cases(only: str = "") -> st.SearchStrategy[Case]:
    """A Hypothesis strategy for cases inside a claim, `only`, such as `kernel_size == 3 and dtype == "float32"`.

    `check` judges them; `make_arrays` makes their arrays. Raises ClaimError, a ValueError, for what is no claim.
    """
    return strategies.cases(Claim(only))


def check(implementation: Adapter | Forward, case: Case, checks: Collection[str] = OPERATION) -> dict[str, Judgement]:
    """Judges an adapter, or a function `forward(config, x, kernel, bias)`, on one case, in this process.

    Returns the judgement of every check that applies. Raises AssertionError that tells the first failure as the suite
    does, Unsupported where the implementation claims nothing of the case, and ValueError for an unknown check.
    """
    if unknown := sorted(set(checks) - set(OPERATION)):
        raise ValueError(f"checks {unknown}: accepted are {', '.join(OPERATION)}")
    adapter = as_adapter(implementation)
    server, expectation = Server(adapter), expect(case)
    program = plan(expectation, checks, thorough=True, claim=Claim(adapter.claims))
    outcomes = tuple(read_outcome(step.request, server.answer(_copied(step.request))) for step in program)
    found = dict(judge_case(expectation, program, outcomes, checks))
    for name, judgement in found.items():
        if judgement.verdict.is_discrepancy:
            raise AssertionError(_tell(name, judgement, tell_case(case)))
    if all(judgement.verdict is Verdict.UNSUPPORTED for judgement in found.values()):
        raise Unsupported(next((outcome.message for outcome in outcomes if outcome.kind == "unsupported"), "all of it"))
    return found


def as_adapter(implementation: Adapter | Forward) -> Adapter:
    """An adapter as it is, or that of a function `forward(config, x, kernel, bias)`."""
    return implementation if isinstance(implementation, Adapter) else _Function(implementation)


def assert_conforms(
    y: Any = None,
    *,
    config: LayerConfig | Mapping[str, Any],
    x: Any,
    kernel: Any,
    bias: Any = None,
    gradients: Gradients | None = None,
    cotangent: Any = None,
) -> None:
    """Asserts that arrays are what the layer has to give: the output `y`, its `gradients` for a `cotangent`, or both.

    Arrays are whatever NumPy reads, all in the layer's dtype: `x` laid out as `data_format` says, `kernel`
    `(kernel_height, kernel_width, channels, depth_multiplier)`, `bias` `(channels * depth_multiplier,)` or None for a
    layer without one; `config` is a LayerConfig or the layer's arguments. Raises AssertionError with the elements that
    are outside their bounds, and ValueError for arguments that do not go together.
    """
    expectation = _expectation(config, x, kernel, bias, cotangent)
    results: dict[str, Any] = {} if y is None else {"output": y}
    if gradients is not None:
        if cotangent is None:
            raise ValueError("gradients are those of sum(cotangent * y): give the cotangent that they were taken for")
        results |= {"input": gradients.input, "kernel": gradients.kernel}
        results |= {} if bias is None else {"bias": gradients.bias}
    if not results:
        raise ValueError("there is nothing to judge: give y, or gradients and their cotangent")
    for part, array in results.items():
        name = part if part == "output" else f"gradient_{part}"
        for judgement in _judge(np.asarray(array), expectation, part):
            if judgement.verdict is not Verdict.PASS:
                raise AssertionError(_tell(name, judgement, tell_case(expectation.case)))


def _judge(observed: AnyArray, expectation: Expectation, part: str) -> Iterator[Judgement]:
    a = expectation.arrays
    given = [array for array in (a.x, a.kernel, a.bias) if array is not None]
    if all(np.isfinite(array.astype(np.float64)).all() for array in given):
        yield judge_values(observed, expectation, part)
    elif part == "output":
        yield judge_special(observed, expectation)
    else:
        raise ValueError("x, kernel or bias holds NaN or infinities, whose gradients are not judged")
    yield judge_dtype(observed, expectation.case.dtype)


def _copied(request: Message) -> Message:
    """With arrays of its own, as a worker has them: what the implementation does to them is its affair."""
    return Message(request.header, {name: array.copy() for name, array in request.arrays.items()})


def _expectation(
    config: LayerConfig | Mapping[str, Any], x: Any, kernel: Any, bias: Any, cotangent: Any
) -> Expectation:
    x, kernel = np.asarray(x), np.asarray(kernel)
    layer = config if isinstance(config, LayerConfig) else LayerConfig(**{"dtype": x.dtype.name, **config})
    layer = replace(layer, use_bias=bias is not None)
    case = Case(layer, x.shape, Data(OWN))
    given = {"x": x, "kernel": kernel} | ({} if bias is None else {"bias": np.asarray(bias)})
    given["cotangent"] = np.zeros(output_shape(layer, x.shape), x.dtype) if cotangent is None else np.asarray(cotangent)
    outputs = case.channels * layer.depth_multiplier
    shapes = {"kernel": (*layer.kernel_size, case.channels, layer.depth_multiplier), "bias": (outputs,)}
    shapes["cotangent"] = output_shape(layer, x.shape)
    for name, array in given.items():
        if array.dtype.name != layer.dtype:
            raise ValueError(f"{name} is of dtype {array.dtype}, and the layer of {layer.dtype}: accepted is one dtype")
        if array.shape != shapes.get(name, array.shape):
            raise ValueError(f"{name} is of shape {array.shape}: accepted is {shapes[name]}")
    return Expectation(case, given=Arrays(x, kernel, given.get("bias"), given["cotangent"]))


def _tell(check: str, judgement: Judgement, case: str) -> str:
    named = f" ({judgement.signature})" if judgement.signature else ""
    return f"{check} is {judgement.verdict.value}{named}\n{case}\n{judgement.detail}"


class _Function(Adapter):
    """A function that computes the forward pass."""

    name: ClassVar[str] = "function"

    def __init__(self, forward: Forward) -> None:
        super().__init__()
        self._function = forward

    def forward(self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None) -> AnyArray:
        """The function."""
        return self._function(config, x, kernel, bias)
