"""A worker that is none: the adapter lives in this process, within reach of a debugger, and this process of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from depthwise_conformance.adapters.base import Adapter
from depthwise_conformance.workers.outcomes import Outcome, read_outcome
from depthwise_conformance.workers.process import Launch
from depthwise_conformance.workers.protocol import VERSION, Message
from depthwise_conformance.workers.server import Server, hello, start
from depthwise_conformance.workers.worker import Program, Worker, WorkerBrokenError


class Inside(Worker):
    """Answers as a worker process does, without time limit or memory limit; a crash ends the run."""

    def __init__(self, launch: Launch, timeout: float) -> None:
        super().__init__(replace(launch, programs=""), timeout)  # it would be a matter of this process's environment
        self._server: Server | None = None

    def start(self) -> Mapping[str, Any]:
        """Loads the adapter; what it says of itself. Raises WorkerBrokenError."""
        asked = {"type": "start", "protocol": VERSION, "adapter": self.launch.adapter}
        asked |= {"device": self.launch.device, "mode": self.launch.mode, "cores": 0}
        self._server, reply = start(asked)
        if self._server is None:
            raise WorkerBrokenError(str(reply.header["message"]))
        return reply.header

    def run(self, programs: Iterable[Program]) -> Iterator[tuple[Outcome, ...]]:
        """The outcomes of each program in turn."""
        for program in programs:
            self._check_aborted()
            if self._server is None:
                self.start()
            assert self._server is not None
            yield tuple(read_outcome(request, self._server.answer(_own(request))) for request in program)

    def abort(self) -> None:
        """Nothing more is asked: what is computed in this process ends with it."""
        self.aborted = True

    def close(self) -> None:
        """Lets the adapter go."""
        self._server = None


class Held(Inside):
    """Answers with an adapter that somebody holds. One without its memories cannot be had: it does not start."""

    def __init__(self, launch: Launch, timeout: float, adapter: Adapter, fresh: bool = False) -> None:
        super().__init__(launch, timeout)
        self._adapter = adapter
        self._fresh = fresh

    def start(self) -> Mapping[str, Any]:
        """What the adapter says of itself. Raises WorkerBrokenError for a fresh one, and whatever the adapter does."""
        if self._fresh:
            raise WorkerBrokenError("an adapter that is held in this process cannot be started anew")
        self._server = Server(self._adapter)
        return hello(self._adapter)

    def another(self, **changes: Any) -> Worker:
        """A fresh one; with changes, the same adapter under them."""
        other = Held(replace(self.launch, **changes), self.timeout, self._adapter, fresh=not changes)
        self._others.add(other)
        other.aborted = self.aborted
        return other


def _own(request: Message) -> Message:
    """With arrays of its own, as a process has them."""
    return Message(request.header, {name: array.copy() for name, array in request.arrays.items()})
