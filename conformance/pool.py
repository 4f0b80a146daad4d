"""The parent's side of a worker: starts it, feeds it, and outlives it.

A worker that dies, hangs, eats memory or sends garbage costs the request it was at; a fresh one does the rest.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import operator
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import psutil

from depthwise_conformance.protocol import (
    JOINED,
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
WINDOW = 24  # requests under way, so that the worker never waits for the parent
POLL_SECONDS = 0.1
STDERR_TAIL = 8000
WAITING = {"OMP_WAIT_POLICY": "passive"}  # idle threads of one target must not take the cores from another
PIPE = 1 << 16  # what a pipe holds
DEATH_SECONDS = 5.0  # between the end of a worker's output and its own
ANSWERS = ("value", "error", "unsupported", "bad_return")
LOST = ("crashed", "timed_out")


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
    the call did to its arguments or to an earlier result. `facts` are what the steps with a layer found, `step` is the
    one that raised.
    """

    kind: str
    message: str = ""
    arrays: Mapping[str, AnyArray] = field(default_factory=dict)
    shape: tuple[int | None, ...] | None = None
    classes: tuple[str, ...] = ()
    impurities: tuple[str, ...] = ()
    seconds: float = 0.0
    facts: tuple[Mapping[str, Any], ...] = ()
    step: str = ""


@dataclass(frozen=True)
class Launch:
    """How to start a worker: the adapter's location, its device and mode, and the command that speaks the protocol.

    `cores` says how many processor cores it may use, 0 for all; `home` is a home folder of its own.
    """

    adapter: str
    device: str = "cpu"
    mode: str = ""
    cores: int = 0
    home: str = ""
    command: tuple[str, ...] = (sys.executable, "-P", "-m", "depthwise_conformance.worker")


Program = tuple[Message, ...]


class Worker:
    """One target's process. Not thread-safe; `close` it.

    `losses` counts the processes that were lost, `lost_seconds` the time that waiting for them and starting anew took.
    """

    def __init__(self, launch: Launch, timeout: float) -> None:
        self.launch = launch
        self.timeout = timeout
        self._limit = timeout
        self._process: _Process | None = None
        self.losses = 0
        self.lost_seconds = 0.0
        self.aborted = False

    def start(self) -> Mapping[str, Any]:
        """Starts the process; what it says of itself. Raises WorkerBrokenError."""
        self.close()
        try:
            self._process = _Process(self.launch)
            hello = {"type": "start", "protocol": VERSION, "adapter": self.launch.adapter}
            hello |= {"device": self.launch.device, "mode": self.launch.mode, "cores": self.launch.cores}
            self._process.send(Message(hello))
            reply = self._process.receive(START_SECONDS).header
        except (OSError, WorkerLostError) as error:
            self.close()
            raise WorkerBrokenError(str(error)) from error
        if reply["type"] != "started":
            self.close()
            raise WorkerBrokenError(str(reply.get("message", reply)))
        if not _is_hello(reply):
            self.close()
            raise WorkerBrokenError(f"the worker's description of itself is malformed: {dict(reply)}")
        self._limit = FIRST_CALL * self.timeout
        return reply

    def run(self, programs: Iterable[Program]) -> Iterator[tuple[Outcome, ...]]:
        """The outcomes of each program in turn; a program that loses the worker ends with the request that did."""
        waiting = iter(programs)
        sent: collections.deque[Program] = collections.deque()
        try:
            while self._fill(waiting, sent):
                start = time.monotonic()
                outcomes = self._collect(sent[0])
                sent.popleft()
                if outcomes and outcomes[-1].kind in LOST:
                    self.losses += 1
                    self.lost_seconds += time.monotonic() - start
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
            sent.append(program)
            self._live().send(*program)
        return bool(sent)

    def _collect(self, program: Program) -> tuple[Outcome, ...]:
        outcomes: list[Outcome] = []
        try:
            for request in program:
                outcomes.append(_outcome(request, self._live().receive(self._limit)))
                self._limit = self.timeout
        except WorkerLostError as loss:
            outcomes.append(Outcome("timed_out" if loss.timed_out else "crashed", str(loss)))
        return tuple(outcomes)

    def _live(self) -> _Process:
        if self.aborted:
            raise WorkerBrokenError("the run was ended")
        if self._process is None:
            start = time.monotonic()
            self.start()
            self.lost_seconds += time.monotonic() - start
        assert self._process is not None
        return self._process

    def abort(self) -> None:
        """Kills the process, for good, while another thread may be waiting for its answer."""
        self.aborted = True
        if (process := self._process) is not None:
            process.kill()

    def close(self) -> None:
        """Ends the process, if there is one."""
        if self._process is not None:
            self._process.end()
            self._process = None


