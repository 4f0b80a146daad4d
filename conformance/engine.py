"""One run: cases drawn once, every target judged on the same ones, what fails shrunk."""

from __future__ import annotations

import collections
import math
import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from depthwise_conformance import checks as judge
from depthwise_conformance import interrupts
from depthwise_conformance.case import AnyCase, Case, LayerCase, WholeLayer, canonical
from depthwise_conformance.covering import catalogue
from depthwise_conformance.diagnosis.diagnose import Diagnosis
from depthwise_conformance.diagnosis.distinct import Distinct, fails_alike
from depthwise_conformance.drawing import (
    BLOCK,
    draw_block,
    draw_layer_cases,
    draw_pool,
    draw_refusals,
    search,
    simplify,
)
from depthwise_conformance.judging import Expectation, Judgement, expect
from depthwise_conformance.layers.asking import judge_layers
from depthwise_conformance.layers.catalogue import layer_cases
from depthwise_conformance.layers.judging import CHOICE
from depthwise_conformance.layers.rehearsal import operation_case
from depthwise_conformance.layers.telling import plainer
from depthwise_conformance.pool import Outcome, Worker, WorkerBrokenError
from depthwise_conformance.protocol import Message
from depthwise_conformance.reports.record import CHECKS, LAYER_CHECKS, Record, Verdict
from depthwise_conformance.strategies import activation_cases, fixed_cases
from depthwise_conformance.tally import KEPT, Examined, Failure, Found, Tally, extent
from depthwise_conformance.targets import Target

CHUNK = 16  # cases that are handed to the targets together
AHEAD = 4  # chunks by which the slowest target may lag: what keeps memory flat
LAYERS_AT_MOST = 100  # drawn, and as many refusals: whole layers are slow to make, and have fewer corners
ON_ONE_CORE = 4  # layers of a real network that are computed on one core as well
ACTIVE = 2  # targets that compute at a time
LOST_SECONDS = 150.0  # that a target may cost by dying and hanging before it is given up

# What a check is judged beside when it is judged alone: its verdict depends on it.
NEEDS = {
    **dict.fromkeys((*judge.GRADIENT_CHECKS, "shape_inference", "metamorphic"), ("output",)),
    "determinism": judge.GRADIENT_CHECKS,
    "purity": ("determinism", *judge.GRADIENT_CHECKS),
}

NOT_ALONE = "crashed, but not when asked alone: an earlier call may have damaged the process"

C = TypeVar("C")
OPERATION_CHECKS = ("output", "shape", "dtype", *judge.GRADIENT_CHECKS)

Recorder = Callable[[Sequence[Record]], None]


@dataclass(frozen=True)
class Options:
    """What a run was asked for."""

    checks: tuple[str, ...] = CHECKS
    examples: int = 250
    seed: int = 0
    strength: int = 2
    search_seconds: float = 5.0  # for one discrepancy
    search_budget: float = 60.0  # seconds for all of them
    diagnosis_seconds: float = 30.0  # for one target


