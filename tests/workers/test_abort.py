"""A worker that is ended from here: what it has not answered is no crash of its target."""

from __future__ import annotations

import threading
import time

import pytest
from worker_calls import PATIENCE, forward

from depthwise_conformance.workers.worker import WorkerAbortedError, WorkerBrokenError


def test_what_is_unanswered_when_a_worker_is_ended_is_no_crash(start):
    worker = start("Hangs")
    threading.Timer(1.0, worker.abort).start()
    begin = time.monotonic()
    with pytest.raises(WorkerAbortedError):
        list(worker.run([(forward(13),)]))
    assert time.monotonic() - begin < PATIENCE / 2
    assert worker.losses == 0


def test_a_worker_that_was_ended_answers_nothing_more(start):
    worker = start("Quiet")
    worker.abort()
    with pytest.raises(WorkerAbortedError):
        list(worker.run([(forward(),)]))
    with pytest.raises(WorkerAbortedError):
        worker.start()


def test_a_worker_that_is_ended_while_it_starts_is_not_broken(start):
    worker = start("HangsAtStart")
    threading.Timer(0.5, worker.abort).start()
    with pytest.raises(WorkerAbortedError):
        worker.start()


def test_workers_made_of_another_end_with_it(start):
    worker = start("Hangs")
    other = worker.another(cores=1)
    threading.Timer(1.0, worker.abort).start()
    with pytest.raises(WorkerAbortedError):
        list(other.run([(forward(13),)]))
    with pytest.raises(WorkerAbortedError):
        list(worker.another().run([(forward(),)]))


def test_being_ended_is_not_being_broken():
    assert not issubclass(WorkerAbortedError, WorkerBrokenError)
