"""The loop of somebody who is writing a kernel: what fails first, what was typed wrong, and a debugger."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys

import pytest
from command_line import COMMAND, FAKES, FLIPPED, HONEST, PATIENCE, call, heed_signals, run

from depthwise_conformance import read_discrepancies, read_results, read_runs
from depthwise_conformance.running import cli

NARROW = f"{FAKES / 'narrow.py'}"


def test_the_first_failure_is_told_in_three_lines_before_the_diagnosis(tmp_path):
    done = run(tmp_path, "--adapter", FLIPPED, "--check", "output", "--examples", 10, "--out", "out")
    lines = [line for line in done.stderr.splitlines() if ": begun, " not in line and ": done after " not in line]
    first, case, numbers, diagnosis = lines[1:5]
    assert first.startswith("kernel-flipped@cpu: output is wrong_value, error ")
    assert case.startswith("  DepthwiseConv2D(")
    assert numbers.lstrip().startswith("(")
    assert diagnosis.startswith("Diagnosing")


def test_exitfirst_stops_at_the_first_failure_of_small_cases(tmp_path):
    done = run(tmp_path, "--adapter", FLIPPED, "-x", "--examples", 2000, "--out", "out")
    assert done.returncode == 1
    assert "Diagnosing" not in done.stderr
    assert len(set(read_results(tmp_path / "out")["case"])) < 60
    assert len(read_discrepancies(tmp_path / "out")) >= 1


def test_fast_asks_the_catalogue_alone(tmp_path):
    good = run(tmp_path, "--adapter", HONEST, "--fast", "--out", "good")
    assert good.returncode == 0
    (about,) = read_runs(tmp_path / "good")
    assert about["complete"] is True
    assert about["fast"] is True
    (target,) = about["targets"]
    assert target["coverage"]["covered"] == target["coverage"]["allowed"]
    assert target["judged"] < 70
    bad = run(tmp_path, "--adapter", FLIPPED, "--fast", "--out", "bad")
    assert bad.returncode == 1
    assert "Diagnosing" not in bad.stderr


def test_a_typo_is_told_once_with_the_adapters_own_lines(tmp_path):
    done = run(tmp_path, "--adapter", f"{NARROW}:Typo", "--check", "output", "--examples", 10, "--out", "out")
    assert done.returncode == 2
    told = done.stdout
    assert "the first 3 cases, plain ones, raise the same" in told
    assert "NameError: name 'nmupy' is not defined" in told
    assert 'narrow.py", line' in told
    assert "server.py" not in told
    assert "about to compute" in told
    assert read_discrepancies(tmp_path / "out") == []
    assert len(set(read_results(tmp_path / "out")["case"])) == 3


def test_an_exception_is_told_with_its_way_and_what_was_printed(tmp_path):
    done = run(tmp_path, "--adapter", f"{NARROW}:Sometimes", "--check", "output", "--examples", 20, "--out", "out")
    assert done.returncode == 1
    (found,) = read_discrepancies(tmp_path / "out")
    assert 'raise RuntimeError("two images")' in found.detail
    assert "it printed:\ntwo images are too many" in found.detail
    assert "batch == 2" in found.condition
    assert found.signature == "RuntimeError: two images"


def test_failed_first_asks_the_smallest_cases_of_the_last_run_first(tmp_path):
    options = ("--check", "output", "--examples", 20, "--out", "out")
    assert run(tmp_path, "--adapter", FLIPPED, *options).returncode == 1
    (found,) = read_discrepancies(tmp_path / "out")
    assert run(tmp_path, "--adapter", HONEST, *options, "--failed-first").returncode == 0
    results = read_results(tmp_path / "out")
    assert results["case"].iloc[0] == found.smallest_case


def test_in_process_reaches_a_debugger(tmp_path):
    stops = f"{NARROW}:Stops"
    command = [*COMMAND, "run", "--adapter", stops, "--in-process", "--fast", "--check", "output", "--out", "out"]
    said = "p ('shape', x.ndim)\nc\n"
    done = subprocess.run(command, cwd=tmp_path, input=said, capture_output=True, text=True, timeout=240)
    assert "('shape', 4)" in done.stdout
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(read_results(tmp_path / "out")) > 30


@pytest.mark.parametrize("arguments", [["--adapter", HONEST, "--adapter", FLIPPED], ["--worker", sys.executable]])
def test_in_process_is_for_one_adapter(tmp_path, arguments):
    done = run(tmp_path, *arguments, "--in-process", "--out", "out")
    assert done.returncode == 2
    assert "in-process: accepted is one target of this environment or one adapter" in done.stderr


def test_watch_runs_again_when_the_file_changes_and_ends_with_ctrl_c(tmp_path):
    kernel = tmp_path / "kernel.py"
    kernel.write_text(f"import sys\nsys.path.append({str(FAKES)!r})\nfrom honest import Honest as Kernel\n")
    words = ["run", "--adapter", "kernel.py:Kernel", "--fast", "--check", "shape", "--out", "out", "--watch"]
    environment = {**os.environ, "COLUMNS": "200"}
    process = subprocess.Popen(
        [*COMMAND, *words],
        cwd=tmp_path,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=heed_signals,
    )
    assert process.stdout is not None
    until(process.stdout, "Exit status 0. Watching")
    kernel.write_text(kernel.read_text() + "Kernel.forward = lambda self, config, x, kernel, bias: x[:, :, :1, :1]\n")
    until(process.stdout, "Exit status 1. Watching")
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 1


def until(lines, words: str) -> None:
    for line in lines:
        if words in line:
            return
    raise AssertionError(f"never said: {words}")


def test_watch_wants_files(tmp_path):
    done = run(tmp_path, "--watch", "--target", "torch")
    assert (done.returncode, "--watch: accepted beside --adapter" in done.stderr) == (2, True)


def test_help_imports_no_framework_and_little_else(tmp_path):
    look = (
        f"import sys; sys.argv[1:] = ['--help']\ntry:\n import {COMMAND[-1]} as c; c.main()\nexcept SystemExit: pass\n"
    )
    done = call(tmp_path, sys.executable, "-P", "-c", f"{look}print(*sys.modules)")
    loaded = done.stdout.splitlines()[-1].split()
    assert {"numpy", "pandas", "pytest", "hypothesis", "keras", "torch", "jax", "tensorflow"}.isdisjoint(loaded)
    assert "replay" in done.stdout


def test_targets_are_listed_without_starting_any(tmp_path):
    done = call(tmp_path, *COMMAND, "targets")
    assert done.returncode == 0
    assert "targets --start" in done.stdout
    assert all(name in done.stdout for name in ("keras-tensorflow: ", "onnxruntime: "))


def test_replay_takes_folders_ids_several_files_and_standard_input(bad, capsys, monkeypatch):
    folder, _ = bad
    found = next(one for one in read_discrepancies(folder) if one.check == "output")
    file = folder / "cases" / f"{found.smallest_case}.json"
    asked = ["--adapter", FLIPPED, "--check", "output", "--run", str(folder)]
    for named in ([folder], [file, folder], [found.id], [found.smallest_case[:6]], ["-"]):
        monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps([json.loads(file.read_text())])))
        assert cli.main(["replay", *map(str, named), *asked]) == 1
        assert capsys.readouterr().out.count("  output           wrong_value") == len(list(folder.glob("cases/*")))
    assert cli.main(["replay", "no-such", *asked]) == 2
    assert "accepted are a case file, a folder of them, - for standard input, and an id" in capsys.readouterr().err
