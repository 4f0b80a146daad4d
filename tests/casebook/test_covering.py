"""The covering array: what is allowed, what is covered, and that it stays the same."""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from depthwise_conformance.casebook import covering
from depthwise_conformance.casebook.case import Case, Data, canonical
from depthwise_conformance.casebook.covering import MIX, Space, catalogue, coverage
from depthwise_conformance.casebook.factors import AXES, AXIS, FACTORS, FREE, SPATIAL, classify
from depthwise_conformance.casebook.recipes import RECIPES, SPECIAL, make_arrays
from depthwise_conformance.casebook.strategies import WORK
from depthwise_conformance.judging.checks import plan
from depthwise_conformance.judging.values import expect
from depthwise_conformance.reference import LayerConfig, split_shape
from depthwise_conformance.reference.geometry import spatial_axes
from depthwise_conformance.running.drawing import draw_block


def small(**changes: tuple[object, ...]) -> dict[str, tuple[object, ...]]:
    """A table with few values, of which some tuples cannot be had."""
    names = {"kernel": (1, 2), "stride": (1, 2), "dilation": (1, 2)}
    few = {f"{name}_{axis}": values for name, values in names.items() for axis in AXES}
    few |= {"depth_multiplier": (1, 2), "activation": (None, "softmax"), "dtype": ("float32",), "batch": (0, 1)}
    return {**FACTORS, **few, "channels": (1, 3), **changes}


TABLES = {
    "few": small(),
    "without one output": small(output_height=(1, "several"), output_width=(2,)),
    "square and valid": small(square=(True,), padding=("valid",), stride_height=(2, 3), remainder_width=("exact",)),
    "odd zeros": small(zeros_height=("odd",), span_width=("larger", "smaller")),
}


@functools.cache
def spatial_levels(table: str) -> set[tuple[int, ...]]:
    """The spatial levels of every layer of the table on every image up to 13 x 13, if the table lists them."""
    factors, found = TABLES[table], set()
    space = Space(1, factors)
    listed = [factors[f"{name}_{axis}"] for name in ("kernel", "stride", "dilation") for axis in AXES]
    for kernel_height, kernel_width, down, right, *rates in itertools.product(*listed):
        for padding, height, width in itertools.product(factors["padding"], range(1, 14), range(1, 14)):
            try:
                config = LayerConfig((kernel_height, kernel_width), (down, right), padding, dilation_rate=tuple(rates))
                row = space.row(Case(config, (1, height, width, 1)))[: len(SPATIAL)]
            except ValueError:  # strides with dilation, or a kernel that does not fit
                continue
            if all(level < len(values) for level, values in zip(row, factors.values(), strict=False)):
                found.add(tuple(row))
    return found


def tuples(rows: Iterable[tuple[int, ...]], strength: int) -> set[tuple[tuple[int, int], ...]]:
    return {found for row in rows for found in itertools.combinations(enumerate(row), strength)}


@pytest.mark.parametrize("strength", [1, 2, 3])
@pytest.mark.parametrize("table", TABLES)
def test_what_is_allowed_is_what_some_case_has(table, strength):
    factors = TABLES[table]
    space = Space(strength, factors)
    spatial = len(SPATIAL)
    sizes = [range(len(factors[name])) for name in FREE]
    possible = set()
    for taken in range(strength + 1):  # from the spatial part, the rest from the free one, which goes with anything
        free = [
            tuple(zip((spatial + place for place in places), row, strict=True))
            for places in itertools.combinations(range(len(sizes)), strength - taken)
            for row in itertools.product(*(sizes[place] for place in places))
        ]
        possible |= {one + other for one in tuples(spatial_levels(table), taken) for other in free}
    allowed = {tuple(space.tuple_at(int(place)).items()) for place in np.flatnonzero(space.allowed)}
    assert allowed == {tuple((int(factor), int(level)) for factor, level in found) for found in possible}


def test_larger_inputs_make_no_further_combination(monkeypatch):
    before = {tuple(row) for row in Space(1).bound}
    monkeypatch.setattr("depthwise_conformance.casebook.factors.LARGEST", 60)
    assert {tuple(row) for row in Space(1).bound} == before


@pytest.mark.parametrize("table", TABLES)
def test_an_array_of_a_small_table_covers_it(table):
    space = Space(2, TABLES[table])
    need = space.allowed.copy()
    for row, _ in covering._grow(space):
        space.cover(need, row)
    assert not need.any()


def test_every_pair_is_covered_by_few_cases():
    found = coverage(catalogue(), 2)
    assert found.covered == found.allowed == int(covering._space(2).allowed.sum()) > 2500
    assert found.missing == ()
    assert len(catalogue()) <= 65  # no fewer than 54: every activation with 5 numbers of channels, and an empty batch


def test_every_choice_of_unknown_sizes_meets_every_pair():
    """Each case of the catalogue is asked for all of them, so that none is left to chance."""
    for case in catalogue():
        steps = plan(expect(case), ("shape_inference",), crossed=True)
        shapes = {tuple(step.request.header["input_shape"]) for step in steps}
        axes = (0, 1, 2) if case.config.channels_last else (0, 2, 3)
        wanted = itertools.product(
            *(((None, size) if axis in axes else (size,)) for axis, size in enumerate(case.input_shape))
        )
        assert shapes == set(wanted)
        assert len(steps) == len(shapes) == 8


