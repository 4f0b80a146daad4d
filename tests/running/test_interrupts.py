"""Ctrl-C, and the signals that end like it: workers end, none that hangs is waited for, the folder is readable."""

from __future__ import annotations

import os
import signal
import subprocess

import psutil
import pytest
from command_line import COMMAND, PATIENCE, await_that, heed_signals, is_gone, telling

from depthwise_conformance.reports.frames import read_results
from depthwise_conformance.reports.runs import read_runs


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_ends_the_workers_and_leaves_a_readable_folder(tmp_path, number):
    adapter, asked = telling(tmp_path, "honest", "Honest")
    words = [*COMMAND, "run", "--adapter", adapter, "--examples", "5000", "--out", "out"]
    process = subprocess.Popen(
        words,
        cwd=tmp_path,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_signals,
    )
    try:
        await_that("the run has begun", asked.is_file)
        await_that("the run has judged something", (tmp_path / "out" / "unfinished" / "journal.arrows").is_file)
        workers = psutil.Process(process.pid).children(recursive=True)
        assert workers
        process.send_signal(number)
        _, said = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 2
    assert "Traceback" not in said
    await_that("the workers have ended", lambda: all(map(is_gone, workers)))
    assert read_runs(tmp_path / "out")[0]["complete"] is False
    read_results(tmp_path / "out")
    assert (tmp_path / "out" / "report.html").is_file()


def test_ctrl_c_does_not_wait_for_a_target_that_hangs(tmp_path):
    """Its time limit, which its first call may exceed, is far beyond what is waited here."""
    adapter, asked = telling(tmp_path, "misbehaving", "AlwaysHangs")
    words = [*COMMAND, "run", "--adapter", adapter, "--timeout", f"{PATIENCE}", "--check", "shape"]
    process = subprocess.Popen(
        words, cwd=tmp_path, start_new_session=True, stderr=subprocess.DEVNULL, preexec_fn=heed_signals
    )
    try:
        await_that("the target hangs", asked.is_file)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=PATIENCE) == 2
    finally:
        process.kill()
