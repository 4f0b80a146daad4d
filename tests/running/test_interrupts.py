"""Ctrl-C: it ends the workers, waits for none that hangs, and leaves a readable folder."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import psutil
from command_line import COMMAND, HANGS, HONEST, PATIENCE

from depthwise_conformance.reports.runs import read_runs
from depthwise_conformance.reports.tables import read_results


def heed_ctrl_c() -> None:
    """For a child: whoever started the tests may ignore SIGINT, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_ends_the_workers_and_leaves_a_readable_folder(tmp_path):
    words = [*COMMAND, "run", "--adapter", HONEST, "--examples", "5000", "--out", "out"]
    process = subprocess.Popen(
        words,
        cwd=tmp_path,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_ctrl_c,
    )
    try:
        deadline = time.monotonic() + PATIENCE
        while not (tmp_path / "out" / "results.parquet").is_file() and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(2)
        workers = psutil.Process(process.pid).children(recursive=True)
        assert workers
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 2
    assert "Traceback" not in said
    assert psutil.wait_procs(workers, timeout=10)[1] == []
    assert read_runs(tmp_path / "out")[0]["complete"] is False
    read_results(tmp_path / "out")
    assert (tmp_path / "out" / "report.html").is_file()


def test_ctrl_c_does_not_wait_for_a_target_that_hangs(tmp_path):
    words = [*COMMAND, "run", "--adapter", HANGS, "--timeout", "60", "--check", "shape", "--out", "out"]
    process = subprocess.Popen(
        words, cwd=tmp_path, start_new_session=True, stderr=subprocess.DEVNULL, preexec_fn=heed_ctrl_c
    )
    try:
        time.sleep(10)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=30) == 2
    finally:
        process.kill()
