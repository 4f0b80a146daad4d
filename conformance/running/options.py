"""The options of a run, as the command line and the pytest plugin take them."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from depthwise_conformance.reports.record import CHECKS

if TYPE_CHECKING:
    from depthwise_conformance.running.run import RunOptions

TOGETHER, ALONE = 250, 1000  # cases by default: with frameworks, and for adapters or workers alone
OPTIONS: dict[str, dict[str, Any]] = {
    "--target": {
        "action": "append",
        "default": [],
        "help": "judge this target, name[:mode][@device] (repeatable; default: all)",
    },
    "--adapter": {
        "action": "append",
        "default": [],
        "metavar": "FILE:CLASS",
        "help": "judge this adapter (repeatable)",
    },
    "--worker": {
        "action": "append",
        "default": [],
        "metavar": "COMMAND",
        "help": "judge the program that this starts, which speaks the protocol of docs/protocol.md (repeatable)",
    },
    "--only": {
        "default": "",
        "metavar": "CLAIM",
        "help": "ask only what this says, as in: kernel_size == 3 and strides in (1, 2) (see docs/claims.md)",
    },
    "--least": {
        "type": int,
        "help": "cases that each target has to be judged on, or the run is not done (default: a tenth of those asked)",
    },
    "--in-process": {
        "action": "store_true",
        "help": "for debuggers: the adapter lives in this process, where a crash or a hang ends the run",
    },
    "--failed-first": {
        "action": "store_true",
        "help": "ask the smallest cases of the last run into the same folder before any others",
    },
    "--fast": {"action": "store_true", "help": "the catalogue alone, without diagnosis"},
    "--check": {"action": "append", "default": [], "help": "only this check (repeatable; default: all)"},
    "--device": {"default": "", "help": "only devices whose name begins so: cpu, cuda, cuda:1"},
    "--examples": {"type": int, "help": f"cases drawn (default: {TOGETHER}; {ALONE} for --adapter or --worker alone)"},
    "--seed": {"type": int, "default": 0, "help": "the same seed draws the same cases (default: %(default)s)"},
    "--strength": {
        "type": int,
        "choices": (1, 2, 3),
        "default": 2,
        "help": "first, cases with all tuples of so many arguments and sizes: 1, 2 or 3 (default: %(default)s)",
    },
    "--out": {"type": Path, "default": Path("conformance-run"), "help": "the run folder (default: %(default)s)"},
    "--timeout": {"type": float, "default": 20.0, "help": "seconds that one call may take (default: %(default)s)"},
}


def attribute(name: str) -> str:
    """Where argparse keeps an option."""
    return name.removeprefix("--").replace("-", "_")


def add_options(parser: argparse.ArgumentParser, names: Iterable[str]) -> None:
    """Adds some of `OPTIONS`."""
    for name in names:
        parser.add_argument(name, **OPTIONS[name])


def read_options(given: Mapping[str, Any], out: Path, merged: Path | None = None) -> RunOptions:
    """The options of a run from those of a command line, by name. Raises UsageError."""
    from depthwise_conformance.running.run import RunOptions

    alone = (given["--adapter"] or given["--worker"]) and not given["--target"]
    examples = given["--examples"] if given["--examples"] is not None else ALONE if alone else TOGETHER
    return RunOptions(
        targets=tuple(given["--target"]),
        adapters=tuple(given["--adapter"]),
        workers=tuple(given["--worker"]),
        checks=tuple(given["--check"]) or CHECKS,
        only=given["--only"] or "",
        least=given["--least"],
        fast=bool(given["--fast"]),
        in_process=bool(given["--in-process"]),
        failed_first=bool(given["--failed-first"]),
        device=given["--device"],
        examples=examples,
        seed=given["--seed"],
        strength=given["--strength"],
        out=out.absolute(),
        merged=merged,
        timeout=OPTIONS["--timeout"]["default"] if given["--timeout"] is None else given["--timeout"],
    )
