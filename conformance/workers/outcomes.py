"""What came of a request: a worker's answer, read and checked."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from depthwise_conformance.workers.process import WorkerLostError
from depthwise_conformance.workers.protocol import MAX_PAYLOAD, VERSION, AnyArray, Message

FREE = 1 << 26  # bytes that any answer may have
WIDEST = 16  # bytes of a number
LENIENT = 4  # times as large as asked for: a wrong shape is to be seen
NAME_AT_MOST = 200  # characters of a target's name
ANSWERS = ("value", "error", "unsupported", "bad_return")
LOST = ("crashed", "timed_out")


@dataclass(frozen=True)
class Outcome:
    """What came back for one request.

    `kind` is "value", "error", "unsupported", "bad_return", "crashed" or "timed_out"; `impurities` says in words what
    the call did to its arguments or to an earlier result. `facts` are what the steps with a layer found, `step` is the
    one that raised, `traceback` the way there from the adapter on; `printed` is what the adapter printed meanwhile.
    """

    kind: str
    message: str = ""
    arrays: Mapping[str, AnyArray] = field(default_factory=dict)
    shape: tuple[int | None, ...] | None = None
    classes: tuple[str, ...] = ()
    impurities: tuple[str, ...] = ()
    seconds: float = 0.0
    facts: tuple[Mapping[str, Any], ...] = ()
    step: str = ""
    traceback: str = ""
    printed: str = ""


def is_hello(header: Mapping[str, Any]) -> bool:
    """Whether a worker's description of itself has what `docs/protocol.md` says."""
    mappings = [header.get(name) for name in ("versions", "unsupported")]
    lists = [header.get(name) for name in ("devices", "dtypes", "modes")]
    if not all(isinstance(m, dict) for m in mappings) or not all(isinstance(one, list) for one in lists):
        return False
    texts = [header.get("name"), header.get("claims", ""), *(text for m in mappings if m for text in m.values())]
    texts += [text for one in lists if one for text in one]
    named = isinstance(texts[0], str) and texts[0].isprintable() and 0 < len(texts[0]) <= NAME_AT_MOST
    counted = type(header.get("cases", 0)) is int and header.get("cases", 0) >= 0
    return named and counted and header.get("protocol") == VERSION and all(isinstance(text, str) for text in texts)


def read_outcome(request: Message, answer: Message) -> Outcome:
    """The outcome of a request. Raises WorkerLostError for an answer that does not belong to it."""
    header = answer.header
    kind = header.get("outcome")
    try:
        if kind not in ANSWERS:
            raise ValueError(f"an outcome of {kind!r}")
        told = {name for name, value in header.items() if value is not None}
        if kind == "value" and (absent := _expected_parts(request) - told - set(answer.arrays)):
            raise ValueError(f"no {', '.join(sorted(absent))}")
        if kind == "error" and not header.get("classes"):
            raise ValueError("an error without classes")
        if len(header.get("facts", ())) != len(request.header.get("steps", ())) and kind == "value":
            raise ValueError("facts are not one for each step")
        shape = header.get("shape")
        return Outcome(
            kind=kind,
            message=_text(header.get("message", "")),
            arrays=answer.arrays,
            shape=None if shape is None else tuple(None if size is None else operator.index(size) for size in shape),
            classes=tuple(_text(name) for name in header.get("classes", ())),
            impurities=_impurities(header),
            seconds=max(0.0, float(header.get("seconds", 0.0))),
            facts=tuple(dict(facts) for facts in header.get("facts", ())),
            step=str(header.get("step", "")),
            traceback=_text(header.get("traceback", "")),
            printed=_text(header.get("printed", "")),
        )
    except (TypeError, ValueError) as error:
        raise WorkerLostError(f"the worker's answer could not be read: {error}") from error


def room_for(request: Message) -> int:
    """The bytes that an answer's arrays may have: some times what the request can come to."""
    header = request.header
    shapes = [list(array.shape) for array in request.arrays.values()] or [header.get("input_shape") or []]
    numbers: int = sum(math.prod(size for size in shape if size) for shape in shapes)
    arguments = header.get("arguments")
    multiplier = arguments.get("depth_multiplier", 1) if isinstance(arguments, dict) else 1
    times = (multiplier if type(multiplier) is int and multiplier > 0 else 1) * len(header.get("steps", [""]))
    return min(FREE + LENIENT * WIDEST * numbers * times, MAX_PAYLOAD)


def _text(value: object) -> str:
    """Text from elsewhere, with what no file can hold (lone surrogates) as escapes."""
    return str(value).encode("utf-8", "backslashreplace").decode()


def _expected_parts(request: Message) -> set[str]:
    """The names of the arrays, or of the header's entries, that the value of a request consists of."""
    operation = request.header.get("of", request.header["operation"])
    if operation == "forward":
        return {"output"}
    if operation == "gradients":
        return {"input", "kernel", *(["bias"] if "bias" in request.arrays else [])}
    return {"facts" if operation == "layer" else "shape"}


def _impurities(header: Mapping[str, Any]) -> tuple[str, ...]:
    found = [f"changed its argument {name}" for name in header.get("mutated", ())]
    found += [f"returned memory of its argument {name}" for name in header.get("shared", ())]
    return tuple(found + (["changed the result of an earlier call"] if header.get("overwritten") else []))
