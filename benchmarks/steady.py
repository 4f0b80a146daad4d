"""Is the same told on a slow and on a busy machine? Runs of one target are compared: quiet, busy, and slowed.

Quiet is as the machine is; busy, with a process that computes for ever on every core; slowed, with a worker that takes
longer for every call. `discrepancies.csv` has to be the same, line by line. Exit status 1 where it is not.

    python benchmarks/steady.py [torch | NAME_OF_A_FAKE] [--slowed-by 0.05] [-- OPTIONS OF run]
"""

from __future__ import annotations

import argparse
import difflib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

SLOWED = Path(__file__).with_name("slowed.py")


def told(name: str, words: Sequence[str], slowed_by: float = 0.0) -> str:
    """The text of `discrepancies.csv` of a run of this target.

    Raises RuntimeError where the run could not judge it, or was cut short.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "depthwise_conformance.running.cli", "run", "--adapter", f"{SLOWED}:{name}"]
        done = subprocess.run(
            [*command, "--out", "run", *words],
            cwd=folder,
            env={**os.environ, "SLOWED_BY": str(slowed_by)},
            capture_output=True,
            text=True,
        )
        if done.returncode not in (0, 1):
            raise RuntimeError(f"status {done.returncode}: {done.stderr}")
        return (Path(folder) / "run" / "discrepancies.csv").read_text("utf-8").replace(folder, ".")


@contextmanager
def busy() -> Iterator[None]:
    """Two processes to a core that compute for ever."""
    command = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(command) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def main() -> int:
    """Prints a line for each run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", default="torch")
    parser.add_argument("--slowed-by", type=float, default=0.05, help="seconds a call")
    parser.add_argument("words", nargs="*", help="options of run, after --")
    options = parser.parse_args()
    texts = {}
    for kind, slowed_by in (("quiet", 0.0), ("slowed", options.slowed_by), ("busy", 0.0)):
        begin = time.perf_counter()
        if kind == "busy":
            with busy():
                texts[kind] = told(options.name, options.words)
        else:
            texts[kind] = told(options.name, options.words, slowed_by)
        same = "the same" if texts[kind] == texts["quiet"] else "OTHERWISE"
        rows = texts[kind].count("\n") - 1
        print(f"{kind:>7}: {rows} lines after the heading, {same}, {time.perf_counter() - begin:.0f} s", flush=True)
        for line in difflib.unified_diff(*(text.splitlines() for text in (texts["quiet"], texts[kind])), n=0):
            print(line)
    return int(len(set(texts.values())) > 1)


if __name__ == "__main__":
    sys.exit(main())
