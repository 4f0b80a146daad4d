"""The command and the pytest plugin, as users type them: what they write, what they say, how they end."""

from __future__ import annotations

import csv
import json
import os
import shlex
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pandas as pd
import psutil
import pytest
from by_name import location

from depthwise_conformance.casebook.covering import catalogue
from depthwise_conformance.casebook.fixed import activation_cases, fixed_cases
from depthwise_conformance.reports.record import CHECKS
from depthwise_conformance.reports.runs import read_runs
from depthwise_conformance.reports.tables import read_discrepancies, read_results
from depthwise_conformance.running import cli
from depthwise_conformance.running.plugin import SUITE

FAKES = Path(__file__).parents[1] / "fakes"
HONEST = location("Honest")
FLIPPED = location("KernelFlipped")
LEAVES = f"{FAKES / 'misbehaving.py'}:Leaves"
DECLINES = f"{FAKES / 'misbehaving.py'}:AlwaysRaises"
HANGS = f"{FAKES / 'misbehaving.py'}:AlwaysHangs"
DIES = f"{FAKES / 'misbehaving.py'}:DiesAtStart"
COMMAND = (sys.executable, "-P", "-m", "depthwise_conformance.running.cli")
PYTEST = (sys.executable, "-P", "-m", "pytest", "-p", "no:cacheprovider")
PATIENCE = 240  # seconds, on a machine that is busy with other things
CASE = {
    "schema": 1,
    "arguments": {"kernel_size": 2},
    "input_shape": [1, 4, 4, 1],
    "data": {"recipe": "integers", "seed": 0},
}


def call(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    words = [str(argument) for argument in arguments]
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE)


