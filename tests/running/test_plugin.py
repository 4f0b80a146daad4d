"""The pytest plugin: the suite run by pytest itself, and sessions that have nothing to do with it."""

from __future__ import annotations

import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

from command_line import DECLINES, FLIPPED, HONEST, PYTEST, call, records
from command_line import SUITE as WORDS

from depthwise_conformance.reports.frames import read_results
from depthwise_conformance.reports.record import CHECKS
from depthwise_conformance.reports.runs import read_runs
from depthwise_conformance.reports.tables import read_discrepancies
from depthwise_conformance.running.plugin import SUITE


def suite(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return call(folder, *PYTEST, *WORDS, "--dwc-examples", 20, *arguments)


def named(file: Path) -> dict[tuple[str | None, str | None], dict[str | None, str | None]]:
    """The properties of every test of a JUnit file, by class and name."""
    cases = ET.parse(file).getroot().findall(".//testcase")
    return {
        (case.get("classname"), case.get("name")): {one.get("name"): one.get("value") for one in case.iter("property")}
        for case in cases
    }


def test_pytest_runs_the_suite_with_its_own_options(good, tmp_path):
    done = suite(tmp_path, "--dwc-adapter", HONEST, "-k", "output or dtype", "--dwc-out", "out")
    assert done.returncode == 0, done.stdout
    assert f"2 passed, {len(CHECKS) - 2} deselected" in done.stdout
    expected = records(good[0])
    expected = expected[expected["check"].isin(("output", "dtype"))].reset_index(drop=True)
    assert records(tmp_path / "out").equals(expected)


def test_pytest_runs_the_suite_by_its_folder(tmp_path):
    done = call(tmp_path, *PYTEST, SUITE, "--dwc-adapter", HONEST, "--dwc-check", "shape", "--dwc-examples", 5)
    assert done.returncode == 0, done.stdout
    assert set(records(tmp_path / "conformance-run")["check"]) == {"shape"}


def test_collecting_only_judges_nothing(tmp_path):
    done = suite(tmp_path, "--dwc-adapter", HONEST, "--collect-only", "-q", "--dwc-out", "out")
    assert done.returncode == 0, done.stdout
    assert [f"test_conformance[honest@cpu-{check}]" in done.stdout for check in CHECKS] == [True] * len(CHECKS)
    assert list(tmp_path.iterdir()) == []


def test_m_selects_by_target_and_check(tmp_path):
    marks = "dwc(target='honest@cpu') and dwc(check='shape') or dwc(target='kernel-flipped@cpu', check='dtype')"
    both = ("--dwc-adapter", HONEST, "--dwc-adapter", FLIPPED, "--strict-markers", "-W", "error")
    done = suite(tmp_path, *both, "-m", marks, "--collect-only", "-q")
    assert done.returncode == 0, done.stdout
    assert [line.partition("[")[2] for line in done.stdout.splitlines() if "[" in line] == [
        "honest@cpu-shape]",
        "kernel-flipped@cpu-dtype]",
    ]


def test_x_stops_at_the_first_discrepancy(tmp_path):
    checks = ("--dwc-check", "output", "--dwc-check", "shape", "--dwc-examples", 300)
    done = suite(tmp_path, "--dwc-adapter", FLIPPED, *checks, "-x", "--dwc-out", "out")
    assert done.returncode == 1, done.stdout
    assert len(records(tmp_path / "out")) < 2 * 304
    assert "1 failed" in done.stdout


def test_what_x_stopped_is_not_complete(tmp_path):
    suite(tmp_path, "--dwc-adapter", FLIPPED, "--dwc-check", "output", "--dwc-examples", 300, "-x", "--dwc-out", "out")
    assert read_runs(tmp_path / "out")[0]["complete"] is False


def test_xdist_finds_what_a_single_process_finds(bad, tmp_path):
    checks = ("--dwc-check", "output", "--dwc-check", "shape")
    own = ("--junitxml", "junit.xml", "-W", "error")
    done = suite(tmp_path, "--dwc-adapter", FLIPPED, *checks, "-n", 2, "--dwc-out", "out", *own)
    assert done.returncode == 1, done.stdout
    assert named(tmp_path / "junit.xml") == named(bad[0] / "junit.xml")
    assert records(tmp_path / "out").equals(records(bad[0]))
    assert {one.id for one in read_discrepancies(tmp_path / "out")} == {one.id for one in read_discrepancies(bad[0])}
    assert not (tmp_path / "out.shards").exists()


def test_xdist_tells_a_refusal_once_too(tmp_path):
    for out, processes in (("one", ()), ("two", ("-n", 2))):
        suite(
            tmp_path,
            "--dwc-adapter",
            DECLINES,
            "--dwc-check",
            "output",
            "--dwc-check",
            "shape",
            *processes,
            "--dwc-out",
            out,
        )
    assert records(tmp_path / "one").equals(records(tmp_path / "two"))


def test_xdist_does_not_merge_what_an_earlier_run_left(good, tmp_path):
    shutil.copytree(good[0], tmp_path / "out.shards" / "gw7")
    suite(tmp_path, "--dwc-adapter", HONEST, "--dwc-check", "shape", "-n", 2, "--dwc-out", "out")
    assert set(records(tmp_path / "out")["check"]) == {"shape"}


def test_junit_has_a_class_for_each_target_and_says_what_was_found(good, bad):
    assert set(named(good[0] / "junit.xml")) == {("depthwise_conformance.honest@cpu", check) for check in CHECKS}
    about = named(bad[0] / "junit.xml")["depthwise_conformance.kernel-flipped@cpu", "output"]
    rows = records(bad[0])[lambda frame: frame["check"] == "output"]
    assert about == {
        "target": "kernel-flipped@cpu",
        "check": "output",
        "judged": str(len(rows)),
        "declined": "0",
        "failed": str((rows["verdict"] != "pass").sum()),
        "discrepancies": " ".join(one.id for one in read_discrepancies(bad[0])),
    }
    assert int(about["failed"]) > 0


def test_each_check_has_its_own_time_in_junit(good):
    items = ET.parse(good[0] / "junit.xml").getroot().iter("testcase")
    times = {str(item.get("name")): float(item.get("time", "nan")) for item in items}
    spent = read_results(good[0]).groupby("check", observed=True)["seconds"].sum()
    assert all(abs(times[check] - spent[check]) < 0.1 for check in CHECKS)  # of setup and teardown
    assert spent["output"] > 0 and spent["gradient_input"] > 0


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
