"""Time and memory by the number of cases: `python benchmarks/scaling.py [COUNT...]`.

Each line is a whole run of the command, in a process of its own, on the honest fake of the tests, with the peak memory
of that process (not its worker) by the operating system's count.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

HONEST = f"{Path(__file__).parent.parent / 'tests' / 'fakes' / 'by_name.py'}:Honest"
COUNTS = (100, 1_000, 10_000, 100_000)


def measure(count: int) -> tuple[float, float]:
    """Seconds and peak MiB of a run of `count` cases."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "depthwise_conformance.running.cli", "run", "--adapter", HONEST]
        command += ["--examples", str(count), "--out", str(Path(folder) / "run")]
        start = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
    if status != 0:
        raise RuntimeError(f"a run of {count} cases failed")
    return seconds, usage.ru_maxrss / 1024


def main() -> None:
    """Prints a line for each count, with the ratios to the line before."""
    table = Table("cases", "seconds", "cases per second", "peak MiB", "time ratio", "memory ratio")
    before: tuple[float, float] | None = None
    for count in [int(argument) for argument in sys.argv[1:]] or COUNTS:
        now = measure(count)
        ratios = ("", "") if before is None else tuple(f"{b / a:.2f}" for a, b in zip(before, now, strict=True))
        table.add_row(f"{count}", f"{now[0]:.1f}", f"{count / now[0]:.0f}", f"{now[1]:.0f}", *ratios)
        before = now
    Console().print(table)


if __name__ == "__main__":
    main()
