"""What goes wrong is told as what it is: a target's death, the environment's fault, an error of this tool."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest
from by_name import location
from command_line import COMMAND, FAKES, HANGS, HONEST, PATIENCE, call, records, run

from depthwise_conformance.casebook.case import LayerCase
from depthwise_conformance.judging import checks as judge
from depthwise_conformance.judging.tally import Tally
from depthwise_conformance.judging.values import Judgement
from depthwise_conformance.reports.record import CHECKS, LAYER_CHECKS, Record, Verdict
from depthwise_conformance.reports.runs import read_runs
from depthwise_conformance.reports.unfinished import state
from depthwise_conformance.running import examining
from depthwise_conformance.running.agenda import Options
from depthwise_conformance.running.engine import Engine
from depthwise_conformance.running.run import ConformanceRun
from depthwise_conformance.running.runoptions import RunOptions
from depthwise_conformance.running.targets import Target, open_targets, requests
from depthwise_conformance.running.troubles import HARNESS_ERROR, LostTargetError, NothingJudged, nothing_judged

ON_CASES = tuple(check for check in CHECKS if check not in LAYER_CHECKS)


@pytest.fixture
def opened() -> Iterator[list[Target]]:
    """An honest target and a faulty one."""
    found = open_targets(requests([], [HONEST, location("KernelFlipped")]), 20.0)
    yield found
    for target in found:
        target.worker.close()


def evaluate(targets: list[Target], checks: tuple[str, ...], **options: object) -> tuple[Engine, list[Record]]:
    rows: list[Record] = []
    engine = Engine(Options(checks=checks, examples=20, **options), rows.extend)
    engine.evaluate(targets, {target.name: checks for target in targets})
    return engine, rows


# An error of this tool


def fails_for(monkeypatch: pytest.MonkeyPatch, name: str, where: object, function: str) -> None:
    """Makes a function fail for one target."""
    right = getattr(where, function)

    def wrong(target, *arguments, **named):
        if target.name == name:
            raise KeyError("an oversight")
        return right(target, *arguments, **named)

    monkeypatch.setattr(where, function, wrong)


@pytest.mark.parametrize("function", ["_examine", "judge_cores"])
def test_an_error_of_this_tool_stays_with_the_target_that_it_met(opened, monkeypatch, function):
    fails_for(monkeypatch, "honest@cpu", examining, function)
    engine, rows = evaluate(opened, ("output", "metamorphic"))
    status = {target.name: target.status for target in opened}
    assert status == {"honest@cpu": HARNESS_ERROR, "kernel-flipped@cpu": "judged"}
    message = next(target.message for target in opened if target.name == "honest@cpu")
    assert "an error of this tool, which says nothing of the target" in message
    assert "KeyError: 'an oversight'" in message
    assert Verdict.CRASHED not in {row.verdict for row in rows}
    engine.diagnose(opened)
    assert engine.distinct["kernel-flipped@cpu"]


def test_an_error_in_a_diagnosis_leaves_what_was_found(opened, monkeypatch):
    engine, _ = evaluate(opened, ("output",))
    fails_for(monkeypatch, "kernel-flipped@cpu", examining, "_examine")
    engine.diagnose(opened)
    (faulty,) = (target for target in opened if target.name == "kernel-flipped@cpu")
    assert faulty.status == HARNESS_ERROR
    assert engine.distinct[faulty.name]


BROKEN_TOOL = """
import sys
from depthwise_conformance.running import {module}, cli
def wrong(*arguments, **named):
    raise KeyError("an oversight")
{module}.{function} = wrong
sys.exit(cli.main())
"""


@pytest.mark.parametrize(
    ("module", "function", "fake"),
    [
        ("folder", "close", HONEST),
        ("run", "make_discrepancy", location("KernelFlipped")),
        ("examining", "_examine", HONEST),
        ("engine", "expect", HONEST),
        ("display", "planned", HONEST),
        ("display", "print_summary", HONEST),
    ],
)
def test_an_error_of_this_tool_is_no_discrepancy(tmp_path, module, function, fake):
    script = BROKEN_TOOL.format(module=module, function=function)
    done = call(tmp_path, sys.executable, "-P", "-c", script, "run", "--adapter", fake, "--check", "output", "--fast")
    assert done.returncode == 2, done.stderr
    assert "an oversight" in done.stdout + done.stderr
    about = read_runs(tmp_path / "conformance-run") if (tmp_path / "conformance-run" / "run.json").exists() else []
    assert not any(one["complete"] for one in about) or function == "print_summary"  # when all was done


WITHOUT_BIAS = f"""
import sys
sys.path.insert(0, {str(FAKES)!r})
from honest import Honest
class Raises(Honest):
    name = "raises"
    def gradients(self, config, x, kernel, bias, cotangent):
        if bias is None:
            raise OSError("out of order")
        return super().gradients(config, x, kernel, bias, cotangent)
