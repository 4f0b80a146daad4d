"""What the pytest fixture `conformance` gives: the whole judgement of an implementation, within a user's own test."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from depthwise_conformance.adapters.base import Adapter
from depthwise_conformance.casebook.claims import Claim, ClaimError
from depthwise_conformance.reports.record import Discrepancy
from depthwise_conformance.running import interrupts
from depthwise_conformance.running.agenda import Options
from depthwise_conformance.running.engine import Engine
from depthwise_conformance.running.library import OPERATION, Forward, as_adapter
from depthwise_conformance.running.runoptions import RunOptions
from depthwise_conformance.running.shrinking import Shrinker
from depthwise_conformance.running.targets import Request, Target, open_targets
from depthwise_conformance.running.telling import make_discrepancy, tell, tell_thin
from depthwise_conformance.running.troubles import tell_lost
from depthwise_conformance.running.usage import UsageError
from depthwise_conformance.workers.inside import Held
from depthwise_conformance.workers.process import Launch


class Conformance:
    """Judges implementations as the suite does, in the process of the test: the pytest fixture `conformance`."""

    def __init__(self, options: RunOptions, record: Callable[[str, object], None]) -> None:
        self._options = options
        self._record = record

    def __call__(self, implementation: Adapter | Forward, only: str = "", examples: int | None = None) -> None:
        """Judges an adapter, or a function `forward(config, x, kernel, bias)`, by every check of the operation.

        It is judged on the catalogue and on `examples` drawn cases, all inside the claim `only`, the adapter's own and
        that of the session's options, which give the number of examples too where it is None. Raises AssertionError
        that tells every distinct discrepancy as the suite does, or why too few cases were judged; ValueError for an
        `only` that is no claim, or leaves nothing, and for less than one example.
        """
        __tracebackhide__ = True
        try:
            o = self._options if examples is None else replace(self._options, examples=examples)
            target = _open(implementation, Claim(only) & Claim(o.only))
            with interrupts.heeded():
                told = _judge(target, o)
        except (ClaimError, UsageError) as error:
            raise ValueError(str(error)) from None  # without its way through here
        self._record("judged", target.judged)
        self._record("declined", target.declined.total())
        if told := told or tell_thin(target, o.least):
            raise AssertionError(told)


def _open(implementation: Adapter | Forward, claim: Claim) -> Target:
    adapter = as_adapter(implementation)
    request = Request(adapter.name, Launch(adapter.name), getattr(adapter, "device", "cpu"))
    (target,) = open_targets([request], math.inf, only=claim, kind=partial(Held, adapter=adapter))
    target.name = getattr(implementation, "__name__", target.name)  # a function's own
    return target


def _judge(target: Target, o: RunOptions) -> str:
    """What is wrong with the target, in words; "" if nothing is."""
    checks = tuple(check for check in o.checks if check in OPERATION)
    options = Options(checks, o.examples, o.seed, o.strength, fast=o.fast)
    engine = Engine(options, lambda records: None)
    engine.evaluate([target], {target.name: options.checks})
    engine.diagnose([target])
    shrinker = Shrinker(options, engine.examiner)
    shrinker.hurried = options.fast

    found: list[Discrepancy] = []
    distinct = engine.distinct.get(target.name, [])
    for one in distinct:
        smallest, passing = shrinker.shrink(target, one, distinct), engine.tallies[target.name, one.check].passing
        taken = {known.id for known in found}
        found.append(make_discrepancy(target, one, passing, smallest, replay="", taken=taken))
    lost = [] if target.status == "judged" else [tell_lost(target, target.judged)]
    return "\n\n".join([*(tell(one, one.check) for one in found), *lost])
