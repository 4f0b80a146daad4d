"""The folder of a run: it takes the place of an earlier run's, and of nothing else."""

from __future__ import annotations

import pytest
from command_line import FLIPPED, HONEST, records, run


def test_a_run_takes_the_place_of_the_last_one(bad, tmp_path):
    run(tmp_path, "--adapter", FLIPPED, "--examples", 5, "--check", "output")
    assert run(tmp_path, "--adapter", HONEST, "--examples", 5, "--check", "shape").returncode == 0
    assert list((tmp_path / "conformance-run" / "cases").iterdir()) == []
    assert set(records(tmp_path / "conformance-run")["target"]) == {"honest@cpu"}


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
    assert f"out {out}: " in done.stderr
    assert [path.read_text() for path in precious] == ["precious"] * len(precious)


def test_a_run_json_of_another_tool_does_not_make_a_runs_folder(tmp_path):
    (tmp_path / "out" / "cases").mkdir(parents=True)
    (tmp_path / "out" / "run.json").write_text('{"runner": "another tool"}')
    (tmp_path / "out" / "cases" / "mine.json").write_text("precious")
    done = run(tmp_path, "--adapter", HONEST, "--examples", 1, "--check", "shape", "--out", "out")
    assert done.returncode == 2
    assert (tmp_path / "out" / "cases" / "mine.json").read_text() == "precious"
