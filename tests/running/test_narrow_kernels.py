"""A narrow kernel: it is asked what it claims, as much as anyone, and a run that judged next to nothing is not done."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import FAKES, HONEST, run

from depthwise_conformance import read_discrepancies, read_results, read_runs
from depthwise_conformance.casebook.case import case_from_json
from depthwise_conformance.casebook.claims import Claim

NARROW = f"{FAKES / 'narrow.py'}"
ONLY = 'kernel_size == 3 and strides == 1 and dtype == "float64"'


def described(folder: Path) -> dict:
    ((target,),) = [run["targets"] for run in read_runs(folder)]
    return target


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    folder = tmp_path_factory.mktemp("narrow")
    return folder / "out", run(folder, "--adapter", f"{NARROW}:Narrow", "--examples", 200, "--out", "out")


def test_an_honest_narrow_kernel_is_judged_on_all_that_was_asked_for(narrow):
    folder, done = narrow
    assert done.returncode == 0, done.stdout + done.stderr
    target = described(folder)
    assert target["judged"] >= 250
    assert target["coverage"]["covered"] == target["coverage"]["allowed"] > 500
    assert all("3x#" not in reason for reason in target["declined"])
    assert "cases judged" in done.stdout
    assert target["claims"] == Claim(target["claims"]).text != ""


def test_nothing_outside_its_claim_is_recorded(narrow):
    folder, _ = narrow
    results = read_results(folder)
    for row in results[results["check"] == "output"].itertuples():
        arguments = json.loads(row.arguments)
        assert arguments["kernel_size"] == [3, 3]
        assert "activation" not in arguments or arguments["activation"] == "linear"
        assert row.dtype == "float32"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ColumnTail", ["output_width % 4 != 0", "columns beyond a multiple of 4"]),
        ("ChannelTail", ["output_channels", "channels"]),
        ("Pad", ["same padding with the odd zero before"]),
    ],
)
def test_planted_bugs_are_named(tmp_path, name, words):
    done = run(tmp_path, "--adapter", f"{NARROW}:{name}", "--check", "output", "--examples", 250, "--out", "out")
    assert done.returncode == 1
    (found,) = read_discrepancies(tmp_path / "out")
    told = f"{found.cause} {found.condition} {found.place}"
    assert all(word in told for word in words), told
    case = case_from_json(json.loads((tmp_path / "out" / "cases" / f"{found.smallest_case}.json").read_text()))
    assert Claim(described(tmp_path / "out")["claims"]).covers(case)  # shrunk inside the claim, too


def test_a_kernel_that_declines_nearly_all_is_no_green(tmp_path):
    done = run(tmp_path, "--adapter", f"{NARROW}:Declines", "--examples", 60, "--out", "out")
    assert done.returncode == 2
    assert "was judged on" in done.stdout
    assert "3x3 alone" in done.stdout.replace("#x# alone", "3x3 alone")
    (about,) = read_runs(tmp_path / "out")
    assert about["complete"] is False
    assert len(about["thin"]) == 1


def test_how_few_are_too_few_can_be_said(tmp_path):
    enough = ("--adapter", f"{NARROW}:Declines", "--examples", 30, "--check", "output", "--out", "out")
    assert run(tmp_path, *enough, "--least", 1).returncode == 0
    assert run(tmp_path, *enough, "--least", 1000).returncode == 2
    told = run(tmp_path, *enough, "--least", -1)
    assert (told.returncode, "least -1: accepted are 0 or more" in told.stderr) == (2, True)


def test_only_narrows_what_a_target_claims(tmp_path):
    done = run(tmp_path, "--adapter", HONEST, "--check", "output", "--examples", 30, "--only", ONLY, "--out", "out")
    assert done.returncode == 0
    results = read_results(tmp_path / "out")
    assert set(results["dtype"]) == {"float64"}
    assert {tuple(json.loads(text)["kernel_size"]) for text in results["arguments"]} == {(3, 3)}
    assert described(tmp_path / "out")["judged"] >= 30


def test_targets_with_different_claims_share_the_cases_that_both_claim(tmp_path):
    both = ("--adapter", f"{NARROW}:Narrow", "--adapter", HONEST)
    done = run(tmp_path, *both, "--check", "output", "--examples", 40, "--out", "out")
    assert done.returncode == 0, done.stdout
    results = read_results(tmp_path / "out")
    by_target = {target: set(frame["case"]) for target, frame in results.groupby("target", observed=True)}
    mine, wide = by_target["narrow@cpu"], by_target["honest@cpu"]
    assert len(mine) >= 40
    assert mine < wide


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--adapter", HONEST, "--only", "kernal_size == 3"], "did you mean kernel_size?"),
        (["--adapter", f"{NARROW}:Misspelt"], "its claims cannot be read: 'kernal_size' is no argument"),
    ],
)
def test_a_claim_that_is_none_is_told(tmp_path, arguments, told):
    done = run(tmp_path, *arguments, "--examples", 5, "--out", "out")
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
