"""The plots of the page: what they draw is what the records and `run.json` say, and no text gets out of them."""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree as ET

import pytest
from reported import HOSTILE, RECORD, rows_of, run_json, write_folder

from depthwise_conformance.reports.drawing import LABEL, PLOT, place
from depthwise_conformance.reports.plots import draw_plots, draw_shares
from depthwise_conformance.reports.record import Verdict

WRONG = Verdict.WRONG_VALUE


def plots(folder, rows, **run):
    write_folder(folder, rows, run=run_json(**run))
    return {plot.title: plot for plot in draw_plots(folder, [run_json(**run)])}


def kinds(plot, tag):
    return [one.get("class") for one in ET.fromstring(str(plot.svg)).iter(tag)]


def test_errors_lie_along_an_axis_with_the_bound_on_it(tmp_path):
    rows = [row for error in (0.01, 0.1, 0.5) for row in rows_of(Verdict.PASS, error=error)]
    rows += rows_of(WRONG, error=50.0, dtype="float16") + rows_of(Verdict.UNSUPPORTED, error=math.nan)
    plot = plots(tmp_path, rows)["Error in units of the bound, by target and dtype"]
    assert sorted(kinds(plot, "circle")) == ["over", "within"]
    assert "torch@cpu float32: median 0.10, worst 0.50, of 3 results" in plot.svg
    assert "torch@cpu float16: median 50, worst 50, of 1 result" in plot.svg


@pytest.mark.parametrize(
    ("value", "at"), [(1.0, 0.5), (0.0, 0.0), (math.inf, 1.0), (math.nan, 1.0), (1e99, 1.0), (100.0, 0.75)]
)
def test_what_is_beyond_the_axis_lies_at_its_end(value, at):
    assert place(value) == pytest.approx(LABEL + at * PLOT)


def test_accuracy_is_told_by_the_number_of_terms(tmp_path):
    rows = []
    for size, error in (([1, 1], 0.2), ([3, 3], 0.4), ([5, 2], 0.6), (16, 0.1)):
        rows += rows_of(Verdict.PASS, error=error, arguments=json.dumps({"kernel_size": size}))
    rows += rows_of(WRONG, error=99.0, arguments='{"kernel_size": [7, 7]}')  # which says nothing of accuracy
    rows += [row for text in ("", "[", "{}", '{"kernel_size": "a"}') for row in rows_of(Verdict.PASS, arguments=text)]
    plot = plots(tmp_path, rows)["Accuracy by number of terms"]
    assert "torch@cpu: 1 and more terms 0.20, 8 and more terms 0.60, 256 and more terms 0.10" in plot.svg
    assert kinds(plot, "circle").count("worst") == 3


def test_refusals_are_told_by_step(tmp_path):
    rows = rows_of(Verdict.PASS, Verdict.PASS, check="errors", signature="ValueError at construct")
    rows += rows_of(Verdict.PASS, check="errors", signature="TypeError at build")
    rows += rows_of(Verdict.ERROR_MISSING, Verdict.UNSUPPORTED, check="errors")
    plot = plots(tmp_path, rows)["Who refuses, and when"]
    assert "torch@cpu: construct 2, build 1, not as documented 1" in plot.svg


def test_coverage_and_time_come_from_the_run(tmp_path):
    target = {"target": "torch@cpu", "versions": {}, "status": "judged", "seconds": 90, "judged": 60}
    covered = {"coverage": {"strength": 2, "covered": 30, "allowed": 40, "missing": []}}
    found = plots(tmp_path, [RECORD], targets=[target | covered])
    assert "30 of 40 pairs" in found["Coverage"].svg
    assert "1 min 30 s, 1500.0 ms a case" in found["Time"].svg


@pytest.mark.parametrize("odd", [None, "many", -1, math.nan, {}, {"covered": "a", "allowed": None}])
def test_a_run_of_odd_figures_has_no_such_plots(tmp_path, odd):
    target = {"target": "torch@cpu", "versions": {}, "status": "judged", "seconds": odd, "coverage": odd}
    assert not {"Coverage", "Time"} & set(plots(tmp_path, [], targets=[target]))


def test_no_text_gets_out_of_a_plot(tmp_path):
    target = {"target": HOSTILE * 9, "versions": {}, "status": "judged", "seconds": 9, "judged": 6}
    rows = rows_of(Verdict.PASS, target=HOSTILE, dtype=HOSTILE) + rows_of(Verdict.PASS, target=HOSTILE, check="errors")
    found = plots(tmp_path, rows, targets=[target])
    assert len(found) == 4
    for plot in found.values():
        ET.fromstring(str(plot.svg))
        assert "<script" not in plot.svg
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", plot.svg)


def test_shares_are_of_the_whole():
    widths = re.findall(
        r'width="([\d.]+)" height="7"/', draw_shares({"NaN": 3, "zero": 1, "odd": "x"}, ["NaN", "zero"])
    )
    assert list(map(float, widths)) == [82.5, 27.5]
    assert "rect" not in draw_shares({}, [])
