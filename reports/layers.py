"""`layers.csv`: the layers that somebody brought, each on every target, against the reference and other targets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from depthwise_conformance.reports.record import Comparison
from depthwise_conformance.reports.sheets import read_sheet, write_sheet

LAYERS = "layers.csv"


def write_layers(folder: Path, rows: Sequence[Comparison]) -> None:
    """Writes `layers.csv`, a column for every field of `Comparison`, where there is a row."""
    if rows:
        write_sheet(folder / LAYERS, Comparison, rows)


def read_layers(folder: Path) -> list[Comparison]:
    """The rows of a run folder's `layers.csv`, none where it has no such file.

    Raises ValueError that names the folder and what is wrong.
    """
    path = folder / LAYERS
    return read_sheet(path, Comparison) if path.exists() else []
