"""What is shown while an environment is made: what uv is at, in one line of a terminal; without one, two lines."""

from __future__ import annotations

import time
from collections.abc import Sequence

from depthwise_conformance.reports.words import duration
from depthwise_conformance.running.environments import Environment, environment, size
from depthwise_conformance.running.terminal import Terminal


def in_environment(name: str, requirements: Sequence[str], others: Sequence[str]) -> Environment:
    """The environment of a target of that name, made where there is none yet. Raises UnmadeError."""
    console = Terminal(stderr=True, markup=False, highlight=False, soft_wrap=True)
    status, began, said = console.status(""), time.monotonic(), list[str]()

    def tell(line: str) -> None:
        if not said:
            console.print(f"{name}: making an environment for it, once")
            status.start()
        said.append(line)
        status.update(f"{name}: {line}")

    try:
        found = environment(requirements, others, tell)
    finally:
        status.stop()
    if said:
        own, shared = size(found)
        disk = f"{own >> 20} MiB of disk, {shared >> 20} of which it shares with uv's cache"
        console.print(f"{name}: made in {duration(time.monotonic() - began)}; {disk}")
        if wanting := [one for one in found.beside if "==" not in one]:
            console.print(f"{name}: not with the versions of {', '.join(wanting)} that are installed here")
    return found
