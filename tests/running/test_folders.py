"""A run takes the place of the last one when it judges something, and of nothing that is not a run's."""

from __future__ import annotations

import getpass
import json
import os
import re
import resource
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from command_line import COMMAND, FLIPPED, HONEST, PATIENCE, PYTEST, SUITE, as_pytest, await_that, call, run, telling

from depthwise_conformance.reports.frames import read_results
from depthwise_conformance.reports.journal import read_journal
from depthwise_conformance.reports.runs import read_runs
from depthwise_conformance.reports.tables import read_discrepancies
from depthwise_conformance.reports.unfinished import state
from depthwise_conformance.running import cli

SHAPE = ("--adapter", HONEST, "--check", "shape", "--examples", 5)
OUTPUT = ("--adapter", FLIPPED, "--check", "output", "--examples", 5)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def last(tmp_path_factory) -> Path:
    """The folder of an earlier run, with something found."""
    folder = tmp_path_factory.mktemp("last")
    assert run(folder, *OUTPUT).returncode == 1
    return folder


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ((*SHAPE, "--", "--collect-only"), 0),
        ((*SHAPE, "--", "-k", "nothing"), 2),
        ((*SHAPE, "--", "--nonsense"), 2),
        ((*SHAPE, "--", "-n", 2, "-k", "nothing"), 2),
        (("my_kernel.py",), 2),
        (("my_kernel.py", "--", "-x"), 2),
        ((*SHAPE, "--examples", "0"), 2),
        (("--adapter", "nonesuch.py:A"), 2),
    ],
    ids=lambda value: " ".join(map(str, value[-2:])) if isinstance(value, tuple) else str(value),
)
def test_a_run_that_judges_nothing_leaves_the_last_one(last, arguments, status):
    before = content(last)
    done = run(last, *arguments)
    assert done.returncode == status
    assert content(last) == before
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [("--collect-only",), ("-k", "nothing"), ("-n", 2, "-k", "nothing")])
def test_neither_does_pytest(last, arguments):
    before = content(last)
    call(last, *PYTEST, *SUITE, *as_pytest(*SHAPE), *arguments)
    assert content(last) == before


def test_a_file_without_its_option_is_told_which_option_it_needs(tmp_path, capsys):
    assert cli.main(["run", "my_kernel.py"]) == 2
    assert "'my_kernel.py': to judge an adapter, use --adapter FILE:CLASS" in capsys.readouterr().err


def test_nothing_selected_is_told(tmp_path):
    done = run(tmp_path, *SHAPE, "--", "-k", "nothing")
    assert "nothing was selected" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("processes", [(), ("--", "-n", 2)])
