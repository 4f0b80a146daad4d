"""What further cores bring: `python benchmarks/cores.py [--examples 1000 4000] [TARGET...]`.

Each line is a target, judged by whole runs of the command: on one core with `--jobs 1`, and on all of them with as many
workers, each worker on one core, so that no target is faster for having several to itself. Cases are drawn, and
programs compiled, by a run before. What does not grow with the number of cases (starting, comparing cores, diagnosing,
the page) is told apart from what does: the time of each further thousand.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

HONEST = f"{Path(__file__).parent.parent / 'tests' / 'fakes' / 'by_name.py'}:Honest"
FAILED = 2  # the exit status of a run that did not come to its end


def measure(target: str, examples: int, cores: Sequence[int]) -> float:
    """Seconds of a run on these cores."""
    named = ["--adapter", target] if ".py:" in target else ["--target", target]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "depthwise_conformance.running.cli", "run", *named, "--threads", "1"]
        command += ["--examples", str(examples), "--jobs", str(len(cores)), "--out", str(Path(folder) / "run")]
        start = time.perf_counter()
        ended = subprocess.run(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
            check=False,
        )
        seconds = time.perf_counter() - start
    if ended.returncode >= FAILED:
        raise RuntimeError(ended.stderr)
    return seconds


def main() -> None:
    """Prints a line for each target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", default=["torch", HONEST], metavar="TARGET")
    parser.add_argument("--examples", type=int, nargs=2, default=[1000, 4000], metavar=("FEW", "MANY"))
    options = parser.parse_args()
    every = sorted(os.sched_getaffinity(0))
    few, many = options.examples
    both = ("one core", f"{len(every)} cores", "ratio")
    names = [f"{part}, {name}" for part in (str(few), str(many), "each further 1000") for name in both]
    table = Table("target", *names, "efficiency")
    for target in options.targets:
        measure(target, many, every)
        seconds = [measure(target, examples, cores) for examples in (few, many) for cores in (every[:1], every)]
        one, all_ = ((seconds[2 + place] - seconds[place]) * 1000 / (many - few) for place in (0, 1))
        cells = [*seconds[:2], seconds[0] / seconds[1], *seconds[2:], seconds[2] / seconds[3], one, all_, one / all_]
        table.add_row(Path(target).name, *(f"{cell:.2f}" for cell in cells), f"{one / all_ / len(every):.2f}")
    Console(width=200).print(table)


if __name__ == "__main__":
    main()
