"""The parent's side of a worker: starts it, feeds it, and outlives it.

A worker that dies, hangs, eats memory or sends garbage costs the request it was at; a fresh one does the rest.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

import psutil

from depthwise_conformance.protocol import (
    PREFIX,
    VERSION,
    AnyArray,
    Message,
    ProtocolError,
    decode,
    encode,
    frame_sizes,
)

START_SECONDS = 300.0  # importing a framework on a cold disk
FIRST_CALL = 4.0  # how many time limits the first call may take, in which a framework sets itself up
MEMORY_BYTES = min(8 << 30, psutil.virtual_memory().total // 2)
WINDOW = 8  # requests under way, so that the worker never waits for the parent
POLL_SECONDS = 0.1
STDERR_TAIL = 8000


class WorkerBrokenError(Exception):
    """The worker could not start: the environment's fault, with what it said."""


class WorkerLostError(Exception):
    """The worker died (`timed_out` False) or exceeded its time limit while it was answering."""

    def __init__(self, message: str, timed_out: bool = False) -> None:
        super().__init__(message)
        self.timed_out = timed_out


@dataclass(frozen=True)
class Outcome:
    """What came back for one request.

    `kind` is "value", "error", "unsupported", "bad_return", "crashed" or "timed_out"; `impurities` says in words what
    the call did to its arguments or to an earlier result.
    """

    kind: str
    message: str = ""
    arrays: Mapping[str, AnyArray] = field(default_factory=dict)
    shape: tuple[int | None, ...] | None = None
    classes: tuple[str, ...] = ()
    impurities: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class Launch:
    """How to start a worker: the adapter's location, its device and mode, and the command that speaks the protocol."""

    adapter: str
    device: str = "cpu"
    mode: str = ""
    command: tuple[str, ...] = (sys.executable, "-P", "-m", "depthwise_conformance.worker")
    environment: tuple[tuple[str, str], ...] = ()


Program = tuple[Message, ...]


class Worker:
    """One target's process. Not thread-safe; `close` it."""

    def __init__(self, launch: Launch, timeout: float) -> None:
        self.launch = launch
        self._timeout = timeout
        self._limit = timeout
        self._process: _Process | None = None
        self.losses = 0

    def start(self) -> Mapping[str, Any]:
        """Starts the process; what it says of itself. Raises WorkerBrokenError."""
        self.close()
        try:
            self._process = _Process(self.launch)
            hello = {"type": "start", "protocol": VERSION, "adapter": self.launch.adapter}
            self._process.send(Message({**hello, "device": self.launch.device, "mode": self.launch.mode}))
            reply = self._process.receive(START_SECONDS).header
        except (OSError, WorkerLostError) as error:
            self.close()
            raise WorkerBrokenError(str(error)) from error
        if reply["type"] != "started":
            self.close()
            raise WorkerBrokenError(str(reply.get("message", reply)))
        self._limit = FIRST_CALL * self._timeout
        return reply

    def run(self, programs: Iterable[Program]) -> Iterator[tuple[Outcome, ...]]:
        """The outcomes of each program in turn; a program that loses the worker ends with the request that did."""
        waiting = iter(programs)
        while True:
            lost = False
            pending: collections.deque[Program] = collections.deque()
            for outcomes in self._stream(waiting, pending):
                yield outcomes
                lost = outcomes[-1].kind in ("crashed", "timed_out")
            if not lost:
                return
            self.losses += 1
            waiting = itertools.chain(list(pending), waiting)
            self.close()

    def _stream(self, waiting: Iterator[Program], pending: collections.deque[Program]) -> Iterator[tuple[Outcome, ...]]:
        """Keeps a window of requests in the pipe; ends early after a loss, leaving unanswered programs in `pending`."""
        under_way = 0
        exhausted = False
        while True:
            while not exhausted and under_way < WINDOW:
                program = next(waiting, None)
                if program is None:
                    exhausted = True
                    break
                pending.append(program)
                under_way += len(program)
                for request in program:
                    self._live().send(request)
            if not pending:
                return
            program = pending.popleft()
            outcomes = self._collect(len(program))
            under_way -= len(program)
            yield outcomes
            if outcomes[-1].kind in ("crashed", "timed_out"):
                return

    def _collect(self, count: int) -> tuple[Outcome, ...]:
        outcomes: list[Outcome] = []
        try:
            while len(outcomes) < count:
                outcomes.append(_outcome(self._live().receive(self._limit)))
                self._limit = self._timeout
        except WorkerLostError as loss:
            outcomes.append(Outcome("timed_out" if loss.timed_out else "crashed", str(loss)))
        return tuple(outcomes)

    def _live(self) -> _Process:
        if self._process is None:
            self.start()
        assert self._process is not None
        return self._process

    def close(self) -> None:
        """Ends the process, if there is one."""
        if self._process is not None:
            self._process.end()
            self._process = None


