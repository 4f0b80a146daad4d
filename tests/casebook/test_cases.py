"""Cases: JSON both ways, identities that last, and hostile files."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depthwise_conformance.casebook.case import MAX_ELEMENTS, Case, Refusal, canonical, case_from_json
from depthwise_conformance.casebook.fixed import fixed_cases
from depthwise_conformance.casebook.recipes import make_arrays
from depthwise_conformance.casebook.strategies import cases
from depthwise_conformance.layers.refusals import refusals
from depthwise_conformance.reference import LayerConfig

PLAIN = {
    "schema": 1,
    "arguments": {"kernel_size": [3, 2], "padding": "same"},
    "input_shape": [2, 5, 4, 3],
    "data": {"recipe": "integers", "seed": 7},
}
quick = settings(max_examples=100, deadline=None, derandomize=True, database=None)


# JSON both ways


@quick
@given(cases() | refusals())
def test_a_case_survives_its_file(case):
    text = json.dumps(case.to_json(), indent=2)
    again = case_from_json(json.loads(text))
    assert again == case
    assert again.id == case.id
    assert hash(again) == hash(case)


def test_the_order_and_spelling_of_a_file_do_not_change_the_identity():
    shuffled = {name: PLAIN[name] for name in reversed(PLAIN)}
    shuffled["arguments"] = {"padding": "SAME", "kernel_size": [3, 2], "strides": 1, "use_bias": True}
    assert case_from_json(shuffled).id == case_from_json(PLAIN).id


def test_every_part_of_a_case_changes_its_identity():
    case = case_from_json(PLAIN)
    others = [
        {**PLAIN, "arguments": {**PLAIN["arguments"], "use_bias": False}},
        {**PLAIN, "arguments": {**PLAIN["arguments"], "dtype": "float16"}},
        {**PLAIN, "input_shape": [2, 4, 5, 3]},
        {**PLAIN, "data": {"recipe": "uniform", "seed": 7}},
        {**PLAIN, "data": {"recipe": "integers", "seed": 8}},
    ]
    assert len({case.id, *(case_from_json(other).id for other in others)}) == 6


# Identities that last: a change here changes what old case files and reports mean. Do not adapt.


def test_ids_stay_what_they_were():
    assert case_from_json(PLAIN).id == "fe63c1e2156c2c44"
    assert Case(LayerConfig((1, 1)), (1, 1, 1, 1)).id == "3f5d47c1ab46112b"
    refusal = Refusal(canonical({"kernel_size": 3, "strides": 2, "dilation_rate": 2}), (1, 16, 16, 3), "ValueError")
    assert refusal.id == "63dcbce17bf0bded"
    assert [case.id for case in fixed_cases()[:4]] == [
        "fb7223d951ef27f4",
        "41b1d4917ea42cd6",
        "6d08f79291adfec9",
        "4cd3556e6911e563",
    ]


# Hostile files: data only, whoever wrote them


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"schema": 2}, "schema=2: accepted is 1"),
        ({"schema": True}, "schema=True: accepted is 1"),
        ({"extra": 1}, "a case has unknown entries ['extra']; accepted are ['arguments', "),
        ({"arguments": None}, "arguments must be a JSON object, not None"),
        ({"arguments": {}}, "kernel_size is missing"),
        (
            {"arguments": {"kernel_size": 3, "groups": 2}},
            "unknown layer arguments ['groups']; accepted are ['activation'",
        ),
        ({"arguments": {"kernel_size": 0}}, "kernel_size=0: accepted are integers of 1 or more"),
        ({"arguments": {"kernel_size": 2.0}}, "kernel_size=2.0: accepted are"),
        ({"arguments": {"kernel_size": 9}}, "a kernel spanning 9 does not fit into an input of 5"),
        ({"arguments": {"kernel_size": 2, "dtype": "int8"}}, "dtype='int8': accepted are 'float16', "),
        ({"arguments": {"kernel_size": 2, "bias_initializer": {"class_name": "os.system"}}}, "bias_initializer={"),
        ({"input_shape": "1234"}, "input_shape='1234': accepted is a list of integers"),
        ({"input_shape": [1, 5, 4.0, 3]}, "input_shape=[1, 5, 4.0, 3]: accepted is"),
        ({"input_shape": [1, 5, True, 3]}, "input_shape=[1, 5, True, 3]: accepted is"),
        ({"input_shape": [1, 5, 4]}, "input_shape=[1, 5, 4]: accepted are 4 integers"),
        ({"input_shape": [-1, 5, 4, 3]}, "input shape (-1, 5, 4, 3): accepted are a batch of 0 or more"),
        ({"input_shape": [1, 10**6, 10**6, 3]}, f"too many elements; accepted are {MAX_ELEMENTS}"),
        ({"data": None}, "data must be a JSON object, not None"),
        ({"data": {"recipe": "integers", "seed": -1}}, "accepted are a recipe's name and a seed of 0 to 2**64 - 1"),
        ({"data": {"recipe": "integers", "seed": 2**64}}, "accepted are a recipe's name and a seed of 0 to 2**64 - 1"),
        ({"data": {"recipe": ["integers"], "seed": 1}}, "data={'recipe': ['integers'], 'seed': 1}: accepted are"),
        ({"refused": {}}, "a case has 'refused' and 'data' or 'layer'; accepted is one of them"),
    ],
)
def test_a_malformed_case_is_told_with_what_was_given_and_what_is_accepted(change, told):
    with pytest.raises(ValueError) as caught:
        case_from_json({**PLAIN, **change})
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [
        {"kernel_size": 3, "dilation_rate": 10**6, "padding": "same"},
        {"kernel_size": 3, "dilation_rate": 10**30, "padding": "same"},
        {"kernel_size": 3, "strides": 10**30, "padding": "same"},
        {"kernel_size": 10**5, "padding": "same"},
        {"kernel_size": 10**4000, "padding": "same"},
        {"kernel_size": 1, "depth_multiplier": 10**9},
    ],
)
def test_a_case_that_would_eat_the_memory_is_refused_before_it_does(arguments):
    with pytest.raises(ValueError, match="too many elements"):
        case_from_json({**PLAIN, "arguments": arguments})


def test_an_unknown_recipe_is_told_when_the_arrays_are_made():
    with pytest.raises(ValueError, match="recipe='nonesuch': accepted are integers, uniform, "):
        make_arrays(case_from_json({**PLAIN, "data": {"recipe": "nonesuch", "seed": 0}}))


def test_a_deeply_nested_file_is_refused():
    deep: object = 1
    for _ in range(100_000):
        deep = [deep]
    for arguments in ({"kernel_size": deep}, {"kernel_size": 2, "activation": deep}):
        with pytest.raises(ValueError):
            case_from_json({**PLAIN, "arguments": arguments})
    refusal = {"schema": 1, "arguments": {"kernel_size": deep}, "input_shape": [1, 8, 8, 2], "refused": {}}
    with pytest.raises(ValueError, match="nested"):
        case_from_json(refusal)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def reads_or_raises_value_error(value: object) -> None:
    try:
        case = case_from_json(value)
    except ValueError as error:
        assert str(error)
    else:
        assert case_from_json(json.loads(json.dumps(case.to_json()))).id == case.id


@quick
@given(json_values)
def test_any_json_is_read_or_refused(value):
    reads_or_raises_value_error(value)


@settings(quick, max_examples=300)
@given(st.data())
def test_any_damage_to_a_valid_case_is_read_or_refused(data):
    value = json.loads(json.dumps(data.draw(cases() | refusals()).to_json()))
    for _ in range(data.draw(st.integers(1, 2))):
        damage(data, value)
    reads_or_raises_value_error(value)


def damage(data: st.DataObject, value: object) -> None:
    """Replaces, adds or removes one entry somewhere in the value."""
    place = data.draw(st.sampled_from(list(containers(value))))
    key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
    how = data.draw(st.sampled_from(("replace", "add", "remove")))
    if how == "remove":
        del place[key]
    elif how == "add" and isinstance(place, dict):
        known = ("schema", "data", "refused", "strides", "dtype", "activation", "strided_dilation")
        place[data.draw(st.sampled_from(known))] = data.draw(json_values)
    else:
        place[key] = data.draw(json_values | st.integers(2**31, 2**80))


def containers(value: object) -> Iterator[dict | list]:
    """Every dict and list within the value that is not empty."""
    if isinstance(value, dict | list) and value:
        yield value
        for part in value.values() if isinstance(value, dict) else value:
            yield from containers(part)
