"""Questions for another process of ours: cases that it asks of a target there, and judges.

What comes back are the rows of the journal, so that whoever asked takes them as a resumed run takes those of then. The
process keeps the worker of a target for the next questions.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from depthwise_conformance.casebook.case import AnyCase, Case
from depthwise_conformance.casebook.claims import Claim
from depthwise_conformance.judging.values import expect
from depthwise_conformance.layers.asking import judge_layers
from depthwise_conformance.reference import Arithmetic
from depthwise_conformance.reports.journal import RUN, Answer
from depthwise_conformance.running.examining import Examiner
from depthwise_conformance.running.journal import Journal
from depthwise_conformance.running.targets import Target
from depthwise_conformance.workers.process import Launch
from depthwise_conformance.workers.worker import Worker, WorkerBrokenError


@dataclass(frozen=True)
class Asked:
    """A target, as far as another process needs to know it."""

    name: str
    device: str
    versions: Mapping[str, str]
    declared: Mapping[str, Arithmetic]
    claim: Claim
    launch: Launch
    timeout: float


@dataclass(frozen=True)
class Question:
    """Cases that a target is to be asked in turn, either operations or whole layers, and how they are judged.

    `checks` are those of the run, `selected` those of this target.
    """

    target: Asked
    cases: Sequence[AnyCase]
    selected: frozenset[str]
    checks: tuple[str, ...]
    strength: int


@dataclass
class Reply:
    """The answers to the first of the cases; to all of them, unless something is `broken` or an `error` of this tool.

    `losses` and `lost_seconds` of the answers count from the question on.
    """

    answers: list[Answer] = field(default_factory=list)
    seconds: float = 0.0
    broken: str = ""
    error: str = ""

    def append(self, answers: Iterable[Answer]) -> None:
        """Takes in answers, as the journal's writer does."""
        self.answers.extend(answers)


_workers: dict[tuple[Launch, float], Worker] = {}


def asked(target: Target) -> Asked:
    """The target as another process is told of it."""
    worker = target.worker
    about = target.name, target.device, dict(target.versions), dict(target.declared), target.claim
    return Asked(*about, worker.launch, worker.timeout)


def answer(question: Question) -> Reply:
    """Asks and judges. What goes wrong is in the reply."""
    started, reply = time.perf_counter(), Reply()
    one = question.target
    worker = _workers.setdefault((one.launch, one.timeout), Worker(one.launch, one.timeout))
    worker.losses, worker.lost_seconds = 0, 0.0
    target = Target(one.name, one.device, worker, one.versions, declared=one.declared, claim=one.claim)
    journal = Journal()
    journal.writer = reply
    try:
        _ask(question, target, journal)
    except WorkerBrokenError as error:
        reply.broken = str(error) or "the worker could not start"
    except Exception:
        reply.error = traceback.format_exc()
    finally:
        journal.commit(target)
        reply.seconds = time.perf_counter() - started
    return reply


def close_workers() -> None:
    """Ends the workers that were kept."""
    while _workers:
        _workers.popitem()[1].close()


def _ask(question: Question, target: Target, journal: Journal) -> None:
    operations = [case for case in question.cases if isinstance(case, Case)]
    if operations:
        examiner = Examiner(question.checks, question.strength, journal)
        for _ in examiner.examine_all(target, [expect(case) for case in operations], question.selected):
            pass  # the journal has it
    layers = [case for case in question.cases if not isinstance(case, Case)]
    for case, judgement in judge_layers(target.worker, target.declared, layers):
        journal.keep(target, RUN, case, [(case.check, judgement)])


def in_turn(cases: Sequence[AnyCase], replies: Mapping[int, Reply], lanes: Sequence[int]) -> Iterable[Answer]:
    """The answers by the order of the cases, which went to these lanes. Raises what kept a reply from going on.

    `losses` and `lost_seconds` count over all lanes.
    """
    left = {lane: iter(reply.answers) for lane, reply in replies.items()}
    lost: dict[int, tuple[int, float]] = {}
    for _, lane in zip(cases, lanes, strict=True):
        one = next(left[lane], None)
        if one is None:
            if replies[lane].broken:
                raise WorkerBrokenError(replies[lane].broken)
            raise RuntimeError(f"in a process that asks and judges:\n{replies[lane].error}")
        lost[lane] = one.losses, one.lost_seconds
        yield replace(
            one, losses=sum(count for count, _ in lost.values()), lost_seconds=sum(cost for _, cost in lost.values())
        )
