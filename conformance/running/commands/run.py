"""`run`: judges targets by way of pytest, on the suite of this package, and writes a run folder."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis.configuration import set_hypothesis_home_dir

from depthwise_conformance.casebook.kept import cache_folder
from depthwise_conformance.reports.ctrf import write_ctrf
from depthwise_conformance.reports.digest import read_digest
from depthwise_conformance.reports.files import place_copy
from depthwise_conformance.running import plugin
from depthwise_conformance.running.display import RunConsole
from depthwise_conformance.running.options import (
    OPTIONS,
    as_pytest_takes_them,
    attribute,
    decide,
    read_options,
    undecided,
)
from depthwise_conformance.running.resuming import read_resumed
from depthwise_conformance.running.run import ConformanceRun
from depthwise_conformance.running.runoptions import RunOptions
from depthwise_conformance.running.settings import nearest, read_settings
from depthwise_conformance.running.status import FAILED, UNDONE
from depthwise_conformance.running.usage import UsageError
from depthwise_conformance.running.watching import watch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Everything that the suite takes, and what follows `--` for pytest."""
    for name in OPTIONS:
        parser.add_argument(name, **undecided(name))
    parser.add_argument(
        "-x", "--exitfirst", action="store_true", help="stop at the first failure, smallest cases first"
    )
    parser.add_argument("--watch", action="store_true", help="run again whenever the files of the adapters change")
    parser.add_argument(
        "--resume", type=Path, metavar="FOLDER", help="complete the run of this folder that was interrupted"
    )
    parser.add_argument("stray", nargs="*", metavar="-- PYTEST", help="what follows -- goes to pytest (-k, -x, -n)")


def run(options: argparse.Namespace) -> int:
    """Runs the suite. Raises UsageError."""
    if options.stray:
        told = f"{options.stray[0]!r}: to judge an adapter, use --adapter FILE:CLASS"
        raise UsageError(f"{told}; what is meant for pytest goes after --")
    typed = {name: getattr(options, attribute(name)) for name in OPTIONS}
    distributed = any(argument.startswith(("-n", "--numprocesses")) for argument in options.passed)
    if options.resume is not None:
        if options.watch or distributed:
            raise UsageError("--resume: accepted without --watch and -n")
        given, chosen = resumed(options, typed)
        return judge(options, given, ConformanceRun(chosen))
    given = decide(typed, read_settings(nearest(Path.cwd())))
    if options.watch:
        return _watch(given)
    return judge(options, given, None if distributed else ConformanceRun(read_options(given, given["--out"])))


def resumed(options: argparse.Namespace, typed: Mapping[str, Any]) -> tuple[dict[str, Any], RunOptions]:
    """The options of the run that is to be completed, by their names and as they are read. Raises UsageError."""
    interrupted = read_resumed(options.resume.absolute())
    given = interrupted.given(typed)
    options.exitfirst |= interrupted.about["stop_early"]
    return given, interrupted.options(given)


def judge(options: argparse.Namespace, given: Mapping[str, Any], judged: ConformanceRun | None) -> int:
    """Has pytest run the suite: the exit status."""
    folder = str(plugin.SUITE)
    arguments = [folder, "-c", os.devnull, "--rootdir", folder, "-p", plugin.__name__, "-p", "no:cacheprovider"]
    arguments += ["--capture=no", *as_pytest_takes_them(given)]
    set_hypothesis_home_dir(cache_folder() / "hypothesis")  # it would make a folder of its own where the user is
    with tempfile.TemporaryDirectory() as scratch:
        console = RunConsole(judged, Path(scratch))
        junit = Path(scratch, "junit.xml")  # there is no run to put it beside yet, and may never be
        arguments += [f"--junitxml={junit}", *(["-x"] if options.exitfirst else []), *options.passed]
        status = _session(arguments, console, judged)
        if console.report is not None and junit.is_file():
            place_copy(junit, console.report.with_name(junit.name))
            write_ctrf(console.report.parent)
    if status == pytest.ExitCode.NO_TESTS_COLLECTED:
        raise UsageError("nothing was selected, so nothing was judged, and no folder written")
    if (status == FAILED and not console.found) or status not in (0, FAILED):
        status = UNDONE  # of an error, no target's fault
    if console.report is not None and not sys.stdout.isatty():
        print(
            json.dumps({"status": status, **read_digest(console.report.parent).figures, "report": str(console.report)})
        )
    return status


def _session(arguments: Sequence[str], console: RunConsole, judged: ConformanceRun | None) -> int:
    """Pytest's exit status."""
    try:
        return int(pytest.main([*arguments], plugins=[console]))
    finally:
        for target in judged.targets if judged else ():
            target.worker.close()


def _watch(given: Mapping[str, Any]) -> int:
    """Raises UsageError where there are no files to watch."""
    files = [Path(location.rpartition(":")[0]) for location in given["--adapter"]]
    files += [Path(word) for command in given["--worker"] for word in shlex.split(command) if Path(word).is_file()]
    if not files:
        raise UsageError("--watch: accepted beside --adapter FILE:CLASS or --worker COMMAND, whose files it watches")
    return watch([argument for argument in sys.argv[1:] if argument != "--watch"], files)
