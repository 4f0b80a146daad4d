"""Calls to a worker, and what becomes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from depthwise_conformance.workers import outcomes
from depthwise_conformance.workers.protocol import Message
from depthwise_conformance.workers.worker import Worker

ADAPTERS = Path(__file__).parents[1] / "fakes" / "misbehaving.py"
PATIENCE = 60.0  # seconds: for what should take one, on a machine that is busy with other things


def forward(first: float = 0.0, shape: tuple[int, ...] = (1, 2, 2, 1), dtype: str = "float32") -> Message:
    x = np.zeros(shape, dtype)
    x.reshape(-1)[:1] = first
    header = {"type": "run", "operation": "forward", "arguments": {"kernel_size": 1}}
    return Message(header, {"x": x, "kernel": np.ones((1, 1, 1, 1), dtype), "bias": np.ones(1, dtype)})


def gradients(first: float = 0.0) -> Message:
    call = forward(first)
    return Message({**call.header, "operation": "gradients"}, {**call.arrays, "cotangent": call.arrays["x"]})


def output_shape(first: int = 0) -> Message:
    header = {"type": "run", "operation": "output_shape", "arguments": {"kernel_size": 1}}
    return Message({**header, "input_shape": [first, None, 2, 1]})


def kinds(worker: Worker, *programs: tuple[Message, ...]) -> list[list[str]]:
    return [[outcome.kind for outcome in outcomes] for outcomes in worker.run(programs)]


def unlucky(worker: Worker, call=forward) -> outcomes.Outcome:
    """The outcome of the unlucky call; all others, before and after, are values."""
    before, bad, *after = worker.run([(call(),), (call(13),), *[(call(), call())] * 6])
    assert [outcome.kind for outcomes in (before, *after) for outcome in outcomes] == ["value"] * 13
    return bad[-1]
