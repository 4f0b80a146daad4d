"""The command line: `depthwise-conformance run | targets | replay | report`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from hypothesis.configuration import set_hypothesis_home_dir

from depthwise_conformance import plugin, suite
from depthwise_conformance.adapters.loading import adapter_names
from depthwise_conformance.case import AnyCase, Case, case_from_json
from depthwise_conformance.display import RunConsole
from depthwise_conformance.engine import Engine, Options
from depthwise_conformance.pool import WorkerBrokenError
from depthwise_conformance.reports.page import write_page
from depthwise_conformance.reports.record import CHECKS, LAYER_CHECKS
from depthwise_conformance.reports.tables import merge
from depthwise_conformance.reports.words import visible
from depthwise_conformance.run import ConformanceRun, tell_case
from depthwise_conformance.targets import Target, UsageError, missing, open_targets, requests

FAILED, UNDONE = 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; the exit status: 0 nothing unexpected, 1 discrepancies, 2 it could not be done."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except (UsageError, ValueError, OSError) as error:
        print(f"depthwise-conformance: {error}", file=sys.stderr)
        return UNDONE
    except KeyboardInterrupt:
        print("depthwise-conformance: interrupted", file=sys.stderr)
        return UNDONE


def run(options: argparse.Namespace) -> int:
    """Judges targets by way of pytest, on the suite of this package."""
    given = {name: getattr(options, name.removeprefix("--")) for name in plugin.OPTIONS}
    distributed = any(argument.startswith(("-n", "--numprocesses")) for argument in options.pytest)
    judged = None if distributed else ConformanceRun(plugin.read_options(given, options.out))
    folder = str(Path(suite.__file__).parent)
    arguments = [folder, "-c", os.devnull, "--rootdir", folder, "-p", plugin.__name__, "-p", "no:cacheprovider"]
    arguments += ["--capture=no", f"--junitxml={options.out / 'junit.xml'}"]
    for name, value in given.items():
        arguments += [f"{name}={one}" for one in (value if isinstance(value, list) else [value]) if one is not None]
    with tempfile.TemporaryDirectory() as scratch:
        set_hypothesis_home_dir(scratch)  # it would make a folder of its own where the user is
        status = pytest.main([*arguments, *options.pytest], plugins=[RunConsole(judged)])
    return status if status in (0, FAILED) else UNDONE


def targets(options: argparse.Namespace) -> int:
    """Lists the targets: what is installed, its versions, devices, modes and limits."""
    opened = open_targets(requests([], options.adapter), options.timeout)
    for target in opened:
        target.worker.close()
        _tell_target(target)
    for name in [] if options.adapter else adapter_names():
        if absent := missing(name):
            print(f"{name}: not installed; try: pip install {' '.join(absent)}")
    return UNDONE if any(target.status == "broken" for target in opened) else 0


def _tell_target(target: Target) -> None:
    if target.status == "broken":
        print(visible(f"{target.name}: broken\n{target.message}"))
        return
    print(f"{target.name}: {target.version_text or 'no versions'}")
    print(f"  dtypes: {', '.join(target.dtypes)}")
    if target.modes:
        print(f"  modes: {', '.join(target.modes)}")
    for what, why in target.unsupported.items():
        print(visible(f"  does not claim {what}: {why}"))


def replay(options: argparse.Namespace) -> int:
    """Judges one case again."""
    case = _read_case(options.case)
    given = {name: getattr(options, name.removeprefix("--"), None) for name in plugin.OPTIONS}
    asked = plugin.read_options({**given, "--seed": 0, "--strength": 2}, Path())
    others = tuple(check for check in CHECKS if check not in LAYER_CHECKS)
    applicable = others if isinstance(case, Case) else (case.check,)
    checks = [check for check in asked.checks if check in applicable]
    if not checks:
        raise UsageError(f"check {', '.join(asked.checks)}: accepted for this case are {', '.join(applicable)}")
    opened = open_targets(requests(asked.targets, asked.adapters), asked.timeout, asked.device)
    try:
        print(tell_case(case))
        engine = Engine(Options(asked.checks), lambda records: None)
        failed = [_replay_target(engine, target, case, checks) for target in opened]
    finally:
        for target in opened:
            target.worker.close()
    if any(target.status == "broken" for target in opened):
        return UNDONE
    return FAILED if any(failed) else 0


def report(options: argparse.Namespace) -> int:
    """Writes the page of one run folder again, or of several merged into one."""
    folder = options.folder[0]
    if options.out is not None:
        folder = options.out
        merge(options.folder, folder)
    elif len(options.folder) > 1:
        raise UsageError("several folders need --out FOLDER, where they are merged")
    print(write_page(folder))
    return 0


def _replay_target(engine: Engine, target: Target, case: AnyCase, checks: Sequence[str]) -> bool:
    print(f"\n{target.name} ({target.version_text})")
    if target.status == "broken":
        print(f"  broken: {target.message}")
        return False
    failed = False
    for check in checks:
        try:
            judgement = engine.judge(target, case, check)
        except WorkerBrokenError as error:
            target.status = "broken"
            print(f"  broken: {error}")
            return False
        if judgement is None:
            continue
        failed = failed or judgement.verdict.is_discrepancy
        figure = "" if judgement.error != judgement.error else f"  {judgement.error:.3g} times the bound"
        print(visible(f"  {check:<16} {judgement.verdict.value}{figure}  {judgement.signature}".rstrip()))
        for line in visible(judgement.detail).splitlines():
            print(f"      {line}")
    return failed


def _read_case(path: Path) -> AnyCase:
    try:
        return case_from_json(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"case file {str(path)!r}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"case file {str(path)!r}: {error}") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="depthwise-conformance", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("run", help="judge targets and write a run folder", description=run.__doc__)
    _add_options(command, plugin.OPTIONS)
    command.add_argument("pytest", nargs="*", metavar="-- PYTEST", help="what follows -- goes to pytest (-k, -x, -n)")
    command.set_defaults(command=run)
    command = commands.add_parser("targets", help="list the targets", description=targets.__doc__)
    _add_options(command, ("--adapter", "--timeout"))
    command.set_defaults(command=targets)
    command = commands.add_parser("replay", help="judge one case again", description=replay.__doc__)
    command.add_argument("case", type=Path, metavar="CASE.json", help="a case file of a run folder")
    _add_options(command, ("--target", "--adapter", "--check", "--device", "--timeout"))
    command.set_defaults(command=replay)
    command = commands.add_parser("report", help="write a report again, or merge several", description=report.__doc__)
    command.add_argument("folder", type=Path, nargs="+", help="run folders")
    command.add_argument("--out", type=Path, help="merge them into this folder")
    command.set_defaults(command=report)
    return parser


def _add_options(parser: argparse.ArgumentParser, names: Iterable[str]) -> None:
    for name in names:
        parser.add_argument(name, **plugin.OPTIONS[name])


if __name__ == "__main__":
    sys.exit(main())
