"""The child process in which one target lives: `python -P -m depthwise_conformance.workers.server`.

Reads frames from standard input and answers on standard output; see docs/protocol.md. Whatever the framework
prints goes to standard error.
"""

from __future__ import annotations

import faulthandler
import inspect
import io
import operator
import os
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from depthwise_conformance.adapters.base import LAYOUTS, Adapter, Description, Gradients, Unsupported
from depthwise_conformance.adapters.loading import load_adapter
from depthwise_conformance.casebook.case import STEPS
from depthwise_conformance.casebook.recipes import format_name
from depthwise_conformance.reference import LayerConfig
from depthwise_conformance.workers.layouts import laid_out
from depthwise_conformance.workers.protocol import (
    DTYPES,
    PREFIX,
    VERSION,
    AnyArray,
    Message,
    decode,
    encode,
    frame_sizes,
)
from depthwise_conformance.workers.steps import Facts, StepError, Steps

Result = tuple[Mapping[str, Any], Mapping[str, AnyArray]]
MAX_MESSAGE = 20_000
MAX_PRINTED = 2_000  # characters of what an adapter prints that go with an answer
FRAMES = 8  # of a traceback
BUFFER = 1 << 18
WATCHED = 8  # arrays returned last, which must not change any more


class BadReturnError(Exception):
    """The adapter returned something that is not what its interface says."""


