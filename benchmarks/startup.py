"""How soon a run begins to judge: `python benchmarks/startup.py [--times 5] [TARGET...]`.

Each line is a target. First, the time from the command to its first judged cases on disk, of a run whose cases were
drawn before; second, that from the start of the target's worker to the answer that it is ready, its framework imported.
What is left is ours: the command, the catalogue, the folder, the first cases. Medians of runs that alternate.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from depthwise_conformance.reports.journal import JOURNAL
from depthwise_conformance.running.targets import requests
from depthwise_conformance.workers.worker import Worker

TARGETS = ("torch", "jax", "onnxruntime", "tensorflow", "keras-torch")
POLL_SECONDS, LIMIT_SECONDS = 0.002, 120.0


def until_judged(target: str) -> float:
    """Seconds from the command to the first cases in the journal; the run is ended then."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        command = [sys.executable, "-m", "depthwise_conformance.running.cli", "run", "--target", target]
        start = time.perf_counter()
        child = subprocess.Popen(
            [*command, "--jobs", "1", "--out", str(out)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            while not (out / "unfinished" / JOURNAL).exists():
                if child.poll() is not None or time.perf_counter() > start + LIMIT_SECONDS:
                    raise RuntimeError(f"a run of {target} judged nothing")
                time.sleep(POLL_SECONDS)
            return time.perf_counter() - start
        finally:
            child.terminate()
            child.wait()


def until_ready(target: str) -> float:
    """Seconds until a worker of the target has imported its framework."""
    (request,) = requests([target], [])
    worker = Worker(request.launch, LIMIT_SECONDS)
    start = time.perf_counter()
    try:
        worker.start()
        return time.perf_counter() - start
    finally:
        worker.close()


def main() -> None:
    """Prints a line for each target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", default=TARGETS, metavar="TARGET")
    parser.add_argument("--times", type=int, default=5, help="(default: %(default)s)")
    options = parser.parse_args()
    table = Table("target", "judging begins after", "the framework is there after", "ours", "ratio")
    for target in options.targets:
        until_judged(target)
        pairs = [(until_judged(target), until_ready(target)) for _ in range(options.times)]
        judged, ready = (statistics.median(one) for one in zip(*pairs, strict=True))
        table.add_row(target, f"{judged:.2f} s", f"{ready:.2f} s", f"{judged - ready:.2f} s", f"{judged / ready:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
