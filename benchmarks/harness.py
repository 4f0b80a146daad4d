"""What judging costs beside the framework's own time: `python benchmarks/harness.py [--cases N] [TARGET...]`.

For each target, in one worker process and on the same cases: the wall time of judging (reference, transport, verdicts
and all), over that of a bare loop of the same calls, with the same arguments, in the same order. Both are timed
after a first pass, so that what a framework compiles or caches is there for both, and alternately, since
machines are noisy; the medians are compared.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from depthwise_conformance.casebook.case import Case
from depthwise_conformance.reference import output_shape
from depthwise_conformance.reports.record import CHECKS, LAYER_CHECKS
from depthwise_conformance.running.drawing import BLOCK, draw_block
from depthwise_conformance.running.engine import Engine, Options
from depthwise_conformance.running.targets import Target, open_targets, requests
from depthwise_conformance.workers.protocol import Message
from depthwise_conformance.workers.worker import Worker

TIMEOUT = 600.0  # the bare loop is one request
SOUND = ("float32", "float64")
WORKER = Path(__file__).with_name("recording_worker.py")


class GivenCases(Engine):
    """The engine on cases that are already drawn: their drawing is shared by all targets of a run."""

    def __init__(self, cases: list[Case]) -> None:
        super().__init__(Options(tuple(check for check in CHECKS if check not in LAYER_CHECKS)), lambda records: None)
        self._cases = cases

    def _blocks(self) -> Iterator[tuple[int, list[Case]]]:
        yield -1, self._cases


def judged(target: Target, cases: list[Case]) -> float:
    """Seconds that judging takes."""
    engine = GivenCases(cases)
    start = time.perf_counter()
    engine.evaluate([target], {target.name: engine.options.checks})
    return time.perf_counter() - start


def bare(target: Target) -> float:
    """Seconds that the same calls take in the worker."""
    (outcomes,) = target.worker.run([(Message({"type": "run", "operation": "bare loop", "arguments": {}}),)])
    if outcomes[0].kind != "value":
        raise RuntimeError(f"{target.name}: {outcomes[0].message}")
    return outcomes[0].seconds


def compare(target: Target, cases: list[Case], repeats: int) -> tuple[float, float, float]:
    """First pass, then the medians of judging and of the bare loop, in seconds."""
    target.worker = Worker(replace(target.worker.launch, command=(sys.executable, "-P", str(WORKER))), TIMEOUT)
    try:
        first = judged(target, cases)
        bare(target)  # the worker repeats what it was asked since the last time
        times = [(judged(target, cases), bare(target)) for _ in range(repeats)]
    finally:
        target.worker.close()
    return first, *(statistics.median(column) for column in zip(*times, strict=True))


def is_sound(case: Case) -> bool:
    """Not one of those by which TensorFlow and torch damage their memory (docs/findings.md): a bare loop dies of it."""
    return case.dtype in SOUND and case.config.strides == (1, 1) and output_shape(case.config, case.input_shape)[0] > 0


def main() -> None:
    """Prints the ratios side by side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", nargs="*")
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    blocks = range(-(-3 * options.cases // BLOCK))
    cases = [case for block in blocks for case in draw_block(block, BLOCK) if is_sound(case)][: options.cases]
    table = Table(title=f"{len(cases)} cases, all checks", title_justify="left")
    for column in ("target", "first pass, s", "judged, s", "bare loop, s", "judged / bare"):
        table.add_column(column, justify="left" if column == "target" else "right")
    for target in open_targets(requests(options.target, []), TIMEOUT, "cpu"):
        target.worker.close()
        try:
            first, with_judging, without = compare(target, cases, options.repeats)
        except RuntimeError as error:  # what judging survives, a bare loop need not
            print(error, file=sys.stderr)
            table.add_row(target.name, "", "", "died", "")
            continue
        figures = (f"{first:.2f}", f"{with_judging:.2f}", f"{without:.2f}", f"{with_judging / without:.2f}")
        table.add_row(target.name, *figures)
        print(target.name, *figures, file=sys.stderr)
    Console().print(table)


if __name__ == "__main__":
    main()
