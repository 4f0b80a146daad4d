"""A run and its folder: what was asked for, the engine, and everything that is written down."""

from __future__ import annotations

import datetime
import os
import shlex
import time
import traceback
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from depthwise_conformance.casebook.case import AnyCase
from depthwise_conformance.casebook.claims import Claim
from depthwise_conformance.judging.tally import Tally
from depthwise_conformance.judging.values import Judgement
from depthwise_conformance.reports.record import Discrepancy, Verdict
from depthwise_conformance.reports.runs import COMPLETE, INCOMPLETE, INTERRUPTED
from depthwise_conformance.reports.unfinished import moment
from depthwise_conformance.running import interrupts
from depthwise_conformance.running.agenda import Options
from depthwise_conformance.running.casefiles import has_cases, read_folder, write_case
from depthwise_conformance.running.describing import describe_machine, describe_options, describe_target
from depthwise_conformance.running.engine import Elsewhere, Engine
from depthwise_conformance.running.folder import RunFolder
from depthwise_conformance.running.given import read_given
from depthwise_conformance.running.journal import Journal
from depthwise_conformance.running.junit import SECONDS
from depthwise_conformance.running.known import Known
from depthwise_conformance.running.knownfile import Entry, check_update, read_known
from depthwise_conformance.running.lanes import Lanes, affordable, cores, lanes_wanted
from depthwise_conformance.running.looking import AGAIN, Look, look_into
from depthwise_conformance.running.options import given_by
from depthwise_conformance.running.reproducing import write_reproduction
from depthwise_conformance.running.resuming import Resumed, check_same, identity
from depthwise_conformance.running.runoptions import RunOptions
from depthwise_conformance.running.shrinking import Shrinker
from depthwise_conformance.running.targets import Request, Target, asking_for, open_targets, requests
from depthwise_conformance.running.telling import make_discrepancy, tell_first, tell_thin
from depthwise_conformance.running.tracing import Told
from depthwise_conformance.running.troubles import (
    LostTargetError,
    NothingJudged,
    RunFailedError,
    nothing_judged,
    tell_lost,
)
from depthwise_conformance.running.usage import UsageError
from depthwise_conformance.workers.inside import Inside
from depthwise_conformance.workers.process import Launch
from depthwise_conformance.workers.worker import Worker

Progress = Callable[[Target, int], None]


def _inside(asked: Sequence[Request]) -> type[Worker]:
    """The kind of worker for `--in-process`. Raises UsageError unless one Python adapter alone is asked for."""
    if len(asked) != 1 or asked[0].launch.command != Launch.command or asked[0].requirements or asked[0].named:
        raise UsageError("in-process: accepted is one target of this environment or one adapter, and no worker")
    return Inside


