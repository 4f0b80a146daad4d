"""Our own suite on the same fakes: the default of an adapter judged alone, by the checks of the operation."""

from __future__ import annotations

from collections.abc import Sequence

from trial import grouped, judge

from depthwise_conformance.adapters.base import Adapter
from depthwise_conformance.reports.record import CHECKS, LAYER_CHECKS
from depthwise_conformance.running.agenda import Options
from depthwise_conformance.running.options import ALONE

OPERATION = set(CHECKS) - set(LAYER_CHECKS)


def caught(fakes: Sequence[type[Adapter]], seed: int, let_go: bool = True, examples: int = ALONE) -> set[str]:
    """The names of those that any check failed; with `let_go`, a fault goes once its own check has caught it."""
    by_name = {fake.name: fake.__name__ for fake in fakes}
    found: set[str] = set()
    for group in grouped(fakes):
        judged = judge(group, Options(examples=examples, seed=seed), lambda fake: OPERATION, let_go)
        found |= {by_name[name] for name, checks in judged.items() if checks - {"incomplete"}}
    return found
