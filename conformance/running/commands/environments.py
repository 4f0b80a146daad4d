"""`environments`: lists the environments that were made for targets with other releases, and removes them."""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Sequence

from rich.table import Table

from depthwise_conformance.running.environments import Environment, all_kept, kept, last_used, remove, size
from depthwise_conformance.running.terminal import Terminal
from depthwise_conformance.running.usage import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which of them are to go."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--remove", nargs="+", default=[], metavar="NAME", help="remove these, by their names")
    which.add_argument("--remove-all", action="store_true", help="remove all")


def run(options: argparse.Namespace) -> int:
    """Lists them, or removes some. Raises UsageError."""
    found = all_kept()
    if options.remove or options.remove_all:
        return _remove([one.name for one in found] if options.remove_all else options.remove, found)
    if not found:
        print(f"There are no environments in {kept()}; a target such as keras-torch[keras==3.8.0] has one made.")
        return 0
    table = Table(box=None, header_style="")
    for heading in ("name", "requirements", "disk", "of it shared", "last used"):
        table.add_column(heading, overflow="fold")
    for one in found:
        table.add_row(one.name, _told(one), *(f"{count >> 20} MiB" for count in size(one)), _day(last_used(one)))
    Terminal().print(table)
    print(f"In {kept()}; what is shared is uv's cache, too, by hard links.")
    return 0


def _told(one: Environment) -> str:
    return f"{', '.join(one.requirements)}; {', '.join(one.beside)}"


def _day(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")


def _remove(names: Sequence[str], found: Sequence[Environment]) -> int:
    if unknown := sorted(set(names) - {one.name for one in found}):
        accepted = ", ".join(one.name for one in found) or "none, since there are none"
        raise UsageError(f"environment {', '.join(unknown)}: accepted are {accepted}")
    for name in names:
        remove(name)
        print(f"removed {name}")
    return 0