class Server:
    """Answers `run` messages with an adapter's methods, and watches what they do to their arguments."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self._returned: deque[tuple[AnyArray, bytes]] = deque(maxlen=WATCHED)
        self._last: tuple[object, LayerConfig] = (None, LayerConfig((1, 1)))
        self._operations: dict[str, Callable[[Message], Result]] = {
            "forward": self._forward,
            "gradients": self._gradients,
            "output_shape": self._output_shape,
            "layer": self._use_layer,
            "laid_out": self._laid_out,
        }

    def answer(self, message: Message) -> Message:
        """The result of one `run` message."""
        before = {name: _content(array) for name, array in message.arrays.items()}
        start = time.perf_counter()
        try:
            header, arrays = self._operations[message.header["operation"]](message)
        except Unsupported as reason:
            header, arrays = {"outcome": "unsupported", "message": _said(reason)}, {}
        except BadReturnError as error:
            header, arrays = {"outcome": "bad_return", "message": _said(error)}, {}
        except MemoryError:
            raise
        except StepError as error:
            cause = error.__cause__
            assert isinstance(cause, Exception)
            header, arrays = {**self._describe(cause), "step": str(error)}, {}
        except Exception as error:  # whatever a framework raises is an observation
            header, arrays = self._describe(error), {}
        changed = [name for name, array in message.arrays.items() if _content(array) != before[name]]
        observed = {
            "type": "result",
            "seconds": time.perf_counter() - start,
            "mutated": changed,
            "shared": [name for name, array in message.arrays.items() if _overlaps(array, arrays)],
            "overwritten": self._overwritten(arrays),
            "printed": HEARD.take(),
        }
        return Message({**observed, **header}, arrays)

    def _describe(self, error: Exception) -> Mapping[str, Any]:
        """What was raised, and the way to it from the adapter on."""
        return {**_describe_error(error), "traceback": _frames(error, inspect.getfile(type(self._adapter)))}

    def _overwritten(self, arrays: Mapping[str, AnyArray]) -> bool:
        """Whether an earlier result, which its caller may still hold, has changed since it was returned."""
        changed = any(array.tobytes() != content for array, content in self._returned)
        self._returned.extend((array, array.tobytes()) for array in arrays.values())
        return changed

    def _config(self, message: Message) -> LayerConfig:
        arguments = message.header["arguments"]
        if arguments != self._last[0]:
            self._last = (arguments, LayerConfig.from_json(arguments))
        return self._last[1]

    def _forward(self, message: Message) -> Result:
        a = message.arrays
        output = self._adapter.forward(self._config(message), a["x"], a["kernel"], a.get("bias"))
        return {"outcome": "value"}, {"output": _checked("forward", output)}

    def _gradients(self, message: Message) -> Result:
        a = message.arrays
        found = self._adapter.gradients(self._config(message), a["x"], a["kernel"], a.get("bias"), a["cotangent"])
        if not isinstance(found, Gradients):
            raise BadReturnError(f"gradients returned {_kind(found)}, not Gradients")
        parts = {"input": found.input, "kernel": found.kernel, "bias": found.bias}
        wanted = ("input", "kernel", "bias") if "bias" in a else ("input", "kernel")
        return {"outcome": "value"}, {name: _checked(f"gradients: {name}", parts[name]) for name in wanted}

    def _output_shape(self, message: Message) -> Result:
        shape: Any = self._adapter.output_shape(self._config(message), tuple(message.header["input_shape"]))
        try:
            sizes = [None if size is None else operator.index(size) for size in shape]
        except TypeError:
            raise BadReturnError(f"output_shape returned {shape!r}, not sizes or None") from None
        return {"outcome": "value", "shape": sizes}, {}

    def _laid_out(self, message: Message) -> Result:
        """A pass on arrays that lie otherwise in memory. What it does to them is not watched."""
        layout, of = message.header["layout"], message.header["of"]
        if layout not in self._adapter.layouts:
            named = ", ".join(self._adapter.layouts) or "none"
            raise Unsupported(f"arrays that are not contiguous: the adapter passes on {named} (its `layouts`)")
        arrays = laid_out(message.arrays, layout, self._config(message).channels_last)
        operation = {"forward": self._forward, "gradients": self._gradients}[of]
        return operation(Message(message.header, arrays))

    def _use_layer(self, message: Message) -> Result:
        if unknown := set(message.header["steps"]) - set(STEPS):
            raise BadReturnError(f"steps {sorted(unknown)} are unknown; accepted are {', '.join(STEPS)}")
        facts: list[Facts] = []
        arrays: dict[str, AnyArray] = {}
        for number, (fact, found) in enumerate(Steps(self._adapter, message).take()):
            facts.append(fact)
            name = message.header["steps"][number]
            arrays |= {f"{number}.{part}": _checked(f"{name}: {part}", array) for part, array in found.items()}
        return {"outcome": "value", "facts": facts}, arrays


def _overlaps(argument: AnyArray, results: Mapping[str, AnyArray]) -> bool:
    return argument.size > 0 and any(np.may_share_memory(argument, result) for result in results.values())


def _kind(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")


def _checked(name: str, value: object) -> AnyArray:
    if not isinstance(value, np.ndarray):
        raise BadReturnError(f"{name} returned {_kind(value)}, not numpy.ndarray")
    if format_name(value.dtype) not in DTYPES:
        raise BadReturnError(f"{name} returned an array of dtype {value.dtype}")
    return np.asarray(value)  # the same memory, without what a subclass makes of it


def _content(array: AnyArray) -> tuple[object, ...]:
    return array.shape, array.dtype, array.tobytes()


def _said(error: Exception) -> str:
    try:
        return str(error)[:MAX_MESSAGE]
    except Exception:
        return f"{type(error).__name__}, whose text cannot be had"


def _describe_error(error: Exception) -> Mapping[str, Any]:
    text = "".join(traceback.format_exception_only(error)).strip()
    classes = [kind.__name__ for kind in type(error).__mro__ if issubclass(kind, Exception)]
    return {"outcome": "error", "classes": classes, "message": text[:MAX_MESSAGE]}


def _frames(error: Exception, file: str) -> str:
    """The traceback from the first of the file's own lines on, the innermost `FRAMES` of it."""
    frames = traceback.extract_tb(error.__traceback__)
    first = next((number for number, frame in enumerate(frames) if frame.filename == file), len(frames))
    return "".join(traceback.format_list(frames[first:][-FRAMES:]))[-MAX_MESSAGE:]


class Heard(io.TextIOBase):
    """Passes on what Python code prints, and keeps the end of what was printed since it was last asked."""

    def __init__(self) -> None:
        self._tail = ""

    def write(self, text: str) -> int:
        """Passes the text on to standard error."""
        self._tail = (self._tail + text)[-MAX_PRINTED:]
        if sys.__stderr__ is not None:
            sys.__stderr__.write(text)
        return len(text)

    def flush(self) -> None:
        """Passes on what is waiting."""
        if sys.__stderr__ is not None:
            sys.__stderr__.flush()

    def take(self) -> str:
        """What was printed since."""
        told, self._tail = self._tail, ""
        return told