"""


def test_gradients_that_no_selected_check_judges_are_no_error(tmp_path):
    """Those without a bias, where the gradient of the bias alone is judged."""
    (tmp_path / "raises.py").write_text(WITHOUT_BIAS)
    done = run(tmp_path, "--adapter", "raises.py:Raises", "--check", "gradient_bias", "--examples", 30)
    assert done.returncode == 0, done.stderr
    assert set(records(tmp_path / "conformance-run")["verdict"]) == {"pass"}


# The output is closed


@pytest.mark.parametrize(
    "words", [("run", "--adapter", HONEST, "--check", "shape", "--fast"), ("targets", "--adapter", HONEST)]
)
def test_output_that_nobody_reads_is_no_discrepancy(tmp_path, words):
    process = subprocess.Popen([*COMMAND, *words], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    said = process.stderr.read().decode()
    assert process.wait(timeout=PATIENCE) == 2
    assert "Traceback" not in said


# Our own kill is no crash


def test_a_target_that_is_interrupted_has_not_crashed():
    (target,) = open_targets(requests([], [f"{FAKES / 'misbehaving.py'}:RingsAndHangs"]), PATIENCE)
    rows: list[Record] = []
    engine = Engine(Options(checks=("output",), examples=20), rows.extend)
    before = signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    try:
        with pytest.raises(KeyboardInterrupt):
            engine.evaluate([target], {target.name: ("output",)})
    finally:
        signal.signal(signal.SIGALRM, before)
        target.worker.close()
    assert rows == []
    assert (target.status, target.message) == ("judged", "")


def test_nor_have_the_targets_that_are_ended_with_a_run_that_fails(opened, monkeypatch):
    done: list[str] = []

    def fails(target: Target, count: int) -> None:
        done.append(target.name)
        if len(done) > 3:
            raise OSError(28, "No space left on device")

    rows: list[Record] = []
    engine = Engine(Options(checks=("output",), examples=200), rows.extend, fails)
    with pytest.raises(OSError, match="No space"):
        engine.evaluate(opened, {target.name: ("output",) for target in opened})
    assert not {row.verdict for row in rows} & {Verdict.CRASHED, Verdict.TIMED_OUT}
    assert {target.status for target in opened} == {"judged"}


# What JUnit is told


def junit(folder: Path) -> dict[str, str]:
    """By check: passed, skipped or failed."""
    found = {}
    for item in ET.parse(folder / "junit.xml").getroot().iter("testcase"):
        told = next((child.tag for child in item if child.tag in ("skipped", "failure", "error")), "passed")
        found[item.get("name").removesuffix("]").rpartition("-")[2]] = told
    return found


def test_no_check_that_judged_nothing_has_passed(tmp_path):
    """A target that raises whatever it is asked, from the fourth case on: before that it would be given up at once."""
    adapter = f"{FAKES / 'misbehaving.py'}:RaisesLater"
    assert run(tmp_path, "--adapter", adapter, "--fast", "--out", "out").returncode == 1
    told, rows = junit(tmp_path / "out"), records(tmp_path / "out")
    judged = set(rows[rows["verdict"] != "unsupported"]["check"])
    assert set(told) == set(CHECKS)
    assert {check for check, status in told.items() if status == "skipped"} == set(CHECKS) - judged != set()
    assert told["output"] == "failure"


def test_no_check_of_a_target_that_was_given_up_has_passed(tmp_path):
    done = run(tmp_path, "--adapter", HANGS, "--timeout", "0.25", "--examples", "20", "--out", "out")
    assert done.returncode == 2
    told = junit(tmp_path / "out")
    assert set(told) == set(CHECKS)
    assert set(told.values()) == {"failure"}
    assert done.stdout.count("given up: nothing was answered in time on the first 2 cases") == 1  # not twenty times
    assert len(records(tmp_path / "out")["case"].unique()) == 2
    assert "another exception" not in done.stderr
    assert read_runs(tmp_path / "out")[0]["complete"] is False


def tallies(**verdicts: list[Verdict]) -> dict[str, Tally]:
    found = {check: Tally() for check in CHECKS}
    (case,) = (case for case in layer_cases_of("defaults")[:1])
    for check, told in verdicts.items():
        for verdict in told:
            found[check].add(case, Judgement(verdict, signature="why"))
    return found


def layer_cases_of(check: str) -> list[LayerCase]:
    from depthwise_conformance.layers.catalogue import layer_cases

    return [case for case in layer_cases() if case.check == check]


@pytest.mark.parametrize(
    ("verdicts", "check", "stopped", "told"),
    [
        ({"shape": [Verdict.PASS]}, "shape", False, ""),
        ({"shape": [Verdict.PASS, Verdict.UNSUPPORTED]}, "shape", False, ""),
        ({"shape": [Verdict.CRASHED]}, "shape", False, ""),
        ({"shape": [Verdict.UNSUPPORTED] * 2}, "shape", False, "unsupported: why"),
        ({}, "shape", True, "stopped at its first discrepancy"),
        ({"output": [Verdict.REFUSED], "dtype": [Verdict.PASS]}, "shape", False, "see output"),
        ({"output": [Verdict.WRONG_VALUE]}, "save_load", False, "fail as their operation does, see output"),
        ({"output": [Verdict.PASS]}, "metamorphic", False, "no case of this run is about it"),
    ],
)
def test_why_nothing_was_judged_is_said(verdicts, check, stopped, told):
    why = nothing_judged(check, tallies(**verdicts), stopped)
    assert told in why if told else why == ""


# Layers that fail as their operation does


def layers_of(targets: list[Target], monkeypatch: pytest.MonkeyPatch, checks: tuple[str, ...]) -> Engine:
    """Judged on their layers, of which each fails and its operation does."""
    judged = [(case, Judgement(Verdict.CRASHED, signature="it died")) for case in layer_cases_of("save_load")[:2]]
    monkeypatch.setattr(examining, "judge_layers", lambda worker, declared, cases: judged)
    monkeypatch.setattr(
        judge, "judge_case", lambda *_: iter([("output", Judgement(Verdict.CRASHED, signature="it died"))])
    )
    return Engine(Options(checks=checks), lambda rows: None)


@pytest.mark.parametrize(
    ("told", "noted"),
    [
        (None, 2),  # the operation's cases were not asked, or did not fail
        (Judgement(Verdict.WRONG_VALUE), 2),  # they failed otherwise
        (Judgement(Verdict.CRASHED, signature="it died otherwise"), 2),
        (Judgement(Verdict.CRASHED, signature="it died"), 0),
    ],
)
def test_a_layer_is_left_out_only_where_its_operation_has_told_the_same(opened, monkeypatch, told, noted):
    engine = layers_of(opened, monkeypatch, ("output", "save_load"))
    target = opened[0]
    if told is not None:
        engine.tallies[target.name, "output"].add(layer_cases_of("save_load")[0], told)
    engine._begin_layers([*layer_cases_of("save_load")], {target.name: ("output", "save_load")}, target)()
    assert engine.tallies[target.name, "save_load"].verdicts.total() == noted


# A run's own words


@pytest.fixture
def judged(tmp_path) -> Iterator[ConformanceRun]:
    one = ConformanceRun(
        RunOptions(adapters=(HONEST,), checks=("output",), examples=5, out=tmp_path / "out", fast=True)
    )
    one.selected = {"honest@cpu": {"output"}}
    yield one
    one.close()


def test_a_run_that_was_asked_nothing_writes_nothing(judged, tmp_path):
    assert judged.close() is None
    assert list(tmp_path.iterdir()) == []
    assert not judged.complete


def test_a_run_is_complete_when_all_is_judged(judged, tmp_path):
    assert not judged.complete
    assert judged.verify("honest@cpu", "output") == []
    assert state(tmp_path / "out").startswith("running: ")
    assert judged.close() == tmp_path / "out" / "report.html"
    assert json.loads((tmp_path / "out" / "run.json").read_text())["complete"] is True


def test_a_lost_target_is_told_in_full_once(judged):
    judged.verify("honest@cpu", "output")
    judged.targets[0].status, judged.targets[0].message = "abandoned", "given up: 9 lost workers cost 180 s"
    for told in ("given up: 9 lost workers", "see the first of its checks"):
        with pytest.raises(LostTargetError, match=told):
            judged.verify("honest@cpu", "output")
    assert judged.undone


def test_a_check_without_a_case_was_not_judged(judged):
    judged.selected["honest@cpu"].add("metamorphic")
    judged.verify("honest@cpu", "output")
    judged.engine.tallies["honest@cpu", "metamorphic"] = Tally()
    with pytest.raises(NothingJudged, match="no case of this run is about it"):
        judged.verify("honest@cpu", "metamorphic")
