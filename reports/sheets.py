"""Rows of a dataclass as a CSV file, a column for every field; text is guarded against spreadsheets (see `cells`)."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from depthwise_conformance.reports.cells import columns, decode, encode_row
from depthwise_conformance.reports.files import beside

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
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        if list(table.columns) != list(kinds):
            raise ValueError(f"the columns are {list(table.columns)}, not {list(kinds)}")
        rows = table.itertuples(index=False, name=None)
        return [kind(*(decode(cell, of) for cell, of in zip(row, kinds.values(), strict=True))) for row in rows]
    except ValueError as error:
        raise ValueError(f"{path.parent}: {path.name} is malformed: {error}") from None
