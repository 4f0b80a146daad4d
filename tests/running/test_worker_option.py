"""`--worker COMMAND`: a program that speaks the protocol is a target like any other."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
from command_line import HONEST, call, records, run

from depthwise_conformance.reports.runs import read_runs
from depthwise_conformance.reports.tables import read_discrepancies
from depthwise_conformance.running import cli
from depthwise_conformance.running.options import ALONE, TOGETHER, attribute, decide, read_options
from depthwise_conformance.running.targets import open_targets, requests

SPEAKER = Path(__file__).parents[1] / "fakes" / "speaker.py"
ELSEWHERE = """
from depthwise_conformance.adapters.base import Adapter, Description

class Elsewhere(Adapter):
    name = "elsewhere"

    def describe(self):
        return Description(devices=("cuda:0",))

    def forward(self, config, x, kernel, bias):
        return x
"""


def speaker(fault: str) -> str:
    return shlex.join([sys.executable, str(SPEAKER), fault])


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """A run of two workers beside an adapter."""
    folder = tmp_path_factory.mktemp("judged")
    both = ("--worker", speaker("zeros-before"), "--adapter", HONEST)
    return folder, run(folder, *both, "--examples", 20, "--check", "output", "--out", "out")


def test_a_worker_is_judged_under_the_name_that_it_gives_itself(judged):
    folder, done = judged
    assert done.returncode == 1, done.stderr
    frame = records(folder / "out")
    assert set(frame["target"]) == {"honest@cpu", "speaker@cpu"}
    assert set(frame[frame["target"] == "speaker@cpu"]["versions"]) == {"speaker 1"}
    assert {one.target for one in read_discrepancies(folder / "out")} == {"speaker@cpu"}


def test_its_claims_steer_what_it_is_asked(judged):
    (content,) = read_runs(judged[0] / "out")
    (target,) = [target for target in content["targets"] if target["target"] == "speaker@cpu"]
    assert target["claims"] == 'activation == "linear" and dilation == 1'
    assert content["options"]["workers"] == [speaker("zeros-before")]


def test_its_replay_line_repeats_the_verdict(judged, tmp_path):
    one = read_discrepancies(judged[0] / "out")[0]
    scripts = shlex.quote(str(Path(sys.executable).parent))
    done = call(tmp_path, "sh", "-c", f"PATH={scripts}:$PATH; {one.replay}")
    assert done.returncode == 1, done.stderr
    assert "speaker@cpu (speaker 1)" in done.stdout
    assert one.verdict in done.stdout


def test_an_honest_worker_passes(tmp_path):
    done = run(tmp_path, "--worker", speaker("good"), "--examples", 20, "--check", "output", "--out", "out")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_worker_is_listed(capsys):
    assert cli.main(["targets", "--worker", speaker("good"), "--start"]) == 0
    assert "speaker@cpu: speaker 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "examples"),
    [
        ({"--worker": ["x"]}, ALONE),
        ({"--worker": ["x"], "--adapter": ["y"]}, ALONE),
        ({"--worker": ["x"], "--target": ["torch"]}, TOGETHER),
    ],
)
def test_workers_alone_are_asked_more(given, examples):
    assert read_options(decide(given, {}), Path()).examples == examples
    assert attribute("--worker") == "worker"


@pytest.mark.parametrize("command", ["", " ", "no-such-program", "node 'worker.mjs"])
@pytest.mark.parametrize("name", ["run", "targets"])
def test_what_is_no_command_is_told(capsys, tmp_path, monkeypatch, name, command):
    monkeypatch.chdir(tmp_path)
    assert cli.main([name, "--worker", command]) == 2
    assert f"worker {command!r}: " in capsys.readouterr().err


def test_a_worker_that_cannot_start_is_told_with_what_it_said(tmp_path):
    done = run(tmp_path, "--worker", speaker("cannot-start"), "--out", "out")
    assert done.returncode == 2
    assert "there is no such device" in done.stderr


def test_a_target_is_judged_on_the_devices_that_it_has(tmp_path):
    """Not on the CPU, where it is asked first."""
    (tmp_path / "elsewhere.py").write_text(ELSEWHERE)
    opened = open_targets(requests([], [f"{tmp_path / 'elsewhere.py'}:Elsewhere"]), 20.0)
    for target in opened:
        target.worker.close()
    assert [target.name for target in opened] == ["elsewhere@cuda:0"]
