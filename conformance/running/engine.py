"""One run: cases drawn once, every target judged on the same ones, what is found brought down to discrepancies."""

from __future__ import annotations

import collections
import itertools
import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Protocol

from depthwise_conformance.casebook.case import AnyCase, Case, LayerCase, WholeLayer
from depthwise_conformance.casebook.fixed import fixed_cases
from depthwise_conformance.casebook.strategies import Draw
from depthwise_conformance.diagnosis.budget import Budget
from depthwise_conformance.diagnosis.diagnose import Diagnosis
from depthwise_conformance.diagnosis.distinct import Distinct
from depthwise_conformance.judging import checks as judge
from depthwise_conformance.judging.tally import Examined, Failure, Found, Group, Tally
from depthwise_conformance.judging.values import Expectation, Judgement, expect
from depthwise_conformance.layers.judging import CHOICE
from depthwise_conformance.reports.journal import RUN
from depthwise_conformance.reports.record import LAYER_CHECKS, Record, Verdict
from depthwise_conformance.running import interrupts
from depthwise_conformance.running.agenda import CHUNK, PLAIN, Agenda, Directly, Drawing, Few, Options, chunks, layers
from depthwise_conformance.running.comparing import Comparing
from depthwise_conformance.running.drawing import draw_pool
from depthwise_conformance.running.examining import Examiner, Promise, is_layer_claimed, is_told_by_operation
from depthwise_conformance.running.journal import Journal, found_in, make_records
from depthwise_conformance.running.targets import Target
from depthwise_conformance.running.troubles import confined
from depthwise_conformance.workers.worker import CRASH_SECONDS, FIRST_CALL

AHEAD = 4  # chunks by which the slowest target may lag: what keeps memory flat
ON_ONE_CORE = 4  # layers of a real network that are computed on one core as well
LOST_SECONDS = 150.0  # that a target may cost by dying and hanging before it is given up, as its worker counts them
HUNG = 2  # cases: if nothing was answered on the first, in time, nothing else is asked


Recorder = Callable[[Sequence[Record]], None]
Work = Callable[[Target], Callable[[], None]]  # what is left to do for a target, once what can be asked is under way


class Elsewhere(Drawing, Protocol):
    """Other processes, in which cases are drawn and asked, `portion` cases at a time."""

    portion: int

    def ask(self, target: Target, cases: Sequence[AnyCase], selected: frozenset[str]) -> Promise:
        """Has the cases asked: what waits for the answers and gives them by the order of the cases."""

    def abort(self) -> None:
        """Ends all that is under way, at once."""

    def close(self) -> None:
        """Ends them."""


