"""`targets`: lists the targets: what is installed, its versions, devices, modes and limits."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from importlib.metadata import packages_distributions, version

from depthwise_conformance.adapters.builtin import BUILTIN, GROUPS
from depthwise_conformance.adapters.loading import adapter_names
from depthwise_conformance.running.environments import all_kept
from depthwise_conformance.running.options import add_options
from depthwise_conformance.running.status import UNDONE
from depthwise_conformance.running.targets import Target, members, missing, open_targets, requests
from depthwise_conformance.running.terminal import shown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adapters and workers instead of what is installed, and how long each may take."""
    add_options(parser, ("--targets", "--adapter", "--worker", "--timeout"))
    parser.add_argument("--start", action="store_true", help="start each, for its devices, dtypes and limits")


def run(options: argparse.Namespace) -> int:
    """Lists them; what only a framework knows is asked of those that are started."""
    given = bool(options.targets or options.adapter or options.worker)
    names = [] if given else adapter_names()
    opened: list[Target] = []
    if options.start or given:
        opened = open_targets(requests([], options.adapter, options.worker, options.targets), options.timeout)
    for target in opened:
        target.worker.close()
        _tell(target)
    owners = packages_distributions() if names and not opened else {}
    for name in names:
        if missing(name):
            print(f"{name}: not installed; try: {BUILTIN[name].installing}")
        elif not opened:
            print(f"{name}: {_installed(name, owners)}")
    if names and not opened:
        _tell_others()
        print("`targets --start` starts each and tells its devices, dtypes, modes and limits.")
    return UNDONE if any(target.status == "broken" for target in opened) else 0


def _installed(name: str, owners: Mapping[str, Sequence[str]]) -> str:
    """The versions of what a built-in target needs; of another's, nothing is known before it starts."""
    packages = BUILTIN[name].packages if name in BUILTIN else ()
    found = {owner: version(owner) for package in packages for owner in owners.get(package, ())[:1]}
    return ", ".join(f"{owner} {number}" for owner, number in found.items()) or "installed"


def _tell_others() -> None:
    """What else may be asked for: groups, and targets with other releases."""
    for group in GROUPS:
        print(f"group {group}: {', '.join(members(group)) or 'none yet'}")
    for one in all_kept():
        print(f"environment {one.name}: {', '.join(one.requirements)} beside {', '.join(one.beside)}")
    print("Other releases, in an environment of their own: as in keras-torch[keras==3.8.0].")


def _tell(target: Target) -> None:
    if target.status == "broken":
        print(shown(f"{target.name}: broken\n{target.message}"))
        return
    print(shown(f"{target.name}: {target.version_text or 'no versions'}"))
    print(shown(f"  dtypes: {', '.join(target.dtypes)}"))
    if target.modes:
        print(shown(f"  modes: {', '.join(target.modes)}"))
    for what, why in target.unsupported.items():
        print(shown(f"  does not claim {what}: {why}"))
