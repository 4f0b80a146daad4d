"""No worker outlives its run, nor what it has started, however either of them died."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import psutil
import pytest
from worker_calls import PATIENCE

from depthwise_conformance.workers.process import Launch, Process, WorkerLostError

RUN = """
import sys
from depthwise_conformance.workers.process import Launch, Process
process = Process(Launch("any", command=tuple(sys.argv[1:])))
print(process._child.pid, flush=True)
sys.stdin.read()
"""
# A worker that never reads, and has three others: a child in a session of its own, one that died, and its orphan.
WORKER = """
import os, sys, time
there, here = os.pipe()
for orphan in (False, True):
    if os.fork() == 0:
        os.setsid()
        if orphan and os.fork():
            os._exit(0)
        print(os.getpid(), file=sys.stderr, flush=True)
        os.write(here, b".")
        time.sleep(1000)
while len(os.read(there, 1) + os.read(there, 1)) < 2: pass
"""


def await_that(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_gone(process: psutil.Process) -> bool:
    """Dead, though nobody may have buried it."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def tree():
    """A run with a busy worker: the run, its warden, the worker, and all three that the worker has started."""
    words = [sys.executable, "-I", "-S", "-c", f"{WORKER}\nwhile True: pass"]
    run = subprocess.Popen([sys.executable, "-P", "-c", RUN, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    others: list[psutil.Process] = []
    try:
        warden = psutil.Process(int(run.stdout.readline()))
        await_that(lambda: len(warden.children(recursive=True)) == 4)
        others = sorted(warden.children(recursive=True), key=lambda process: process.create_time())
        yield run, warden, *others
    finally:
        run.kill()
        run.communicate()
        for process in filter(psutil.Process.is_running, others):
            process.kill()


def test_a_busy_worker_ends_with_a_run_that_is_killed(tree):
    run, *others = tree
    run.kill()
    await_that(lambda: all(map(is_gone, others)))


def test_a_busy_worker_ends_with_its_warden(tree):
    _, warden, worker, *_ = tree
    warden.kill()
    await_that(lambda: is_gone(worker))


@pytest.mark.parametrize(
    ("ending", "told"), [("sys.exit(7)", "exit status 7"), ("os.kill(os.getpid(), 11)", "killed by SIGSEGV")]
)
def test_orphans_end_with_a_worker_that_ends_by_itself_and_its_end_is_told(ending, told):
    process = Process(Launch("any", command=(sys.executable, "-I", "-S", "-c", WORKER + ending)))
    with pytest.raises(WorkerLostError, match=told) as lost:
        process.receive(PATIENCE)
    process.end()
    orphans = [int(word) for word in str(lost.value).partition("words:")[2].split()]
    assert len(orphans) == 2
    assert not any(map(psutil.pid_exists, orphans))
