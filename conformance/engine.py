"""One run: cases drawn once, every target judged on the same ones, what fails shrunk."""

from __future__ import annotations

import collections
import math
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

from depthwise_conformance import checks as judge
from depthwise_conformance.case import AnyCase, Case, Refusal, canonical
from depthwise_conformance.drawing import BLOCK, draw_block, draw_refusals, search
from depthwise_conformance.judging import Expectation, Judgement, expect
from depthwise_conformance.pool import Outcome, Worker, WorkerBrokenError
from depthwise_conformance.protocol import Message
from depthwise_conformance.reports.record import CHECKS, Record, Verdict
from depthwise_conformance.strategies import fixed_cases
from depthwise_conformance.targets import Target

CHUNK = 16  # cases that are handed to the targets together
AHEAD = 4  # chunks by which the slowest target may lag: what keeps memory flat
ACTIVE = 2  # targets that compute at a time
LOST_SECONDS = 150.0  # that a target may cost by dying and hanging before it is given up

# What a check is judged beside when it is judged alone: its verdict depends on it.
NEEDS = {
    **dict.fromkeys((*judge.GRADIENT_CHECKS, "shape_inference"), ("output",)),
    "determinism": judge.GRADIENT_CHECKS,
    "purity": ("determinism", *judge.GRADIENT_CHECKS),
}

NOT_ALONE = "crashed, but not when asked alone: an earlier call may have damaged the process"

Key = tuple[Verdict, str]
Found = list[tuple[str, Judgement]]
Recorder = Callable[[Sequence[Record]], None]


@dataclass
class Group:
    """The failing cases of one target and check that share a verdict and a signature."""

    failing: int = 0
    worst: float = math.nan
    smallest: AnyCase | None = None
    judgement: Judgement | None = None
    first: Case | None = None
    block: int = -1

    def add(self, case: AnyCase, judgement: Judgement, block: int) -> None:
        """Counts a failing case; `block` is where it was drawn, negative where it was not drawn."""
        self.failing += 1
        self.worst = float(max(judgement.error, self.worst)) if self.worst == self.worst else judgement.error
        if self.first is None and isinstance(case, Case) and block >= 0:
            self.first, self.block = case, block
        if self.smallest is None or extent(case) < extent(self.smallest):
            self.smallest, self.judgement = case, judgement


@dataclass
class Tally:
    """What one check found on one target."""

    verdicts: collections.Counter[Verdict] = field(default_factory=collections.Counter)
    groups: dict[Key, Group] = field(default_factory=dict)
    reasons: collections.Counter[str] = field(default_factory=collections.Counter)
    worst: float = 0.0

    def add(self, case: AnyCase, judgement: Judgement, block: int) -> None:
        """Counts a judgement, and keeps what a discrepancy is told by."""
        self.verdicts[judgement.verdict] += 1
        if judgement.error > self.worst:
            self.worst = judgement.error
        if judgement.verdict is Verdict.UNSUPPORTED:
            self.reasons[judgement.signature] += 1
        elif judgement.verdict.is_discrepancy:
            self.groups.setdefault((judgement.verdict, judgement.signature), Group()).add(case, judgement, block)

    @property
    def passing(self) -> int:
        """How many cases passed."""
        return self.verdicts[Verdict.PASS]


