"""`matrix`: one run of several releases, each in an environment of its own and with a column of its own."""

from __future__ import annotations

import argparse

from depthwise_conformance.running.commands import run as runs
from depthwise_conformance.running.spelling import with_release
from depthwise_conformance.running.usage import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `run` takes, and which releases of what."""
    parser.add_argument("--package", required=True, metavar="NAME", help="the distribution whose releases are judged")
    parser.add_argument("--releases", required=True, metavar="RELEASE,...", help="as in 3.4,3.8.*,3.15.1")
    runs.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Runs the suite on each target with each release. Raises UsageError."""
    if not options.target or options.adapter or options.worker or options.resume:
        raise UsageError("matrix: accepted is --target, whose releases are judged; a run is resumed by `run --resume`")
    releases = [one.strip() for one in options.releases.split(",")]
    options.target = [
        str(with_release(target, options.package, release)) for target in options.target for release in releases
    ]
    return runs.run(options)
