"""`verify`: whether the files of run folders agree with each other, and are whole. Exit status 1 where not."""

from __future__ import annotations

import argparse
from pathlib import Path

from depthwise_conformance.running.status import FAILED
from depthwise_conformance.running.terminal import shown
from depthwise_conformance.running.verifying import verify_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The folders."""
    parser.add_argument("folder", type=Path, nargs="+", help="run folders")


def run(options: argparse.Namespace) -> int:
    """Prints what is wrong, a line each, or that nothing is."""
    wrong = {folder: verify_folder(folder) for folder in options.folder}
    for folder, lines in wrong.items():
        print("\n".join(shown(f"{folder}: {line}") for line in lines or ["its files agree"]))
    return FAILED if any(wrong.values()) else 0
