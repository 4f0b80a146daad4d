"""Cases asked of a target: together, alone and thoroughly, and again in a worker that has no memories."""

from __future__ import annotations

import collections
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from depthwise_conformance.casebook.case import AnyCase, Case, LayerCase, WholeLayer
from depthwise_conformance.casebook.claims import Claim
from depthwise_conformance.casebook.covering import catalogued
from depthwise_conformance.diagnosis.distinct import VALUES
from depthwise_conformance.judging import checks as judge
from depthwise_conformance.judging.repeating import Step, expected
from depthwise_conformance.judging.tally import Examined, Found, Key, Tally, is_kept
from depthwise_conformance.judging.traits import Traits
from depthwise_conformance.judging.values import AnyArray, Expectation, Judgement, expect, judge_unanswered
from depthwise_conformance.layers.asking import judge_layers
from depthwise_conformance.layers.rehearsal import operation_case
from depthwise_conformance.reports.journal import CORES, RUN, Answer
from depthwise_conformance.reports.record import Verdict
from depthwise_conformance.running.journal import Journal, believe, examined_in, found_in
from depthwise_conformance.running.targets import Target
from depthwise_conformance.workers.outcomes import LOST, Outcome
from depthwise_conformance.workers.protocol import Message
from depthwise_conformance.workers.worker import WorkerBrokenError

# What a check is judged beside when it is judged alone: its verdict depends on it.
NEEDS = {
    **dict.fromkeys((*judge.GRADIENT_CHECKS, "shape_inference", "metamorphic"), ("output",)),
    "determinism": judge.GRADIENT_CHECKS,
    "purity": ("determinism", *judge.GRADIENT_CHECKS),
    "memory": judge.GRADIENT_CHECKS,
}
NOT_ALONE = "crashed, but not when asked alone: an earlier call may have damaged the process"
LAYER = "layer"  # why whole layers are asked that are none of the run's own
NOT_CLAIMED = "outside what the target claims"
OPERATION_CHECKS = ("output", "shape", "dtype", *judge.GRADIENT_CHECKS)
Promise = Callable[[], Iterator[Answer]]  # waits for what is asked elsewhere


