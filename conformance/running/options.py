"""The options of a run: on its own command line, on pytest's with a prefix, and in a project's file."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from depthwise_conformance.reports.record import CHECKS
from depthwise_conformance.running.usage import UsageError

if TYPE_CHECKING:
    from depthwise_conformance.running.runoptions import RunOptions

TOGETHER, ALONE = 250, 1000  # cases by default: with frameworks, and for adapters or workers alone
OPTIONS: dict[str, dict[str, Any]] = {
    "--target": {
        "action": "append",
        "default": [],
        "help": "judge this target, name[requirement,...][:mode][@device] (repeatable; see docs/targets.md)",
    },
    "--targets": {
        "action": "append",
        "default": [],
        "metavar": "FILE",
        "help": "take targets by their names in this file; without --target, all of it (see docs/targets.md)",
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
    "--case": {
        "action": "append",
        "default": [],
        "metavar": "CASE",
        "help": "judge this case alone: a file, or a folder with arrays of yours; see docs/cases.md (repeatable)",
    },
    "--model": {
        "action": "append",
        "default": [],
        "metavar": "FILE",
        "help": "judge the depthwise layers of this .keras, .onnx, .tflite or .json file alone (repeatable)",
    },
    "--input": {
        "type": Path,
        "metavar": "FILE",
        "help": "what the model gets, a .npy file: each layer is judged on what arrives there (default: random data)",
    },
    "--in-process": {
        "action": argparse.BooleanOptionalAction,
        "help": "for debuggers: the adapter lives in this process, where a crash or a hang ends the run",
    },
    "--failed-first": {
        "action": argparse.BooleanOptionalAction,
        "help": "ask the smallest cases of the last run into the same folder before any others",
    },
    "--fast": {"action": argparse.BooleanOptionalAction, "help": "the catalogue alone, without diagnosis"},
    "--check": {"action": "append", "default": [], "help": "only this check (repeatable; default: all)"},
    "--device": {"default": "", "help": "only devices whose name begins so: cpu, cuda, cuda:1"},
    "--examples": {"type": int, "help": f"cases drawn (default: {TOGETHER}; {ALONE} for --adapter or --worker alone)"},
    "--minutes": {
        "type": float,
        "help": "draw cases for so long, however many these are; what was found is then looked into",
    },
    "--shard": {
        "metavar": "I/N",
        "help": "judge the I-th of N parts of all cases, by the hash in their ids; `report` merges the folders",
    },
    "--seed": {"type": int, "default": 0, "help": "the same seed draws the same cases (default: %(default)s)"},
    "--strength": {
        "type": int,
        "choices": (1, 2, 3),
        "default": 2,
        "help": "first, cases with all tuples of so many arguments and sizes: 1, 2 or 3 (default: %(default)s)",
    },
    "--out": {"type": Path, "default": Path("conformance-run"), "help": "the run folder (default: %(default)s)"},
    "--known": {
        "action": "append",
        "default": [],
        "metavar": "FILE",
        "help": "what it says is known does not fail the run; see docs/known.md (repeatable)",
    },
    "--update-known": {
        "type": Path,
        "metavar": "FILE",
        "help": "add entries for what is new to this file, for a person to fill in",
    },
    "--jobs": {
        "type": int,
        "metavar": "N",
        "help": "workers that are busy at a time; no result depends on it (default: one a core)",
    },
    "--threads": {
        "type": int,
        "default": 0,
        "metavar": "N",
        "help": "cores that one worker may use (default: %(default)s, for as many as the target takes)",
    },
    "--timeout": {"type": float, "default": 20.0, "help": "seconds that one call may take (default: %(default)s)"},
}


JUDGED = ("--target", "--adapter", "--worker")  # what is judged: one question, answered in one place
PREFIX = "--dwc-"  # on pytest's command line, which other plugins and the project's own conftest.py share


def attribute(name: str) -> str:
    """Where argparse keeps an option."""
    return name.removeprefix("--").replace("-", "_")


def add_options(parser: argparse.ArgumentParser, names: Iterable[str]) -> None:
    """Adds some of `OPTIONS`."""
    for name in names:
        parser.add_argument(name, **OPTIONS[name])


def undecided(name: str) -> dict[str, Any]:
    """An option that is None where nobody gives it, so that a project's file may decide; its help names the default."""
    settings = OPTIONS[name]
    told = settings["help"].replace("%(default)s", str(settings.get("default")))
    return {**settings, "default": None, "help": told}


def decide(typed: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Every option by its name: as typed, else as the project's file has it, else by default.

    Where a target, an adapter, a worker or a file of targets is typed, none of the file's is judged.
    """
    given = {name: value for name, value in typed.items() if value is not None}
    chosen = not given.keys().isdisjoint((*JUDGED, "--targets"))
    kept = {name: value for name, value in settings.items() if not (chosen and name in JUDGED)}
    return {**{name: option.get("default") for name, option in OPTIONS.items()}, **kept, **given}


def prefixed(name: str) -> str:
    """An option's name on pytest's command line."""
    return PREFIX + name.removeprefix("--")


def as_pytest_takes_them(given: Mapping[str, Any]) -> list[str]:
    """The words for pytest's command line that say the same, where no project's file speaks."""
    words: list[str] = []
    for name, value in given.items():
        if isinstance(value, bool):
            words += [prefixed(name)] if value else []
        elif value is not None:
            words += [f"{prefixed(name)}={one}" for one in (value if isinstance(value, list) else [value])]
    return words


def given_by(options: RunOptions) -> dict[str, Any]:
    """The options of a run by their names, as `read_options` takes them."""
    several = {"--target": "targets", "--targets": "files", "--adapter": "adapters", "--worker": "workers"}
    several |= {"--case": "cases", "--model": "models", "--check": "checks", "--known": "known"}
    given = {name: getattr(options, attribute(name)) for name in OPTIONS if name not in several}
    given["--shard"] = "{}/{}".format(*options.shard)
    if options.minutes is not None:
        given["--examples"] = None
    return given | {name: list(getattr(options, plural)) for name, plural in several.items()}


def read_shard(text: str) -> tuple[int, int]:
    """The part of the cases that `I/N` asks for. Raises UsageError."""
    if (match := re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)) is None:
        raise UsageError(f"shard {text!r}: accepted are I/N, with I from 1 to N, as in 3/8")
    return int(match[1]), int(match[2])


def read_options(given: Mapping[str, Any], out: Path, merged: Path | None = None) -> RunOptions:
    """The options of a run, each by its name. Raises UsageError."""
    from depthwise_conformance.running.agenda import ENDLESS
    from depthwise_conformance.running.runoptions import RunOptions

    alone = (given["--adapter"] or given["--worker"]) and not (given["--target"] or given["--targets"])
    examples = given["--examples"] if given["--examples"] is not None else ALONE if alone else TOGETHER
    if given["--minutes"] is not None:
        if given["--examples"] is not None:
            raise UsageError("--examples and --minutes: accepted is one of them")
        examples = ENDLESS
    return RunOptions(
        targets=tuple(given["--target"]),
        files=tuple(given["--targets"] or ()),
        adapters=tuple(given["--adapter"]),
        workers=tuple(given["--worker"]),
        cases=tuple(given["--case"] or ()),
        models=tuple(given["--model"] or ()),
        input=given["--input"],
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
        timeout=given["--timeout"],
        shard=read_shard(given["--shard"] or "1/1"),
        minutes=given["--minutes"],
        jobs=given["--jobs"],
        threads=given["--threads"] or 0,
        known=tuple(given["--known"] or ()),
        update_known=given["--update-known"],
    )
