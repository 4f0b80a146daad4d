"""What judging costs beside the framework's own time: `python benchmarks/harness.py [--cases N] [TARGET...]`.

For each target, in one worker process and on the same cases: the wall time of judging (reference, transport, verdicts
and all), over that of a bare loop of the same calls, with the same arguments, in the same order. Both are timed
after a first pass, so that what a framework compiles or caches is there for both, and alternately, since
machines are noisy; the medians are compared. A case at which the process dies is left out, and a new one begins.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from depthwise_conformance.casebook.case import Case
from depthwise_conformance.judging.checks import plan
from depthwise_conformance.judging.values import expect
from depthwise_conformance.reports.record import CHECKS, LAYER_CHECKS, Record, Verdict
from depthwise_conformance.running.agenda import Options, chunks
from depthwise_conformance.running.drawing import BLOCK, draw_block
from depthwise_conformance.running.engine import Engine, Work
from depthwise_conformance.running.targets import Target, open_targets, requests
from depthwise_conformance.workers.protocol import Message
from depthwise_conformance.workers.worker import Worker

TIMEOUT = 600.0  # the bare loop is one request
CALLED = tuple(check for check in CHECKS if check not in LAYER_CHECKS)
WORKER = Path(__file__).with_name("recording_worker.py")


class DeadError(Exception):
    """The worker died, at the case of this id."""


class GivenCases(Engine):
    """The engine on cases that are already drawn: their drawing is shared by all targets of a run."""

    def __init__(self, cases: list[Case]) -> None:
        self.records: list[Record] = []
        super().__init__(Options(CALLED), self.records.extend)
        self._cases = cases

    def _operation_work(self, live: Sequence[Target], selected: Mapping[str, Collection[str]]) -> Iterator[Work]:
        for chunk in chunks(self._cases):
            yield partial(self._begin, [expect(case) for case in chunk], selected, None)

    def _work(self, live: Sequence[Target], selected: Mapping[str, Collection[str]]) -> Iterator[Work]:
        return self._operation_work(live, selected)


def judged(target: Target, cases: list[Case]) -> float:
    """Seconds that judging takes. Raises DeadError."""
    engine = GivenCases(cases)
    start = time.perf_counter()
    engine.evaluate([target], {target.name: engine.options.checks})
    seconds = time.perf_counter() - start
    if died := next((one.case for one in engine.records if one.verdict is Verdict.CRASHED), ""):
        raise DeadError(died)
    return seconds


def bare(target: Target, cases: list[Case]) -> float:
    """Seconds that the same calls take in the worker. Raises DeadError."""
    header = {"type": "run", "operation": "bare loop", "arguments": {}}
    counts = (len(plan(target.expects(expect(case)), CALLED, claim=target.claim)) for case in cases)
    answers = target.worker.run((Message({**header, "calls": count}),) for count in counts)
    seconds = 0.0
    for case, (outcome,) in zip(cases, answers, strict=True):
        if outcome.kind != "value":
            raise DeadError(case.id)
        seconds += outcome.seconds
    return seconds


def compare(target: Target, cases: list[Case], repeats: int) -> tuple[float, float, float]:
    """First pass, then the medians of judging and of the bare loop, in seconds. Raises DeadError."""
    target.worker = Worker(replace(target.worker.launch, command=(sys.executable, "-P", str(WORKER))), TIMEOUT)
    try:
        first = judged(target, cases)
        bare(target, cases)  # the worker repeats what it was asked since the last time
        times = [(judged(target, cases), bare(target, cases)) for _ in range(repeats)]
    finally:
        target.worker.close()
    return first, *(statistics.median(column) for column in zip(*times, strict=True))


def compare_surviving(target: Target, cases: list[Case], repeats: int) -> tuple[int, tuple[float, float, float]]:
    """The same, without those cases at which the worker dies; how many there are left."""
    while True:
        try:
            return len(cases), compare(target, cases, repeats)
        except DeadError as died:
            print(f"{target.name}: its process died at case {died}, which is left out", file=sys.stderr)
            cases = [case for case in cases if case.id != str(died)]


def main() -> None:
    """Prints the ratios side by side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", nargs="*")
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    blocks = range(-(-options.cases // BLOCK))
    cases = [case for block in blocks for case in draw_block(block, BLOCK)][: options.cases]
    table = Table(title=f"{len(cases)} cases, all checks", title_justify="left")
    for column in ("target", "cases", "first pass, s", "judged, s", "bare loop, s", "judged / bare"):
        table.add_column(column, justify="left" if column == "target" else "right")
    for target in open_targets(requests(options.target, []), TIMEOUT, "cpu"):
        target.worker.close()
        count, (first, with_judging, without) = compare_surviving(target, cases, options.repeats)
        figures = (f"{first:.2f}", f"{with_judging:.2f}", f"{without:.2f}", f"{with_judging / without:.2f}")
        table.add_row(target.name, str(count), *figures)
        print(target.name, count, *figures, file=sys.stderr)
    Console().print(table)


if __name__ == "__main__":
    main()
