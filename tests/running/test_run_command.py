"""`run`: how it ends, what it says, and what is in its folder."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ET
from pathlib import Path

from command_line import DIES, HONEST, LEAVES, records, run

from depthwise_conformance.casebook.covering import catalogue
from depthwise_conformance.casebook.fixed import activation_cases, fixed_cases
from depthwise_conformance.reports.record import CHECKS
from depthwise_conformance.reports.runs import read_runs
from depthwise_conformance.reports.tables import read_discrepancies


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
    assert names == {*tables, "run.json", "junit.xml", "ctrf.json", "badge.json", "report.html", "cases"}
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


def test_the_last_line_is_for_machines(good, bad):
    for (folder, done), status, new in ((good, 0, 0), (bad, 1, 1)):
        told, verdicts = json.loads(done.stdout.splitlines()[-1]), records(folder)["verdict"]
        assert (told["status"], told["complete"], told["targets"], told["new"]) == (status, True, 1, new)
        assert (told["passed"], told["failed"]) == ((verdicts == "pass").sum(), (verdicts != "pass").sum())
        assert Path(told["report"]) == folder / "report.html"


def test_a_step_of_actions_is_annotated_and_summed_up(bad):
    folder, done = bad
    (one,) = read_discrepancies(folder)
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("::"))
    assert line.startswith(f"::error title=kernel-flipped@cpu {one.id}::output is wrong_value on ")
    assert f"| {one.id} | kernel-flipped@cpu | output |" in (folder.parent / "step.md").read_text("utf-8")
    assert json.loads((folder / "badge.json").read_text())["message"] == "1 new"


def test_both_files_for_ci_say_the_same(good, bad):
    for folder, _ in (good, bad):
        items = list(ET.parse(folder / "junit.xml").getroot().iter("testcase"))
        tests = json.loads((folder / "ctrf.json").read_text())["results"]["tests"]
        assert [one["name"] for one in tests] == [
            f"{str(item.get('classname')).removeprefix('depthwise_conformance.')} {item.get('name')}" for item in items
        ]
        failed = [item.find("failure") is not None for item in items]
        assert [one["status"] == "failed" for one in tests] == failed