class ConformanceRun:
    """One run. `verify` judges all of `selected` when first asked, or one of several processes the target asked for."""

    def __init__(self, options: RunOptions) -> None:
        self.options = options
        self.selected: dict[str, set[str]] = {}
        self.discrepancies: list[Discrepancy] = []
        self.progress: Progress = lambda target, done: None
        self.announce: Callable[[str], None] = lambda text: None
        self.failed = False
        self.elsewhere: Elsewhere | None = None  # where cases are asked, if not on this machine
        self.trouble = ""  # in words, where the folder could not be written in full
        self._begun = False
        self._asked: set[str] = set()
        self._done: set[tuple[str, str]] = set()  # by target and check, what was told, whatever came of it
        self._evaluated: set[str] = set()
        self._lost: set[str] = set()
        self._parts: dict[str, list[Look]] = {}  # by the target
        self._told: dict[int, Discrepancy] = {}  # by the identity of what was distinguished
        self._traced = Told()
        self._outdated: dict[tuple[str, str], list[str]] = {}
        self._reasons: dict[str, str] = {}  # why a discrepancy is known, by its id
        self._began = self._started = time.time()
        self._before = 0.0  # seconds that the run took until it was interrupted
        self._sessions = [{"pid": os.getpid(), "since": moment(self._began)}]
        self._id = uuid.uuid4().hex
        self._folder = RunFolder(options.out)
        self.known = Known(read_known(options.known), options.today)
        if options.update_known is not None:
            check_update(options.update_known)
        asked = requests(options.targets, options.adapters, options.workers, options.files)
        self.given = read_given(options.cases, options.models, options.input, options.out)
        kind = _inside(asked) if options.in_process else Worker
        only = Claim(options.only)
        self.targets = open_targets(asked, options.timeout, options.device, only, kind, options.threads)
        self._check_targets()
        self._identity = identity(options, given_by(options), self.targets)
        self._journal = Journal(options.resumed.journal if options.resumed else None)
        self._continue(options.resumed)
        self._make_engine()

    def _make_engine(self) -> None:
        o = self.options
        kept = (o.checks, o.examples, o.seed, o.strength)
        asked = Options(*kept, self._first(), self.given.cases, o.shard, o.fast)
        self._jobs = o.jobs or (1 if o.merged else cores())
        self.engine = Engine(asked, lambda records: None, lambda *done: self.progress(*done), self._journal, self._jobs)
        self.engine.over = self._is_over
        self._shrinker = Shrinker(asked, self.engine.examiner)
        self.engine.announce_first = self._announce_first
        self.engine.is_known = self.known.may_cover

    def _continue(self, resumed: Resumed | None) -> None:
        """Takes over what an interrupted run was."""
        if resumed is None:
            return
        try:
            check_same(self.options.out, resumed.about["identity"], self._identity)
        except UsageError:
            self._let_go()
            raise
        self._started = datetime.datetime.fromisoformat(resumed.about["told"]["started"]).timestamp()
        self._before = resumed.seconds
        self._sessions = [*resumed.about["sessions"], *self._sessions]
        self._id = resumed.about["told"].get("id", self._id)

    def _is_over(self) -> bool:
        """Whether no more is to be drawn, by the clock that was asked for."""
        minutes = self.options.minutes
        return minutes is not None and self._seconds > 60.0 * minutes

    @property
    def _seconds(self) -> float:
        return self._before + time.time() - self._began

    def _first(self) -> tuple[AnyCase, ...]:
        """The cases that are asked before all others."""
        if self.options.resumed:
            return self.options.resumed.first()
        wanted = self.options.failed_first and has_cases(self.options.out)
        return tuple(read_folder(self.options.out)) if wanted else ()

    def _announce_first(self, target: Target, case: AnyCase, check: str, judgement: Judgement) -> None:
        self.announce(tell_first(target.name, case, check, judgement))

    def verify(self, target_name: str, check: str) -> list[Discrepancy]:
        """The distinct discrepancies of a target and check, shrunk.

        Raises NothingJudged, LostTargetError, RunFailedError; anything else is an error of this tool, told by itself.
        """
        try:
            with interrupts.heeded():
                found = self._verify(target_name, check)
            self._done.add((target_name, check))
            return found
        except (NothingJudged, LostTargetError):
            self._done.add((target_name, check))
            raise
        except RunFailedError:
            raise
        except (OSError, UsageError) as error:
            self.failed = True
            raise RunFailedError(f"the run could not go on: {error}") from error
        except BaseException:
            self.failed = True
            raise

    def _verify(self, target_name: str, check: str) -> list[Discrepancy]:
        o, target = self.options, next(t for t in self.targets if t.name == target_name)
        self._asked.add(target_name)
        if target_name not in self._evaluated:
            alone = {target_name: self.selected[target_name]}
            self._evaluate(self.selected if self.options.merged is None else alone)
        tallies = {name: self.engine.tallies[target_name, name] for name in self.selected[target_name]}
        parts = self._parts.get(target_name, [])
        found = [self._tell_once(target, part) for part in parts if check in part.distinct.checks]
        if target.status != "judged" and not found:
            raise LostTargetError(self._tell_lost(target, tallies[check].judged))
        if why := nothing_judged(check, tallies, self.engine.stopped):
            raise NothingJudged(why)
        part = self.engine.stopped or o.fast or o.only or self.given.cases or o.shard != (1, 1)
        narrowed = bool(part or target.status != "judged")
        self._outdated[target_name, check] = self.known.outdated(target, check, tallies[check], narrowed)
        return found

    def outdated(self, target_name: str, check: str) -> list[str]:
        """What there is to say of known entries that a target, judged by a check, shows to be stale or expired."""
        return self._outdated.get((target_name, check), [])

    def reason(self, found: Discrepancy) -> str:
        """Why a known discrepancy is known, and until when."""
        return self._reasons[found.id]

    def figures(self, target_name: str, check: str) -> dict[str, int | str]:
        """How many cases a check has judged of a target, how many were declined or failed, its time, and what fails."""
        tally = self.engine.tallies.get((target_name, check), Tally())
        verdicts = tally.verdicts
        distinct = [part.distinct for part in self._parts.get(target_name, [])]
        told = [self._told[id(one)] for one in distinct if check in one.checks and id(one) in self._told]
        declined = verdicts[Verdict.UNSUPPORTED]
        failed = sum(count for verdict, count in verdicts.items() if verdict.is_discrepancy)
        counts: dict[str, int | str] = {"judged": verdicts.total() - declined, "declined": declined, "failed": failed}
        counts[SECONDS] = str(tally.seconds)
        known = {"known": "; ".join(f"{one.id} {one.known}" for one in told if one.known)}
        return {**counts, "discrepancies": " ".join(one.id for one in told), **(known if self.options.known else {})}

    def _tell_lost(self, target: Target, cases: int) -> str:
        """In full the first time."""
        if target.name in self._lost:
            return f"{target.name}, {target.status}: see the first of its checks. This one has judged {cases} cases."
        self._lost.add(target.name)
        return tell_lost(target, cases)

    @property
    def thin(self) -> list[str]:
        """What there is to say of each target that was judged on too few cases."""
        targets = [target for target in self.targets if target.name in self._evaluated and not self.engine.stopped]
        return [told for target in targets if (told := tell_thin(target, self.options.least))]

    @property
    def cut_short(self) -> list[str]:
        """What there is to say of each target of which the clock kept more from being told."""
        names = [target.name for target in self.targets if target.cut_short]
        return [f"The diagnosis of {name} was cut short by the clock: more might have been told." for name in names]

    @property
    def complete(self) -> bool:
        """Whether every selected check judged every case on every target (of one process of several, on its own)."""
        return self._ended and not self.engine.stopped and not self.undone

    @property
    def _ended(self) -> bool:
        """Whether nothing of it is left to do: it was not interrupted."""
        wanted = {(name, check) for name in self._mine for check in self.selected.get(name, ())}
        return not self.failed and bool(wanted) and (wanted <= self._done or self.engine.stopped)

    @property
    def undone(self) -> bool:
        """Whether anything that was begun could not be done in full."""
        lost = any(target.status != "judged" for target in self.targets if target.name in self._mine)
        return self.failed or (self._begun and lost) or bool(self.thin or self.cut_short)

    @property
    def _mine(self) -> set[str]:
        """The targets that this process judges."""
        return self._asked if self.options.merged else set(self.selected)

    def close(self) -> Path | None:
        """Ends the workers and, if anything was judged, writes the folder: the report's path."""
        self._let_go()
        if not self._begun:
            return None
        try:
            rows = self.engine.comparing.rows if self.engine.comparing else ()
            self.trouble = self._folder.told_resumable if self.failed and not self.options.merged else ""
            return self._folder.close(self._description(), rows, self._ended, self._traced.name)
        except Exception as error:
            self.failed = True
            self.trouble = f"the folder could not be written in full: {error}\n{self._folder.told_kept}"
            if not isinstance(error, OSError):
                self.trouble += f"\nThis is an error of this tool:\n{traceback.format_exc()}"
            return None

    def _let_go(self) -> None:
        for target in self.targets:
            target.worker.close()

    def _begin(self) -> None:
        """Takes hold of the folder. What an earlier run wrote stays there until this one is closed."""
        about = {
            "tool": version("depthwise-conformance"),
            "identity": self._identity,
            "selected": {target: sorted(checks) for target, checks in self.selected.items()},
            "stop_early": self.engine.stop_early,
            "today": self.options.today.isoformat(),
            "first": [case.to_json() for case in self.engine.options.first],
            "sessions": self._sessions,
            "told": self._description(),
        }
        resumed = self.options.resumed
        self._journal.writer = self._folder.begin(about, resumed.journal if resumed else None)
        self._begun = True

    def _evaluate(self, selected: Mapping[str, Collection[str]]) -> None:
        if self.failed:
            raise RunFailedError("the run failed before; see the first error")
        self.failed = True  # unless it comes to its end
        if not self._begun:
            self._begin()
        targets = [target for target in self.targets if target.name in selected]
        self.engine.lanes = self.elsewhere or self._lanes(targets)
        self.engine.evaluate(targets, selected)
        if any(tally.groups for tally in self.engine.tallies.values()):
            self._shrinker.hurried = self.options.fast or self.engine.stopped
            if not self._shrinker.hurried:
                self.announce("Diagnosing what was found, by further cases, and looking for the smallest.")
            self.engine.diagnose(targets, self._look_into)
        self.failed = False
        self._evaluated |= set(selected)

    def _look_into(self, target: Target) -> None:
        found = self.engine.distinct.get(target.name, [])
        self._parts[target.name] = look_into(target, found, self.known, self._shrinker, self.engine.examiner)

    def _lanes(self, targets: Sequence[Target]) -> Lanes | None:
        """Several workers for each target, where there are cores, memory and cases enough."""
        o, live = self.options, [target for target in targets if target.status == "judged"]
        alone = o.fast or o.in_process or self.engine.stop_early or self.given.cases
        count = 1 if alone else affordable(lanes_wanted(self._jobs, len(live), o.examples), live)
        lanes = Lanes(count, self._jobs, o.checks, o.strength) if count > 1 else None
        for target in live:
            target.workers = count
            if lanes is not None:
                lanes.begin(target)
        return lanes

    def _tell_once(self, target: Target, look: Look) -> Discrepancy:
        """The discrepancy, written down when the first of its checks asks for it."""
        one, case = look.distinct, look.smallest.case
        if id(one) not in self._told:
            path = write_case(self._folder.place / "cases", case)
            passing = self.engine.tallies[target.name, one.check].passing
            replay = self._replay(path, target, one.check)
            taken = {known.id for known in self.discrepancies}
            told = make_discrepancy(target, one, passing, look.smallest, replay, taken)
            told = self._as_known(told, look.entry, look.again) if look.entry else told
            write_reproduction(self._folder.place, told, target, case, self.engine.examiner)
            self._told[id(one)] = told
            self._traced.note(target.name, one, told.id)
            self.discrepancies.append(told)
            self._folder.tell(self.discrepancies)
        return self._told[id(one)]

    def _as_known(self, told: Discrepancy, entry: Entry, failing: int | None) -> Discrepancy:
        """The discrepancy as one that an entry covers; so many times did one `failing` by chance fail again."""
        reason = f"known: {entry.reason} ({entry.link}; {entry.name}, until {entry.expires})"
        if failing is not None:
            reason += f"; its smallest case, asked {AGAIN} times more in a process of its own, failed {failing} times"
        self._reasons[told.id] = reason
        return replace(told, known=entry.link, detail=f"{told.detail}\n{reason}")

    def _replay(self, path: Path, target: Target, check: str) -> str:
        where = self.options.merged or self.options.out
        command = ["depthwise-conformance", "replay", str(where / "cases" / path.name), "--check", check]
        return shlex.join([*command, *asking_for(target)])

    def _check_targets(self) -> None:
        broken = [f"{target.name}: {target.message}" for target in self.targets if target.status == "broken"]
        if len(broken) == len(self.targets):
            raise UsageError("no target could start:\n" + "\n".join(broken))
        names = [target.name for target in self.targets]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            self._let_go()
            raise UsageError(f"targets {', '.join(doubled)} were asked for twice; give each adapter a name of its own")

    def _description(self) -> dict[str, Any]:
        o = self.options
        return {
            "schema": 1,
            "id": self._id,
            "tool": version("depthwise-conformance"),
            "started": moment(self._started),
            "seconds": round(self._seconds, 3),
            **describe_options(o),
            **({} if o.minutes is None else {"examples": self.engine.reached}),
            "models": self.given.models,
            "known": self.known.describe(),
            "jobs": self._jobs,
            "thin": self.thin,
            "cut_short": self.cut_short,
            "complete": self.complete,
            "state": COMPLETE if self.complete else INCOMPLETE if self._ended else INTERRUPTED,
            "sessions": self._sessions,
            "stopped": self.engine.stopped,
            "machine": describe_machine(),
            "targets": [
                describe_target(target, 0 if self.given.cases else o.strength)
                for target in self.targets
                if target.name in self._mine
            ],
        }
