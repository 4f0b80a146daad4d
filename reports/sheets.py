"""Rows of a dataclass as a CSV file, a column for every field; text is guarded against spreadsheets (see `cells`)."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from depthwise_conformance.reports.cells import columns, decode, encode_row
from depthwise_conformance.reports.files import beside, open_plain

R = TypeVar("R")


def write_sheet(path: Path, kind: type, rows: Iterable[Any]) -> None:
    """Writes the file in place of another."""
    names = columns(kind)
    with beside(path) as text:
        writer = csv.writer(text)
        writer.writerow(names)
        writer.writerows(encode_row(row, names) for row in rows)


def read_sheet(path: Path, kind: type[R]) -> list[R]:
    """The rows of the file. Raises ValueError that names its folder and what is wrong."""
    kinds = columns(kind)
    try:
        # pandas, because the csv module refuses cells of more than 128 KiB; its limit is global.
        with open_plain(path) as file:
            table = pd.read_csv(file, dtype=str, keep_default_na=False)
        if list(table.columns) != list(kinds):
            raise ValueError(f"the columns are {list(table.columns)}, not {list(kinds)}")
        rows = table.itertuples(index=False, name=None)
        return [kind(*_values(number, row, kinds)) for number, row in enumerate(rows, 1)]
    except OSError as error:
        raise ValueError(f"{path.parent}: {path.name} {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{path.parent}: {path.name} is malformed: {error}") from None


def _values(number: int, row: tuple[str, ...], kinds: Mapping[str, type]) -> Iterator[Any]:
    """The values of a row. Raises ValueError that names the row and the field."""
    for cell, (name, kind) in zip(row, kinds.items(), strict=True):
        try:
            yield decode(cell, kind)
        except ValueError as error:
            raise ValueError(f"row {number}, {name}: {error}") from None
