"""Workers: real child processes. Whatever one of them does costs one verdict; the rest is answered, nothing leaks."""

from __future__ import annotations

import time

import numpy as np
import pytest
from worker_calls import PATIENCE, forward, kinds, unlucky

from depthwise_conformance.casebook.recipes import numpy_dtype
from depthwise_conformance.workers import outcomes
from depthwise_conformance.workers.worker import CRASH_SECONDS

# Losses: each costs one outcome and one worker


@pytest.mark.parametrize(
    ("adapter", "told"),
    [
        ("Aborts", "the worker died (killed by SIGABRT)"),
        ("Segfaults", "the worker died (killed by SIGSEGV)"),
        ("Leaves", "the worker died (exit status 0); its last words:\nmy last words"),
        ("RealTimeSignal", "the worker died (killed by signal 37)"),
        ("WritesToEveryPipe", "the worker's answer could not be read: not a frame: it begins with b'a progress repor"),
        ("ClosesEveryPipe", "the worker died (exit status "),
        ("LeavesAChild", "the worker died (exit status 3)"),
        ("Exits", "the worker died (exit status 0)"),
        ("Interrupts", "KeyboardInterrupt"),
        ("Panics", "a panic in another language"),
        ("OutOfMemory", "MemoryError"),
    ],
)
def test_a_worker_that_dies_costs_one_call(start, adapter, told):
    worker = start(adapter)
    outcome = unlucky(worker)
    assert outcome.kind == "crashed"
    assert told in outcome.message
    assert (worker.losses, worker.lost_seconds) == (1, CRASH_SECONDS)


def test_an_answer_that_is_another_requests_is_taken_for_none(start):
    """Two processes answer: what the second says would be the answer to the next request."""
    worker = start("AnswersTwice")
    assert kinds(worker, (forward(13),)) == [["value"]]
    (lost,), (value,) = worker.run([(forward(0, (1, size, 1, 1)),) for size in (3, 4)])
    assert (lost.kind, worker.losses) == ("crashed", 1)
    assert "could not be taken: it is of request 1, and this one is 3" in lost.message
    assert value.arrays["output"].shape == (1, 4, 1, 1)


def test_an_answer_that_is_far_too_large_is_told_and_not_kept(start):
    worker = start("ReturnsFarTooMuch")
    outcome = unlucky(worker)
    assert (outcome.kind, outcome.arrays) == ("bad_return", {})
    assert outcome.message == "an answer of 134,217,728 bytes; this call may have 67,109,248"
    assert worker.losses == 0


@pytest.mark.parametrize("adapter", ["Hangs", "Stops", "FloodsForEver"])
def test_a_worker_that_hangs_costs_one_call_and_its_time_limit(start, adapter):
    worker = start(adapter, timeout=1.5)
    begin = time.monotonic()
    outcome = unlucky(worker)
    assert (outcome.kind, outcome.message) == ("timed_out", "no answer within 1.5 s")
    assert 1.5 <= time.monotonic() - begin < PATIENCE
    assert (worker.losses, worker.lost_seconds) == (1, 1.5)


def test_the_first_call_of_a_worker_may_take_longer(start):
    """A framework sets itself up in it."""
    worker = start("Hangs", timeout=0.25)
    (outcome,) = next(worker.run([(forward(13),)]))
    assert outcome.message == "no answer within 1 s"
    assert worker.lost_seconds == 1.0


def test_every_call_may_be_lost(start):
    worker = start("Leaves")
    assert kinds(worker, *[(forward(13),)] * 3) == [["crashed"]] * 3
    assert worker.losses == 3


def test_a_program_ends_with_the_call_that_lost_the_worker(start):
    programs = [(forward(), forward(13), forward()), (forward(),) * 20, (forward(), forward(13))]
    assert kinds(start("Leaves"), *programs) == [["value", "crashed"], ["value"] * 20, ["value", "crashed"]]


@pytest.mark.parametrize("adapter", ["Leaves", "Hangs"])
def test_a_loss_is_not_blamed_on_the_next_run(start, adapter):
    """Even if nobody asks for what comes after the loss: a search takes one answer and turns to the next case."""
    worker = start(adapter, timeout=2.0)
    assert next(worker.run([(forward(13),)]))[0].kind in outcomes.LOST
    assert kinds(worker, (forward(),)) == [["value"]]
    assert worker.losses == 1


def test_answers_that_nobody_waited_for_are_not_taken_for_others(start):
    worker = start("Echoes")
    first = next(worker.run([(forward(float(number)),) for number in range(5)]))
    assert first[0].arrays["output"].max() == 0
    (again,) = next(worker.run([(forward(99.0),)]))
    assert again.arrays["output"].max() == 99.0


# Sizes, and many at once


def test_messages_far_larger_than_the_pipes_pass_both_ways(start):
    worker = start("Echoes")
    requests = [forward(number, (1, 512, 1024, 4)) for number in range(12)]  # 8 MiB each
    for request, (outcome,) in zip(requests, worker.run([(request,) for request in requests]), strict=True):
        assert np.array_equal(outcome.arrays["output"], request.arrays["x"])


def test_many_small_programs_come_back_in_order(start):
    requests = [forward(float(number)) for number in range(500)]
    outcomes = start("Echoes").run([tuple(requests[i : i + 5]) for i in range(0, 500, 5)])
    assert [o.arrays["output"].max() for program in outcomes for o in program] == [float(n) for n in range(500)]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_every_dtype_and_the_empty_batch_pass(start, dtype):
    worker = start("Echoes")
    for shape in ((1, 2, 2, 1), (0, 2, 2, 1)):
        ((outcome,),) = worker.run([(forward(1.0, shape, numpy_dtype(dtype)),)])
        assert (outcome.arrays["output"].dtype.name, outcome.arrays["output"].shape) == (dtype, shape)


def test_a_program_without_calls_has_no_outcomes(start):
    assert kinds(start("Quiet"), (), (forward(),), ()) == [[], ["value"], []]


def test_a_closed_worker_starts_again_when_it_is_needed(start):
    worker = start("Quiet")
    assert kinds(worker, (forward(),)) == [["value"]]
    worker.close()
    worker.close()
    assert kinds(worker, (forward(),)) == [["value"]]