@dataclass(frozen=True)
class Options:
    """What a run was asked for."""

    checks: tuple[str, ...] = CHECKS
    examples: int = 250
    seed: int = 0
    search_seconds: float = 10.0  # for one discrepancy
    search_budget: float = 120.0  # seconds for all of them


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

    def planned(self, checks: Collection[str]) -> int:
        """The number of cases that `evaluate` judges on each target."""
        refusals = len(self._refusals()) if "errors" in checks else 0
        return refusals + (self.options.examples + len(fixed_cases()) if set(checks) - {"errors"} else 0)

    def judge(self, target: Target, case: AnyCase, check: str) -> Judgement | None:
        """One check on one case, alone and thoroughly; None where the check does not apply."""
        if isinstance(case, Refusal):
            found = [] if check != "errors" else [(check, self._judge_refusals(target, [case])[0])]
        else:
            expectation = target.expects(expect(case))
            needed = {check, *NEEDS.get(check, ())}
            found = self._confirm(target, expectation, *_judge_cases(target, [expectation], needed, thorough=True))
        return next((judgement for name, judgement in found if name == check), None)

    def shrink(self, target: Target, check: str, key: Key) -> tuple[AnyCase, Judgement]:
        """The smallest case found on which this target fails this check in the same way."""
        group = self.tallies[target.name, check].groups[key]
        assert group.smallest is not None and group.judgement is not None
        best: tuple[AnyCase, Judgement] = (group.smallest, group.judgement)
        if group.first is None or key[0] is Verdict.TIMED_OUT:
            return best

        def fails(case: Case) -> bool:
            nonlocal best
            if target.status == "broken":
                return False
            try:
                judgement = self.judge(target, case, check)
            except WorkerBrokenError as error:
                target.status, target.message = "broken", str(error)
                return False
            same = judgement is not None and (judgement.verdict, judgement.signature) == key
            if judgement is not None and same and extent(case) <= extent(best[0]):
                best = (case, judgement)
            return same

        start = time.monotonic()
        seconds = min(self.options.search_seconds, self._search_left)
        search(self._block_seed(group.block), self._block_size(group.block), group.first, fails, seconds)
        self._search_left -= time.monotonic() - start
        return best

    def _work(self, selected: Mapping[str, Collection[str]]) -> Iterator[Callable[[Target], None]]:
        union = {check for checks in selected.values() for check in checks}
        if "errors" in union:
            yield partial(self._evaluate_refusals, self._refusals(), selected)
        if not union - {"errors"}:
            return
        for block, cases in self._blocks():
            for chunk in _chunks(cases):
                expectations = [expect(case) for case in chunk]
                yield partial(self._evaluate, expectations, selected, block)

    def _blocks(self) -> Iterator[tuple[int, Iterable[Case]]]:
        for block in range(math.ceil(self.options.examples / BLOCK)):
            yield block, draw_block(self._block_seed(block), self._block_size(block))
        yield -1, fixed_cases()

    def _block_seed(self, block: int) -> int:
        return self.options.seed * 1_000_003 + block

    def _block_size(self, block: int) -> int:
        return min(BLOCK, self.options.examples - block * BLOCK)

    def _refusals(self) -> tuple[Refusal, ...]:
        return draw_refusals(self.options.seed, max(self.options.examples // 10, 10))

    def _evaluate(
        self, expectations: list[Expectation], selected: Mapping[str, Collection[str]], block: int, target: Target
    ) -> None:
        checks = set(selected[target.name]) - {"errors"}
        if target.status != "judged" or not checks:
            return
        with self._active:
            start = time.perf_counter()
            try:
                mine = [target.expects(expectation) for expectation in expectations]
                for expectation, found in zip(mine, _judge_cases(target, mine, checks), strict=False):
                    self._note(target, expectation.case, self._confirm(target, expectation, found), block)
            except WorkerBrokenError as error:
                target.status, target.message = "broken", str(error)
            target.seconds += time.perf_counter() - start
        target.cases += len(expectations)
        self._give_up_if_hopeless(target)
        self._progress(target, len(expectations))

    def _evaluate_refusals(
        self, cases: Sequence[Refusal], selected: Mapping[str, Collection[str]], target: Target
    ) -> None:
        if "errors" not in selected[target.name]:
            return
        with self._active:
            try:
                for case, judgement in zip(cases, self._judge_refusals(target, cases), strict=True):
                    self._note(target, case, [("errors", judgement)], -1)
            except WorkerBrokenError as error:
                target.status, target.message = "broken", str(error)
        target.cases += len(cases)
        self._progress(target, len(cases))

    def _judge_refusals(self, target: Target, cases: Sequence[Refusal]) -> list[Judgement]:
        outcomes = target.worker.run((judge.refusal_request(case),) for case in cases)
        return [judge.judge_refusal(case, answer[0]) for case, answer in zip(cases, outcomes, strict=True)]

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

    def _note(self, target: Target, case: AnyCase, found: Found, block: int) -> None:
        for check, judgement in found:
            self.tallies[target.name, check].add(case, judgement, block)
        self._record(make_records(target, case, found))

    def _give_up_if_hopeless(self, target: Target) -> None:
        if target.status == "judged" and target.worker.lost_seconds > LOST_SECONDS:
            target.status = "abandoned"
            target.message = f"given up: {target.worker.losses} lost workers cost {target.worker.lost_seconds:.0f} s"


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


def extent(case: AnyCase) -> tuple[int, int]:
    """What "smallest" means: the number of input elements and weights, then the arguments that are not default."""
    if isinstance(case, Refusal):
        return (len(case.arguments), 0)
    config = case.config
    weights = config.kernel_size[0] * config.kernel_size[1] * case.channels * config.depth_multiplier
    return (math.prod(case.input_shape) + weights, len(canonical(config.to_json())))


def _judge_cases(
    target: Target, expectations: Sequence[Expectation], checks: Collection[str], thorough: bool = False
) -> Iterator[Found]:
    programs = [judge.plan(expectation, checks, thorough) for expectation in expectations]
    answers = target.worker.run(tuple(step.request for step in program) for program in programs)
    for expectation, program, outcomes in zip(expectations, programs, answers, strict=True):
        found = list(judge.judge_case(expectation, program, outcomes, checks))
        for check, judgement in found:
            if check in (judge.OUTPUT_CHECK, judge.SPECIAL_CHECK) and outcomes[0].kind == "value":
                target.traits.observe(expectation, outcomes[0].arrays["output"], judgement)
        yield found


def _chunks(cases: Iterable[Case]) -> Iterator[list[Case]]:
    chunk: list[Case] = []
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