class Engine:
    """Judges targets on the cases of a seed. `record` receives every Record, `progress` the cases done by a target.

    What is asked goes through the `journal`. So many targets compute at a time as there are `jobs`; where there are
    `lanes`, several workers of each.
    """

    def __init__(
        self,
        options: Options,
        record: Recorder,
        progress: Callable[[Target, int], None] = lambda target, done: None,
        journal: Journal | None = None,
        jobs: int = 2,
    ) -> None:
        self.options = options
        self.tallies: dict[tuple[str, str], Tally] = collections.defaultdict(Tally)
        self._record = record
        self._progress = progress
        self.stop_early = False  # after the first chunk that shows a discrepancy
        self.stopped = False
        self.distinct: dict[str, list[Distinct]] = {}
        self._journal = journal or Journal()
        self.examiner = Examiner(options.checks, options.strength, self._journal)
        self.comparing: Comparing | None = None
        self.announce_first: Callable[[Target, AnyCase, str, Judgement], None] = lambda *_: None
        self.announce_end: Callable[[Target], None] = lambda target: None
        self.is_known: Callable[[Target, str, Failure], bool] = lambda *_: False
        self._told: set[str] = set()
        self.lanes: Elsewhere | None = None
        self.over: Callable[[], bool] = lambda: False  # whether enough was drawn
        self.reached = 0  # examples, when it was over
        self._chosen: dict[str, Few] = {}  # by the target
        self._jobs = jobs
        self._active = threading.Semaphore(jobs)

    def evaluate(self, targets: Sequence[Target], selected: Mapping[str, Collection[str]]) -> None:
        """Judges every case of the run on these targets, each by the checks that `selected` has for its name."""
        live = [target for target in targets if target.status == "judged"]
        if self.options.given and self.comparing is None:
            self.comparing = Comparing(self.options.given, [target.name for target in live])
        executors = {id(target): ThreadPoolExecutor(1) for target in live}
        for target in live:
            self._progress(target, 0)
        under_way: collections.deque[list[Future[None]]] = collections.deque()
        try:
            for number, work in enumerate(self._work(live, selected)):
                under_way.append([executors[id(t)].submit(work(t)) for t in live])
                while len(under_way) > (0 if self.stop_early or number == 0 else AHEAD):
                    _wait(under_way.popleft())
                if live and all(target.status != "judged" for target in live):
                    break  # there is nobody to ask
                if self.stop_early and any(map(self._departs, live)):
                    self.stopped = True
                    break
            under_way.append([executors[id(t)].submit(self.announce_end, t) for t in live])
            while under_way:
                _wait(under_way.popleft())
        except BaseException:
            for target in live:
                target.worker.abort()
            if self.lanes is not None:
                self.lanes.abort()
            raise
        finally:
            for executor in executors.values():
                executor.shutdown(wait=True, cancel_futures=True)
            if self.lanes is not None:
                self.lanes.close()

    def _departs(self, target: Target) -> bool:
        """Whether a target fails in a way that is not known."""
        groups = ((check, group) for check in self.options.checks for group in self._groups(target, check))
        return any(not self.is_known(target, check, failure) for check, group in groups for failure in group.failures)

    def _groups(self, target: Target, check: str) -> list[Group]:
        return list(self.tallies[target.name, check].groups.values())

    def diagnose(self, targets: Sequence[Target], look_into: Callable[[Target], None] = lambda target: None) -> None:
        """Brings what was found down to distinct discrepancies, by asking for further cases: `self.distinct`.

        Then each target is given to `look_into`, while others are still diagnosed.
        """
        guilty = [t for t in targets if any(self.tallies[t.name, check].groups for check in self.options.checks)]
        asked = [] if self.stopped or self.options.fast else [t for t in guilty if t.status == "judged"]
        pools = {claim: draw_pool(self.options.seed, claim) for claim in {target.claim for target in asked}}

        def diagnose(target: Target) -> None:
            self._diagnose(target, pools.get(target.claim, []))
            look_into(target)

        with ThreadPoolExecutor(self._jobs) as executor:
            try:
                list(executor.map(diagnose, guilty))
            except BaseException:
                for target in guilty:
                    target.worker.abort()
                raise

    def _diagnose(self, target: Target, pool: Sequence[Case]) -> None:
        tallies = {check: self.tallies[target.name, check] for check in self.options.checks}
        hurried = self.stopped or self.options.fast or target.status != "judged"
        asked = min(self.options.questions, target.most or self.options.questions)
        budget = Budget(0 if hurried else asked, self.options.backstop)
        with confined(target):
            self.distinct[target.name] = self._diagnosis(target, pool, budget).distinguish(tallies)
        target.cut_short |= budget.struck
        if target.name not in self.distinct:
            with confined(target):
                self.distinct[target.name] = self._diagnosis(target, (), Budget(0, 0.0)).distinguish(tallies)

    def _diagnosis(self, target: Target, pool: Sequence[Case], budget: Budget) -> Diagnosis:
        examine, afresh = (partial(ask, target) for ask in (self.examiner.examine, self.examiner.examine_afresh))
        return Diagnosis(examine, afresh, pool, budget, target.claim)

    def _work(self, live: Sequence[Target], selected: Mapping[str, Collection[str]]) -> Iterator[Work]:
        union = {check for checks in selected.values() for check in checks}
        if union - set(LAYER_CHECKS):
            yield from self._operation_work(live, selected)
        for some in chunks((case for case in layers(self.options) if case.check in union), self._portion):
            yield partial(self._begin_layers, some, selected)

    def _operation_work(self, live: Sequence[Target], selected: Mapping[str, Collection[str]]) -> Iterator[Work]:
        claims = [target.claim for target in live]
        agenda = Agenda(self.options, claims, self.stop_early, lambda: self.over(), self.lanes or Directly())
        for block, cases in agenda.blocks():
            for chunk in chunks(cases, self._portion):
                yield partial(self._begin, [expect(case) for case in chunk], selected, block)
        self.reached = agenda.reached
        related = any(judge.METAMORPHIC_CHECK in checks for checks in selected.values())
        if related and (os.cpu_count() or 1) > 1 and not (self.options.fast or self.options.given):
            yield lambda target: partial(self._compare_cores, selected, target)

    @property
    def _portion(self) -> int:
        """Cases that go to a target together."""
        return self.lanes.portion if self.lanes is not None else CHUNK

    def _ask_elsewhere(self, target: Target, cases: Sequence[AnyCase], checks: Collection[str]) -> Promise | None:
        """Has the lanes ask what the journal has no answer of; not before plain cases show that the target computes."""
        if self.lanes is None or target.status != "judged" or target.cases < PLAIN:
            return None
        left = itertools.dropwhile(lambda case: self._journal.knows(target, RUN, case), cases)
        return self.lanes.ask(target, list(left), frozenset(checks))

    @contextmanager
    def _computing(self, target: Target, promise: Promise | None) -> Iterator[None]:
        """Meanwhile the target computes, for one of the jobs, unless it does so elsewhere."""
        if promise is not None:
            yield
            return
        with self._active:
            start = time.perf_counter()
            yield
            target.seconds += time.perf_counter() - start

    def _begin(
        self,
        expectations: list[Expectation],
        selected: Mapping[str, Collection[str]],
        block: Draw | None,
        target: Target,
    ) -> Callable[[], None]:
        checks = set(selected[target.name]) - set(LAYER_CHECKS)
        mine = [expectation for expectation in expectations if target.claim.covers(expectation.case)]
        if (few := self._few(target)) is not None:
            taken = set(few.take((one.case for one in mine), block is not None))
            mine = [one for one in mine if one.case in taken]
        if not checks or not mine:
            return lambda: None
        promise = self._ask_elsewhere(target, [expectation.case for expectation in mine], checks)
        return partial(self._evaluate, mine, checks, block, promise, target)

    def _evaluate(
        self,
        mine: Sequence[Expectation],
        checks: Collection[str],
        block: Draw | None,
        promise: Promise | None,
        target: Target,
    ) -> None:
        if target.status != "judged":
            return
        thorough = bool(self.options.given)
        with self._computing(target, promise), confined(target):
            for examined in self.examiner.examine_all(target, mine, checks, thorough, promise=promise):
                self._note(target, examined, block)
                self._give_up_if_hopeless(target)
                if target.status != "judged":
                    break
        target.cases += len(mine)
        self._give_up_if_all_raise_alike(target)
        self._progress(target, len(mine))

    def _few(self, target: Target) -> Few | None:
        """What chooses for a target that is asked few cases; None for one that is asked all that it claims."""
        if target.most and not self.options.given and target.name not in self._chosen:
            self._chosen[target.name] = Few(self.options, target.claim, target.most)
        return self._chosen.get(target.name)

    def _compare_cores(self, selected: Mapping[str, Collection[str]], target: Target) -> None:
        """One core against all of them, on layers that are large enough to be split."""
        check = judge.METAMORPHIC_CHECK
        if target.status != "judged" or target.most or check not in selected[target.name]:
            return
        others = [case for case in fixed_cases(target.claim) if not judge.is_related(case)]
        expectations = [expect(case) for case in others[:ON_ONE_CORE]]
        with self._active, confined(target):
            for expectation, judgement in zip(
                expectations, self.examiner.judge_cores(target, expectations), strict=True
            ):
                if judgement is not None:
                    self.tallies[target.name, check].add(expectation.case, judgement)
                    self._record(make_records(target, expectation.case, [(check, judgement)]))

    def _begin_layers(
        self, cases: Sequence[WholeLayer], selected: Mapping[str, Collection[str]], target: Target
    ) -> Callable[[], None]:
        checks = selected[target.name]
        mine = [case for case in cases if case.check in checks and is_layer_claimed(target.claim, case)]
        if (few := self._few(target)) is not None:
            mine = few.take_layers(mine)
        if not mine:
            return lambda: None
        return partial(self._evaluate_layers, mine, checks, self._ask_elsewhere(target, mine, checks), target)

    def _evaluate_layers(
        self, mine: Sequence[WholeLayer], checks: Collection[str], promise: Promise | None, target: Target
    ) -> None:
        if target.status != "judged":
            return
        tallies = {check: self.tallies[target.name, check] for check in checks}
        with self._computing(target, promise):
            for case, answer in zip(mine, known := list(self._journal.recall_all(target, RUN, mine)), strict=False):
                self._note_layer(target, case, found_in(answer))
            judged: list[tuple[WholeLayer, Judgement]] = []
            with confined(target):
                for one in self.examiner.judge_run_layers(target, mine[len(known) :], promise):
                    judged.append(one)
                    if target.worker.lost_seconds > LOST_SECONDS:
                        break
            with confined(target):
                for case, judgement in judged:
                    told = judgement.verdict.is_discrepancy and is_told_by_operation(target, case, tallies)
                    found = [] if told else [(case.check, judgement)]
                    self._journal.keep(target, RUN, case, found)
                    self._note_layer(target, case, found)
            self._journal.commit(target)
        target.cases += len(mine)
        self._give_up_if_hopeless(target)
        self._progress(target, len(mine))

    def _tell_first(self, target: Target, case: AnyCase, found: Found) -> None:
        if target.name in self._told:
            return
        fails = ((check, one) for check, one in found if one.verdict.is_discrepancy)
        failed = next((pair for pair in fails if not self.is_known(target, pair[0], Failure(case, pair[1]))), None)
        if failed:
            self._told.add(target.name)
            self.announce_first(target, case, *failed)

    def _note_layer(self, target: Target, case: WholeLayer, found: Found) -> None:
        """Counts the judgement of a layer, if there is one."""
        for check, judgement in found:
            chosen = judgement.verdict is Verdict.PASS and judgement.signature
            if isinstance(case, LayerCase) and chosen:
                topic, _, choice = judgement.signature.partition(CHOICE)
                target.traits.note(topic, choice)
            target.count(case, [judgement])
            self._tell_first(target, case, found)
            self.tallies[target.name, check].add(case, judgement)
            self._record(make_records(target, case, found))

    def _note(self, target: Target, examined: Examined, block: Draw | None) -> None:
        case = examined.expectation.case
        judgements = [judgement for _, judgement in examined.found]
        if self.comparing is not None:
            self.comparing.note(target.name, examined)
        target.count(case, judgements)
        self._tell_first(target, case, examined.found)
        for check, judgement in examined.found:
            self.tallies[target.name, check].add(case, judgement, block, examined.exhibit(check))
        self._record(make_records(target, case, examined.found))

    def _give_up_if_all_raise_alike(self, target: Target) -> None:
        """What plain cases all raise, any case will raise: a typo is not a finding on each of them."""
        alike = len({judgement.signature for judgement in target.raised}) == 1
        plain = not self.options.given
        if plain and target.status == "judged" and alike and len(target.raised) == PLAIN == target.judged:
            target.status = "broken"
            target.message = f"the first {PLAIN} cases, plain ones, raise the same:\n{target.raised[0].detail}"
            for check in self.options.checks:
                self.tallies.pop((target.name, check), None)

    def _give_up_if_hopeless(self, target: Target) -> None:
        worker = target.worker
        if target.hung == target.judged >= HUNG:
            target.status = "abandoned"
            target.message = (
                f"given up: nothing was answered in time on the first {HUNG} cases, each asked in a new process; "
                f"a call may take {worker.timeout:g} s (--timeout), the first of a process {FIRST_CALL:g} times as long"
            )
        elif worker.lost_seconds > LOST_SECONDS:
            target.status = "abandoned"
            target.message = (
                f"given up: {worker.losses} lost workers count for {worker.lost_seconds:g} s, each that did not answer "
                f"for its time limit, each that died for {CRASH_SECONDS:g} s; {LOST_SECONDS:g} s are accepted"
            )


def _wait(futures: Iterable[Future[None]]) -> None:
    for future in futures:
        future.result()
    interrupts.check()