def run(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return call(folder, *COMMAND, "run", *arguments)


def records(folder: Path) -> pd.DataFrame:
    frame = read_results(folder).astype(object).fillna("")
    return frame.sort_values(["target", "check", "case"], ignore_index=True)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """The folder and the words of a run of an honest target by every check."""
    folder = tmp_path_factory.mktemp("good")
    return folder / "out", run(folder, "--adapter", HONEST, "--examples", 20, "--out", "out")


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    """The folder and the words of a run of a faulty target by two checks."""
    folder = tmp_path_factory.mktemp("bad")
    checks = ("--check", "output", "--check", "shape")
    return folder / "out", run(folder, "--adapter", FLIPPED, "--examples", 20, *checks, "--out", "out")


# A run and its folder


def test_a_run_without_discrepancies_ends_with_0(good):
    folder, done = good
    assert done.returncode == 0, done.stderr
    assert "honest@cpu" in done.stdout
    assert f"0 distinct discrepancies. Report: {folder / 'report.html'}" in done.stdout
    assert "Traceback" not in done.stderr


def test_the_folder_of_a_run_has_everything_in_it(good):
    folder, _ = good
    names = {path.name for path in folder.iterdir()}
    tables = {"results.parquet", "results.csv", "discrepancies.csv"}
    assert names == {*tables, "run.json", "junit.xml", "report.html", "cases"}
    frame = records(folder)
    assert set(frame["check"]) == set(CHECKS)
    assert set(frame["verdict"]) == {"pass"}
    judged = frame[frame["check"].isin(("output", "special_values"))]["case"].nunique()
    assert judged == 20 + len(fixed_cases()) + len(activation_cases()) + len(catalogue())
    assert not frame.duplicated(["target", "check", "case"]).any()
    with (folder / "results.csv").open(newline="", encoding="utf-8") as text:
        assert len(list(csv.reader(text))) == 1 + len(frame)
    assert read_discrepancies(folder) == []
    assert list((folder / "cases").iterdir()) == []
    assert "honest@cpu" in (folder / "report.html").read_text(encoding="utf-8")
    items = ET.parse(folder / "junit.xml").getroot().findall(".//testcase")
    assert len(items) == len(CHECKS)


def test_run_json_says_what_was_done(good):
    (content,) = read_runs(good[0])
    assert content["complete"] is True
    assert (content["seed"], content["examples"], content["checks"]) == (0, 20, list(CHECKS))
    (target,) = content["targets"]
    assert (target["target"], target["status"]) == ("honest@cpu", "judged")
    assert target["cases"] == records(good[0]).groupby("case").ngroups
    assert target["coverage"]["covered"] == target["coverage"]["allowed"] > 2000
    assert target["arithmetic"]["float32"]["explained_by"] == "float32 accumulation"
    assert target["choices"]["a sum of zeros"]
    assert content["machine"]["packages"].keys() >= {"numpy", "hypothesis"}


def test_the_same_seed_gives_the_same_results(good, tmp_path):
    run(tmp_path, "--adapter", HONEST, "--examples", 20, "--out", "again")
    for name in ("results.csv", "discrepancies.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (good[0] / name).read_bytes()


def test_a_run_takes_the_place_of_the_last_one(bad, tmp_path):
    run(tmp_path, "--adapter", FLIPPED, "--examples", 5, "--check", "output")
    assert run(tmp_path, "--adapter", HONEST, "--examples", 5, "--check", "shape").returncode == 0
    assert list((tmp_path / "conformance-run" / "cases").iterdir()) == []
    assert set(records(tmp_path / "conformance-run")["target"]) == {"honest@cpu"}


def test_a_discrepancy_ends_with_1_and_is_told_in_full(bad):
    folder, done = bad
    assert done.returncode == 1
    found = read_discrepancies(folder)
    assert {one.check for one in found} == {"output"}
    assert "wrong_value" in {one.verdict for one in found}
    for one in found:
        assert (folder / "cases" / f"{one.smallest_case}.json").is_file()
        assert one.replay in done.stderr
        assert one.detail.splitlines()[0] in done.stderr
    failures = ET.parse(folder / "junit.xml").getroot().findall(".//failure")
    assert len(failures) == 1


def test_the_replay_line_repeats_the_verdict(bad, tmp_path):
    folder, _ = bad
    one = read_discrepancies(folder)[0]
    words = shlex.split(one.replay)
    assert words[:2] == ["depthwise-conformance", "replay"]
    scripts = Path(sys.executable).parent
    shell = f"PATH={shlex.quote(str(scripts))}:$PATH; {one.replay}"
    done = call(tmp_path, "sh", "-c", shell)
    assert done.returncode == 1, done.stderr
    assert one.verdict in done.stdout
    assert one.detail.splitlines()[0] in done.stdout


def test_a_replay_of_the_same_case_on_an_honest_target_passes(bad, capsys):
    for path in (bad[0] / "cases").glob("*.json"):
        assert cli.main(["replay", str(path), "--adapter", HONEST, "--check", "output"]) == 0
        assert "pass" in capsys.readouterr().out


def test_a_layer_is_replayed_in_a_home_like_the_one_it_was_judged_in(tmp_path, capsys):
    homeless = location("ConfigurationFileIgnored")
    done = run(tmp_path, "--adapter", homeless, "--check", "defaults", "--examples", 10, "--out", "out")
    assert done.returncode == 1, done.stderr
    (one,) = read_discrepancies(tmp_path / "out")
    path = tmp_path / "out" / "cases" / f"{one.smallest_case}.json"
    assert cli.main(["replay", str(path), "--adapter", homeless]) == 1
    assert "with channels_first in ~/.keras/keras.json" in capsys.readouterr().out
    assert cli.main(["replay", str(path), "--adapter", HONEST]) == 0


def test_a_target_that_dies_at_every_case_is_judged_so(tmp_path):
    """Its honest answers are wrong ones; what counts is that the run goes on to its end."""
    done = run(tmp_path, "--adapter", LEAVES, "--examples", 5, "--check", "shape", "--out", "out")
    assert done.returncode == 1, done.stderr
    assert read_runs(tmp_path / "out")[0]["complete"] is True


def test_a_target_that_cannot_start_is_no_discrepancy(tmp_path):
    both = ("--adapter", DIES, "--adapter", HONEST, "--check", "shape", "--examples", 5)
    done = run(tmp_path, *both, "--out", "out")
    assert done.returncode == 2
    assert "about to die" in done.stdout + done.stderr
    assert set(records(tmp_path / "out")["target"]) == {"honest@cpu"}
    assert read_runs(tmp_path / "out")[0]["complete"] is False


# Mistakes: told on standard error, with what is accepted; status 2; nothing lost


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--examples", "0"], "--examples 0: accepted are 1 or more"),
        (["--seed", "-1"], "--seed -1: accepted are 0 or more"),
        (["--timeout", "0"], "--timeout 0.0: accepted are seconds above 0"),
        (["--timeout", "nan"], "--timeout nan: accepted are seconds above 0"),
        (["--check", "beauty"], "check 'beauty': accepted are output, shape, dtype, "),
        (["--target", "caffe"], "target 'caffe': accepted are keras-tensorflow, "),
        (["--device", "tpu"], "there is no target on device 'tpu'"),
        (["--adapter", "nonesuch.py:A"], "adapter 'nonesuch.py:A': accepted is path/to/file.py:ClassName"),
        (["--adapter", f"{FAKES / 'misbehaving.py'}:Nonesuch"], "has no subclass of Adapter called 'Nonesuch'"),
    ],
)
def test_a_mistake_is_told(tmp_path, arguments, told):
    honest = [] if {"--adapter", "--target"} & set(arguments) else ["--adapter", HONEST]
    done = run(tmp_path, *honest, "--out", "out", *arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stdout == ""
    assert not any(sign in done.stderr for sign in ("Traceback", "^^^^", "/plugin.py"))
    again = run(tmp_path, "--adapter", HONEST, "--check", "shape", "--examples", 1, "--out", "out")
    assert again.returncode == 0, "the mistake has spoilt the folder"


@pytest.mark.parametrize("arguments", [["--examples", "many"], ["--timeout", "soon"], ["--colour"]])
def test_a_misspelt_option_is_told_with_the_usage(tmp_path, arguments):
    done = run(tmp_path, *arguments)
    assert done.returncode == 2
    assert "usage: " in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a file", "a foreign folder"])
def test_what_is_not_a_runs_folder_is_left_alone(tmp_path, name):
    out = tmp_path / "out"
    (out / "cases").mkdir(parents=True)
    precious = [out / "junit.xml", out / "cases" / "mine.json"]
    if name == "a file":
        precious = [out / "cases"]
        out = precious[0]
        out.rmdir()
    for path in precious:
        path.write_text("precious")
    done = run(tmp_path, "--adapter", HONEST, "--examples", 1, "--check", "shape", "--out", out)
    assert done.returncode == 2
    assert f"--out {out}: " in done.stderr
    assert [path.read_text() for path in precious] == ["precious"] * len(precious)


def test_a_run_json_of_another_tool_does_not_make_a_runs_folder(tmp_path):
    (tmp_path / "out" / "cases").mkdir(parents=True)
    (tmp_path / "out" / "run.json").write_text('{"runner": "another tool"}')
    (tmp_path / "out" / "cases" / "mine.json").write_text("precious")
    done = run(tmp_path, "--adapter", HONEST, "--examples", 1, "--check", "shape", "--out", "out")
    assert done.returncode == 2
    assert (tmp_path / "out" / "cases" / "mine.json").read_text() == "precious"


def test_no_command_and_an_unknown_one_are_told(capsys):
    for arguments in ([], ["judge"]):
        with pytest.raises(SystemExit) as caught:
            cli.main(arguments)
        assert caught.value.code == 2
        assert "usage: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "No such file or directory"),
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"\xff\xfe", "can't decode byte 0xff"),
        (b"[" * 100_000, "recursion"),
        (b"[]", "a case must be a JSON object, not []"),
        (json.dumps({**CASE, "schema": 9}).encode(), "schema=9: accepted is 1"),
        (json.dumps({**CASE, "input_shape": [1, 10**9, 10**9, 1]}).encode(), "too many elements"),
        (json.dumps({**CASE, "data": {"recipe": "stew", "seed": 0}}).encode(), "recipe='stew': accepted are integers"),
    ],
)
def test_a_malformed_case_file_is_told(tmp_path, capsys, content, told):
    path = tmp_path / "case.json"
    if content is not None:
        path.write_bytes(content)
    assert cli.main(["replay", str(path), "--adapter", HONEST]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--target", "caffe"], "target 'caffe': accepted are "),
        (["--adapter", "nonesuch.py:A"], "adapter 'nonesuch.py:A': accepted is path/to/file.py:ClassName"),
        (["--check", "beauty", "--adapter", HONEST], "check 'beauty': accepted are "),
        (["--check", "errors", "--adapter", HONEST], "check errors: accepted for case "),
        (["--timeout", "-1", "--adapter", HONEST], "--timeout -1.0: accepted are seconds above 0"),
        (["--device", "tpu", "--adapter", HONEST], "there is no target on device 'tpu'"),
    ],
)
def test_a_mistake_in_a_replay_is_told(tmp_path, capsys, arguments, told):
    path = tmp_path / "case.json"
    path.write_text(json.dumps(CASE))
    assert cli.main(["replay", str(path), *arguments]) == 2
    captured = capsys.readouterr()
    assert told in captured.err + captured.out


