"""A worker that is ended from here: what it has not answered is no crash of its target."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from worker_calls import forward

from depthwise_conformance.workers.worker import Worker, WorkerAbortedError, WorkerBrokenError


@contextmanager
def ended_meanwhile(worker: Worker, seconds: float = 1.0) -> Iterator[None]:
    """Ends it from another thread, which is gone in the end; sooner or later in the block makes no difference to it."""
    other = threading.Timer(seconds, worker.abort)
    other.start()
    with pytest.raises(WorkerAbortedError):
        yield
    other.join()


def test_what_is_unanswered_when_a_worker_is_ended_is_no_crash(start):
    worker = start("Hangs")
    with ended_meanwhile(worker):
        list(worker.run([(forward(13),)]))
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
    with ended_meanwhile(worker):
        worker.start()


def test_workers_made_of_another_end_with_it(start):
    worker = start("Hangs")
    other = worker.another(cores=1)
    with ended_meanwhile(worker):
        list(other.run([(forward(13),)]))
    with pytest.raises(WorkerAbortedError):
        list(worker.another().run([(forward(),)]))


def test_being_ended_is_not_being_broken():
    assert not issubclass(WorkerAbortedError, WorkerBrokenError)
