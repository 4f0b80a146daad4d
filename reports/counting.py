"""The results of a run folder, counted and chosen from: some columns, so many rows in memory at a time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped]
from numpy.typing import NDArray

from depthwise_conformance.reports.record import NOT_JUDGED, Verdict, rank
from depthwise_conformance.reports.rows import COLUMNS, Rows

READ_ROWS = 50_000


def summarise_folder(folder: Path, by: Sequence[str] = ("target", "check")) -> list[dict[str, Any]]:
    """One row for every target and check (or other `by`): how many of each verdict, `judged`, `worst_error`.

    `judged` counts the cases that were: neither `unsupported` nor `broken`. `worst_error` is in units of the bound,
    NaN where nothing was measured. Raises ValueError that names the folder and what is wrong, as all here do.
    """
    counts: dict[tuple[str, ...], Counter[str]] = {}
    worst: dict[tuple[str, ...], float] = {}
    for batch in _batches(folder, [*by, "verdict", "error"]):
        columns = Columns(batch)
        errors = columns.numbers("error")
        for (*names, verdict), places in columns.groups(*by, "verdict"):
            key = tuple(names)
            counts.setdefault(key, Counter())[verdict] += len(places)
            worst[key] = float(np.fmax.reduce(errors[places], initial=worst.get(key, math.nan)))
    rows = []
    for key, verdicts in counts.items():
        each = {verdict.value: verdicts[verdict.value] for verdict in Verdict}
        judged = verdicts.total() - sum(verdicts[name] for name in NOT_JUDGED)
        rows.append({**dict(zip(by, key, strict=True)), **each, "judged": judged, "worst_error": worst[key]})
    return sorted(rows, key=lambda row: [rank(row[name]) if name == "check" else (0, row[name]) for name in by])


def count_reasons(folder: Path, verdict: Verdict, by: Sequence[str]) -> Counter[tuple[str, ...]]:
    """How many records of that verdict have the same `by` and the same reason (signature, or else detail), the last."""
    found: Counter[tuple[str, ...]] = Counter()
    for batch in _batches(folder, [*by, "verdict", "signature", "detail"]):
        chosen = batch.filter(pc.equal(batch["verdict"], verdict.value))
        signature = chosen["signature"]
        reason = pc.if_else(pc.equal(signature, ""), chosen["detail"], signature)
        found.update(zip(*(chosen[name].to_pylist() for name in by), reason.to_pylist(), strict=True))
    return found


def read_check(folder: Path, check: str, names: Sequence[str]) -> list[dict[str, str]]:
    """Some columns of a check's records, which hold text."""
    found: list[dict[str, str]] = []
    for batch in _batches(folder, ["check", *names]):
        found += batch.filter(pc.equal(batch["check"], check)).select(list(names)).to_pylist()
    return found


def read_columns(folder: Path, names: Sequence[str]) -> Columns:
    """Some columns of all records, texts as categories. Raises ValueError that names the folder and what is wrong."""
    texts = [name for name in names if COLUMNS[name] in (str, Verdict)]
    with Rows(folder, names, texts) as rows:
        return Columns(rows.table())


class Columns:
    """Columns of records, which are known by their places."""

    def __init__(self, table: Any) -> None:
        self._table = table.unify_dictionaries().combine_chunks()

    def chosen(self, where: NDArray[np.bool_]) -> Columns:
        """The same of some records."""
        return Columns(self._table.filter(pa.array(where)))

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A column of numbers."""
        return np.asarray(self._table[name].to_numpy(), np.float64)

    def codes(self, name: str) -> tuple[NDArray[np.int64], list[str]]:
        """A column of texts: for each record which of the distinct texts it has, and these as they come first."""
        column = self._table[name]
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        if not column.num_chunks:
            return np.zeros(0, np.int64), []
        column = column.combine_chunks()
        return column.indices.to_numpy().astype(np.int64), column.dictionary.to_pylist()

    def among(self, name: str, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Which records have one of these texts."""
        codes, distinct = self.codes(name)
        return np.array([text in texts for text in distinct], np.bool_)[codes]

    def groups(self, *names: str) -> Iterator[tuple[tuple[str, ...], NDArray[np.int64]]]:
        """The records, by their places, that have the same texts: by the order in which texts come first."""
        coded = [self.codes(name) for name in names]
        if not len(self):
            return
        place = np.ravel_multi_index([codes for codes, _ in coded], [len(distinct) for _, distinct in coded])
        order = np.argsort(place, kind="stable")
        for some in np.split(order, np.flatnonzero(np.diff(place[order])) + 1):
            yield tuple(distinct[codes[some[0]]] for codes, distinct in coded), some

    def rows(self, places: Sequence[int] | NDArray[np.int64], names: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Some records, by their places, with some of their columns, or all."""
        table = self._table.select(list(names)) if names else self._table
        found: list[dict[str, Any]] = table.take(pa.array(places)).to_pylist()
        return found


def _batches(folder: Path, columns: Sequence[str]) -> Iterator[Any]:
    with Rows(folder, columns) as rows:
        for batch in rows.batches(READ_ROWS):
            yield pa.Table.from_batches([batch])
