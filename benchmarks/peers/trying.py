"""Suites tried on fakes: honest ones first, and then every fault."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from peers.catalogue import FAULTS, HONEST_FAKES, SUITES
from peers.suites import Outcome, examine


@dataclass
class Trial:
    """What one suite made of the fakes with one seed."""

    suite: str
    seed: int
    cases: int
    padded_outside: int
    combined: int
    blamed: dict[str, str] = field(default_factory=dict)  # honest fakes that failed, and in which case
    outcomes: dict[str, Outcome] = field(default_factory=dict)  # by the name of the fault's class

    def caught(self) -> set[str]:
        """The faults that failed a case in which strides and dilation do not meet."""
        return {name for name, outcome in self.outcomes.items() if outcome.caught}

    def seen(self) -> set[str]:
        """Those that any bit of such a case gives away."""
        return {name for name, outcome in self.outcomes.items() if outcome.seen}

    def caught_more(self) -> set[str]:
        """Those that only cases with both catch."""
        return {name for name, outcome in self.outcomes.items() if outcome.caught_combined} - self.caught()


def try_suite(index: int, seed: int, only: Collection[str] = ()) -> Trial:
    """Puts the cases of a seed to every honest fake, and if they blame none, to every fault (or those named)."""
    suite = SUITES[index]
    cases = suite.cases(seed)
    padded, combined = (sum(getattr(case, what) for case in cases) for what in ("padded_outside", "combined"))
    trial = Trial(suite.name, seed, len(cases), padded, combined)
    for fake in HONEST_FAKES:
        outcome = examine(cases, fake, thorough=True)
        if where := outcome.caught or outcome.caught_combined:
            trial.blamed[fake.__name__] = where
    if not trial.blamed:
        faults = [fault for fault in FAULTS if not only or fault.__name__ in only]
        trial.outcomes = {fault.__name__: examine(cases, fault) for fault in faults}
    return trial