class Examiner:
    """Asks targets about cases on behalf of `checks`, and looks twice at what an earlier case may have caused.

    The cases of the catalogue of that `strength` are crossed with every choice of unknown sizes.
    """

    def __init__(self, checks: Sequence[str], strength: int = 2, journal: Journal | None = None) -> None:
        self._checks, self._strength = checks, strength
        self._journal = journal or Journal()
        self._confirmed: set[tuple[str, str]] = set()

    def judge(self, target: Target, case: AnyCase, check: str) -> Judgement | None:
        """One check on one case, alone and thoroughly; None where the check does not apply."""
        if not isinstance(case, Case):
            found = self.judge_layers(target, [case]) if check == case.check else ()
            return next((judgement for _, judgement in found), None)
        judgement = self.examine(target, case, check).judgement(check)
        if check != judge.METAMORPHIC_CHECK or (judgement is not None and judgement.verdict.is_discrepancy):
            return judgement
        return next(self.judge_cores(target, [expect(case)], f"{CORES}, again")) or judgement

    def examine(self, target: Target, case: Case, check: str) -> Examined:
        """One check on one case, alone and thoroughly, with what came back."""
        needed = {check, *NEEDS.get(check, ())}
        if not target.claim.covers(case):
            return Examined(expect(case), [(check, Judgement(Verdict.UNSUPPORTED, signature=NOT_CLAIMED))], {})
        return next(self.examine_all(target, [expect(case)], needed, thorough=True, asked=check))

    def examine_afresh(self, target: Target, case: Case, check: str) -> Examined:
        """The same, by a process that was asked nothing before; without a judgement where that cannot start."""
        worker = target.worker.another()
        try:
            return self.examine(replace(target, worker=worker), case, check)
        except WorkerBrokenError:
            return Examined(expect(case), [], {})
        finally:
            worker.close()

    def judge_layers(self, target: Target, cases: Sequence[WholeLayer]) -> Iterator[tuple[WholeLayer, Judgement]]:
        """Layers that the diagnosis asks for, in turn. Raises WorkerBrokenError."""
        known = [found_in(answer) for answer in self._journal.recall_all(target, LAYER, cases)]
        yield from ((case, found[0][1]) for case, found in zip(cases, known, strict=False))
        for case, judgement in judge_layers(target.worker, target.declared, cases[len(known) :]):
            self._journal.keep(target, LAYER, case, [(case.check, judgement)])
            self._journal.commit(target)
            yield case, judgement

    def judge_run_layers(
        self, target: Target, cases: Sequence[WholeLayer], promise: Promise | None
    ) -> Iterator[tuple[WholeLayer, Judgement]]:
        """Layers of the run in turn, asked here or as promised; the journal has none yet. Raises WorkerBrokenError."""
        if promise is None:
            yield from judge_layers(target.worker, target.declared, cases)
            return
        for case, answer in zip(cases, promise(), strict=True):
            believe(target, answer)
            yield case, found_in(answer)[0][1]

    def judge_cores(
        self, target: Target, expectations: Sequence[Expectation], asked: str = CORES
    ) -> Iterator[Judgement | None]:
        """What `judge_cores` does, by way of the journal. Raises WorkerBrokenError."""
        cases = [expectation.case for expectation in expectations]
        known = [found_in(answer) for answer in self._journal.recall_all(target, asked, cases)]
        yield from (found[0][1] if found else None for found in known)
        left = expectations[len(known) :]
        for expectation, judgement in zip(left, judge_cores(target, left) if left else (), strict=True):
            found = [] if judgement is None else [(judge.METAMORPHIC_CHECK, judgement)]
            self._journal.keep(target, asked, expectation.case, found)
            self._journal.commit(target)
            yield judgement

    def count_failing(self, target: Target, case: AnyCase, check: str, times: int) -> int | None:
        """How often the case fails of so many times that a fresh worker is asked; None where that cannot start."""
        fresh = replace(target, worker=target.worker.another())
        try:
            judged = [self.judge(fresh, case, check) for _ in range(times)]
        except WorkerBrokenError:
            return None
        finally:
            fresh.worker.close()
        return sum(one is not None and one.verdict.is_discrepancy for one in judged)

    def examine_all(
        self,
        target: Target,
        expectations: Sequence[Expectation],
        checks: Collection[str],
        thorough: bool = False,
        asked: str = RUN,
        promise: Promise | None = None,
    ) -> Iterator[Examined]:
        """The cases in turn, each with what came back; why they are `asked`, for the journal. Raises WorkerBrokenError.

        What was asked of the run's own cases is on disk when all were, or no more can be. A `promise` gives the answers
        to those that the journal does not know.
        """
        mine = [target.expects(expectation) for expectation in expectations]
        recalled = 0
        for answer in self._journal.recall_all(target, asked, [expectation.case for expectation in mine]):
            yield self._recall(target, examined_in(answer, mine[recalled]))
            recalled += 1
        mine = mine[recalled:]
        if promise is not None:
            yield from self._redeem(target, mine, promise)
            return
        crossed = frozenset[str]() if thorough else catalogued(self._strength, target.claim)
        try:
            for examined in _examine(target, mine, checks, thorough, crossed):
                found = self._confirm(target, examined.expectation, examined.found, {*self._checks, *checks})
                case, arrays = examined.expectation.case, examined.arrays
                shown = _shown(examined.expectation, found, arrays) if asked == RUN else Traits()
                if not thorough:  # what no tally would keep
                    arrays = {part: array for part, array in arrays.items() if is_kept(case, array)}
                target.traits.add(shown)
                self._journal.keep(target, asked, case, found, arrays, shown.dump())
                if asked != RUN:
                    self._journal.commit(target)
                yield replace(examined, found=found)
        finally:
            self._journal.commit(target)

    def _redeem(self, target: Target, expectations: Sequence[Expectation], promise: Promise) -> Iterator[Examined]:
        try:
            for expectation, answer in zip(expectations, promise(), strict=True):
                self._journal.take(target, answer)
                yield self._recall(target, examined_in(answer, expectation))
        finally:
            self._journal.commit(target)

    def _recall(self, target: Target, examined: Examined) -> Examined:
        """An answer of then, with what was confirmed by it."""
        for check, judgement in examined.found:
            if check == judge.PURITY_CHECK and judge.fresh_request(examined.expectation, judgement) is not None:
                self._confirmed.add((target.name, judgement.signature))
        return examined

    def _confirm(self, target: Target, expectation: Expectation, found: Found, checks: Collection[str]) -> Found:
        """Asks a fresh worker about what an earlier case may have caused: a stale result, a crash.

        A result that is wrong there too is no matter of memory, and `output` tells it; none at all is told; a crash
        that does not happen there is told as one whose cause may be an earlier call. What such a worker cannot be
        asked, since it does not start, is told as it was found.
        """
        confirmed = []
        for check, judgement in found:
            if judgement.verdict is Verdict.CRASHED and not self._crashes_alone(target, expectation, checks):
                judgement = replace(judgement, signature=NOT_ALONE, detail=f"{NOT_ALONE}\n{judgement.detail}")
            step = judge.fresh_request(expectation, judgement) if check == "purity" else None
            if step is not None and (target.name, judgement.signature) not in self._confirmed:
                judgement = self._remembers(target, judgement, step)
            confirmed.append((check, judgement))
        return confirmed

    def _remembers(self, target: Target, suspicion: Judgement, step: Step) -> Judgement:
        with suppress(WorkerBrokenError):
            ((outcome,),) = _ask_fresh(target, step.request)
            if outcome.kind != "value":
                return judge_unanswered(expected(step).case, outcome)
            if not judge.is_right(step, outcome):
                return Judgement(Verdict.PASS)
            self._confirmed.add((target.name, suspicion.signature))
        return suspicion

    def _crashes_alone(self, target: Target, expectation: Expectation, checks: Collection[str]) -> bool:
        steps = judge.plan(expectation, checks, thorough=True, claim=target.claim)
        with suppress(WorkerBrokenError):
            (outcomes,) = _ask_fresh(target, *(step.request for step in steps))
            return outcomes[-1].kind in LOST
        return True


