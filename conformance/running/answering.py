"""Questions for another process of ours: cases that it asks of a target there, and judges.

What comes back are the rows of the journal, so that whoever asked takes them as a resumed run takes those of then. The
process keeps the worker of a target for the next questions.
"""

from __future__ import annotations

import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from depthwise_conformance.casebook.case import AnyCase, Case, LayerCase
from depthwise_conformance.casebook.claims import Claim
from depthwise_conformance.judging.values import expect
from depthwise_conformance.layers.asking import judge_layers
from depthwise_conformance.reference import Arithmetic
from depthwise_conformance.reports.journal import RUN, Answer
from depthwise_conformance.running.examining import Examiner, Promise
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

    `checks` are those of the run, `selected` those of this target. Without cases, its worker starts, for the next.
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


class Waiting(Protocol):
    """A reply that is under way, of whatever kind of executor."""

    def result(self) -> Reply:
        """Waits for it."""


class Sharing(ABC):
    """Shares out cases to `count` places, by the hash in their ids, `portion` cases at a time."""

    def __init__(self, count: int, portion: int, checks: tuple[str, ...], strength: int) -> None:
        self.count, self.portion = count, portion
        self._checks, self._strength = checks, strength

    @abstractmethod
    def _submit(self, target: Target, place: int, question: Question) -> Waiting:
        """Has a question answered in a place."""

    def ask(self, target: Target, cases: Sequence[AnyCase], selected: frozenset[str]) -> Promise:
        """Has the cases asked of the target: what waits for the answers and gives them by the order of the cases."""
        places = [place_of(case, self.count) for case in cases]
        waiting: dict[int, Waiting] = {}
        for place in sorted(set(places)):
            mine = [case for case, chosen in zip(cases, places, strict=True) if chosen == place]
            question = Question(asked(target), mine, selected, self._checks, self._strength)
            waiting[place] = self._submit(target, place, question)

        def wait() -> Iterator[Answer]:
            replies = {place: one.result() for place, one in waiting.items()}
            spent = target.seconds + sum(reply.seconds for reply in replies.values())
            losses, lost = target.worker.losses, target.worker.lost_seconds
            for one in in_turn(cases, replies, places):
                yield replace(one, spent=spent, losses=losses + one.losses, lost_seconds=lost + one.lost_seconds)

        return wait


def place_of(case: AnyCase, count: int) -> int:
    """Which of so many places asks a case; layers that need the same home stay together."""
    home = case.home if isinstance(case, LayerCase) else ""
    return len(home) % count if home else int(case.id[:8], 16) % count


_workers: dict[tuple[Launch, float, int], Worker] = {}


def asked(target: Target) -> Asked:
    """The target as another process is told of it."""
    worker = target.worker
    about = target.name, target.device, dict(target.versions), dict(target.declared), target.claim
    return Asked(*about, worker.launch, worker.timeout)


def answer(question: Question) -> Reply:
    """Asks and judges. What goes wrong is in the reply."""
    started, reply = time.perf_counter(), Reply()
    one = question.target
    key = (one.launch, one.timeout, threading.get_ident())
    worker = _workers.setdefault(key, Worker(one.launch, one.timeout))
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
    if not question.cases:
        target.worker.start()
    operations = [case for case in question.cases if isinstance(case, Case)]
    if operations:
        examiner = Examiner(question.checks, question.strength, journal)
        for _ in examiner.examine_all(target, [expect(case) for case in operations], question.selected):
            pass  # the journal has it
    layers = [case for case in question.cases if not isinstance(case, Case)]
    for case, judgement in judge_layers(target.worker, target.declared, layers):
        journal.keep(target, RUN, case, [(case.check, judgement)])


def in_turn(cases: Sequence[AnyCase], replies: Mapping[int, Reply], places: Sequence[int]) -> Iterator[Answer]:
    """The answers by the order of the cases, which went to these places. Raises what kept a reply from going on.

    `losses` and `lost_seconds` count over all of them.
    """
    left = {place: iter(reply.answers) for place, reply in replies.items()}
    lost: dict[int, tuple[int, float]] = {}
    for _, place in zip(cases, places, strict=True):
        one = next(left[place], None)
        if one is None:
            if replies[place].broken:
                raise WorkerBrokenError(replies[place].broken)
            raise RuntimeError(f"in a process that asks and judges:\n{replies[place].error}")
        lost[place] = one.losses, one.lost_seconds
        yield replace(
            one, losses=sum(count for count, _ in lost.values()), lost_seconds=sum(cost for _, cost in lost.values())
        )
