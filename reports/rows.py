"""The rows of `results.parquet`, read: each is a whole Record, or is refused by its number and field."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from depthwise_conformance.reports.cells import columns
from depthwise_conformance.reports.files import open_plain
from depthwise_conformance.reports.record import Record, Verdict

RESULTS = "results.parquet"
COLUMNS = columns(Record)
# Few distinct values in many rows: read as categories. The others differ from row to row.
CATEGORIES = ["target", "device", "versions", "check", "verdict", "dtype", "recipe"]
# A case's seed is any number of 64 bits.
_ARROW = {str: pa.string(), Verdict: pa.string(), float: pa.float64(), int: pa.uint64()}
SCHEMA = pa.schema([(name, _ARROW[kind]) for name, kind in COLUMNS.items()])
_EARLIER = pa.schema(list(SCHEMA)[:-2])  # of releases that wrote neither `discrepancy` nor `seconds`
_VERDICTS = pa.array([verdict.value for verdict in Verdict])


class Rows:
    """The results of a run folder, opened; a context manager. Raises ValueError that names the folder."""

    def __init__(self, folder: Path, names: Sequence[str] = SCHEMA.names, categories: Sequence[str] = ()) -> None:
        self._folder, path = folder, folder / RESULTS
        try:
            open_plain(path).close()
            there = pq.read_schema(path).remove_metadata()
            if there not in (SCHEMA, _EARLIER):
                raise ValueError(f"{folder}: {RESULTS} has the columns {_told(there)}, not {_told(SCHEMA)}")
            self._file = pq.ParquetFile(path, read_dictionary=[name for name in categories if name in names])
        except FileNotFoundError:
            raise ValueError(f"{folder}: {RESULTS} is missing") from None
        except OSError as error:
            raise ValueError(f"{folder}: {RESULTS} {error.strerror or error}") from None
        except pa.ArrowException as error:
            raise self._fault(error) from None
        self.names = [name for name in there.names if name in names]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def table(self) -> Any:
        """All of them. Raises ValueError that names the folder, and the row and field where it can."""
        try:
            found = self._file.read(columns=self.names)
            self._check(found, 0)
        except (OSError, pa.ArrowException) as error:
            raise self._fault(error) from None
        return found

    def batches(self, size: int) -> Iterator[Any]:
        """So many at a time. Raises ValueError as `table` does."""
        seen = 0
        try:
            for batch in self._file.iter_batches(size, columns=self.names):
                self._check(batch, seen)
                seen += batch.num_rows
                yield batch
        except (OSError, pa.ArrowException) as error:
            raise self._fault(error) from None

    def _check(self, some: Any, seen: int) -> None:
        some.validate(full=True)
        for name, column in zip(some.schema.names, some.columns, strict=True):
            bad = column.is_null()
            if name == "verdict":
                bad = pc.or_(bad, pc.invert(pc.is_in(column.cast(pa.string()), value_set=_VERDICTS)))
            if (place := pc.index(bad, True).as_py()) >= 0:
                what = f"row {seen + place + 1}, {name}: {column[place].as_py()!r:.80}"
                raise ValueError(f"{self._folder}: {RESULTS} is malformed: {what}")

    def _fault(self, error: Exception) -> ValueError:
        return ValueError(f"{self._folder}: {RESULTS} is not a complete Parquet file: {error}")


def _told(schema: Any) -> str:
    return ", ".join(f"{one.name} ({one.type})" for one in schema)
