"""`layers.csv`: the layers that somebody brought, each on every target, against the reference and other targets."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from depthwise_conformance.reports.cells import columns, decode, encode_row
from depthwise_conformance.reports.files import beside
from depthwise_conformance.reports.record import Comparison

LAYERS = "layers.csv"


def write_layers(folder: Path, rows: Sequence[Comparison]) -> None:
    """Writes `layers.csv`, a column for every field of `Comparison`, where there is a row; text is guarded."""
    if not rows:
        return
    names = columns(Comparison)
    with beside(folder / LAYERS) as text:
        writer = csv.writer(text)
        writer.writerow(names)
        writer.writerows(encode_row(row, names) for row in rows)


def read_layers(folder: Path) -> list[Comparison]:
    """The rows of a run folder's `layers.csv`, none where it has no such file.

    Raises ValueError that names the folder and what is wrong.
    """
    kinds = columns(Comparison)
    if not (path := folder / LAYERS).is_file():
        return []
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        if list(table.columns) != list(kinds):
            raise ValueError(f"the columns are {list(table.columns)}, not {list(kinds)}")
        rows = table.itertuples(index=False, name=None)
        return [Comparison(*map(decode, row, kinds.values())) for row in rows]
    except ValueError as error:
        raise ValueError(f"{folder}: {LAYERS} is malformed: {error}") from None