def test_targets_lists_an_adapter(capsys):
    assert cli.main(["targets", "--adapter", HONEST]) == 0
    assert "honest@cpu" in capsys.readouterr().out
    assert cli.main(["targets", "--adapter", DIES]) == 2
    assert "broken" in capsys.readouterr().out


def test_report_writes_the_page_again_and_merges(good, bad, tmp_path, capsys):
    (good[0] / "report.html").unlink()
    assert cli.main(["report", str(good[0])]) == 0
    assert (good[0] / "report.html").is_file()
    assert cli.main(["report", str(good[0]), str(bad[0])]) == 2
    assert "several folders need --out FOLDER" in capsys.readouterr().err
    assert cli.main(["report", str(good[0]), str(bad[0]), "--out", str(tmp_path / "both")]) == 0
    assert len(read_results(tmp_path / "both")) == len(read_results(good[0])) + len(read_results(bad[0]))
    assert len(read_runs(tmp_path / "both")) == 2


def test_report_tells_what_is_not_a_run(good, tmp_path, capsys):
    (tmp_path / "file").write_text("text")
    (tmp_path / "folder").mkdir()
    for arguments in (
        [tmp_path / "missing"],
        [tmp_path / "file"],
        [tmp_path / "folder"],
        [good[0], tmp_path / "folder", "--out", tmp_path / "merged"],
        [good[0], good[0], "--out", tmp_path / "file"],
        [good[0], good[0], "--out", good[0]],
    ):
        assert cli.main(["report", *map(str, arguments)]) == 2
        assert capsys.readouterr().err.startswith("depthwise-conformance: ")
    assert (tmp_path / "file").read_text() == "text"


# Interrupted


def test_ctrl_c_ends_the_workers_and_leaves_a_readable_folder(tmp_path):
    words = [*COMMAND, "run", "--adapter", HONEST, "--examples", "5000", "--out", "out"]
    process = subprocess.Popen(
        words, cwd=tmp_path, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
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
    process = subprocess.Popen(words, cwd=tmp_path, start_new_session=True, stderr=subprocess.DEVNULL)
    try:
        time.sleep(10)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=30) == 2
    finally:
        process.kill()


# pytest itself


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
    assert len(read_results(tmp_path / "out")) == 0


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
    (tmp_path / "out.shards").mkdir()
    good[0].rename(tmp_path / "out.shards" / "gw7")
    try:
        suite(tmp_path, "--adapter", HONEST, "--check", "shape", "-n", 2, "--out", "out")
        assert set(records(tmp_path / "out")["check"]) == {"shape"}
    finally:
        if (tmp_path / "out.shards" / "gw7").exists():
            (tmp_path / "out.shards" / "gw7").rename(good[0])


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
