"""`sweep`: a run whose cases are drawn and asked by the workers of a dask cluster; all else is as in `run`."""

from __future__ import annotations

import argparse
from pathlib import Path

from depthwise_conformance.running.cluster import Cluster, connected
from depthwise_conformance.running.commands import run as runs
from depthwise_conformance.running.lanes import cores
from depthwise_conformance.running.options import OPTIONS, attribute, decide, read_options
from depthwise_conformance.running.run import ConformanceRun
from depthwise_conformance.running.settings import nearest, read_settings
from depthwise_conformance.running.usage import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `run` takes, and where the workers are."""
    parser.add_argument(
        "--scheduler",
        default="",
        metavar="ADDRESS",
        help="the scheduler of a dask cluster, as in tcp://host:8786 (default: --jobs workers on this machine)",
    )
    runs.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Runs the suite. Raises UsageError."""
    if options.watch or options.exitfirst or options.in_process:
        raise UsageError("sweep: accepted without --watch, -x and --in-process")
    typed = {name: getattr(options, attribute(name)) for name in OPTIONS}
    with connected(options.scheduler, typed["--jobs"] or cores()) as client:
        if options.resume is not None:
            chosen = runs.resumed(options, typed)
        else:
            given = decide(typed, read_settings(nearest(Path.cwd())))
            chosen = given, read_options(given, given["--out"])
        judged = ConformanceRun(chosen[1])
        judged.elsewhere = Cluster(client, judged.options.checks, judged.options.strength)
        return runs.judge(options, chosen[0], judged)