class _Process:
    """A child process behind non-blocking pipes."""

    def __init__(self, launch: Launch) -> None:
        self._child = subprocess.Popen(
            launch.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(launch),
            start_new_session=True,  # so that a time limit ends its children too, and Ctrl-C reaches the parent alone
        )
        assert self._child.stdin and self._child.stdout and self._child.stderr
        self._pipes = (self._child.stdin, self._child.stdout, self._child.stderr)
        self._stdin, self._stdout, self._stderr = (pipe.fileno() for pipe in self._pipes)
        for pipe in self._pipes:
            os.set_blocking(pipe.fileno(), False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._stdout, selectors.EVENT_READ)
        self._selector.register(self._stderr, selectors.EVENT_READ)
        self._outgoing: collections.deque[memoryview] = collections.deque()
        self._incoming = bytearray()
        self._last_words = b""
        self._next_check = 0.0

    def send(self, *messages: Message) -> None:
        """Queues frames and writes what the pipe takes, small ones in one go."""
        pieces = [piece for message in messages for piece in encode(message)]
        if sum(map(len, pieces)) < JOINED:
            pieces = [b"".join(pieces)]
        if not self._outgoing:
            self._selector.register(self._stdin, selectors.EVENT_WRITE)
        self._outgoing.extend(memoryview(piece) for piece in pieces)
        self._write()

    def receive(self, seconds: float) -> Message:
        """The next frame. Raises WorkerLostError when there is none within the time limit."""
        deadline = time.monotonic() + seconds
        late = False
        while (message := self._parse()) is None:
            if late:
                raise WorkerLostError(f"no answer within {seconds:g} s", timed_out=True)
            late = time.monotonic() > deadline  # what is in the pipe by then has come in time
            self._check_memory()
            self._exchange()
        return message

    def end(self) -> None:
        """Kills the process and frees the pipes."""
        self.kill()
        self._child.wait()
        self._selector.close()
        for pipe in self._pipes:
            with contextlib.suppress(OSError):
                pipe.close()

    def kill(self) -> None:
        """Kills the process with its children, those in sessions of their own too."""
        descendants: list[psutil.Process] = []
        with contextlib.suppress(psutil.Error):
            descendants = psutil.Process(self._child.pid).children(recursive=True)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, signal.SIGKILL)
        for process in descendants:
            with contextlib.suppress(psutil.Error):
                process.kill()

    def _exchange(self) -> None:
        """Moves what the pipes are ready for. Raises WorkerLostError when nothing more can come."""
        dead = self._child.poll() is not None  # asked first: what it wrote before is ready
        ready = [key.fd for key, _ in self._selector.select(POLL_SECONDS)]
        if self._stdin in ready:
            self._write()
        if self._stderr in ready:
            self._listen()
        if self._stdout in ready:
            self._read()
        elif dead:  # though a child of its may keep the pipe open
            raise WorkerLostError(self._obituary())

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

    def _listen(self) -> bool:
        """Reads from its standard error and keeps the end; whether there was something."""
        try:
            data = os.read(self._stderr, PIPE)
        except BlockingIOError:
            return False
        if not data:
            with contextlib.suppress(KeyError):
                self._selector.unregister(self._stderr)
        self._last_words = (self._last_words + data)[-STDERR_TAIL:]
        return bool(data)

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
            status = self._child.wait(timeout=DEATH_SECONDS)
        except subprocess.TimeoutExpired:
            return "the worker closed its output"
        how = f"killed by {_signal_name(-status)}" if status < 0 else f"exit status {status}"
        for _ in range(16):  # what is left in the pipe, though not for ever
            if not self._listen():
                break
        said = self._last_words.decode(errors="replace").strip()
        return f"the worker died ({how})" + (f"; its last words:\n{said}" if said else "")


def _environment(launch: Launch) -> dict[str, str]:
    """The worker's environment; with a home of its own, nothing else says where Keras's configuration is."""
    environment = {**WAITING, **os.environ}
    if launch.home:
        environment.pop("KERAS_HOME", None)
        environment.update(HOME=launch.home, USERPROFILE=launch.home)
    return environment


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _is_hello(header: Mapping[str, Any]) -> bool:
    """Whether a worker's description of itself has what `docs/protocol.md` says."""
    mappings = [header.get(name) for name in ("versions", "unsupported")]
    lists = [header.get(name) for name in ("devices", "dtypes", "modes")]
    if not all(isinstance(m, dict) for m in mappings) or not all(isinstance(one, list) for one in lists):
        return False
    texts = [header.get("name"), *(text for m in mappings if m for text in m.values())]
    texts += [text for one in lists if one for text in one]
    return header.get("protocol") == VERSION and all(isinstance(text, str) for text in texts)


def _outcome(request: Message, answer: Message) -> Outcome:
    """The outcome of a request. Raises WorkerLostError for an answer that does not belong to it."""
    header = answer.header
    kind = header.get("outcome")
    try:
        if kind not in ANSWERS:
            raise ValueError(f"an outcome of {kind!r}")
        told = {name for name, value in header.items() if value is not None}
        if kind == "value" and (absent := _expected_parts(request) - told - set(answer.arrays)):
            raise ValueError(f"no {', '.join(sorted(absent))}")
        if kind == "error" and not header.get("classes"):
            raise ValueError("an error without classes")
        if len(header.get("facts", ())) != len(request.header.get("steps", ())) and kind == "value":
            raise ValueError("facts are not one for each step")
        shape = header.get("shape")
        return Outcome(
            kind=kind,
            message=str(header.get("message", "")),
            arrays=answer.arrays,
            shape=None if shape is None else tuple(None if size is None else operator.index(size) for size in shape),
            classes=tuple(str(name) for name in header.get("classes", ())),
            impurities=_impurities(header),
            seconds=float(header.get("seconds", 0.0)),
            facts=tuple(dict(facts) for facts in header.get("facts", ())),
            step=str(header.get("step", "")),
        )
    except (TypeError, ValueError) as error:
        raise WorkerLostError(f"the worker's answer could not be read: {error}") from error


def _expected_parts(request: Message) -> set[str]:
    """The names of the arrays, or of the header's entries, that the value of a request consists of."""
    if request.header["operation"] == "forward":
        return {"output"}
    if request.header["operation"] == "gradients":
        return {"input", "kernel", *(["bias"] if "bias" in request.arrays else [])}
    return {"facts" if request.header["operation"] == "layer" else "shape"}


def _impurities(header: Mapping[str, Any]) -> tuple[str, ...]:
    found = [f"changed its argument {name}" for name in header.get("mutated", ())]
    found += [f"returned memory of its argument {name}" for name in header.get("shared", ())]
    return tuple(found + (["changed the result of an earlier call"] if header.get("overwritten") else []))