def test_folders_beside_a_runs_are_no_business_of_it(tmp_path, processes):
    for name in ("X.shards", ".X.shards", "X.old", "X.new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "gw0").write_text("precious")
    assert run(tmp_path, *SHAPE, "--out", "X", *processes).returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == {"X", "X.shards", ".X.shards", "X.old", "X.new"}
    assert {path.read_text() for path in tmp_path.glob("*/gw0")} == {"precious"}


def test_what_else_is_in_a_runs_folder_stays_and_no_link_is_followed(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("precious")
    run(tmp_path, *OUTPUT, "--out", "out")
    notes = [tmp_path / "out" / "notes.txt", tmp_path / "out" / "cases" / "mine.json"]
    for path in notes:
        path.write_text("notes")
    for name in ("results.csv", "results.parquet", "discrepancies.csv", "report.html", "junit.xml"):
        (tmp_path / "out" / name).unlink()
        (tmp_path / "out" / name).symlink_to(precious)
    assert run(tmp_path, *SHAPE, "--out", "out").returncode == 0
    assert precious.read_text() == "precious"
    assert [path.read_text() for path in notes] == ["notes", "notes"]
    assert read_discrepancies(tmp_path / "out") == []


def test_report_overwrites_no_folder_of_someone_else(last, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "results.csv").write_text("precious")
    assert cli.main(["report", str(last / "conformance-run"), "--out", str(tmp_path / "mine")]) == 2
    assert "holds 'results.csv' but no run" in capsys.readouterr().err
    assert content(tmp_path / "mine") == {"results.csv": b"precious"}


# What run.json says: complete when all is there, and not before


def started(folder: Path, *arguments: object) -> subprocess.Popen[bytes]:
    words = [*COMMAND, "run", *map(str, arguments), "--out", "out"]
    return subprocess.Popen(words, cwd=folder, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def test_a_run_that_is_killed_leaves_the_last_one_and_says_what_it_is(last, tmp_path, capsys):
    shutil.copytree(last / "conformance-run", out := tmp_path / "out")
    before = content(out)
    adapter, asked = telling(tmp_path, "honest", "Honest")
    process = started(tmp_path, "--adapter", adapter, "--examples", 5000)
    try:
        await_that("the run has begun", asked.is_file)
        await_that("something is judged", (out / "unfinished" / "journal.arrows").is_file)
        assert re.fullmatch(rf"running: process {process.pid} writes to it, since 20.*", state(out))
        for arguments in (["report", str(out)], ["run", "--adapter", HONEST, "--out", str(out)]):
            assert cli.main(arguments) == 2
            assert f"process {process.pid} writes to it" in capsys.readouterr().err
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    await_that("no process has the folder any more", lambda: state(out) == "interrupted")
    after = content(out)
    assert {name: after[name] for name in before} == before
    assert cli.main(["report", str(out)]) == 0
    assert "interrupted; `depthwise-conformance run --resume" in capsys.readouterr().err
    assert (read_runs(out)[0]["state"], read_runs(out)[0]["complete"]) == ("interrupted", False)
    assert set(read_results(out)["target"]) == {"telling@cpu"}
    assert cli.main(["run", "--resume", str(out), "--seed", "3"]) == 2
    assert "--seed 3: accepted is 0, which the run has" in capsys.readouterr().err
    (tmp_path / "telling.py").write_text((tmp_path / "telling.py").read_text() + "# changed\n")
    assert run(tmp_path, "--resume", "out").returncode == 2
    assert run(tmp_path, *SHAPE, "--out", "out").returncode == 0  # and it is a run's folder
    assert state(out) == "complete"


def test_a_run_that_fills_the_disk_is_incomplete_and_no_discrepancy(tmp_path):
    """A limit on the size of files stands for the disk."""
    words = [*COMMAND, "run", "--adapter", HONEST, "--check", "output", "--examples", "50", "--out", "out"]
    limit = 60_000

    def confine() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, preexec_fn=confine)
    assert done.returncode == 2, done.stderr
    assert "the run could not go on: [Errno 27] File too large" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert state(tmp_path / "out") == "interrupted"
    assert len(read_journal(tmp_path / "out" / "unfinished" / "journal.arrows").batches) > 1


@pytest.mark.parametrize("processes", [(), ("-n", 2)])
def test_several_processes_are_one_run_and_complete_when_it_is(tmp_path, processes):
    both = ("--adapter", HONEST, "--adapter", FLIPPED, "--check", "output", "--examples", 5)
    done = run(tmp_path, *both, "--out", "out", "--", *processes)
    assert done.returncode == 1
    for name in ("honest@cpu", "kernel-flipped@cpu"):
        assert [f"{name}: {word}" in done.stderr for word in ("begun, ", "done after ")] == [True, True]
    (about,) = read_runs(tmp_path / "out")
    assert about["complete"] is True
    assert sorted((one["target"], one["status"]) for one in about["targets"]) == [
        ("honest@cpu", "judged"),
        ("kernel-flipped@cpu", "judged"),
    ]
    assert set(read_results(tmp_path / "out")["target"]) == {"honest@cpu", "kernel-flipped@cpu"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *(
            "results.parquet",
            "results.csv",
            "discrepancies.csv",
            "run.json",
            "junit.xml",
            "ctrf.json",
            "badge.json",
            "report.html",
            "cases",
            "repro",
        )
    }


def test_targets_that_were_not_selected_are_not_told_as_judged(tmp_path):
    both = ("--adapter", HONEST, "--adapter", FLIPPED, "--check", "output", "--examples", 5)
    assert run(tmp_path, *both, "--out", "out", "--", "-k", "honest").returncode == 0
    (about,) = read_runs(tmp_path / "out")
    assert [one["target"] for one in about["targets"]] == ["honest@cpu"]
    assert about["complete"] is True


def test_private_folders_are_gone_in_the_end(tmp_path):
    (tmp_path / "scratch").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / "scratch")}
    words = [*COMMAND, "run", *map(str, SHAPE), "--out", "out", "--", "-n", "2"]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "scratch").iterdir()} <= {
        f"pytest-of-{getpass.getuser()}"
    }  # which is pytest's
    assert json.loads((tmp_path / "out" / "run.json").read_text())["complete"] is True
