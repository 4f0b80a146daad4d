"""Whole layers asked in their workers: those that depend on the Keras configuration in one with a home of its own."""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from depthwise_conformance.casebook.case import LayerCase, Refusal, WholeLayer
from depthwise_conformance.judging.values import Judgement
from depthwise_conformance.layers.judging import judge_layer, layer_requests
from depthwise_conformance.layers.refusals import judge_refusal, refusal_request
from depthwise_conformance.reference import Arithmetic
from depthwise_conformance.workers.outcomes import LOST, Outcome
from depthwise_conformance.workers.worker import Program, Worker

BROKEN = '{"image_data_format": '  # not JSON


def judge_layers(
    worker: Worker, declared: Mapping[str, Arithmetic], cases: Sequence[WholeLayer]
) -> Iterator[tuple[WholeLayer, Judgement]]:
    """The cases, each with its judgement by what the target declares of a dtype. Raises WorkerBrokenError."""
    for home, group in itertools.groupby(cases, key=_home):
        some = list(group)
        answers = _answers(worker, home, [_program(case) for case in some])
        for case, answer in zip(some, answers, strict=True):
            yield case, _judge(declared, case, answer)


def _answers(worker: Worker, home: str, programs: Sequence[Program]) -> Iterator[tuple[Outcome, ...]]:
    """The answers in turn; where a home of its own is needed, the target is asked first whether it has such layers.

    A worker more is not started in vain, and a worker that this loses has answered the first program so.
    """
    if home:
        ((*others, last),) = list(worker.run([programs[0]]))
        if last.kind in ("unsupported", *LOST):
            yield (*others, last)
            programs = programs[1:]
        home = "" if last.kind == "unsupported" else home
    if not home:
        yield from worker.run(programs)
        return
    with _at_home(worker, home) as other:
        yield from other.run(programs)


def _home(case: WholeLayer) -> str:
    return case.home if isinstance(case, LayerCase) else ""


def _program(case: WholeLayer) -> Program:
    return (refusal_request(case),) if isinstance(case, Refusal) else layer_requests(case)


def _judge(declared: Mapping[str, Arithmetic], case: WholeLayer, outcomes: tuple[Outcome, ...]) -> Judgement:
    if isinstance(case, Refusal):
        return judge_refusal(case, outcomes[0])
    return judge_layer(case, outcomes, declared)


@contextmanager
def _at_home(worker: Worker, home: str) -> Iterator[Worker]:
    """Another worker, whose home folder has the Keras configuration that `LayerCase.home` names."""
    with tempfile.TemporaryDirectory() as folder:
        if home != "none":
            path = Path(folder) / ".keras" / "keras.json"
            path.parent.mkdir()
            path.write_text(BROKEN if home == "broken" else json.dumps({"image_data_format": home}))
        other = worker.another(home=folder)
        try:
            yield other
        finally:
            other.close()
