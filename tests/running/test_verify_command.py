"""`verify`: a run folder whose files agree, and each way in which they may not."""

import json
import shutil

import pytest
from command_line import COMMAND, call

from depthwise_conformance.running.verifying import verify_folder


def test_a_folder_as_a_run_leaves_it(bad, good, tmp_path):
    for folder, _ in (bad, good):
        assert verify_folder(folder) == []
    done = call(tmp_path, *COMMAND, "verify", bad[0], good[0])
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("its files agree") == 2


def without_a_row(folder):
    path = folder / "results.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def without_a_discrepancy(folder):
    path = folder / "discrepancies.csv"
    path.write_text(path.read_text().splitlines(keepends=True)[0])


def with_another_case(folder):
    path = next((folder / "cases").glob("*.json"))
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "input_shape": [1, 9, 9, 2]}))


def with_a_damaged_case(folder):
    next((folder / "cases").glob("*.json")).write_text("{")


def without_cases(folder):
    shutil.rmtree(folder / "cases")


def without_reports(folder):
    shutil.rmtree(folder / "repro")


def with_an_empty_page(folder):
    (folder / "report.html").write_text("")


def with_other_counts(folder):
    path = folder / "junit.xml"
    path.write_text(path.read_text().replace('<property name="failed" value="', '<property name="failed" value="9'))


def with_a_damaged_junit(folder):
    (folder / "junit.xml").write_text("<testsuites>")


def not_complete(folder):
    path = folder / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "complete": False}))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (without_a_row, "rows, where results.parquet has"),
        (without_a_discrepancy, "output, which fails"),
        (with_another_case, "is of the case"),
        (with_a_damaged_case, "Expecting property name"),
        (without_cases, "the smallest of"),
        (without_reports, "no report of"),
        (with_an_empty_page, "is not on it"),
        (with_other_counts, "where the results have"),
        (with_a_damaged_junit, "junit.xml: "),
        (not_complete, "is not complete"),
    ],
)
def test_what_is_wrong_is_said(bad, tmp_path, damage, said):
    folder = tmp_path / "run"
    shutil.copytree(bad[0], folder)
    damage(folder)
    assert said in "\n".join(verify_folder(folder))
    done = call(tmp_path, *COMMAND, "verify", "run") if damage is without_a_row else None
    assert done is None or (done.returncode, done.stderr) == (1, "")


def test_a_folder_that_is_none(tmp_path):
    done = call(tmp_path, *COMMAND, "verify", "nowhere")
    assert done.returncode == 2
    assert "run.json is missing" in done.stderr
