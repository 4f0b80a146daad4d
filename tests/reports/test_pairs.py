"""Targets against targets: what the records of two say of each other."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from reported import RECORD, Page, write_folder

from depthwise_conformance.casebook.case import case_from_json
from depthwise_conformance.reports.page import write_page
from depthwise_conformance.reports.pairs import read_pairs
from depthwise_conformance.reports.record import Verdict

OTHER = "jax@cpu"


def row(case, verdict=Verdict.PASS, target=RECORD.target, **changes):
    return replace(RECORD, case=case, verdict=verdict, target=target, **changes)


def pair_of(folder, *rows):
    pairs = read_pairs(write_folder(folder, rows))
    (found,) = pairs.found.values()
    return pairs, found


def test_they_are_held_against_each_other_case_by_case(tmp_path):
    wrong, refused = Verdict.WRONG_VALUE, Verdict.REFUSED
    both = [row(case, target=target) for case in ("a", "b", "c", "d", "e") for target in (RECORD.target, OTHER)]
    rows = [
        *both[:2],
        *(row("b", wrong, error=41.0), row("b", target=OTHER, error=0.5)),
        *(row("c", wrong, error=9.0), row("c", wrong, OTHER, error=9.0)),
        *(row("d", wrong, error=9.0), row("d", refused, OTHER, error=math.nan)),
        *(row("e", Verdict.UNSUPPORTED), row("e", wrong, OTHER)),
        row("only here", wrong),
    ]
    pairs, found = pair_of(tmp_path, *rows)
    assert [subject.target for subject in pairs.subjects] == [OTHER, RECORD.target]
    assert (found.shared, found.apart, found.alike, found.distance) == (4, 2, 1, 40.5)
    assert pairs.told == "1 of 1 pair of targets disagrees anywhere."
    assert pairs.of(1, 0) is pairs.of(0, 1) is found


def test_a_case_that_differs_in_several_checks_counts_once(tmp_path):
    rows = [row("a", check=check) for check in ("output", "shape")]
    rows += [row("a", Verdict.WRONG_SHAPE, OTHER, check=check, error=math.nan) for check in ("output", "shape")]
    _, found = pair_of(tmp_path, *rows)
    assert (found.shared, found.apart) == (1, 1)
    assert math.isnan(found.distance)


def test_the_smallest_case_is_told_as_replay_takes_it(tmp_path):
    large, small = '{"kernel_size":[3,2],"padding":"same"}', '{"kernel_size":[2,2]}'
    rows = []
    for case, arguments, shape in (("a", large, "[1,90,90,3]"), ("b", small, "[1,3,3,1]"), ("c", large, "[1,3,3,1]")):
        given = {"arguments": arguments, "input_shape": shape}
        rows += [row(case, Verdict.WRONG_VALUE, error=math.inf, **given), row(case, target=OTHER, **given)]
    _, found = pair_of(tmp_path, *rows)
    assert found.distance == math.inf
    assert found.smallest.call == "DepthwiseConv2D(kernel_size=(2, 2)) on (1, 3, 3, 1)"
    assert [one.label for one in found.smallest.meanings] == ["pass", "wrong value"]
    case = case_from_json(json.loads(found.smallest.text))
    assert (case.input_shape, case.data.recipe, case.data.seed) == ((1, 3, 3, 1), RECORD.recipe, RECORD.seed)


def test_whole_layers_have_no_case_to_replay(tmp_path):
    _, found = pair_of(
        tmp_path, row("a", Verdict.ERROR_MISSING, check="errors"), row("a", target=OTHER, check="errors")
    )
    assert found.smallest.text == ""


@pytest.mark.parametrize("rows", [[], [RECORD], [row("a"), row("b", target=OTHER)], [row("a", Verdict.BROKEN)] * 2])
def test_where_nothing_is_shared_there_is_nothing_to_tell(tmp_path, rows):
    assert read_pairs(write_folder(tmp_path, rows)).found == {}
    assert "Targets against targets" not in Page(write_page(tmp_path)).said()


def test_each_cell_leads_to_a_smallest_case(tmp_path):
    rows = [row("a", Verdict.WRONG_VALUE, error=3.0), row("a", target=OTHER), row("a", target="onnx")]
    rows = [replace(one, input_shape="[1,3,3,1]") for one in rows]
    seen = Page(write_page(write_folder(tmp_path, rows)))
    assert seen.row(OTHER, "of 1")[1:] == ["", "✓ none of 1", "1 of 1≥ 2.75\N{MULTIPLICATION SIGN}"]
    assert seen.attributes("href").count("#p-0-2") == seen.attributes("href").count("#p-1-2") == 2
    assert {"p-0-2", "p-1-2", "p-0-2-case"} <= set(seen.attributes("id"))


def test_releases_of_one_target_are_held_against_each_other(tmp_path):
    rows = [row("a", versions="torch 2.12"), row("a", Verdict.WRONG_VALUE, versions="torch 2.13")]
    pairs, found = pair_of(tmp_path, *rows)
    assert [subject.versions for subject in pairs.subjects] == ["torch 2.12", "torch 2.13"]
    assert found.apart == 1
