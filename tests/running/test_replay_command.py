"""`replay`: one case of a run, judged again."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest
from by_name import location
from command_line import HONEST, call, run

from depthwise_conformance.reports.tables import read_discrepancies
from depthwise_conformance.running import cli

CASE = {
    "schema": 1,
    "arguments": {"kernel_size": 2},
    "input_shape": [1, 4, 4, 1],
    "data": {"recipe": "integers", "seed": 0},
}


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


# Mistakes: told on standard error, with what is accepted; status 2


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
        (["--timeout", "-1", "--adapter", HONEST], "timeout -1.0: accepted are seconds above 0"),
        (["--device", "tpu", "--adapter", HONEST], "there is no target on device 'tpu'"),
    ],
)
def test_a_mistake_in_a_replay_is_told(tmp_path, capsys, arguments, told):
    path = tmp_path / "case.json"
    path.write_text(json.dumps(CASE))
    assert cli.main(["replay", str(path), *arguments]) == 2
    captured = capsys.readouterr()
    assert told in captured.err + captured.out
