"""`compare`: what changed from one run folder to another. Exit status 1 where something regressed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from depthwise_conformance.reports import markdown
from depthwise_conformance.reports.changes import REGRESSED, Change, compare_folders
from depthwise_conformance.reports.changespage import write_changes
from depthwise_conformance.reports.sheets import write_sheet
from depthwise_conformance.reports.words import counted
from depthwise_conformance.running.replaying import settle
from depthwise_conformance.running.status import FAILED
from depthwise_conformance.running.terminal import Terminal, shown

HEADINGS = ("", "target", "check", "what", "old", "new", "cases", "example")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The two folders, and how the changes are told."""
    parser.add_argument("old", type=Path, metavar="OLD", help="the earlier run folder")
    parser.add_argument("new", type=Path, metavar="NEW", help="the later one")
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the changes to this file, too")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write a page of them to this file, too (HTML)")
    told = "ask nothing once more, even where NEW's releases are installed"
    parser.add_argument("--no-replay", action="store_true", help=told)


def run(options: argparse.Namespace) -> int:
    """Prints the changes."""
    changes = compare_folders(options.old, options.new)
    if not options.no_replay:
        changes = settle(changes, options.old, options.new)
    if options.csv is not None:
        write_sheet(options.csv, Change, changes)
    if options.page is not None:
        write_changes(options.page, options.old, options.new, changes)
    regressed = sum(one.kind == REGRESSED for one in changes)
    if options.markdown:
        print(shown(markdown.table(HEADINGS, [_texts(one) for one in changes])))
    elif changes:
        Terminal(markup=False, highlight=False, width=None if sys.stdout.isatty() else 160).print(_table(changes))
    print(f"{counted(len(changes), 'change')}, {regressed} of them for the worse.")
    return FAILED if regressed else 0


def _texts(one: Change) -> tuple[str, ...]:
    return one.kind, one.target, one.check, one.what, one.old, one.new, str(one.cases), one.example


def _table(changes: Sequence[Change]) -> Table:
    table = Table(*HEADINGS, box=None, pad_edge=False)
    for one in changes:
        table.add_row(*_texts(one))
    return table
