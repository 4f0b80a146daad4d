"""Workers written by others, in any language."""

from __future__ import annotations

import sys

import pytest
from worker_calls import forward, gradients, kinds, output_shape

from depthwise_conformance.workers.worker import WorkerBrokenError

SCRIPT = """
import os, sys
from depthwise_conformance.workers.protocol import PREFIX, Message, decode, encode, frame_sizes
import numpy as np
hello, answer, arrays = eval(sys.argv[1])
source, sink = os.fdopen(0, "rb"), os.fdopen(1, "wb")
while len(prefix := source.read(PREFIX.size)) == PREFIX.size:
    header, payload = frame_sizes(prefix)
    message = decode(source.read(header), source.read(payload))
    reply = Message(hello) if message.header["type"] == "start" else Message(answer, {n: np.ones(1) for n in arrays})
    sink.writelines(encode(reply))
    sink.flush()
"""
HELLO = {"type": "started", "protocol": 1, "name": "foreign", "versions": {}, "unsupported": {}}
HELLO |= {"devices": ["cpu"], "dtypes": [], "modes": []}
ANSWER = {"type": "result", "outcome": "value"}


def foreign(hello: dict, answer: dict, arrays: tuple[str, ...] = ()) -> tuple[str, ...]:
    return (sys.executable, "-P", "-c", SCRIPT, repr((hello, answer, arrays)))


@pytest.mark.parametrize(
    "change",
    [
        {"protocol": 2},
        {"name": None},
        {"name": ""},
        {"name": "two\nlines"},
        {"name": "\ud800"},
        {"versions": None},
        {"versions": {"numpy": 2}},
        {"devices": "cpu"},
        {"modes": [1]},
        {"unsupported": []},
    ],
    ids=str,
)
def test_a_malformed_description_is_the_environments_fault(start, change):
    with pytest.raises(WorkerBrokenError, match=r"malformed|protocol"):
        start("Quiet", command=foreign({**HELLO, **change}, ANSWER)).start()


@pytest.mark.parametrize(
    ("call", "answer", "arrays"),
    [
        (forward, {"type": "result"}, ()),
        (forward, {"type": "failed", "message": "no"}, ()),
        (forward, {"type": "result", "outcome": "brilliant"}, ()),
        (forward, {"type": "result", "outcome": ["value"]}, ()),
        (forward, {**ANSWER}, ("y",)),
        (forward, {**ANSWER, "seconds": "many"}, ("output",)),
        (forward, {**ANSWER, "mutated": 3}, ("output",)),
        (forward, {"type": "result", "outcome": "error"}, ()),
        (forward, {"type": "result", "outcome": "error", "classes": 1}, ()),
        (gradients, {**ANSWER}, ("input", "kernel")),
        (output_shape, {**ANSWER}, ()),
        (output_shape, {**ANSWER, "shape": None}, ()),
        (output_shape, {**ANSWER, "shape": 4}, ()),
        (output_shape, {**ANSWER, "shape": ["1"]}, ()),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_malformed_answer_is_a_crash(start, call, answer, arrays):
    worker = start("Quiet", command=foreign(HELLO, answer, arrays))
    ((outcome,),) = worker.run([(call(),)])
    assert outcome.kind == "crashed"
    assert outcome.message.startswith("the worker's answer could not be read: ")


def test_a_foreign_worker_that_keeps_to_the_protocol_is_a_target(start):
    worker = start("Quiet", command=foreign(HELLO, ANSWER, ("output",)))
    assert worker.start()["name"] == "foreign"
    assert kinds(worker, (forward(), forward())) == [["value", "value"]]
