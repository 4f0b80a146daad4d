"""A child process behind non-blocking pipes: how it is started, fed, watched and ended."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from depthwise_conformance.workers import compiled, elsewhere, warden
from depthwise_conformance.workers.protocol import (
    JOINED,
    MAX_PAYLOAD,
    PREFIX,
    Message,
    ProtocolError,
    decode,
    encode,
    frame_sizes,
)

START_SECONDS = 300.0  # importing a framework on a cold disk
MEMORY_BYTES = min(8 << 30, psutil.virtual_memory().total // 2)
POLL_SECONDS = 0.1
STDERR_TAIL = 8000
WAITING = {"OMP_WAIT_POLICY": "passive"}  # idle threads of one target must not take the cores from another
OF_PYTHON = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")  # what belongs to this environment, and to no other
PIPE = 1 << 16  # what a pipe holds
DEATH_SECONDS = 5.0  # between the end of a worker's output and its own
ENDING_SECONDS = 10.0  # in which a warden has ended its worker


class WorkerLostError(Exception):
    """The worker died (`timed_out` False) or exceeded its time limit while it was answering."""

    def __init__(self, message: str, timed_out: bool = False) -> None:
        super().__init__(message)
        self.timed_out = timed_out


@dataclass(frozen=True)
class Launch:
    """How to start a worker: what is asked for, its device and mode, and the command that speaks the protocol.

    `adapter` is an adapter's location, or the command as typed where the program that it starts is the target. `cores`
    says how many processor cores it may use, 0 for all; `home` is a home folder of its own, `keras_home` what
    the variable KERAS_HOME says there; `programs` is the folder in which JAX keeps what it has compiled, "" for none.
    `python` is the interpreter of another environment in which our own worker is started, "" for this one; `variables`
    are those that it finds besides; `memory` is how many bytes it may use, 0 for `MEMORY_BYTES`.
    """

    adapter: str
    device: str = "cpu"
    mode: str = ""
    cores: int = 0
    home: str = ""
    keras_home: str = ""
    programs: str = ""
    python: str = ""
    variables: tuple[tuple[str, str], ...] = ()
    memory: int = 0
    command: tuple[str, ...] = (sys.executable, "-P", "-m", "depthwise_conformance.workers")


class Process:
    """A child process behind non-blocking pipes."""

    def __init__(self, launch: Launch) -> None:
        held, line = os.pipe()
        self._line = os.fdopen(line, "wb")
        try:
            self._child = subprocess.Popen(
                _watched(launch),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**_environment(launch), warden.LINE: str(held)},
                pass_fds=(held,),
                start_new_session=True,  # so that Ctrl-C reaches the parent alone
            )
        except BaseException:
            self._line.close()
            raise
        finally:
            os.close(held)
        self._worker: psutil.Process | None = None
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
        self._refused: Message | None = None  # what is said of an answer whose payload is too large
        self._unwanted = 0  # bytes of that which are still to come
        self._last_words = b""
        self._next_check = 0.0
        self._memory = launch.memory or MEMORY_BYTES

    def send(self, *messages: Message) -> None:
        """Queues frames and writes what the pipe takes, small ones in one go."""
        pieces = [piece for message in messages for piece in encode(message)]
        self.feed([b"".join(pieces)] if sum(map(len, pieces)) < JOINED else pieces)

    def feed(self, pieces: Iterable[bytes | memoryview]) -> None:
        """Queues bytes and writes what the pipe takes."""
        if not self._outgoing:
            self._selector.register(self._stdin, selectors.EVENT_WRITE)
        self._outgoing.extend(memoryview(piece) for piece in pieces)
        self._write()

    def receive(self, seconds: float, room: int = MAX_PAYLOAD) -> Message:
        """The next frame. Raises WorkerLostError when there is none within the time limit.

        A payload of more than `room` bytes is not kept: the frame becomes a result that says so.
        """
        deadline = time.monotonic() + seconds
        late = False
        while (message := self._parse(room)) is None:
            if late:
                raise WorkerLostError(f"no answer within {seconds:g} s", timed_out=True)
            late = time.monotonic() > deadline  # what is in the pipe by then has come in time
            self._check_memory()
            self._exchange()
        return message

    @property
    def unread(self) -> bytes:
        """The first bytes that have come and are no whole frame, or no frame at all."""
        return bytes(self._incoming[:JOINED])

    def end_input(self) -> None:
        """Closes its standard input, when everything is written."""
        assert not self._outgoing
        self._pipes[0].close()

    def await_end(self, seconds: float) -> int | None:
        """Lets it come to its end, and reads what it still says; its exit status, None if it is still running."""
        deadline = time.monotonic() + seconds
        with contextlib.suppress(WorkerLostError):
            while time.monotonic() < deadline:
                self._exchange()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._child.wait(timeout=max(deadline - time.monotonic(), 0.0))
        return None

    def end(self) -> None:
        """Ends the process with all that it has started, and frees the pipes: nothing of it is left."""
        descendants: list[psutil.Process] = []
        with contextlib.suppress(psutil.Error):
            descendants = psutil.Process(self._child.pid).children(recursive=True)
        self.kill()
        try:
            self._child.wait(ENDING_SECONDS)
        except subprocess.TimeoutExpired:  # the warden cannot
            self._child.kill()
            self._child.wait()
        for process in descendants:
            with contextlib.suppress(psutil.Error):
                process.kill()
        self._selector.close()
        for pipe in self._pipes:
            with contextlib.suppress(OSError):
                pipe.close()

    def kill(self) -> None:
        """Has the warden end the process with all that it has started; this takes no time."""
        self._line.close()

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

    def _parse(self, room: int) -> Message | None:
        if self._refused is not None:
            return self._discard()
        if len(self._incoming) < PREFIX.size:
            return None
        try:
            header, payload = frame_sizes(self._incoming)
            end = PREFIX.size + header + payload
            if payload > room and len(self._incoming) >= end - payload:
                self._refuse(end - payload, payload, room)
                return self._discard()
            if len(self._incoming) < end or payload > room:
                return None
            frame = memoryview(self._incoming[PREFIX.size : end])  # a copy: a profiler may hold what views it
            message = decode(frame[:header], frame[header:])
        except (ProtocolError, ValueError, RecursionError) as error:
            raise WorkerLostError(f"the worker's answer could not be read: {error}") from error
        del self._incoming[:end]
        return message

    def _refuse(self, start: int, payload: int, room: int) -> None:
        told = f"an answer of {payload:,} bytes; this call may have {room:,}"
        header = json.loads(self._incoming[PREFIX.size : start])
        known = header.get("id") if isinstance(header, dict) else None
        self._refused = Message({"type": "result", "id": known, "outcome": "bad_return", "message": told})
        self._unwanted = payload
        del self._incoming[:start]

    def _discard(self) -> Message | None:
        """What is said in place of an answer, when all of that has come and gone."""
        gone = min(self._unwanted, len(self._incoming))
        del self._incoming[:gone]
        self._unwanted -= gone
        if self._unwanted:
            return None
        said, self._refused = self._refused, None
        return said

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

    @property
    def memory(self) -> int:
        """The bytes of memory that the worker has."""
        with contextlib.suppress(psutil.Error):
            self._worker = self._worker or next(iter(psutil.Process(self._child.pid).children()), None)
            return int(self._worker.memory_info().rss) if self._worker else 0
        return 0

    def _check_memory(self) -> None:
        if time.monotonic() < self._next_check:
            return
        self._next_check = time.monotonic() + POLL_SECONDS
        if (used := self.memory) > self._memory:
            raise WorkerLostError(f"used {used >> 20} MiB of memory; the limit is {self._memory >> 20} MiB")

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


def _watched(launch: Launch) -> tuple[str, ...]:
    """The command behind its warden, which our own workers have in them."""
    if launch.command != Launch.command:
        return (sys.executable, "-I", "-S", str(Path(warden.__file__).resolve()), *launch.command)
    if launch.python:
        return (launch.python, "-I", str(Path(elsewhere.__file__).absolute()))
    return launch.command


def _environment(launch: Launch) -> dict[str, str]:
    """The worker's environment; with a home of its own, nothing else says where Keras's configuration is."""
    programs = "" if launch.cores else launch.programs  # they were compiled for all cores
    environment = {**WAITING, **compiled.variables(programs), **os.environ}
    if launch.python:
        environment = {name: value for name, value in environment.items() if name not in OF_PYTHON}
    environment.update(launch.variables)
    if launch.home:
        environment.pop("KERAS_HOME", None)
        environment.update(HOME=launch.home, USERPROFILE=launch.home)
    if launch.keras_home:
        environment["KERAS_HOME"] = launch.keras_home
    return environment


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
