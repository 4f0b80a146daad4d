"""`targets`: lists the targets: what is installed, its versions, devices, modes and limits."""

from __future__ import annotations

import argparse

from depthwise_conformance.adapters.loading import adapter_names
from depthwise_conformance.reports.words import visible
from depthwise_conformance.running.options import add_options
from depthwise_conformance.running.status import UNDONE
from depthwise_conformance.running.targets import Target, missing, open_targets, requests


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adapters and workers instead of what is installed, and how long each may take."""
    add_options(parser, ("--adapter", "--worker", "--timeout"))


def run(options: argparse.Namespace) -> int:
    """Lists them."""
    opened = open_targets(requests([], options.adapter, options.worker), options.timeout)
    for target in opened:
        target.worker.close()
        _tell(target)
    for name in [] if options.adapter or options.worker else adapter_names():
        if absent := missing(name):
            print(f"{name}: not installed; try: pip install {' '.join(absent)}")
    return UNDONE if any(target.status == "broken" for target in opened) else 0


def _tell(target: Target) -> None:
    if target.status == "broken":
        print(visible(f"{target.name}: broken\n{target.message}"))
        return
    print(f"{target.name}: {target.version_text or 'no versions'}")
    print(f"  dtypes: {', '.join(target.dtypes)}")
    if target.modes:
        print(f"  modes: {', '.join(target.modes)}")
    for what, why in target.unsupported.items():
        print(visible(f"  does not claim {what}: {why}"))
