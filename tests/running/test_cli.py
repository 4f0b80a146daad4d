"""The command line: mistakes are told on standard error, with what is accepted; status 2; nothing lost."""

from __future__ import annotations

import pytest
from command_line import DIES, FAKES, HONEST, run

from depthwise_conformance.running import cli


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--examples", "0"], "examples 0: accepted are 1 or more"),
        (["--seed", "-1"], "seed -1: accepted are 0 or more"),
        (["--timeout", "0"], "timeout 0.0: accepted are seconds above 0"),
        (["--timeout", "nan"], "timeout nan: accepted are seconds above 0"),
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
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["--examples", "many"], ["--timeout", "soon"], ["--colour"]])
def test_a_misspelt_option_is_told_with_the_usage(tmp_path, arguments):
    done = run(tmp_path, *arguments)
    assert done.returncode == 2
    assert "usage: " in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_no_command_and_an_unknown_one_are_told(capsys):
    for arguments in ([], ["judge"]):
        with pytest.raises(SystemExit) as caught:
            cli.main(arguments)
        assert caught.value.code == 2
        assert "usage: " in capsys.readouterr().err


def test_targets_lists_an_adapter(capsys):
    assert cli.main(["targets", "--adapter", HONEST]) == 0
    assert "honest@cpu" in capsys.readouterr().out
    assert cli.main(["targets", "--adapter", DIES]) == 2
    assert "broken" in capsys.readouterr().out
