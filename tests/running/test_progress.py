"""How far a run has come, without a terminal; and what it shows at its end."""

from dataclasses import replace

import pytest
from command_line import await_that
from reported import DISCREPANCY, RECORD, run_json, write_folder
from rich.console import Console

from depthwise_conformance.reports.record import CHECKS, Verdict
from depthwise_conformance.running.progress import Lines
from depthwise_conformance.running.summary import print_summary


def test_a_line_when_a_target_begins_now_and_then_and_when_it_ends():
    told: list[str] = []
    lines = Lines(told.append, every=0.01)
    lines.expect({"torch@cpu": 40, "jax@cpu": 40})
    for name in ("torch@cpu", "jax@cpu"):
        lines.advance(name, 0)
    lines.advance("jax@cpu", 8)
    await_that("a line of both", lambda: any("torch@cpu 0 of 40, jax@cpu 8 of 40" in line for line in told))
    lines.end("torch@cpu", "40 of 40 cases judged")
    await_that("a line of the other", lambda: told[-1].endswith("s: jax@cpu 8 of 40"))
    lines.end("jax@cpu", "40 of 40 cases judged")
    await_that("a line of neither", lambda: "what was found is looked into" in told[-1])
    lines.stop()
    assert told[:2] == ["torch@cpu: begun, 40 to do", "jax@cpu: begun, 40 to do"]
    assert sum("done after" in line for line in told) == 2


def shown(folder, width):
    console = Console(width=width, markup=False, highlight=False)
    with console.capture() as capture:
        print_summary(folder, console)
    return capture.get().splitlines()


@pytest.fixture(scope="module")
def seven(tmp_path_factory):
    names = [
        f"{name}@cpu" for name in ("keras-tensorflow", "keras-torch", "keras-jax", "tensorflow", "torch", "jax", "onnx")
    ]
    rows = [
        replace(RECORD, target=name, check=check, verdict=verdict)
        for name in names
        for check in CHECKS
        for verdict in (Verdict.PASS, Verdict.PASS, Verdict.WRONG_VALUE, Verdict.UNSUPPORTED)
    ]
    found = [replace(DISCREPANCY, id=f"{number:08x}", cause="a long cause " * 20) for number in range(12)]
    about = [{"target": name, "status": "judged", "judged": 3, "seconds": 61.25} for name in names]
    return write_folder(tmp_path_factory.mktemp("seven"), rows, found, run_json(targets=about))


def test_many_targets_are_rows_and_nothing_is_wider_than_the_terminal(seven):
    lines = shown(seven, 80)
    assert max(len(line) for line in lines if "Report: " not in line) <= 80  # a path stays whole
    rows = [line for line in lines if line.startswith("keras-tensorflow@cpu ")]
    cells = [cell for row in rows for cell in row.split()[1:]]
    assert cells == ["2/1/1"] * len(CHECKS) + ["3", "0", "61.2"]


def test_targets_that_fit_are_columns(seven):
    lines = shown(seven, 160)
    assert sum(line.startswith("output ") and line.count("2/1/1") == 7 for line in lines) == 1


def test_the_ten_worst_and_the_time_are_told(seven):
    lines = shown(seven, 80)
    assert sum(line.startswith("0000") for line in lines) == 10
    assert "Took 1 min 15 s." in lines