def test_a_drawn_case_is_asked_for_one_choice_of_unknown_sizes():
    steps = [plan(expect(case), ("shape_inference",)) for case in draw_block(0, 200)]
    shapes = [step.request.header["input_shape"] for some in steps for step in some]
    assert {len(some) for some in steps} == {0, 1}  # special values are asked for no shape
    assert len({tuple(size is None for size in shape) for shape in shapes}) == 12  # 8 of each format, 4 alike
    assert 0.2 < sum(None not in shape for shape in shapes) / len(shapes) < 0.4


def test_every_triple_is_covered():
    found = coverage(catalogue(3), 3)  # some ten seconds
    assert found.covered == found.allowed > 50_000
    assert coverage(catalogue(3), 2).missing == ()
    assert len(catalogue(3)) <= 450


def test_a_case_has_the_classes_that_it_was_made_for():
    space = covering._space(2)
    for index, (row, case) in enumerate(covering._grow(space)):
        assert case == catalogue()[index]
        assert (space.row(case) == row).all()


def test_cases_are_small_valid_and_different():
    assert len({replace(case, data=Data()) for case in catalogue()}) == len(catalogue())
    for case in catalogue():
        batch, height, width, channels = split_shape(case.config, case.input_shape)
        rows, columns = spatial_axes(case.config, height, width)
        taps = rows.kernel * columns.kernel
        assert batch * rows.output * columns.output * taps * channels * case.config.depth_multiplier <= WORK
        assert not case.config.strided_dilation
        make_arrays(case)


def test_the_recipes_take_turns():
    assert set(MIX) <= set(RECIPES) - {SPECIAL}
    recipes = [case.data.recipe for case in catalogue()]
    assert max(map(recipes.count, MIX)) - min(map(recipes.count, MIX)) <= 1


def test_the_catalogue_stays_what_it_was():
    # A changed table of factors changes it, and nothing else does: not the machine, not a release, not the data.
    plain = canonical([replace(case, data=Data()).to_json() for case in catalogue()])
    assert hashlib.sha256(plain.encode()).hexdigest()[:16] == "a7287f484a71cca3"


def test_a_case_taken_away_is_missed():
    cases = catalogue()
    for index in range(0, len(cases), 7):
        found = coverage([*cases[:index], *cases[index + 1 :]], 2)
        assert found.covered < found.allowed
        assert found.missing


def test_what_is_missing_is_told_in_words():
    gelu = [case for case in catalogue() if case.config.activation != "gelu"]
    assert coverage(gelu, 1).missing == ("activation='gelu'",)
    assert "padding='valid', activation='gelu'" in coverage(gelu, 2).missing


def test_nothing_covers_nothing():
    for strength in (1, 2, 3):
        assert coverage([], strength).covered == 0


def test_drawn_cases_cover_some_pairs():
    found = coverage(draw_block(0, 60), 2)
    assert 0.3 < found.covered / found.allowed < 1.0


def test_an_empty_batch_covers_only_that_it_is_empty():
    config = LayerConfig((3, 3))
    empty = coverage([Case(config, (0, 5, 5, 1))], 2)
    assert empty.covered == len(FACTORS) - 1
    assert coverage([Case(config, (1, 5, 5, 1))], 2).covered == len(FACTORS) * (len(FACTORS) - 1) // 2


def test_a_value_that_is_not_listed_counts_for_nothing():
    listed, other = (coverage([Case(LayerConfig((size, 3)), (1, 9, 9, 1))], 1).covered for size in (5, 7))
    assert other == listed - 1


def test_strides_with_dilation_count_for_nothing():
    config = LayerConfig((2, 2), 2, dilation_rate=2, strided_dilation=True)
    assert coverage([Case(config, (1, 9, 9, 1))], 1).covered == 0


@pytest.mark.parametrize(
    ("arguments", "size", "values"),
    [
        ({"kernel_size": 3, "strides": 2}, 7, (3, 2, 1, "several", "exact", "none", "smaller")),
        ({"kernel_size": 3, "strides": 2}, 8, (3, 2, 1, "several", "one over", "none", "smaller")),
        ({"kernel_size": 3, "strides": 3}, 8, (3, 3, 1, 2, "one short", "none", "smaller")),
        ({"kernel_size": 3, "dilation_rate": 3}, 7, (3, 1, 3, 1, "exact", "none", "equal")),
        ({"kernel_size": 2, "padding": "same"}, 1, (2, 1, 1, 1, "exact", "odd", "larger")),
        ({"kernel_size": 3, "padding": "same", "strides": 3}, 5, (3, 3, 1, 2, "one short", "odd", "smaller")),
        ({"kernel_size": 5, "padding": "same", "strides": 3}, 4, (5, 3, 1, 2, "one over", "even", "larger")),
    ],
)
def test_boundaries_are_told_from_the_sizes(arguments, size, values):
    found = classify(Case(LayerConfig(**arguments), (1, size, 30, 1)))
    assert tuple(found[f"{name}_height"] for name in AXIS) == values


@pytest.mark.parametrize("strength", [0, 4, "2", None])
def test_other_strengths_are_refused(strength):
    for refuse in (catalogue, lambda strength: coverage([], strength)):
        with pytest.raises(ValueError, match="accepted are 1, 2 and 3"):
            refuse(strength)
