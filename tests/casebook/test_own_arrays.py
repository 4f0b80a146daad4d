"""Arrays of a case's own: what they do to its identity, its data, and what is asked of it."""

from __future__ import annotations

import dataclasses

import ml_dtypes
import numpy as np
import pytest

from depthwise_conformance.casebook.case import Case, Data, case_from_json
from depthwise_conformance.casebook.facts import altered, facts
from depthwise_conformance.casebook.own import own_arrays
from depthwise_conformance.casebook.recipes import OWN, SPECIAL, make_arrays, recipe_of
from depthwise_conformance.judging.checks import plan
from depthwise_conformance.judging.relations import RELATIONS, applicable, choose
from depthwise_conformance.judging.values import expect
from depthwise_conformance.reference import LayerConfig
from depthwise_conformance.reports.record import CHECKS, Verdict

CONFIG = LayerConfig((3, 2), padding="same", depth_multiplier=2)
SHAPE = (2, 5, 4, 3)
KERNEL = np.arange(36, dtype=np.float32).reshape(3, 2, 3, 2)


def case_with(config: LayerConfig = CONFIG, shape=SHAPE, **arrays) -> Case:
    return Case(config, shape, Data("normal", 1, own_arrays(arrays)))


def test_what_is_given_is_used_and_the_rest_is_as_the_recipe_makes_it():
    made, bare = make_arrays(case_with(kernel=KERNEL)), make_arrays(Case(CONFIG, SHAPE, Data("normal", 1)))
    assert np.array_equal(made.kernel, KERNEL)
    for role in ("x", "bias", "cotangent"):
        assert np.array_equal(getattr(made, role), getattr(bare, role))


def test_the_identity_is_that_of_the_content():
    case, again = case_with(kernel=KERNEL), case_with(kernel=np.asfortranarray(KERNEL))
    assert (case, hash(case), case.id) == (again, hash(again), again.id)
    others = [case_with(kernel=KERNEL + 1), case_with(), case_with(kernel=KERNEL, bias=np.zeros(6, np.float32))]
    assert len({case.id, *(other.id for other in others)}) == 4
    assert case.id == "3508668d27879601"  # a change here changes what old case files mean


def test_a_name_is_no_part_of_the_identity_and_is_in_the_file():
    case = dataclasses.replace(case_with(), name="conv_dw_1")
    assert (case, case.id) == (case_with(), case_with().id)
    assert case_from_json(case.to_json()).name == "conv_dw_1"


def test_what_is_given_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        make_arrays(case_with(kernel=KERNEL)).kernel[0] = 1.0


@pytest.mark.parametrize(
    ("arrays", "config", "told"),
    [
        (
            {"kernel": KERNEL.astype("float64")},
            CONFIG,
            "kernel is of dtype float64, and the layer of float32: accepted",
        ),
        ({"kernel": KERNEL[:2]}, CONFIG, r"kernel is of shape \(2, 2, 3, 2\): accepted is \(3, 2, 3, 2\)"),
        (
            {"x": np.zeros((2, 5, 4, 4), np.float32)},
            CONFIG,
            r"x is of shape \(2, 5, 4, 4\): accepted is \(2, 5, 4, 3\)",
        ),
        ({"bias": np.zeros(3, np.float32)}, CONFIG, r"bias is of shape \(3,\): accepted is \(6,\)"),
        ({"cotangent": np.zeros(SHAPE, np.float32)}, CONFIG, r"cotangent is of shape .*: accepted is \(2, 5, 4, 6\)"),
        (
            {"bias": np.zeros(6, np.float32)},
            dataclasses.replace(CONFIG, use_bias=False),
            "accepted is none, since use_",
        ),
    ],
)
def test_an_array_that_does_not_fit_is_told(arrays, config, told):
    with pytest.raises(ValueError, match=told):
        case_with(config, **arrays)


def test_a_case_with_arrays_is_read_only_where_they_can_be_found():
    case = case_with(kernel=KERNEL)
    with pytest.raises(ValueError, match="accepted only in a case file"):
        case_from_json(case.to_json())
    assert case_from_json(case.to_json(), lambda digest, dtype: KERNEL) == case
    with pytest.raises(ValueError, match="kernel is not the array that the case names: its SHA-256 is "):
        case_from_json(case.to_json(), lambda digest, dtype: KERNEL + 1)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_judged_by_special_values_alone(dtype, value):
    kernel = KERNEL.astype(dtype)
    config = dataclasses.replace(CONFIG, dtype=kernel.dtype.name)
    assert recipe_of(case_with(config, kernel=kernel).data) == OWN
    kernel[1, 1, 1, 1] = value
    case = case_with(config, kernel=kernel)
    assert facts(case)["recipe"] == SPECIAL
    assert [step.role for step in plan(expect(case), CHECKS)] == ["forward"]


def test_a_change_of_the_case_leaves_its_arrays_out():
    case = case_with(kernel=KERNEL)
    for fact, value in (("recipe", "uniform"), ("kernel_height", 1), ("channels", 5), ("use_bias", False)):
        changed = altered(case, fact, value)
        assert changed.data.arrays == ()
        assert make_arrays(changed).kernel.shape == changed.shapes["kernel"]
    with pytest.raises(ValueError, match="is not reached by one change"):
        altered(case, "recipe", OWN)


# Relations: each is asked of the case's own arrays, or not at all

CASES = (
    case_with(kernel=KERNEL),
    case_with(LayerConfig((2, 2)), (2, 6, 5, 3), x=np.linspace(-3, 3, 180, dtype=np.float32).reshape(2, 6, 5, 3)),
    case_with(LayerConfig((2, 2), dilation_rate=(2, 1)), (1, 6, 5, 3), bias=np.arange(3, dtype=np.float32)),
)


@pytest.mark.parametrize("relation", RELATIONS, ids=lambda relation: relation.name)
def test_every_relation_holds_for_an_honest_answer_on_arrays_of_its_own(relation):
    suited = [case for case in CASES if relation in applicable(case)]
    assert suited
    for case in suited:
        expectation = expect(case)
        answers = [one.output.value.astype(np.float32) for one in (expectation, *relation.calls(expectation))]
        assert relation.judge(expectation, answers[0], answers[1:]).verdict is Verdict.PASS


def test_a_relation_is_not_asked_where_it_would_make_a_number_infinite():
    largest = np.full((3, 3, 1, 1), 3e38, np.float32)
    config = LayerConfig((3, 3), activation=None)
    chosen = {choose(expect(case_with(config, (1, 3, 3, 1), kernel=largest, x=x))) for x in inputs()}
    assert not any(one is not None and one.name.startswith("linear") for one in chosen)
    small = {choose(expect(case_with(config, (1, 3, 3, 1), kernel=largest / 1e30, x=x))) for x in inputs()}
    assert any(one is not None and one.name.startswith("linear") for one in small)


def inputs() -> list[np.ndarray]:
    """Inputs that make cases of different ids, to which different relations fall."""
    return [np.full((1, 3, 3, 1), 2.5e38 + number * 1e35, np.float32) for number in range(40)]
