"""Judges implementations of keras.layers.DepthwiseConv2D against its documentation."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from depthwise_conformance.running.status import UNDONE
from depthwise_conformance.running.usage import UsageError

COMMANDS = {  # each a module of `commands`, imported when it is asked for
    "run": "judge targets and write a run folder",
    "targets": "list the targets",
    "replay": "judge cases again",
    "report": "write a report again, or merge several",
    "new": "write an adapter or a worker to begin with",
    "check-worker": "hold a program to the worker protocol, step by step",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; its exit status (see `status`)."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser(given).parse_args(given)
    try:
        return int(options.command(options))
    except (UsageError, ValueError, OSError) as error:
        print(f"depthwise-conformance: {error}", file=sys.stderr)
        return UNDONE
    except KeyboardInterrupt:
        print("depthwise-conformance: interrupted", file=sys.stderr)
        return UNDONE


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
