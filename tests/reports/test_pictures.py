"""The numbers of a smallest case, and the picture of its error: what they say is what is in the arrays."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from reported import DISCREPANCY, RECORD, Page, write_folder

from depthwise_conformance.reports.evidence import ERRORS_KEPT, KEPT, Evidence, Numbers, read_evidence, write_evidence
from depthwise_conformance.reports.numbers import as_keras, show_given, show_results
from depthwise_conformance.reports.page import write_page
from depthwise_conformance.reports.pictures import CELLS, describe, draw_error
from depthwise_conformance.reports.record import Verdict

AXES = ("image", "row", "column", "channel")


def numbers(values, axes=AXES):
    return Numbers(axes, np.asarray(values, np.float64))


def some_errors(shape, *places):
    errors = np.zeros(shape)
    for place in places:
        errors[place] = 5.0
    return numbers(errors)


@pytest.mark.parametrize(
    ("places", "told"),
    [
        ([(0, 3)], "row 3 of 4; all 5 columns; all 3 channels."),
        ([(0, 1, 2, 0)], "1 of 60 elements outside the bound: row 1 of 4; column 2 of 5; channel 0 of 3."),
        ([(0, slice(0, 2), 4), (0, 3, 4)], "rows 0\N{EN DASH}1, 3 of 4; column 4 of 5; all 3 channels."),
        ([], "Every element was within its bound."),
    ],
)
def test_where_it_is_off_is_told(places, told):
    assert describe(some_errors((1, 4, 5, 3), *places)).endswith(told)


def test_what_is_no_number_is_off():
    assert describe(numbers([[[[np.nan, 0.5]]]])) == "1 of 2 elements outside the bound: channel 0 of 2."


def test_every_cell_that_is_off_is_drawn_in_its_shade():
    errors = np.zeros((1, 3, 4, 1))
    errors[0, 1, 2:], errors[0, 2, 0], errors[0, 0, 3] = 5.0, np.inf, 1e9
    picture = draw_error(numbers(errors))
    root = ET.fromstring(str(picture.svg))
    paths = {one.get("class"): one.get("d") for one in root.iter() if one.get("class")}
    assert set(paths) == {"error", "s0", "s1", "s3", "s4", "grid"}
    assert paths["s1"].startswith("M36 18h36v18")  # both cells in one
    assert paths["s4"].startswith("M0 36h18")
    assert picture.words == root.get("aria-label")
    assert picture.axes == "row down, column across"


def test_channels_are_drawn_where_there_are_no_rows_and_columns():
    assert draw_error(numbers(np.zeros((2, 1, 1, 9)))).axes == "image down, channel across"
    assert draw_error(numbers(np.zeros((1, 1, 1, 9)))).axes == "channel down"
    assert draw_error(numbers(np.zeros(9), ("channel",))).axes == "channel down"
    assert draw_error(numbers(np.zeros((2, 3, 1, 9)), ("kernel row", "kernel column", "channel", "filter")))
    assert draw_error(numbers(np.zeros((0, 3, 1, 9)))) is None
    assert draw_error(numbers(3.0, ())) is None


def test_a_large_picture_is_made_smaller_and_loses_no_error():
    errors = np.zeros((1, 250, 400, 1))
    errors[0, 249, 399] = 5.0
    picture = draw_error(numbers(errors))
    assert 'class="s1"' in picture.svg
    assert len(picture.svg) < 20 * CELLS
    many = np.zeros((1, 2, 2, 900))
    many[..., 877] = 5.0
    assert "channel 877" in draw_error(numbers(many)).svg
    assert "more are not." in draw_error(numbers(many)).words


def test_expected_and_got_lie_side_by_side_with_digits_that_tell_them_apart():
    expected, got = np.ones((1, 2, 2, 1)), np.ones((1, 2, 2, 1))
    got[0, 1, 0] += 1e-7
    errors = np.where(expected == got, 0.0, 2.0)
    (shown,) = show_results(Evidence({"expected": numbers(expected), "got": numbers(got), "error": numbers(errors)}))
    (one,) = shown.slices
    first, second, third = one.tables
    assert (first.rows[1][0], second.rows[1][0], third.rows[1][0]) == ("1", "1.0000001", "2.00")
    assert second.marks == {(1, 0)}
    assert (
        shown.shape
        == "1 image \N{MULTIPLICATION SIGN} 2 rows \N{MULTIPLICATION SIGN} 2 columns \N{MULTIPLICATION SIGN} 1 channel"
    )


def test_of_a_large_array_what_is_off_is_shown():
    expected = np.zeros((1, 40, 40, 30))
    got = expected.copy()
    got[0, 35, 36, 20] = 7.0
    errors = np.where(expected == got, 0.0, np.inf)
    (shown,) = show_results(Evidence({"expected": numbers(expected), "got": numbers(got), "error": numbers(errors)}))
    assert [(one.where, one.cut, one.tables[1].rows[35 - one.down][36 - one.across]) for one in shown.slices] == [
        ("channel 20", True, "7")
    ]
    assert shown.left_out == 29


def test_results_of_another_shape_are_shown_apart():
    shown = show_results(Evidence({"expected": numbers(np.ones((1, 2, 2, 1))), "got": numbers(np.ones((1, 3, 2, 1)))}))
    assert [one.name for one in shown] == ["expected", "got"]


def test_numbers_come_back_as_they_were_written(tmp_path):
    (tmp_path / "repro").mkdir()
    given = numbers([[[[1.5, np.nan, np.inf, -np.inf, 1e-45]]]])
    large = numbers(np.zeros((1, 1, KEPT + 1, 1)))
    write_evidence(tmp_path, "d0", {"x": given, "kernel": large, "error": large})
    assert "NaN" not in (tmp_path / "repro" / "d0.json").read_text()
    found = read_evidence(tmp_path, "d0").arrays
    assert found.keys() == {"x", "error"}
    assert found["x"].axes == AXES
    np.testing.assert_array_equal(found["x"].values, given.values)


@pytest.mark.parametrize(
    "content",
    [
        *("", "[]", "3", '{"x": 3}', '{"x": {"axes": ["a"], "shape": [2], "values": [1]}}', "[" * 100_000),
        '{"x": {"axes": [], "shape": [1], "values": [1]}}',
        '{"x": {"axes": ["a"], "shape": [-1], "values": [1]}}',
        '{"x": {"axes": ["a"], "shape": [1], "values": ["<b>"]}}',
        json.dumps({"error": {"axes": ["a"], "shape": [ERRORS_KEPT + 1], "values": [0] * (ERRORS_KEPT + 1)}}),
    ],
)
def test_a_file_of_another_kind_is_none(tmp_path, content):
    write_folder(tmp_path, [RECORD], [DISCREPANCY])
    (tmp_path / "repro").mkdir()
    (tmp_path / "repro" / "d0.json").write_text(content)
    found = read_evidence(tmp_path, "d0")
    assert found is None or found.arrays == {}
    Page(write_page(tmp_path))


def test_names_of_axes_are_text(tmp_path):
    write_folder(tmp_path, [RECORD], [DISCREPANCY])
    (tmp_path / "repro").mkdir()
    one = numbers(np.full((2, 2, 2), 7.0), ("<b>a", "<b>b", "<b>c"))
    write_evidence(tmp_path, "d0", dict.fromkeys(("x", "expected", "got", "error"), one))
    seen = Page(write_page(tmp_path))
    assert "b" not in {tag for tag, _ in seen.elements}
    assert "<b>a" in seen.said()


@pytest.mark.parametrize(("got", "garbage"), [([1.0, np.nan], True), ([1.0, 1e9], True), ([0.0, 0.0], False)])
def test_garbage_is_never_mild(tmp_path, got, garbage):
    mild = {"verdict": Verdict.IMPRECISE}
    write_folder(tmp_path, [replace(RECORD, **mild)], [replace(DISCREPANCY, **mild)])
    (tmp_path / "repro").mkdir()
    arrays = {"x": numbers([4.0], ("a",)), "expected": numbers([1.0, 2.0], ("a",)), "got": numbers(got, ("a",))}
    write_evidence(tmp_path, "d0", arrays)
    assert read_evidence(tmp_path, "d0").garbage is garbage
    seen = Page(write_page(tmp_path))
    (card,) = [found["class"] for tag, found in seen.elements if tag == "article"]
    assert card == ("fault fail" if garbage else "fault warn")
    assert ("td", {"class": "fail" if garbage else "warn"}) in seen.elements


def test_the_case_is_written_in_keras_with_its_numbers():
    call = "keras.layers.DepthwiseConv2D(kernel_size=(1, 1), dtype='float16')"
    one = Evidence(
        {"x": numbers([[[[1.0, np.inf]]]]), "kernel": numbers([[[[2.0], [3.0]]]]), "bias": numbers([1.0], ("channel",))}
    )
    code = as_keras(call, one)
    assert f"layer = {call}" in code
    assert 'x = np.array([[[[1.0, inf]]]], "float32")' in code
    assert "layer.set_weights([kernel, bias])" in code
    compile(code, "code", "exec")
    assert as_keras("", one) == as_keras(call, Evidence({"x": numbers(np.ones((1, 30, 30, 1)))})) == ""
    assert [shown.name for shown in show_given(one)] == ["x", "kernel", "bias"]
    assert not re.search("[<>]", code)
