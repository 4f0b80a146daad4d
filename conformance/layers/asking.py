"""Whole layers asked in their workers: those that depend on the Keras configuration in one with a home of its own."""

from __future__ import annotations

import itertools
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from depthwise_conformance.casebook.case import LayerCase, Refusal, WholeLayer
from depthwise_conformance.judging.values import Judgement
from depthwise_conformance.layers.judging import START, judge_layer, layer_requests
from depthwise_conformance.layers.refusals import judge_refusal, refusal_request
from depthwise_conformance.reference import Arithmetic
from depthwise_conformance.workers.inside import Inside
from depthwise_conformance.workers.outcomes import LOST, Outcome
from depthwise_conformance.workers.process import WorkerLostError
from depthwise_conformance.workers.worker import Program, Worker, WorkerBrokenError

NO_HOME = "a home folder of its own takes a process of its own"
CONTENTS = {
    **{name: json.dumps({"image_data_format": name}) for name in ("channels_last", "channels_first")},
    "no_key": "{}",
    "other_keys": json.dumps({"floatx": "float32", "epsilon": 1e-07}),
    "broken": '{"image_data_format": ',  # not JSON
    "wrong_type": json.dumps({"image_data_format": 1}),
    "unreadable": "",
    "keras_home": json.dumps({"image_data_format": "channels_first"}),
}


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

    A worker more is not started in vain, and a worker that this loses has answered the first program so. One that does
    not start in this home, though it did elsewhere, has answered all of them so.
    """
    if home and isinstance(worker, Inside):
        yield from ((Outcome("unsupported", NO_HOME),) for _ in programs)
        return
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
        try:
            other.start()
        except WorkerBrokenError as error:
            yield from ((_not_started(error),) for _ in programs)
        else:
            yield from other.run(programs)


def _not_started(error: WorkerBrokenError) -> Outcome:
    if isinstance(error.__cause__, WorkerLostError):
        return Outcome("timed_out" if error.__cause__.timed_out else "crashed", str(error))
    return Outcome("error", str(error), classes=("an error",), step=START)


def _home(case: WholeLayer) -> str:
    return case.home if isinstance(case, LayerCase) else ""


def _program(case: WholeLayer) -> Program:
    return (refusal_request(case),) if isinstance(case, Refusal) else layer_requests(case)


def _judge(declared: Mapping[str, Arithmetic], case: WholeLayer, outcomes: tuple[Outcome, ...]) -> Judgement:
    judgement = judge_refusal(case, outcomes[0]) if isinstance(case, Refusal) else judge_layer(case, outcomes, declared)
    return replace(judgement, seconds=sum(outcome.seconds for outcome in outcomes))


@contextmanager
def _at_home(worker: Worker, home: str) -> Iterator[Worker]:
    """Another worker, whose home folder has the Keras configuration that `LayerCase.home` names."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / ("elsewhere" if home == "keras_home" else ".keras")
        if home != "none":
            place.mkdir()
            _write(place / "keras.json", home)
        other = worker.another(home=folder, keras_home=str(place) if home == "keras_home" else "")
        try:
            yield other
        finally:
            other.close()


def _write(path: Path, home: str) -> None:
    """The file; where nothing is kept from its reader (root), a folder takes the place of one that cannot be read."""
    path.write_text(CONTENTS[home])
    if home == "unreadable":
        path.chmod(0)
        if os.access(path, os.R_OK):
            path.unlink()
            path.mkdir()
