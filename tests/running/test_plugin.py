"""The pytest plugin: the suite run by pytest itself, and sessions that have nothing to do with it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from command_line import DECLINES, FLIPPED, HONEST, PYTEST, call, records

from depthwise_conformance.reports.record import CHECKS
from depthwise_conformance.reports.runs import read_runs
from depthwise_conformance.reports.tables import read_discrepancies
from depthwise_conformance.running.plugin import SUITE


def suite(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return call(folder, *PYTEST, "--pyargs", "depthwise_conformance.suite", "--examples", 20, *arguments)


def test_pytest_runs_the_suite_with_its_own_options(good, tmp_path):
    done = suite(tmp_path, "--adapter", HONEST, "-k", "output or dtype", "--out", "out")
    assert done.returncode == 0, done.stdout
    assert f"2 passed, {len(CHECKS) - 2} deselected" in done.stdout
    expected = records(good[0])
    expected = expected[expected["check"].isin(("output", "dtype"))].reset_index(drop=True)
    assert records(tmp_path / "out").equals(expected)


def test_pytest_runs_the_suite_by_its_folder(tmp_path):
    done = call(tmp_path, *PYTEST, SUITE, "--adapter", HONEST, "--check", "shape", "--examples", 5)
    assert done.returncode == 0, done.stdout
    assert set(records(tmp_path / "conformance-run")["check"]) == {"shape"}


def test_collecting_only_judges_nothing(tmp_path):
    done = suite(tmp_path, "--adapter", HONEST, "--collect-only", "-q", "--out", "out")
    assert done.returncode == 0, done.stdout
    assert [f"test_conformance[honest@cpu-{check}]" in done.stdout for check in CHECKS] == [True] * len(CHECKS)
    assert list(tmp_path.iterdir()) == []


def test_x_stops_at_the_first_discrepancy(tmp_path):
    checks = ("--check", "output", "--check", "shape", "--examples", 300)
    done = suite(tmp_path, "--adapter", FLIPPED, *checks, "-x", "--out", "out")
    assert done.returncode == 1, done.stdout
    assert len(records(tmp_path / "out")) < 2 * 304
    assert "1 failed" in done.stdout


def test_what_x_stopped_is_not_complete(tmp_path):
    suite(tmp_path, "--adapter", FLIPPED, "--check", "output", "--examples", 300, "-x", "--out", "out")
    assert read_runs(tmp_path / "out")[0]["complete"] is False


def test_xdist_finds_what_a_single_process_finds(bad, tmp_path):
    checks = ("--check", "output", "--check", "shape")
    done = suite(tmp_path, "--adapter", FLIPPED, *checks, "-n", 2, "--out", "out")
    assert done.returncode == 1, done.stdout
    assert records(tmp_path / "out").equals(records(bad[0]))
    assert {one.id for one in read_discrepancies(tmp_path / "out")} == {one.id for one in read_discrepancies(bad[0])}
    assert not (tmp_path / "out.shards").exists()


def test_xdist_tells_a_refusal_once_too(tmp_path):
    for out, processes in (("one", ()), ("two", ("-n", 2))):
        suite(tmp_path, "--adapter", DECLINES, "--check", "output", "--check", "shape", *processes, "--out", out)
    assert records(tmp_path / "one").equals(records(tmp_path / "two"))


def test_xdist_does_not_merge_what_an_earlier_run_left(good, tmp_path):
    shutil.copytree(good[0], tmp_path / "out.shards" / "gw7")
    suite(tmp_path, "--adapter", HONEST, "--check", "shape", "-n", 2, "--out", "out")
    assert set(records(tmp_path / "out")["check"]) == {"shape"}


# Unrelated sessions in the same environment

PROJECT = """
import sys

HEAVY = {"pandas", "pyarrow", "numpy", "rich", "jinja2", "hypothesis", "torch", "jax", "tensorflow", "keras"}

def test_nothing_heavy_is_imported():
    assert not HEAVY & set(sys.modules)
"""


def test_an_unrelated_session_is_not_disturbed(tmp_path):
    (tmp_path / "test_project.py").write_text(PROJECT)
    done = call(tmp_path, *PYTEST, "-q", "-p", "no:hypothesispytest", "test_project.py")
    assert done.returncode == 0, done.stdout
    assert {path.name for path in tmp_path.iterdir()} <= {"test_project.py", "__pycache__"}


def test_an_unrelated_project_may_have_options_of_the_same_names(tmp_path):
    (tmp_path / "test_project.py").write_text(
        "def test_it(pytestconfig):\n    assert pytestconfig.getoption('--device')"
    )
    (tmp_path / "conftest.py").write_text("def pytest_addoption(parser):\n    parser.addoption('--device')\n")
    done = call(tmp_path, *PYTEST, "-q", "test_project.py", "--device", "gpu")
    assert done.returncode == 0, done.stderr


def test_an_unrelated_session_with_xdist_is_not_disturbed(tmp_path):
    (tmp_path / "test_project.py").write_text("def test_it():\n    pass\n")
    (tmp_path / "conftest.py").write_text(
        "import sys\ndef pytest_unconfigure():\n    assert 'pandas' not in sys.modules, 'pandas was imported'\n"
    )
    done = call(tmp_path, *PYTEST, "-q", "-n", 2, "test_project.py")
    assert "pandas was imported" not in done.stdout + done.stderr
