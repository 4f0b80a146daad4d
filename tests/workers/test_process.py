"""The process of a worker: its memory, its pipes, its last words, and what is left of it."""

from __future__ import annotations

import os

import psutil
from worker_calls import forward, kinds, unlucky

from depthwise_conformance.workers import process


def test_a_worker_that_eats_memory_is_killed(start, monkeypatch):
    monkeypatch.setattr(process, "MEMORY_BYTES", 600 << 20)
    outcome = unlucky(start("EatsMemory"))
    assert outcome.kind == "crashed"
    assert "MiB of memory; the limit is 600 MiB" in outcome.message


def test_a_worker_that_closes_its_output_and_hangs_is_not_waited_for(start, monkeypatch):
    monkeypatch.setattr(process, "DEATH_SECONDS", 0.2)
    outcome = unlucky(start("ClosesEveryPipeAndHangs"))
    assert (outcome.kind, outcome.message) == ("crashed", "the worker closed its output")


def test_what_a_dead_worker_leaves_behind_is_ended(start):
    child = int(unlucky(start("LeavesAChild")).message.split()[-1])
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_last_words_are_the_end_of_what_was_said(start):
    assert unlucky(start("Leaves")).message.endswith("my last words")
    assert len(unlucky(start("Panics")).message) < 2 * process.STDERR_TAIL


def test_workers_do_not_see_the_folder_they_were_started_in(start, tmp_path, monkeypatch):
    """A file called torch.py there must not stand for torch."""
    (tmp_path / "numpy.py").write_text("raise SystemExit('the wrong numpy')")
    monkeypatch.chdir(tmp_path)
    assert kinds(start("Quiet"), (forward(),)) == [["value"]]
    assert not os.environ.get("PYTHONPATH"), "this test says nothing where that is set"
