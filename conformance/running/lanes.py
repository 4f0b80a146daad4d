"""Several workers of one target, each behind a process of ours that asks and judges: the lanes of a run.

A case goes to the lane that the hash in its id names, so that a run asks the same worker the same cases every time;
what comes back is taken in the order in which cases were drawn. What is judged, and told, does not depend on the number
of lanes, for targets whose answers follow from the question alone.

    python -P -m depthwise_conformance.running.lanes FD [CORE...]

is such a process: it takes calls from a socket that it was given, until this closes, and keeps to the cores named.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, TypeVar, cast

import psutil

from depthwise_conformance.casebook.case import Case
from depthwise_conformance.casebook.strategies import Draw
from depthwise_conformance.running.agenda import CHUNK
from depthwise_conformance.running.answering import Question, Sharing, Waiting, answer, asked, close_workers
from depthwise_conformance.running.drawing import draw
from depthwise_conformance.running.targets import Target
from depthwise_conformance.workers.worker import WorkerAbortedError

WORTH = 100  # cases drawn for which a further worker is started
OWN_BYTES = 200 << 20  # of a process that asks and judges
USED = 0.8  # of the memory that is free
TRIES = 2  # of a call, each in a process of its own, should one of them die
T = TypeVar("T")


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def lanes_wanted(jobs: int, targets: int, examples: int) -> int:
    """How many workers each of so many targets gets, so that `jobs` of them are busy."""
    return max(1, min(-(-jobs // max(targets, 1)), examples // WORTH))


def affordable(wanted: int, targets: Sequence[Target]) -> int:
    """How many of the lanes `wanted` for each target have room in the memory that is free."""
    each = sum(OWN_BYTES + target.worker.memory for target in targets)
    return max(1, min(wanted, int(USED * psutil.virtual_memory().available) // each)) if each else wanted


class Lane:
    """A process of ours that calls what it is given, in turn, fed by a thread of its own."""

    def __init__(self, busy: threading.Semaphore, kept_to: Sequence[int] = ()) -> None:
        self._busy, self._kept_to = busy, kept_to
        self._thread = ThreadPoolExecutor(1)
        self._lock = threading.Lock()
        self._aborted = False
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    def submit(self, function: Callable[..., T], *arguments: Any) -> Future[T]:
        """Has the function called after those before it; what it raises is raised as a RuntimeError."""
        return self._thread.submit(self._call, function, *arguments)

    def _call(self, function: Callable[..., T], *arguments: Any) -> T:
        with self._busy:
            for _ in range(TRIES):
                with suppress(EOFError, OSError):
                    connection = self._open()
                    connection.send((function, arguments))
                    result, error = connection.recv()
                    break
                self._end()
            else:
                raise RuntimeError(f"a process of this tool died {TRIES} times at the same question")
        if error:
            raise RuntimeError(f"in a process of this tool:\n{error}")
        return cast("T", result)

    def _open(self) -> Connection:
        with self._lock:
            if self._aborted:
                raise WorkerAbortedError("the run was ended")
            if self._connection is None:
                self._connection, theirs = Pipe()
                command = [sys.executable, "-P", "-m", __spec__.name, str(theirs.fileno()), *map(str, self._kept_to)]
                with theirs:  # Ctrl-C reaches the parent alone
                    self._process = subprocess.Popen(command, pass_fds=(theirs.fileno(),), start_new_session=True)
            return self._connection

    def _end(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            if self._process is not None:
                self._process.kill()
                self._process.wait()
            self._connection = self._process = None

    def abort(self) -> None:
        """Ends the process at once, for good, and whatever it asks."""
        with self._lock:
            self._aborted = True
            if self._process is not None:
                self._process.kill()

    def close(self) -> None:
        """Ends the process, and waits until it has."""
        self.abort()
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._end()


class Lanes(Sharing):
    """The lanes of a run's targets: `count` for each, of which `jobs` are busy at a time. `close` them.

    Beside them, cases are drawn ahead.
    """

    ahead = 1  # blocks that are drawn before they are needed

    def __init__(self, count: int, jobs: int, checks: tuple[str, ...], strength: int) -> None:
        super().__init__(count, CHUNK * count, checks, strength)
        self._busy = threading.Semaphore(jobs)
        self._lanes: dict[str, list[Lane]] = {}
        self._drawer = Lane(threading.Semaphore(1))

    def begin(self, target: Target) -> None:
        """Has the target's workers start, which may take as long as judging hundreds of cases."""
        for place in range(self.count):
            self._submit(target, place, Question(asked(target), (), frozenset(), (), 0))

    def draw(self, block: Draw, count: int) -> Callable[[], tuple[Case, ...]]:
        """Has cases drawn: what waits for them."""
        return self._drawer.submit(draw, block, count).result

    def _submit(self, target: Target, place: int, question: Question) -> Waiting:
        if target.name not in self._lanes:
            kept_to = (_some_cores(number, target.worker.launch.cores) for number in range(self.count))
            self._lanes[target.name] = [Lane(self._busy, chosen) for chosen in kept_to]
        return self._lanes[target.name][place].submit(answer, question)

    def abort(self) -> None:
        """Ends all processes at once."""
        for lane in self._all():
            lane.abort()

    def close(self) -> None:
        """Ends all processes."""
        for lane in self._all():
            lane.close()

    def _all(self) -> list[Lane]:
        return [self._drawer, *(lane for lanes in self._lanes.values() for lane in lanes)]


def _some_cores(number: int, count: int) -> list[int]:
    """So many cores for a lane of that number, others than its neighbours have; none named where it may use all."""
    if not count or not hasattr(os, "sched_getaffinity"):
        return []
    own = sorted(os.sched_getaffinity(0))
    return sorted({own[(number * count + place) % len(own)] for place in range(count)})


def serve(connection: Connection) -> None:
    """Calls what it is given, until nobody gives it anything."""
    try:
        with suppress(EOFError, OSError):
            while True:
                function, arguments = connection.recv()
                result, error = None, ""
                try:
                    result = function(*arguments)
                except Exception:
                    error = traceback.format_exc()
                connection.send((result, error))
    finally:
        close_workers()


if __name__ == "__main__":
    if sys.argv[2:]:
        os.sched_setaffinity(0, map(int, sys.argv[2:]))
    serve(Connection(int(sys.argv[1])))