HEARD = Heard()


def serve(source: IO[bytes], sink: IO[bytes]) -> None:
    """Answers frames until `stop` or the end of the input."""
    server = None
    while (message := _receive(source)) is not None and message.header["type"] != "stop":
        if message.header["type"] == "start":
            server, reply = start(message.header)
        elif server is not None:
            reply = server.answer(message)
        else:
            reply = Message({"type": "failed", "message": "nothing has been started"})
        _send(sink, Message({**reply.header, "id": message.header.get("id")}, reply.arrays))


def start(header: Mapping[str, Any]) -> tuple[Server | None, Message]:
    """The server of the adapter that a `start` message asks for, and the reply; no server where it cannot start."""
    try:
        if header["protocol"] != VERSION:
            raise ValueError(f"protocol {header['protocol']}; this worker speaks {VERSION}")
        _confine(header.get("cores", 0))
        adapter = load_adapter(header["adapter"])(device=header["device"], mode=header["mode"])
        return Server(adapter), Message(hello(adapter))
    except ValueError as error:
        return None, Message({"type": "failed", "message": str(error)[-MAX_MESSAGE:]})
    except BaseException as error:  # an import may raise anything, SystemExit too: all of it means "cannot start"
        text = "".join(traceback.format_exception(error)[-3:]).strip()
        return None, Message({"type": "failed", "message": text[-MAX_MESSAGE:]})


def _confine(cores: int) -> None:
    """Keeps the process to so many cores, before a framework starts its threads; 0 is all."""
    if cores:
        os.environ.update({f"{name}_NUM_THREADS": str(cores) for name in ("OMP", "MKL", "OPENBLAS", "TF_INTRAOP")})
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def hello(adapter: Adapter) -> Mapping[str, Any]:
    """The `started` message: what the adapter says of itself. Raises BadReturnError, and whatever it raises."""
    description: Any = adapter.describe()
    if not isinstance(description, Description):
        raise BadReturnError(f"describe returned {_kind(description)}, not Description")
    if unknown := sorted(set(_texts("layouts", adapter.layouts)) - set(LAYOUTS)):
        raise BadReturnError(f"layouts {unknown}: accepted are {', '.join(LAYOUTS)}")
    return {
        "type": "started",
        "protocol": VERSION,
        "name": adapter.name,
        "versions": _texts("versions", dict(description.versions)),
        "devices": list(_texts("devices", description.devices)),
        "dtypes": list(_texts("dtypes", description.dtypes)),
        "modes": list(_texts("modes", adapter.modes)),
        "unsupported": _texts("unsupported", dict(description.unsupported)),
        "arithmetic": _texts("arithmetic", dict(description.arithmetic)),
        "claims": _text("claims", description.claims or adapter.claims),
        **({"cases": adapter.cases} if adapter.cases else {}),
    }


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise BadReturnError(f"{name} are {value!r}; accepted is text in the claims language")
    return value


def _texts(name: str, values: Any) -> Iterable[str]:
    """The values, if they are strings (a mapping's keys and values, too)."""
    parts = [*values, *values.values()] if isinstance(values, dict) else values
    if isinstance(values, str) or not all(isinstance(part, str) for part in parts):
        raise BadReturnError(f"{name} are {values!r}; accepted are strings")
    checked: Iterable[str] = values
    return checked


def _receive(source: IO[bytes]) -> Message | None:
    prefix = source.read(PREFIX.size)
    if len(prefix) < PREFIX.size:
        return None
    header, payload = frame_sizes(prefix)
    return decode(source.read(header), source.read(payload))


def _send(sink: IO[bytes], message: Message) -> None:
    for piece in encode(message):
        sink.write(piece)
    sink.flush()


def main() -> None:
    """Takes the standard streams for frames, and leaves the framework nothing that it could damage."""
    source, sink = (os.fdopen(os.dup(stream), mode, BUFFER) for stream, mode in ((0, "rb"), (1, "wb")))
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    faulthandler.enable()  # where a crash happened is among its last words
    sys.stdout = sys.stderr = HEARD
    serve(source, sink)