class Engine:
    """Judges targets on the cases of a seed. `record` receives every Record, `progress` the cases done by a target."""

    def __init__(
        self, options: Options, record: Recorder, progress: Callable[[Target, int], None] = lambda target, done: None
    ) -> None:
        self.options = options
        self.tallies: dict[tuple[str, str], Tally] = collections.defaultdict(Tally)
        self._record = record
        self._progress = progress
        self.stop_early = False  # after the first chunk that shows a discrepancy
        self.stopped = False
        self.distinct: dict[str, list[Distinct]] = {}
        self._search_left = options.search_budget
        self._confirmed: set[tuple[str, str]] = set()
        self._active = threading.Semaphore(ACTIVE)

    def evaluate(self, targets: Sequence[Target], selected: Mapping[str, Collection[str]]) -> None:
        """Judges every case of the run on these targets, each by the checks that `selected` has for its name."""
        live = [target for target in targets if target.status == "judged"]
        executors = {id(target): ThreadPoolExecutor(1) for target in live}
        under_way: collections.deque[list[Future[None]]] = collections.deque()
        try:
            for work in self._work(selected):
                under_way.append([executors[id(t)].submit(work, t) for t in live])
                if len(under_way) > AHEAD:
                    _wait(under_way.popleft())
                if self.stop_early and any(tally.groups for tally in list(self.tallies.values())):
                    self.stopped = True
                    break
            while under_way:
                _wait(under_way.popleft())
        except BaseException:
            for target in live:
                target.worker.abort()
            raise
        finally:
            for executor in executors.values():
                executor.shutdown(wait=True, cancel_futures=True)

    def diagnose(self, targets: Sequence[Target]) -> None:
        """Brings what was found down to distinct discrepancies, by asking for further cases: `self.distinct`."""
        guilty = [t for t in targets if any(self.tallies[t.name, check].groups for check in self.options.checks)]
        pool = draw_pool(self.options.seed) if guilty else []
        with ThreadPoolExecutor(ACTIVE) as executor:
            try:
                list(executor.map(lambda target: self._diagnose(target, pool), guilty))
            except BaseException:
                for target in guilty:
                    target.worker.abort()
                raise

    def _diagnose(self, target: Target, pool: Sequence[Case]) -> None:
        tallies = {check: self.tallies[target.name, check] for check in self.options.checks}
        seconds = self.options.diagnosis_seconds if target.status == "judged" else 0.0
        try:
            found = self._diagnosis(target, pool, seconds).distinguish(tallies)
        except WorkerBrokenError as error:
            target.status, target.message = "broken", str(error)
            found = self._diagnosis(target, (), 0.0).distinguish(tallies)
        self.distinct[target.name] = found

    def _diagnosis(self, target: Target, pool: Sequence[Case], seconds: float) -> Diagnosis:
        def afresh(case: Case, check: str) -> Examined:
            worker = Worker(target.worker.launch, target.worker.timeout)
            try:
                return self.examine(replace(target, worker=worker), case, check)
            finally:
                worker.close()

        return Diagnosis(partial(self.examine, target), afresh, pool, seconds)

    def planned(self, checks: Collection[str]) -> int:
        """The number of cases that `evaluate` judges on each target."""
        layers = sum(case.check in checks for case in self._layers())
        others = self.options.examples + len(catalogue(self.options.strength))
        others += len(activation_cases()) + len(fixed_cases())
        return layers + (others if set(checks) - set(LAYER_CHECKS) else 0)

    def judge(self, target: Target, case: AnyCase, check: str) -> Judgement | None:
        """One check on one case, alone and thoroughly; None where the check does not apply."""
        if not isinstance(case, Case):
            return judge_layers(target, [case])[0][1] if check == case.check else None
        judgement = self.examine(target, case, check).judgement(check)
        if check != judge.METAMORPHIC_CHECK or (judgement is not None and judgement.verdict.is_discrepancy):
            return judgement
        return self._judge_cores(target, [expect(case)])[0] or judgement

    def examine(self, target: Target, case: Case, check: str) -> Examined:
        """One check on one case, alone and thoroughly, with what came back."""
        expectation = target.expects(expect(case))
        needed = {check, *NEEDS.get(check, ())}
        examined = next(_examine(target, [expectation], needed, thorough=True))
        return replace(examined, found=self._confirm(target, expectation, examined.found))

    def shrink(self, target: Target, distinct: Distinct) -> Failure:
        """The smallest case found on which this target has this discrepancy."""
        best, first, check = distinct.group.smallest, distinct.group.drawn, distinct.check
        if isinstance(best.case, LayerCase):
            return _simplify_layer(target, best)
        if not isinstance(best.case, Case) or best.judgement.verdict is Verdict.TIMED_OUT:
            return best

        def fails(case: Case) -> bool:
            nonlocal best
            if target.status == "broken":
                return False
            try:
                examined = self.examine(target, case, check)
            except WorkerBrokenError as error:
                target.status, target.message = "broken", str(error)
                return False
            judgement, same = examined.judgement(check), fails_alike(distinct, examined, strictly=True)
            if judgement is not None and same and extent(case) <= extent(best.case):
                best = Failure(case, judgement)
            return bool(same)

        start = time.monotonic()
        seconds = min(self.options.search_seconds, self._search_left)
        if first is not None and isinstance(first.case, Case):
            seed, size = self._block_seed(first.block), self._block_size(first.block)
            search(seed, size, first.case, fails, seconds)
        if isinstance(best.case, Case):
            simplify(best.case, fails, start + seconds)
        self._search_left -= time.monotonic() - start
        return best

    def _work(self, selected: Mapping[str, Collection[str]]) -> Iterator[Callable[[Target], None]]:
        union = {check for checks in selected.values() for check in checks}
        for layers in _chunks(case for case in self._layers() if case.check in union):
            yield partial(self._evaluate_layers, layers, selected)
        if not union - set(LAYER_CHECKS):
            return
        for block, cases in self._blocks():
            for chunk in _chunks(cases):
                expectations = [expect(case) for case in chunk]
                yield partial(self._evaluate, expectations, selected, block)
        if judge.METAMORPHIC_CHECK in union and (os.cpu_count() or 1) > 1:
            others = [expect(case) for case in fixed_cases() if not judge.is_related(case)]
            yield partial(self._compare_cores, others[:ON_ONE_CORE], selected)

    def _blocks(self) -> Iterator[tuple[int, Iterable[Case]]]:
        yield -1, catalogue(self.options.strength)
        for block in range(math.ceil(self.options.examples / BLOCK)):
            yield block, draw_block(self._block_seed(block), self._block_size(block))
        yield -1, (*activation_cases(), *fixed_cases())

    def _block_seed(self, block: int) -> int:
        return self.options.seed * 1_000_003 + block

    def _block_size(self, block: int) -> int:
        return min(BLOCK, self.options.examples - block * BLOCK)

    def _layers(self) -> tuple[WholeLayer, ...]:
        """What is asked of whole layers; those that need a home of their own are last, together."""
        count = min(max(self.options.examples // 10, 10), LAYERS_AT_MOST)
        drawn = (*layer_cases(), *draw_layer_cases(self.options.seed, count))
        return (*draw_refusals(self.options.seed, count), *sorted(drawn, key=lambda case: bool(case.home)))

    def _evaluate(
        self, expectations: list[Expectation], selected: Mapping[str, Collection[str]], block: int, target: Target
    ) -> None:
        checks = set(selected[target.name]) - set(LAYER_CHECKS)
        if target.status != "judged" or not checks:
            return
        with self._active:
            start = time.perf_counter()
            try:
                mine = [target.expects(expectation) for expectation in expectations]
                for examined in _examine(target, mine, checks):
                    found = self._confirm(target, examined.expectation, examined.found)
                    self._note(target, replace(examined, found=found), block)
            except WorkerBrokenError as error:
                target.status, target.message = "broken", str(error)
            target.seconds += time.perf_counter() - start
        target.cases += len(expectations)
        self._give_up_if_hopeless(target)
        self._progress(target, len(expectations))

    def _compare_cores(
        self, expectations: Sequence[Expectation], selected: Mapping[str, Collection[str]], target: Target
    ) -> None:
        """One core against all of them, on layers that are large enough to be split."""
        check = judge.METAMORPHIC_CHECK
        if target.status != "judged" or check not in selected[target.name]:
            return
        try:
            with self._active:
                judgements = self._judge_cores(target, expectations)
        except WorkerBrokenError as error:
            target.status, target.message = "broken", str(error)
            return
        for expectation, judgement in zip(expectations, judgements, strict=True):
            if judgement is not None:
                self.tallies[target.name, check].add(expectation.case, judgement, -1)
                self._record(make_records(target, expectation.case, [(check, judgement)]))

    def _judge_cores(self, target: Target, expectations: Sequence[Expectation]) -> list[Judgement | None]:
        mine = [target.expects(expectation) for expectation in expectations]
        requests = [(judge.forward_request(expectation),) for expectation in mine]
        alone = Worker(replace(target.worker.launch, cores=1), target.worker.timeout)
        try:
            pairs = list(zip(mine, target.worker.run(requests), alone.run(requests), strict=True))
        finally:
            alone.close()
        return [judge.judge_threads(expectation, many, one) for expectation, (many,), (one,) in pairs]

    def _evaluate_layers(
        self, cases: Sequence[WholeLayer], selected: Mapping[str, Collection[str]], target: Target
    ) -> None:
        mine = [case for case in cases if case.check in selected[target.name]]
        if target.status != "judged" or not mine:
            return
        with self._active:
            start = time.perf_counter()
            try:
                for case, judgement in judge_layers(target, mine):
                    if not (judgement.verdict.is_discrepancy and _is_told(target, case, selected[target.name])):
                        self._note_layer(target, case, judgement)
            except WorkerBrokenError as error:
                target.status, target.message = "broken", str(error)
            target.seconds += time.perf_counter() - start
        target.cases += len(mine)
        self._give_up_if_hopeless(target)
        self._progress(target, len(mine))

    def _note_layer(self, target: Target, case: WholeLayer, judgement: Judgement) -> None:
        if isinstance(case, LayerCase) and judgement.verdict is Verdict.PASS and judgement.signature:
            topic, _, choice = judgement.signature.partition(CHOICE)
            target.traits.note(topic, choice)
        self.tallies[target.name, case.check].add(case, judgement, -1)
        self._record(make_records(target, case, [(case.check, judgement)]))

    def _confirm(self, target: Target, expectation: Expectation, found: Found) -> Found:
        """Asks a fresh worker about what an earlier case may have caused: a stale result, a crash.

        A result that is wrong there too is no matter of memory, and `output` tells it; a crash that does not
        happen there is told as one whose cause may be an earlier call.
        """
        confirmed = []
        for check, judgement in found:
            if judgement.verdict is Verdict.CRASHED and not self._crashes_alone(target, expectation):
                judgement = replace(judgement, signature=NOT_ALONE, detail=f"{NOT_ALONE}\n{judgement.detail}")
            step = judge.fresh_request(expectation, judgement) if check == "purity" else None
            if step is not None and (target.name, judgement.signature) not in self._confirmed:
                ((outcome,),) = _ask_fresh(target, step.request)
                if judge.is_right(step, outcome):
                    self._confirmed.add((target.name, judgement.signature))
                else:
                    judgement = Judgement(Verdict.PASS)
            confirmed.append((check, judgement))
        return confirmed

    def _crashes_alone(self, target: Target, expectation: Expectation) -> bool:
        if target.worker.aborted:
            return True
        steps = judge.plan(expectation, self.options.checks, thorough=True)
        (outcomes,) = _ask_fresh(target, *(step.request for step in steps))
        return outcomes[-1].kind in judge.LOST

    def _note(self, target: Target, examined: Examined, block: int) -> None:
        case = examined.expectation.case
        verdicts = {judgement.verdict for _, judgement in examined.found}
        if len(target.claimed) < KEPT and verdicts - {Verdict.UNSUPPORTED}:
            target.claimed.append(case)
        for check, judgement in examined.found:
            if check in (judge.OUTPUT_CHECK, judge.SPECIAL_CHECK) and "output" in examined.arrays:
                target.traits.observe(examined.expectation, examined.arrays["output"], judgement)
            self.tallies[target.name, check].add(case, judgement, block, examined.exhibit(check))
        self._record(make_records(target, case, examined.found))

    def _give_up_if_hopeless(self, target: Target) -> None:
        if target.status == "judged" and target.worker.lost_seconds > LOST_SECONDS:
            target.status = "abandoned"
            target.message = f"given up: {target.worker.losses} lost workers cost {target.worker.lost_seconds:.0f} s"


def _simplify_layer(target: Target, failure: Failure) -> Failure:
    """The failure without the arguments that it does not need."""
    tried = {failure.case.id}
    while target.status == "judged" and isinstance(failure.case, LayerCase):
        others = [case for case in plainer(failure.case) if case.id not in tried]
        tried |= {case.id for case in others}
        try:
            judged = judge_layers(target, others)
        except WorkerBrokenError as error:
            target.status, target.message = "broken", str(error)
            break
        key = failure.judgement.verdict, failure.judgement.signature
        alike = [Failure(case, found) for case, found in judged if (found.verdict, found.signature) == key]
        if not alike:
            break
        failure = alike[0]
    return failure


def _is_told(target: Target, case: WholeLayer, checks: Collection[str]) -> bool:
    """Whether a layer fails because its operation does, which those of the operation's own checks tell."""
    telling = [check for check in OPERATION_CHECKS if check in checks]
    if not isinstance(case, LayerCase) or not telling:
        return False
    expectation = target.expects(expect(operation_case(case)))
    (examined,) = _examine(target, [expectation], telling)
    return any(judgement.verdict.is_discrepancy for _, judgement in examined.found)


def _ask_fresh(target: Target, *requests: Message) -> list[tuple[Outcome, ...]]:
    """The answers of a worker that was asked nothing before."""
    fresh = Worker(target.worker.launch, target.worker.timeout)
    try:
        return list(fresh.run([requests]))
    finally:
        fresh.close()


def make_records(target: Target, case: AnyCase, found: Found) -> list[Record]:
    """The rows of one case."""
    content, versions = case.to_json(), target.version_text
    arguments, shape = canonical(content["arguments"]), canonical(content["input_shape"])
    return [
        Record(
            target=target.name,
            device=target.device,
            versions=versions,
            check=check,
            verdict=judgement.verdict,
            case=case.id,
            dtype=case.dtype,
            error=judgement.error,
            quality=judgement.quality,
            signature=judgement.signature,
            detail=judgement.detail,
            arguments=arguments,
            input_shape=shape,
            recipe=case.data.recipe,
            seed=case.data.seed,
        )
        for check, judgement in found
    ]


def _examine(
    target: Target, expectations: Sequence[Expectation], checks: Collection[str], thorough: bool = False
) -> Iterator[Examined]:
    programs = [judge.plan(expectation, checks, thorough) for expectation in expectations]
    answers = target.worker.run(tuple(step.request for step in program) for program in programs)
    for expectation, program, outcomes in zip(expectations, programs, answers, strict=True):
        found = list(judge.judge_case(expectation, program, outcomes, checks))
        yield Examined(expectation, found, judge.first_arrays(program, outcomes))


def _chunks(cases: Iterable[C]) -> Iterator[list[C]]:
    chunk: list[C] = []
    for case in cases:
        chunk.append(case)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _wait(futures: Iterable[Future[None]]) -> None:
    for future in futures:
        future.result()
    interrupts.check()
