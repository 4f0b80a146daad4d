"""`history`: verdicts and accuracy of targets over many run folders, a line for each run of a target."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from pathlib import Path

from rich.table import Table

from depthwise_conformance.reports.history import Standing, read_history
from depthwise_conformance.reports.sheets import write_sheet
from depthwise_conformance.running.terminal import Terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The folders, and a file for the lines."""
    parser.add_argument("folder", type=Path, nargs="+", help="run folders")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the lines to this file, too")


def run(options: argparse.Namespace) -> int:
    """Prints the lines, those of a target together, by when the run was started."""
    standings = read_history(options.folder)
    if options.csv is not None:
        write_sheet(options.csv, Standing, standings)
    names = [field.name for field in fields(Standing)]
    table = Table(*(name.replace("_", " ") for name in names), box=None, pad_edge=False)
    for one in standings:
        table.add_row(*(_cell(getattr(one, name)) for name in names))
    Terminal(markup=False, highlight=False, width=None if sys.stdout.isatty() else 180).print(table)
    return 0


def _cell(value: str | int | float) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
