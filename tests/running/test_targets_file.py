"""`--targets FILE`: named targets, with what holds for each of them alone."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
from command_line import FAKES, HONEST, records, run
from worker_calls import forward

from depthwise_conformance.reports.runs import read_runs
from depthwise_conformance.reports.tables import read_discrepancies
from depthwise_conformance.running import cli
from depthwise_conformance.running.options import decide
from depthwise_conformance.running.targetfile import read_targets
from depthwise_conformance.running.targets import asking_for, open_targets, requests
from depthwise_conformance.running.usage import UsageError

SPEAKER = FAKES / "speaker.py"
OWN = """
import os
import numpy as np
from depthwise_conformance.adapters.base import Adapter

class Own(Adapter):
    name = "own"
    kept = []

    def forward(self, config, x, kernel, bias):
        if os.environ.get("GREEDY"):
            self.kept.append(np.ones(1 << 26))
        return x if os.environ.get("LAZY") else x[:0]
"""
MANY = f"""
[targets.speaks]
command = "{sys.executable} speaker.py zeros-before"
checks = ["output", "shape"]
examples = 10

[targets.narrow]
adapter = "by_name.py:Honest"
claims = 'kernel_size == 3'
checks = ["output"]
timeout = 60
"""


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """A run of all that a file names."""
    folder = tmp_path_factory.mktemp("judged")
    (folder / "targets.toml").write_text(MANY.replace("by_name.py", HONEST.rpartition(":")[0]))
    (folder / "speaker.py").symlink_to(SPEAKER)
    return folder, run(folder, "--targets", "targets.toml", "--examples", 20, "--fast", "--out", "out")


def opened(folder: Path, text: str, asked: tuple[str, ...] = ()):
    """The targets of a file, started."""
    (folder / "own.py").write_text(OWN)
    (folder / "targets.toml").write_text(text)
    return open_targets(requests(asked, [], files=[str(folder / "targets.toml")]), 60.0)


def test_all_of_a_file_are_judged_under_its_names_with_their_own_checks_and_claims(judged):
    folder, done = judged
    assert done.returncode == 1, done.stderr
    frame = records(folder / "out")
    assert set(frame["target"]) == {"speaks@cpu", "narrow@cpu"}
    assert set(frame[frame["target"] == "speaks@cpu"]["check"]) == {"output", "shape"}
    (content,) = read_runs(folder / "out")
    about = {one["target"]: one for one in content["targets"]}
    assert about["narrow@cpu"]["claims"] == "kernel_size == 3"
    assert about["speaks@cpu"]["cases"] <= 10 < about["narrow@cpu"]["cases"]


def test_a_replay_line_asks_for_the_name_in_the_file(judged, capsys, monkeypatch):
    folder, _ = judged
    found = read_discrepancies(folder / "out")
    assert {one.target for one in found} == {"speaks@cpu"}
    words = shlex.split(found[0].replay)
    assert words[-4:] == ["--target", "speaks@cpu", "--targets", str(folder / "targets.toml")]
    monkeypatch.chdir(folder)
    assert cli.main(words[1:]) == 1
    assert "speaks@cpu" in capsys.readouterr().out


def test_the_environment_of_a_target_is_its_own(tmp_path):
    lazy = '[targets.lazy]\nadapter = "own.py:Own"\nenvironment = {LAZY = "1"}\n'
    found = opened(tmp_path, f'{lazy}[targets.other]\nadapter = "own.py:Own"\n')
    shapes = []
    for one in found:
        ((outcome,),) = one.worker.run([(forward(),)])
        shapes.append(outcome.arrays["output"].shape)
        one.worker.close()
    assert [one.name for one in found] == ["lazy@cpu", "other@cpu"]
    assert shapes[0][0] > 0 == shapes[1][0]


def test_a_worker_that_uses_more_memory_than_its_target_may_is_ended(tmp_path):
    (one,) = opened(tmp_path, '[targets.greedy]\nadapter = "own.py:Own"\nmemory = 300\nenvironment = {GREEDY = "1"}\n')
    outcomes = list(one.worker.run([(forward(),)] * 4))
    one.worker.close()
    assert any("the limit is 300 MiB" in outcome.message for (outcome,) in outcomes)


def test_what_is_asked_for_takes_the_place_of_what_the_file_says(tmp_path):
    file = tmp_path / "targets.toml"
    file.write_text(
        '[targets.old]\ntarget = "keras-jax[keras==3.8.0]:x64"\nrequirements = ["jax==0.8.3"]\ntimeout = 7\n'
    )
    (own,) = requests(["old"], [], files=[str(file)])
    assert (own.requirements, own.launch.mode, own.label) == (("jax==0.8.3", "keras==3.8.0"), "x64", "old")
    assert own.builtin == "keras-jax:x64"
    (other,) = requests(["old[keras==3.9.0]@cpu"], [], files=[str(file)])
    assert (other.requirements, other.device) == (("jax==0.8.3", "keras==3.9.0"), "cpu")
    assert other.label == "old[keras==3.9.0]"


def test_timeout_and_arithmetic_hold_for_the_target_alone(tmp_path):
    text = '[targets.own]\nadapter = "own.py:Own"\ntimeout = 7\narithmetic = {float32 = "TF32 products"}\n'
    (one,) = opened(tmp_path, text, ("own@cpu",))
    one.worker.close()
    assert one.worker.timeout == 7.0
    assert one.declared["float32"].name == "TF32 products"
    assert asking_for(one) == ["--target", "own@cpu", "--targets", str(tmp_path / "targets.toml")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[targets.a]\n", "accepted is one of target, adapter, command"),
        ('[targets.a]\ntarget = "torch"\ncommand = "node x"\n', "accepted is one of target, adapter, command"),
        ('[targets.a]\ntarget = "torhc"\n', "accepted is name[requirement,...][:mode][@device] of keras-tensorflow"),
        (
            '[targets.a]\ntarget = "torch"\nmodes = "x"\n',
            "has a key 'modes': accepted are target, adapter, command, mode",
        ),
        ('[targets.a]\ntarget = "torch"\nmemory = "4"\n', "memory = '4': accepted is a whole number above 0"),
        ('[targets.a]\ntarget = "torch"\ntimeout = 0\n', "timeout = 0: accepted is a number above 0"),
        ('[targets.a]\ntarget = "torch"\nchecks = ["outputs"]\n', "checks: 'outputs': accepted are output, "),
        ('[targets.a]\ntarget = "torch"\nchecks = "output"\n', "accepted is a list of texts"),
        ('[targets.a]\ntarget = "torch"\nenvironment = ["A=1"]\n', "accepted is a table of texts"),
        ('[targets.a]\ntarget = "torch"\nclaims = "strides = 1"\n', "[targets.a] claims: "),
        ('[targets.a]\ntarget = "torch"\narithmetic = {float32 = "half"}\n', "float32 = 'half': accepted is one of "),
        ('[targets.a]\ntarget = "torch"\narithmetic = {int8 = "half"}\n', "accepted is a dtype of "),
        ('[targets.a]\ntarget = "torch"\nrequirements = ["a b"]\n', "'a b' is no requirement"),
        ('[targets.a]\ncommand = "python x"\nrequirements = ["a"]\n', "accepted beside target and adapter"),
        ('[targets.torch]\ntarget = "torch"\n', "there is a target or a group 'torch' already"),
        ('[targets."a b"]\ntarget = "torch"\n', "accepted is a name of letters"),
        ('[target.a]\ntarget = "torch"\n', "accepted are tables [targets.NAME] alone"),
        ("[targets", "cannot be read"),
    ],
)
def test_what_a_file_may_not_say_is_told_with_what_it_may(text, told, tmp_path):
    file = tmp_path / "targets.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as raised:
        read_targets([str(file)])
    assert str(file) in str(raised.value)
    assert told in str(raised.value)


def test_a_name_that_there_is_not_is_told_with_those_that_there_are(tmp_path):
    file = tmp_path / "targets.toml"
    file.write_text('[targets.mine]\ntarget = "torch"\n')
    with pytest.raises(UsageError, match="accepted are mine, "):
        requests(["your"], [], files=[str(file)])
    assert [one.label for one in requests([], [], files=[str(file)])] == ["mine"]
    assert [one.label for one in requests([], [HONEST], files=[str(file)])] == [""]


def test_a_file_that_is_typed_is_judged_instead_of_what_the_project_judges():
    kept = {"--target": ["torch"], "--targets": ["project.toml"]}
    typed = decide({"--targets": ["mine.toml"]}, kept)
    assert (typed["--target"], typed["--targets"]) == ([], ["mine.toml"])
    named = decide({"--target": ["one-of-them"]}, kept)
    assert (named["--target"], named["--targets"]) == (["one-of-them"], ["project.toml"])
