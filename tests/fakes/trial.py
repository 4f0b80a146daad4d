"""Fakes judged as they would be alone: the same cases, each in a worker process of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from by_name import location

from depthwise_conformance.adapters.base import Adapter
from depthwise_conformance.reports.record import CHECKS
from depthwise_conformance.running.agenda import Options
from depthwise_conformance.running.engine import Engine
from depthwise_conformance.running.targets import Target, open_targets, requests

TOGETHER = 40  # fakes that run side by side
Fake = type[Adapter]
Found = dict[str, set[str]]


def own_check(fake: Fake) -> str:
    """The check that a fault belongs to, "" for an honest fake."""
    return getattr(fake, "check", "")


def judge(
    fakes: Sequence[Fake],
    options: Options,
    checks: Callable[[Fake], Collection[str]],
    let_go: bool = False,
    timeout: float = 240.0,
) -> Found:
    """Those of its `checks` that each fake, by its name, failed; "incomplete" where it was not judged to the end.

    With `let_go`, a fault is judged no more once its own check has caught it.
    """
    targets = open_targets(requests([], [location(fake.__name__) for fake in fakes]), timeout)
    by_name = {f"{fake.name}@cpu": fake for fake in fakes}

    def stop_if_caught(target: Target, done: int) -> None:
        if let_go and engine.tallies[target.name, own_check(by_name[target.name])].groups:
            target.status = "caught"
        engine.stop_early = all(target.status == "caught" for target in targets)

    engine = Engine(options, lambda records: None, stop_if_caught)
    try:
        engine.evaluate(targets, {name: checks(fake) for name, fake in by_name.items()})
    finally:
        for target in targets:
            target.worker.close()
    failed = {
        target.name: {check for check in CHECKS if engine.tallies[target.name, check].groups} for target in targets
    }
    for target in targets:
        if target.status not in ("judged", "caught"):
            failed[target.name].add("incomplete")
    return {name.removesuffix("@cpu"): checks for name, checks in failed.items()}


def grouped(fakes: Sequence[Fake]) -> Iterator[Sequence[Fake]]:
    yield from (fakes[start : start + TOGETHER] for start in range(0, len(fakes), TOGETHER))