class _Process:
    """A child process behind non-blocking pipes."""

    def __init__(self, launch: Launch) -> None:
        environment = {**os.environ, **dict(launch.environment)}
        self._child = subprocess.Popen(
            launch.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,  # so that a time limit ends its children too, and Ctrl-C reaches the parent alone
        )
        assert self._child.stdin and self._child.stdout and self._child.stderr
        self._stdin, self._stdout = self._child.stdin.fileno(), self._child.stdout.fileno()
        for descriptor in (self._stdin, self._stdout):
            os.set_blocking(descriptor, False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._stdout, selectors.EVENT_READ)
        self._outgoing: collections.deque[memoryview] = collections.deque()
        self._incoming = bytearray()
        self._errors = _Tail(self._child.stderr)
        self._next_check = 0.0

    def send(self, message: Message) -> None:
        """Queues a frame and writes what the pipe takes."""
        if not self._outgoing:
            self._selector.register(self._stdin, selectors.EVENT_WRITE)
        self._outgoing.extend(memoryview(piece) for piece in encode(message))
        self._write()

    def receive(self, seconds: float) -> Message:
        """The next frame. Raises WorkerLostError when there is none within the time limit."""
        deadline = time.monotonic() + seconds
        while (message := self._parse()) is None:
            if time.monotonic() > deadline:
                raise WorkerLostError(f"no answer within {seconds:g} s", timed_out=True)
            self._check_memory()
            for key, _ in self._selector.select(POLL_SECONDS):
                if key.fd == self._stdout:
                    self._read()
                else:
                    self._write()
        return message

    def end(self) -> None:
        """Kills the process with its children and frees the pipes."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        self._selector.close()
        for pipe in (self._child.stdin, self._child.stdout):
            with contextlib.suppress(OSError):
                if pipe:
                    pipe.close()
        self._errors.close()

    def _write(self) -> None:
        try:
            while self._outgoing:
                piece = self._outgoing[0]
                written = os.write(self._stdin, piece)
                if written < len(piece):
                    self._outgoing[0] = piece[written:]
                else:
                    self._outgoing.popleft()
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._outgoing.clear()  # the end of its output will tell
        self._selector.unregister(self._stdin)

    def _read(self) -> None:
        try:
            data = os.read(self._stdout, 1 << 20)
        except BlockingIOError:
            return
        if not data:
            raise WorkerLostError(self._obituary())
        self._incoming += data

    def _parse(self) -> Message | None:
        if len(self._incoming) < PREFIX.size:
            return None
        try:
            header, payload = frame_sizes(self._incoming)
            end = PREFIX.size + header + payload
            if len(self._incoming) < end:
                return None
            view = memoryview(self._incoming)
            message = decode(view[PREFIX.size : PREFIX.size + header], view[PREFIX.size + header : end])
            view.release()
        except ProtocolError as error:
            raise WorkerLostError(f"the worker's answer could not be read: {error}") from error
        del self._incoming[:end]
        return message

    def _check_memory(self) -> None:
        if time.monotonic() < self._next_check:
            return
        self._next_check = time.monotonic() + POLL_SECONDS
        with contextlib.suppress(psutil.Error):
            used = psutil.Process(self._child.pid).memory_info().rss
            if used > MEMORY_BYTES:
                raise WorkerLostError(f"used {used >> 20} MiB of memory; the limit is {MEMORY_BYTES >> 20} MiB")

    def _obituary(self) -> str:
        try:
            status = self._child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "the worker closed its output"
        how = f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        said = self._errors.text()
        return f"the worker died ({how})" + (f"; its last words:\n{said}" if said else "")


class _Tail:
    """Drains a stream in the background and keeps its end."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._kept = b""
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def _drain(self) -> None:
        while data := os.read(self._stream.fileno(), 1 << 16):
            self._kept = (self._kept + data)[-STDERR_TAIL:]

    def text(self) -> str:
        self._thread.join(timeout=1)
        return self._kept.decode(errors="replace").strip()

    def close(self) -> None:
        self._thread.join(timeout=1)
        if not self._thread.is_alive():
            self._stream.close()


def _outcome(message: Message) -> Outcome:
    header = message.header
    shape = header.get("shape")
    return Outcome(
        kind=header.get("outcome", "crashed"),
        message=str(header.get("message", "")),
        arrays=message.arrays,
        shape=None if shape is None else tuple(shape),
        classes=tuple(header.get("classes", ())),
        impurities=_impurities(header),
        seconds=float(header.get("seconds", 0.0)),
    )


def _impurities(header: Mapping[str, Any]) -> tuple[str, ...]:
    found = [f"changed its argument {name}" for name in header.get("mutated", ())]
    found += [f"returned memory of its argument {name}" for name in header.get("shared", ())]
    return tuple(found + (["changed the result of an earlier call"] if header.get("overwritten") else []))
