"""The parent's side of a worker: starts it, feeds it, and outlives it.

A worker that dies, hangs, eats memory or sends garbage costs the request it was at; a fresh one does the rest.
"""

from __future__ import annotations

import collections
import itertools
import reprlib
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from depthwise_conformance.workers.outcomes import LOST, Outcome, is_hello, read_outcome, room_for
from depthwise_conformance.workers.process import START_SECONDS, Launch, Process, WorkerLostError
from depthwise_conformance.workers.protocol import VERSION, Message

FIRST_CALL = 4.0  # how many time limits the first call may take, in which a framework sets itself up
CRASH_SECONDS = 1.0  # what a process that died counts for
WINDOW = 24  # requests under way, so that the worker never waits for the parent


class WorkerBrokenError(Exception):
    """The worker could not start: the environment's fault, with what it said."""


class WorkerAbortedError(Exception):
    """The worker was ended from here, for good: what is unanswered says nothing of the target."""


Program = tuple[Message, ...]


class Worker:
    """One target's process. Not thread-safe; `close` it.

    `losses` counts the processes that were lost, `lost_seconds` what they cost: its time limit for a call that was not
    answered by then, `CRASH_SECONDS` for any other loss, however fast the machine is.
    """

    def __init__(self, launch: Launch, timeout: float) -> None:
        self.launch = launch
        self.timeout = timeout
        self._limit = timeout
        self._process: Process | None = None
        self._ids = itertools.count(1)
        self._echoes = False
        self.losses = 0
        self.lost_seconds = 0.0
        self.aborted = False
        self._others: weakref.WeakSet[Worker] = weakref.WeakSet()

    def start(self) -> Mapping[str, Any]:
        """Starts the process; what it says of itself. Raises WorkerBrokenError."""
        self.close()
        try:
            self._process = Process(self.launch)
            self._check_aborted()  # it may have been, before there was a process to kill
            hello = {"type": "start", "protocol": VERSION, "adapter": self.launch.adapter}
            hello |= {"device": self.launch.device, "mode": self.launch.mode, "cores": self.launch.cores}
            hello |= {"id": next(self._ids)}
            self._process.send(Message(hello))
            reply = self._process.receive(START_SECONDS).header
        except (OSError, WorkerLostError) as error:
            self._check_aborted()
            self.close()
            raise WorkerBrokenError(str(error)) from error
        if reply["type"] != "started":
            self.close()
            raise WorkerBrokenError(str(reply.get("message", reply)))
        if not is_hello(reply):
            self.close()
            raise WorkerBrokenError(f"the worker's description of itself is malformed: {dict(reply)}")
        self._limit = FIRST_CALL * self.timeout
        self._echoes = reply.get("id") == hello["id"]
        return reply

    def run(self, programs: Iterable[Program]) -> Iterator[tuple[Outcome, ...]]:
        """The outcomes of each program in turn; a program that loses the worker ends with the request that did."""
        waiting = iter(programs)
        sent: collections.deque[Program] = collections.deque()
        try:
            while self._fill(waiting, sent):
                outcomes = self._collect(sent[0])
                sent.popleft()
                if outcomes and outcomes[-1].kind in LOST:
                    self.losses += 1
                    self.lost_seconds += self._limit if outcomes[-1].kind == "timed_out" else CRASH_SECONDS
                    self.close()
                    waiting = itertools.chain(tuple(sent), waiting)
                    sent.clear()
                yield outcomes
        finally:
            if sent:  # their answers must not be taken for those of the next run
                self.close()

    def _fill(self, waiting: Iterator[Program], sent: collections.deque[Program]) -> bool:
        """Keeps a window of requests in the pipe; whether there is an answer to wait for."""
        while sum(map(len, sent)) < WINDOW and (program := next(waiting, None)) is not None:
            program = tuple(self._numbered(request) for request in program)
            sent.append(program)
            self._live().send(*program)
        return bool(sent)

    def _collect(self, program: Program) -> tuple[Outcome, ...]:
        outcomes: list[Outcome] = []
        try:
            for request in program:
                start = time.monotonic()
                answer = self._live().receive(self._limit, room_for(request))
                self._check_id(request, answer)
                outcomes.append(read_outcome(request, answer))
                self._limit = self.timeout
        except WorkerLostError as loss:
            self._check_aborted()
            kind, waited = "timed_out" if loss.timed_out else "crashed", time.monotonic() - start
            outcomes.append(Outcome(kind, str(loss), seconds=waited))
        return tuple(outcomes)

    def _numbered(self, request: Message) -> Message:
        return Message({**request.header, "id": next(self._ids)}, request.arrays)

    def _check_id(self, request: Message, answer: Message) -> None:
        """Raises WorkerLostError where a worker that repeats ids answers another request than this."""
        wanted, got = request.header["id"], answer.header.get("id")
        if self._echoes and got != wanted:
            told = f"it is of request {reprlib.repr(got)}, and this one is {wanted}: did two processes answer?"
            raise WorkerLostError(f"the worker's answer could not be taken: {told}")

    def _live(self) -> Process:
        self._check_aborted()
        if self._process is None:
            self.start()
        assert self._process is not None
        return self._process

    @property
    def memory(self) -> int:
        """The bytes of memory that its process has, 0 where there is none."""
        return self._process.memory if self._process is not None else 0

    def another(self, **changes: Any) -> Worker:
        """A worker of the same kind that was asked nothing yet, with some of the launch changed; `close` it."""
        other = type(self)(replace(self.launch, **changes), self.timeout)
        self._others.add(other)
        other.aborted = self.aborted
        return other

    def abort(self) -> None:
        """Kills the process, for good, and those of others made of it; another thread may be waiting for its answer."""
        self.aborted = True
        for other in list(self._others):
            other.abort()
        if (process := self._process) is not None:
            process.kill()

    def _check_aborted(self) -> None:
        if self.aborted:
            self.close()
            raise WorkerAbortedError("the run was ended")

    def close(self) -> None:
        """Ends the process, if there is one."""
        if self._process is not None:
            self._process.end()
            self._process = None
