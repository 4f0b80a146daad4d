"""The tables of a run folder: `results.parquet` and `results.csv`, `discrepancies.csv`, and the union of several."""

from __future__ import annotations

import csv
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from depthwise_conformance.reports.cells import encode_row, storable
from depthwise_conformance.reports.files import at_once, is_plain
from depthwise_conformance.reports.folders import PARTS, install, objection
from depthwise_conformance.reports.layers import read_layers, write_layers
from depthwise_conformance.reports.record import Discrepancy, Record, Verdict
from depthwise_conformance.reports.rows import COLUMNS, RESULTS, SCHEMA, Rows
from depthwise_conformance.reports.runs import read_runs, write_runs
from depthwise_conformance.reports.sheets import read_sheet, write_sheet

RESULTS_CSV = "results.csv"
DISCREPANCIES = "discrepancies.csv"
GROUP_ROWS = 10_000
GROUP_CHARACTERS = 64_000_000  # a row group's worth of long messages, should every row bring one

_TOLD = [name for name in COLUMNS if name != "seconds"]  # in the CSV file: the same for the same seed
Join = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]


class RecordWriter:
    """Streams records to `results.parquet` and `results.csv`: a context manager, to be written from any thread.

    Memory stays flat: rows leave by the group. Leaving the context completes both files, whatever ended the run.
    The CSV file guards text against spreadsheets (see `cells`) and has no `seconds`, so that the same run writes the
    same file; the Parquet file has all of it as it was.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._rows: list[Record] = []
        self._characters = 0
        self._files = ExitStack()
        self._open = False

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            self._csv = csv.writer(stack.enter_context(at_once(self._folder / RESULTS_CSV)))
            self._csv.writerow(_TOLD)
            file = stack.enter_context(at_once(self._folder / RESULTS, "wb"))
            self._parquet = stack.enter_context(pq.ParquetWriter(file, SCHEMA, compression="zstd", use_dictionary=True))
            self._files = stack.pop_all()
        self._open = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock, self._files:
            self._open = False
            self._flush()

    def write(self, records: Sequence[Record]) -> None:
        """Takes records in; they reach the files with their row group. Raises ValueError outside of the context."""
        with self._lock:
            if not self._open:
                raise ValueError(f"{self._folder}: the writer is not open")
            for record in records:
                self._rows.append(record)
                self._characters += len(record.detail) + len(record.signature)
                if len(self._rows) >= GROUP_ROWS or self._characters >= GROUP_CHARACTERS:
                    self._flush()

    def _flush(self) -> None:
        rows, self._rows, self._characters = self._rows, [], 0
        if rows:
            self._parquet.write_table(_table(rows))
            self._csv.writerows(encode_row(row, _TOLD) for row in rows)


def write_discrepancies(folder: Path, discrepancies: Sequence[Discrepancy]) -> None:
    """Writes `discrepancies.csv`, a column for every field."""
    write_sheet(folder / DISCREPANCIES, Discrepancy, discrepancies)


def read_discrepancies(folder: Path) -> list[Discrepancy]:
    """The rows of a run folder's `discrepancies.csv`. Raises ValueError that names the folder and what is wrong."""
    path = folder / DISCREPANCIES
    if not path.exists():
        raise ValueError(f"{folder}: {DISCREPANCIES} is missing")
    return read_sheet(path, Discrepancy)


def merge(folders: Sequence[Path], out: Path, join: Join = list) -> None:
    """Joins run folders into one: results, discrepancies, cases, scripts, and `run.json` as a list of runs.

    A discrepancy that several runs of one target found becomes one, its counts added. `join` makes of all the runs
    those that `run.json` tells. Raises ValueError that names the folder and what is missing or malformed, or that
    `out` is no run's folder, before anything is written; then all of it is made in private, and put there.
    """
    places = [folder.resolve() for folder in folders]
    if out.resolve() in places:
        raise ValueError(f"{out}: is one of the folders to merge")
    if twice := [folder for folder, place in zip(folders, places, strict=True) if places.count(place) > 1]:
        raise ValueError(f"{twice[0]}: is given {len(twice)} times; each counts once")
    if why := objection(out):
        raise ValueError(f"{out}: {why}")
    runs = [run for folder in folders for run in read_runs(folder)]
    _refuse_copies(folders)
    found = [discrepancy for folder in folders for discrepancy in read_discrepancies(folder)]
    for folder in folders:
        with Rows(folder):
            pass
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch)
        passed = _copy_results(folders, made)
        write_discrepancies(made, _join(found, passed))
        write_layers(made, [row for folder in folders for row in read_layers(folder)])
        for folder in folders:
            _copy_new(folder, made, "cases/*.json")
            _copy_new(folder, made, "cases/arrays/*.npy")
            for suffix in PARTS["repro"]:
                _copy_new(folder, made, f"repro/*{suffix}")
        write_runs(made, join(runs))
        install(made, out)


def _refuse_copies(folders: Sequence[Path]) -> None:
    """Raises ValueError where two folders hold the same run, which would count twice."""
    holders: dict[str, Path] = {}
    for folder in folders:
        for name in {run["id"] for run in read_runs(folder) if "id" in run}:
            if (other := holders.setdefault(name, folder)) != folder:
                raise ValueError(f"{folder}: holds the run {name} that {other} holds, too; each counts once")


def _table(rows: Sequence[Record]) -> Any:
    values = {name: [getattr(row, name) for row in rows] for name in COLUMNS}
    for name, kind in COLUMNS.items():
        if kind in (str, Verdict):
            values[name] = [storable(str(value)) for value in values[name]]
    return pa.table(values, schema=SCHEMA)


def _copy_results(folders: Sequence[Path], out: Path) -> Counter[tuple[str, ...]]:
    """Copies all records; counts the passes of every target and check."""
    passed: Counter[tuple[str, ...]] = Counter()
    with RecordWriter(out) as writer:
        for folder in folders:
            for records in _batches(folder):
                writer.write(records)
                passed.update(_place(record) for record in records if record.verdict is Verdict.PASS)
    return passed


def _batches(folder: Path) -> Iterator[list[Record]]:
    with Rows(folder) as rows:
        for batch in rows.batches(GROUP_ROWS):
            yield [Record(**{**row, "verdict": Verdict(row["verdict"])}) for row in batch.to_pylist()]


def _place(row: Record | Discrepancy) -> tuple[str, ...]:
    return row.target, row.device, row.versions, row.check


def _join(found: Iterable[Discrepancy], passed: Counter[tuple[str, ...]]) -> list[Discrepancy]:
    joined: dict[tuple[str, ...], Discrepancy] = {}
    for one in found:
        key = (one.id, *_place(one), one.dtype, one.verdict, one.signature)
        joined[key] = _add(joined[key], one) if key in joined else one
    # A run without the discrepancy has cases that pass, too.
    return [replace(one, passing=max(one.passing, passed[_place(one)])) for one in joined.values()]


def _add(one: Discrepancy, other: Discrepancy) -> Discrepancy:
    return replace(
        one,
        failing=one.failing + other.failing,
        passing=one.passing + other.passing,
        worst_error=float(np.fmax(one.worst_error, other.worst_error)),
    )


def _copy_new(folder: Path, out: Path, pattern: str) -> None:
    """Copies files of which `out` has none of that name: they are named after their content. Links stay behind."""
    for path in filter(is_plain, sorted(folder.glob(pattern))):
        copy = out / path.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if not copy.exists():
            shutil.copyfile(path, copy)
