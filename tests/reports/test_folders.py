"""Whose a folder is, and how files come into it: nothing is lost, and no link is followed."""

from __future__ import annotations

import json
import os

import pytest
from reported import CASE, DISCREPANCY, RECORD, run_json, write_folder

from depthwise_conformance.reports import files
from depthwise_conformance.reports.folders import clear, is_run_folder, objection
from depthwise_conformance.reports.frames import read_results
from depthwise_conformance.reports.page import write_page
from depthwise_conformance.reports.tables import RecordWriter, merge, write_discrepancies


@pytest.mark.parametrize(
    ("content", "ours"),
    [
        (run_json(), True),
        ({"schema": 1, "runs": [run_json(), run_json()]}, True),
        ({"schema": 1}, False),
        ({"schema": 1, "targets": []}, False),
        ({"schema": 2, **{k: v for k, v in run_json().items() if k != "schema"}}, False),
        ({"runner": "another tool"}, False),
        ([], False),
    ],
)
def test_a_folder_is_ours_when_it_holds_our_marker(tmp_path, content, ours):
    (tmp_path / "run.json").write_text(json.dumps(content))
    assert is_run_folder(tmp_path) is ours


def test_a_link_to_a_marker_makes_no_folder_ours(tmp_path):
    run = write_folder(tmp_path / "run")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "run.json").symlink_to(run / "run.json")
    (tmp_path / "mine" / "results.csv").write_text("precious")
    assert "holds 'results.csv' but no run" in objection(tmp_path / "mine")


def test_what_may_be_written_to(tmp_path):
    (tmp_path / "file").write_text("text")
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing")
    for out in (tmp_path / "new", tmp_path / "new" / "deeper", write_folder(tmp_path / "run")):
        assert objection(out) == ""
    for out in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / "nowhere", tmp_path):
        assert objection(out)
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_to_is_told_before_anything_is_judged(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o555)
    assert objection(tmp_path / "locked")
    assert objection(tmp_path / "locked" / "out")


@pytest.mark.parametrize("part", ["cases", "repro"])
def test_a_part_that_is_a_link_is_not_ours(tmp_path, part):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / f"{CASE}.json").write_text("precious")
    run = write_folder(tmp_path / "run")
    (run / "cases" / f"{CASE}.json").unlink()
    (run / "cases").rmdir()
    (run / part).symlink_to(mine)
    assert part in objection(run)
    with pytest.raises(ValueError, match=part):
        merge([write_folder(tmp_path / "other")], run)
    clear(run)
    assert (mine / f"{CASE}.json").read_text() == "precious"


def test_what_others_put_into_a_runs_folder_stays(tmp_path):
    run = write_folder(tmp_path / "run", [RECORD], [DISCREPANCY])
    kept = [run / "notes.txt", run / "cases" / "mine.json", run / "cases" / "notes.md", run / "plots.csv"]
    for path in kept:
        path.write_text("precious")
    merge([write_folder(tmp_path / "other")], run)
    assert [path.read_text() for path in kept] == ["precious"] * len(kept)


def test_merging_into_a_runs_folder_leaves_nothing_of_it(tmp_path):
    run = write_folder(tmp_path / "run", [RECORD] * 3, [DISCREPANCY])
    (run / "cases" / "feedfeedfeedfeed.json").write_text("{}")
    (run / "junit.xml").write_text("<old/>")
    (run / ".report.html.0123456789ab").write_text("what a killed process left")
    merge([write_folder(tmp_path / "other", [RECORD])], run)
    assert len(read_results(run)) == 1
    assert {path.name for path in run.iterdir()} == {
        *("cases", "discrepancies.csv", "results.csv", "results.parquet", "run.json")
    }
    assert [path.name for path in (run / "cases").iterdir()] == [f"{CASE}.json"]


@pytest.mark.parametrize("name", ["results.csv", "results.parquet", "discrepancies.csv", "report.html", "run.json"])
def test_merging_into_a_folder_of_someone_else_touches_nothing(tmp_path, name):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / name).write_text("precious")
    with pytest.raises(ValueError, match="but no run"):
        merge([write_folder(tmp_path / "run", [RECORD])], mine)
    assert {path.name: path.read_text() for path in mine.iterdir()} == {name: "precious"}


def test_no_link_is_written_through(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("precious")
    run = write_folder(tmp_path / "run", [RECORD])
    for name in ("results.csv", "results.parquet", "discrepancies.csv", "report.html", f"cases/{CASE}.json"):
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(precious)
    merge([write_folder(tmp_path / "other", [RECORD], [DISCREPANCY])], run)
    (run / "report.html").symlink_to(precious)
    write_page(run)
    assert precious.read_text() == "precious"
    assert not (run / "report.html").is_symlink()
    with RecordWriter(run) as writer:
        writer.write([RECORD])
    assert precious.read_text() == "precious"


def test_a_failure_on_the_way_leaves_what_was_there(tmp_path):
    run = write_folder(tmp_path / "run", [RECORD], [DISCREPANCY])
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    with pytest.raises(AttributeError):
        write_discrepancies(run, [None])
    with pytest.raises(ZeroDivisionError), files.beside(run / "results.csv") as file:
        file.write("half of it")
        raise ZeroDivisionError
    assert {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()} == before


def test_a_merge_that_fails_half_way_leaves_what_was_there(tmp_path, monkeypatch):
    run = write_folder(tmp_path / "run", [RECORD])
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    copied = []

    def fails(source, path):
        copied.append(path)
        if len(copied) > 2:
            raise OSError(28, "No space left on device")
        return files.copy_beside(source, path)

    monkeypatch.setattr("depthwise_conformance.reports.folders.copy_beside", fails)
    with pytest.raises(OSError, match="No space"):
        merge([write_folder(tmp_path / "other", [RECORD])], run)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


# What somebody else may have put into a folder that is read


@pytest.mark.parametrize("name", ["run.json", "results.parquet", "discrepancies.csv", "layers.csv"])
@pytest.mark.parametrize("put", ["pipe", "link"])
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path, name, put):
    folder, other = write_folder(tmp_path / "run", [RECORD]), write_folder(tmp_path / "other")
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name) if put == "pipe" else (folder / name).symlink_to(other / name)
    (other / name).touch()
    with pytest.raises(ValueError, match=f"{name} is (no plain file|a link)"):
        merge([folder, other], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_case_that_is_a_link_is_neither_shown_nor_copied(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    folder = write_folder(tmp_path / "run", [RECORD], [DISCREPANCY])
    (folder / "cases" / f"{CASE}.json").unlink()
    (folder / "cases" / f"{CASE}.json").symlink_to(secret)
    assert "secret" not in write_page(folder).read_text()
    merge([folder], tmp_path / "out")
    assert list((tmp_path / "out" / "cases").iterdir()) == []


def test_a_folder_counts_once(tmp_path):
    folder = write_folder(tmp_path / "run", [RECORD])
    with pytest.raises(ValueError, match="is given 2 times"):
        merge([folder, tmp_path / "run" / ".." / "run"], tmp_path / "out")


def test_a_malformed_row_is_named_with_its_field(tmp_path):
    folder = write_folder(tmp_path / "run", [RECORD], [DISCREPANCY] * 2)
    path = folder / "discrepancies.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], lines[2].replace(",2,5,", ",two,5,")]))
    with pytest.raises(ValueError, match=r"discrepancies\.csv is malformed: row 2, failing: .*'two'"):
        merge([folder], tmp_path / "out")
