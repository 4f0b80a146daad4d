"""Workers for a test, and the promise that nothing of them is left."""

from __future__ import annotations

import threading

import psutil
import pytest
from worker_calls import ADAPTERS, PATIENCE

from depthwise_conformance.workers.process import Launch
from depthwise_conformance.workers.worker import Worker


@pytest.fixture
def nothing_leaks():
    """No process, thread or file descriptor of a test is left after it."""
    me = psutil.Process()
    known, before = me.children(recursive=True), (me.num_fds(), threading.active_count())
    yield
    assert me.children(recursive=True) == known
    assert (me.num_fds(), threading.active_count()) == before


@pytest.fixture
def start(nothing_leaks):
    """Makes workers, which end with the test."""
    workers = []

    def start_one(adapter: str, timeout: float = PATIENCE, **launch: object) -> Worker:
        location = f"{ADAPTERS}:{adapter}" if adapter.isidentifier() else adapter
        workers.append(Worker(Launch(location, **launch), timeout))
        return workers[-1]

    yield start_one
    for worker in workers:
        worker.close()