def _shown(expectation: Expectation, found: Found, arrays: Mapping[str, AnyArray]) -> Traits:
    """What a target shows of itself by one case."""
    shown = Traits()
    for check, judgement in found:
        if check in (judge.OUTPUT_CHECK, judge.SPECIAL_CHECK) and "output" in arrays:
            shown.observe(expectation, arrays["output"], judgement)
    return shown


def judge_cores(target: Target, expectations: Sequence[Expectation]) -> Iterator[Judgement | None]:
    """In turn, whether one core gives what all of them give; None where none is claimed. Raises WorkerBrokenError."""
    mine = [target.expects(expectation) for expectation in expectations]
    requests = [(judge.forward_request(expectation),) for expectation in mine]
    alone = target.worker.another(cores=1)
    try:
        for expectation, (many,), (one,) in zip(mine, target.worker.run(requests), alone.run(requests), strict=True):
            judgement = judge.judge_threads(expectation, many, one)
            yield judgement and replace(judgement, seconds=many.seconds + one.seconds)
    finally:
        alone.close()


def is_layer_claimed(claim: Claim, case: WholeLayer) -> bool:
    """Whether a layer is one that the target claims; what has to be refused is asked of any layer."""
    return not claim.text or not isinstance(case, LayerCase) or claim.covers(operation_case(case))


def is_told_by_operation(target: Target, case: WholeLayer, tallies: Mapping[str, Tally]) -> bool:
    """Whether a layer fails because its operation does, as cases of the operation's own checks have told already."""
    telling = [check for check in OPERATION_CHECKS if check in tallies and tallies[check].groups]
    if not isinstance(case, LayerCase) or not telling:
        return False
    expectation = target.expects(expect(operation_case(case)))
    try:
        (examined,) = _examine(target, [expectation], telling)
    except WorkerBrokenError:
        return False
    return any(_is_told(one, tallies[check]) for check, one in examined.found)


def _is_told(judgement: Judgement, tally: Tally) -> bool:
    """Whether a check has told of such a failure before: of a wrong result, or of none for the same reason."""
    if judgement.verdict in VALUES:
        return any(key.verdict in VALUES for key in tally.groups)
    return Key(judgement.verdict, judgement.signature) in tally.groups


def _examine(
    target: Target,
    expectations: Sequence[Expectation],
    checks: Collection[str],
    thorough: bool = False,
    crossed: Collection[str] = (),
) -> Iterator[Examined]:
    under_way: collections.deque[tuple[Step, ...]] = collections.deque()

    def programs() -> Iterator[tuple[Message, ...]]:  # made while the worker is at those before
        for one in expectations:
            under_way.append(judge.plan(one, checks, thorough, target.claim, one.case.id in crossed))
            yield tuple(step.request for step in under_way[-1])

    for expectation, outcomes in zip(expectations, target.worker.run(programs()), strict=True):
        program = under_way.popleft()
        found = list(judge.judge_case(expectation, program, outcomes, checks))
        yield Examined(expectation, found, judge.first_arrays(program, outcomes))


def _ask_fresh(target: Target, *requests: Message) -> list[tuple[Outcome, ...]]:
    """The answers of a worker that was asked nothing before."""
    fresh = target.worker.another()
    try:
        return list(fresh.run([requests]))
    finally:
        fresh.close()
