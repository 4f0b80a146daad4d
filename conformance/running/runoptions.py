"""What a run is asked for."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from depthwise_conformance.casebook.claims import Claim, ClaimError
from depthwise_conformance.reports.record import CHECKS
from depthwise_conformance.running.agenda import Options
from depthwise_conformance.running.usage import UsageError

if TYPE_CHECKING:
    from depthwise_conformance.running.resuming import Resumed


@dataclass(frozen=True)
class RunOptions:
    """The options of `depthwise-conformance run` and of the pytest plugin.

    `files` are those of named targets. `known` names files of known discrepancies, which may have expired by `today`;
    entries for what is new are added to `update_known`. `merged` is where the folders of several processes are going
    to be one, each judging whole targets of its own. `resumed` is the interrupted run that this one completes. `shard`
    is which of so many parts of the cases is judged. Cases are drawn for so many `minutes`, where they are given.
    `jobs` workers are busy at a time, by default one a core (one in all, where several processes judge); each may use
    `threads` cores, 0 for as many as the target takes.
    """

    targets: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    adapters: tuple[str, ...] = ()
    workers: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    input: Path | None = None
    checks: tuple[str, ...] = CHECKS
    only: str = ""
    least: int | None = None
    fast: bool = False
    failed_first: bool = False
    in_process: bool = False
    device: str = ""
    examples: int = Options.examples
    seed: int = 0
    strength: int = Options.strength
    out: Path = Path("conformance-run")
    timeout: float = 20.0
    known: tuple[str, ...] = ()
    update_known: Path | None = None
    today: datetime.date = field(default_factory=lambda: datetime.datetime.now(datetime.UTC).date())
    merged: Path | None = None
    shard: tuple[int, int] = (1, 1)
    minutes: float | None = None
    jobs: int | None = None
    threads: int = 0
    resumed: Resumed | None = None

    def __post_init__(self) -> None:
        for check in self.checks:
            if check not in CHECKS:
                raise UsageError(f"check {check!r}: accepted are {', '.join(CHECKS)}")
        for name, value, accepted in (
            ("examples", self.examples > 0, "1 or more"),
            ("seed", self.seed >= 0, "0 or more"),
            ("timeout", self.timeout > 0, "seconds above 0"),
            ("jobs", self.jobs is None or self.jobs > 0, "1 or more"),
            ("threads", self.threads >= 0, "0, for as many as the target takes, and more"),
            ("minutes", self.minutes is None or self.minutes > 0, "more than 0"),
            ("shard", 1 <= self.shard[0] <= self.shard[1], "I/N, with I from 1 to N"),
            ("least", self.least is None or self.least >= 0, "0 or more"),
        ):
            if not value:
                raise UsageError(f"{name} {getattr(self, name)}: accepted are {accepted}")
        try:
            Claim(self.only)
        except ClaimError as error:
            raise UsageError(f"only: {error}") from None
