"""What the checks of other projects find: each coded in NumPy, and tried on the fakes of the tests.

    python benchmarks/peers [--ours] [--markdown] [--each] [--suite TEXT ...] [--only FAULT ...] [--seeds 3]

For each suite: how many faults it catches, of how many that any bit of its cases could show (a result that is not the
honest one bit for bit, an argument that was changed, another result for the same arguments), of how many in all. Each
faulty kernel is a fresh object for each suite. Honest kernels are put through every check first; one that fails is a
mistake of the encoding, and ends the program. Suites of random cases run with three seeds, and the range is told. Where
strides and dilation meet, which Keras refuses, cases count apart. What is coded of each suite, and what is cut, stands
in the module of its name; faults that are left out in `catalogue`. `--ours` adds this project's own suite: minutes. The
fakes are ours, made for what our own suite has to find, so its row says that it keeps its word, and the others what
their cases and tolerances let through. All of it takes a quarter of an hour or more on two cores.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.pop(0)  # this folder, whose modules are of `peers`
sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "fakes"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from peers.catalogue import FAULTS, HONEST_FAKES, SUITES
from peers.table import Row, print_each, print_table, span, suite_row, union_row
from peers.trying import Trial, try_suite


def main() -> int:
    """Prints the table; 1 if an honest kernel fails a check."""
    options = _options()
    chosen = [i for i, suite in enumerate(SUITES) if not options.suite or _named(suite.name, options.suite)]
    by_suite = tried(chosen, options.seeds, options.only, options.processes)
    if blamed := [f"{t.suite}, seed {t.seed}: {t.blamed}" for trials in by_suite for t in trials if t.blamed]:
        print("Honest kernels fail, so that these checks are coded wrongly:", *blamed, sep="\n  ", file=sys.stderr)
        return 1
    rows = [suite_row(trials) for trials in by_suite]
    if len(by_suite) > 1:
        rows.append(union_row(by_suite))
    if options.ours:
        rows.append(_our_row(options.only, options.seeds))
    if options.each:
        print_each(by_suite)
    print_table(rows, options.markdown)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", action="store_true", help="a row for this project's own suite, too")
    parser.add_argument("--markdown", action="store_true", help="the table as Markdown")
    parser.add_argument("--each", action="store_true", help="for each fault, which suites catch or could see it")
    parser.add_argument("--suite", nargs="*", default=[], metavar="TEXT", help="suites whose names contain this")
    parser.add_argument("--only", nargs="*", default=[], metavar="FAULT", help="names of faults")
    parser.add_argument("--seeds", type=int, default=3, help="for suites of random cases (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=min(os.cpu_count() or 1, 8))
    return parser.parse_args()


def _named(name: str, texts: Sequence[str]) -> bool:
    return any(text.lower() in name.lower() for text in texts)


def tried(chosen: Sequence[int], seeds: int, only: Sequence[str], processes: int) -> list[list[Trial]]:
    """The trials of every suite, with each of its seeds."""
    with ProcessPoolExecutor(processes) as pool:
        futures = [
            [pool.submit(try_suite, index, seed, only) for seed in range(seeds if SUITES[index].random else 1)]
            for index in chosen
        ]
        found = []
        for trials in futures:
            found.append([trial.result() for trial in trials])
            print(*suite_row(found[-1]), sep="  ", file=sys.stderr, flush=True)
        return found


def _our_row(only: Sequence[str], seeds: int) -> Row:
    from peers.ours import caught

    faults = [fault for fault in FAULTS if not only or fault.__name__ in only]
    blamed = [caught(HONEST_FAKES, seed, let_go=False) for seed in range(seeds)]
    if any(blamed):
        raise SystemExit(f"Our own suite blames honest kernels: {blamed}")
    found = [caught(faults, seed) for seed in range(seeds)]
    return Row("ours (1000 cases drawn)", "", "", span(map(len, found)), "", str(len(faults)), "")


if __name__ == "__main__":
    sys.exit(main())
