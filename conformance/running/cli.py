"""Judges implementations of keras.layers.DepthwiseConv2D against its documentation."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module

from depthwise_conformance.running import interrupts
from depthwise_conformance.running.status import UNDONE
from depthwise_conformance.running.terminal import shown
from depthwise_conformance.running.usage import UsageError

COMMANDS = {  # each a module of `commands`, imported when it is asked for
    "run": "judge targets and write a run folder",
    "sweep": "judge targets with the workers of a dask cluster",
    "targets": "list the targets",
    "environments": "list and remove the environments of targets with other releases",
    "replay": "judge cases again",
    "bisect": "the release from which on a case fails, or passes",
    "matrix": "judge several releases side by side, in one run",
    "report": "write a report again, or merge several",
    "compare": "what changed from one run folder to another",
    "history": "verdicts and accuracy over many run folders",
    "verify": "check that the files of run folders agree",
    "new": "write an adapter or a worker to begin with",
    "check-worker": "hold a program to the worker protocol, step by step",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; its exit status (see `status`).

    Whatever goes wrong with the command itself is UNDONE; Python's own status for that would mean discrepancies.
    """
    try:
        with interrupts.ended_alike():
            status = _run(sys.argv[1:] if arguments is None else list(arguments))
        sys.stdout.flush()
        return status
    except SystemExit as ended:
        if ended.code in (0, UNDONE):  # --help, and a misspelt option
            raise
        return UNDONE
    except BrokenPipeError:
        _discard_output()
        return UNDONE
    except (UsageError, ValueError, OSError) as error:
        _complain(str(error))
    except KeyboardInterrupt:
        _complain("interrupted")
    except Exception:
        _complain(f"an error of this tool:\n{traceback.format_exc()}")
    return UNDONE


def _run(given: list[str]) -> int:
    """Runs a command. What follows `--` is for pytest, where the command passes it on."""
    own, passed = given, list[str]()
    if given[:1] in (["run"], ["sweep"], ["matrix"]) and "--" in given:
        own, passed = given[: given.index("--")], given[given.index("--") + 1 :]
    options = _parser(own).parse_args(own)
    options.passed = passed
    return int(options.command(options))


def _complain(text: str) -> None:
    with suppress(OSError):
        print(shown(f"depthwise-conformance: {text}"), file=sys.stderr, flush=True)


def _discard_output() -> None:
    """Nobody reads it any more; Python would complain of that once more, when it ends."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="depthwise-conformance", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, told in COMMANDS.items():
        command = commands.add_parser(name, help=told)
        if name in given[:1]:
            module = import_module(f"depthwise_conformance.running.commands.{name.replace('-', '_')}")
            command.description = module.__doc__
            module.add_arguments(command)
            command.set_defaults(command=module.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
