"""Is a run that was killed again and again, and resumed, the run that was not? Their folders are compared.

The whole process is killed (SIGKILL) as soon as its journal has so many rows more than it had, a number that is drawn
from a seed: no point hangs on a clock. Then `run --resume` goes on, and is killed in turn; a run that comes to its end
before that is compared with the one that was left alone, and the next one begins. Exit status 1 where they differ.

    python benchmarks/killed.py [--kills 50] [--seed 0] [--rows 60] [--adapter FILE:CLASS] [-- OPTIONS OF run]
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from depthwise_conformance.reports.frames import read_results
from depthwise_conformance.reports.journal import read_journal

FAKE = Path(__file__).parents[1] / "tests" / "fakes" / "by_name.py"
OUT = "run"
JOURNAL = Path(OUT, "unfinished", "journal.arrows")
COMMAND = (sys.executable, "-P", "-m", "depthwise_conformance.running.cli", "run")
POLL = 0.02  # seconds between looks at the journal


def begin(folder: Path, words: Sequence[str]) -> subprocess.Popen[bytes]:
    """Starts a run of these words in a folder."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([*COMMAND, *words], cwd=folder, start_new_session=True, **quiet)  # type: ignore[call-overload]


def rows(folder: Path) -> int:
    """How many rows the journal has."""
    with suppress(ValueError):
        return sum(batch.num_rows for batch in read_journal(folder / JOURNAL).batches)
    return 0


def killed(folder: Path, words: Sequence[str], more: int) -> bool:
    """Whether a run was killed when its journal had so many rows more; it came to its end where not."""
    known, size = rows(folder), -1
    process = begin(folder, words)
    while process.poll() is None:
        with suppress(FileNotFoundError):
            now = (folder / JOURNAL).stat().st_size
            if now != size and rows(folder) >= known + more:
                process.kill()
                return process.wait() < 0
            size = now
        time.sleep(POLL)
    if process.returncode not in (0, 1):
        raise RuntimeError(f"a run ended with status {process.returncode}")
    return False


def content(folder: Path) -> dict[str, str]:
    """What a run says, by file: all but times and the page, which tells them."""
    out = folder / OUT
    names = [
        "discrepancies.csv",
        *(str(path.relative_to(out)) for part in ("cases", "repro") for path in (out / part).rglob("*")),
    ]
    found = {name: (out / name).read_text("utf-8").replace(str(out), OUT) for name in names if (out / name).is_file()}
    results = read_results(out).drop(columns="seconds").astype(str)
    found["results.parquet"] = results.sort_values(list(results.columns)).to_csv(index=False)
    return found


def rounds(kills: int, words: Sequence[str], draw: random.Random, most: int) -> Iterator[tuple[int, dict[str, str]]]:
    """Runs that were killed, each with how often, and what it says in the end."""
    left = kills
    while left:
        with tempfile.TemporaryDirectory() as scratch:
            folder, times = Path(scratch), 0
            given = [*words, "--out", OUT]
            while left and killed(folder, given, draw.randint(1, most)):
                times, left = times + 1, left - 1
                given = ["--resume", OUT] if (folder / JOURNAL).exists() else given
            if times and not (folder / OUT / "run.json").exists():
                begin(folder, given).wait()
            yield times, content(folder)


def main() -> int:
    """Prints a line for each run that was killed; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=60, help="the most rows between two kills")
    parser.add_argument("--adapter", default=f"{FAKE}:KernelFlipped")
    parser.add_argument("words", nargs="*", help="options of run, after --")
    options = parser.parse_args()
    words = ["--adapter", options.adapter, *(options.words or ["--examples", "20", "--check", "output"])]
    with tempfile.TemporaryDirectory() as scratch:
        begin(Path(scratch), [*words, "--out", OUT]).wait()
        whole = content(Path(scratch))
    differing = 0
    for times, said in rounds(options.kills, words, random.Random(options.seed), options.rows):
        wrong = sorted(name for name in {*whole, *said} if whole.get(name) != said.get(name))
        differing += bool(wrong)
        print(f"killed {times} times and resumed: {', '.join(wrong) or 'the same'}", flush=True)
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
