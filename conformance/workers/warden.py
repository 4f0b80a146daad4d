"""Between a run and its worker stands a process that ends the worker when the run is gone, however that died.

The run holds one end of a pipe, its line. When that closes, by the run or by its death, the warden kills the worker and
all that this has started, in sessions of their own too: on Linux orphans become the warden's. Should the warden be
killed, the kernel kills the worker, which may be busy for ever and never read its input. It needs nothing but the
standard library, since it runs as a file, before any worker: `python -I -S warden.py COMMAND...`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import select
import signal
import sys
import time
from pathlib import Path

LINE = "DEPTHWISE_CONFORMANCE_LINE"  # which file descriptor the line is; where there is none, nobody is watched
LINUX = sys.platform == "linux"
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
KILLING_SECONDS = 5.0


def guard() -> None:
    """Goes on in a child process, the worker; this one watches it and the line, and returns no more."""
    given = os.environ.pop(LINE, "")
    if not given:
        return
    line, warden = int(given), os.getpid()
    if LINUX:
        _prctl(PR_SET_CHILD_SUBREAPER, 1)
    worker = os.fork()
    with contextlib.suppress(OSError):  # done by both: whoever comes later finds it done
        os.setpgid(worker, worker)
    if worker:
        _end_as(_watch(line, worker))
    os.close(line)
    if LINUX:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != warden:  # it died before
            os._exit(1)


def _watch(line: int, worker: int) -> int:
    """The worker's wait status, when it has ended by itself or the line was closed; nothing of it is left."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # or the end of the worker's output would not be seen
        os.dup2(nowhere, stream)
    waking, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    status = _reap(worker)
    while status is None:
        ready, _, _ = select.select([line, waking], [], [])
        if line in ready:
            break
        os.read(waking, 1 << 10)
        status = _reap(worker)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(worker, signal.SIGKILL)
    if LINUX:
        _end_children()
    return signal.SIGKILL if status is None else status


def _reap(worker: int) -> int | None:
    """Buries whoever has died; the worker's status, None where it lives."""
    status = None
    with contextlib.suppress(ChildProcessError):
        while True:
            dead, how = os.waitpid(-1, os.WNOHANG)
            if not dead:
                break
            status = how if dead == worker else status
    return status


def _end_children() -> None:
    """Kills all children; what these leave behind become children in turn."""
    deadline = time.monotonic() + KILLING_SECONDS
    while time.monotonic() < deadline and (children := _children()):
        for child in children:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        _reap(0)
        time.sleep(0.001)


def _children() -> list[int]:
    """Those that are not dead and buried."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                about = (entry / "stat").read_bytes()
                if int(about.rpartition(b")")[2].split()[1]) == os.getpid():
                    found.append(int(entry.name))
    return found


def _end_as(status: int) -> None:
    """Ends this process as the worker ended."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(OSError):
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        os._exit(128 + number)
    os._exit(os.WEXITSTATUS(status))


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    guard()
    os.execvp(sys.argv[1], sys.argv[1:])
