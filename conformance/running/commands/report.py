"""`report`: writes the page of one run folder again, or of several merged into one."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from depthwise_conformance.reports.badge import write_badge
from depthwise_conformance.reports.digest import read_digest
from depthwise_conformance.reports.page import write_page
from depthwise_conformance.reports.runs import COMPLETE, INTERRUPTED
from depthwise_conformance.reports.shards import join_shards
from depthwise_conformance.reports.unfinished import merge_into, recover, state
from depthwise_conformance.running.actions import SUMMARY, add_summary
from depthwise_conformance.running.terminal import shown
from depthwise_conformance.running.usage import UsageError

RESUMED = "; `depthwise-conformance run --resume {folder}` completes it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The folders, and where they are merged."""
    parser.add_argument("folder", type=Path, nargs="+", help="run folders")
    parser.add_argument("--out", type=Path, help="merge them into this folder")


def run(options: argparse.Namespace) -> int:
    """Writes the page and the badge, and prints the page's path."""
    folder = options.folder[0]
    if options.out is not None:
        folder = options.out
        merge_into(folder, options.folder, join_shards)
    elif len(options.folder) > 1:
        raise UsageError("several folders need --out FOLDER, where they are merged")
    else:
        recover(folder)
    page = write_page(folder)
    if (what := state(folder)) != COMPLETE:
        print(shown(f"{folder}: {what}{RESUMED.format(folder=folder) if what == INTERRUPTED else ''}"), file=sys.stderr)
    print(page)
    write_badge(folder)
    if summary := os.environ.get(SUMMARY):
        add_summary(read_digest(folder), Path(summary), print)
    return 0
