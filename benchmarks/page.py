"""Seconds until a run folder is a page, and until a browser shows it: `python benchmarks/page.py [RECORDS]`.

The records are made up: seven targets, eleven checks, one case in ten fails or is declined, and 50 discrepancies. The
browser is Chromium, where it is found.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))
from browser import Browser, find_browser
from reported import DISCREPANCY, RECORD, run_json, write_folder

from depthwise_conformance.reports.page import write_page
from depthwise_conformance.reports.record import CHECKS, Record, Verdict

TARGETS = [f"target-{number}@cpu" for number in range(7)]
ASKED = CHECKS[:11]
DTYPES = ("float32", "float64", "float16", "bfloat16")
VERDICTS = (Verdict.UNSUPPORTED, Verdict.WRONG_VALUE, Verdict.REFUSED)


def make_records(count: int) -> list[Record]:
    """So many records, the same whenever it is called."""
    chance, records = random.Random(0), []
    for case in range(count // (len(TARGETS) * len(ASKED)) + 1):
        arguments = json.dumps({"kernel_size": chance.choices((1, 2, 3, 5, 7), k=2), "padding": "same"})
        shape = json.dumps(chance.choices(range(1, 20), k=4))
        given = {"case": f"{case:016x}", "arguments": arguments, "input_shape": shape, "dtype": chance.choice(DTYPES)}
        for target in TARGETS:
            for check in ASKED:
                verdict = chance.choice(VERDICTS) if chance.random() < 0.1 else Verdict.PASS
                error = chance.random() * (1.0 if verdict is Verdict.PASS else 50.0)
                records.append(replace(RECORD, target=target, check=check, verdict=verdict, error=error, **given))
    return records[:count]


def main() -> None:
    """Prints the size of the page, and how long both took."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    found = [
        replace(DISCREPANCY, id=f"{number:08x}", target=TARGETS[number % 7], family=f"output value {number // 3}")
        for number in range(50)
    ]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        folder = write_folder(Path(scratch) / "run", make_records(count), found, run_json())
        write_page(folder)  # imports and compiles what it takes
        start, busy = time.perf_counter(), time.process_time()
        page = write_page(folder)
        wall, busy = time.perf_counter() - start, time.process_time() - busy
        print(f"{count:,} records: {page.stat().st_size / 1e6:.2f} MB in {wall:.2f} s ({busy:.2f} s of the processor)")
        if program := find_browser():
            with Browser(program, Path(scratch) / "profile") as browser:
                print(f"shown after {min(browser.open(page.as_uri()) for _ in range(3)):.2f} s")


if __name__ == "__main__":
    main()
