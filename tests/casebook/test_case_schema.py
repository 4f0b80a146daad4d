"""`docs/case.schema.json` and what is read agree on what a case file is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from depthwise_conformance.casebook.case import STEPS, case_from_json
from depthwise_conformance.casebook.covering import catalogue
from depthwise_conformance.casebook.fixed import activation_cases, fixed_cases
from depthwise_conformance.casebook.strategies import cases
from depthwise_conformance.layers.catalogue import drawn_layer_cases, layer_cases
from depthwise_conformance.layers.refusals import OUTSIDE, refusals
from depthwise_conformance.reference.activations import ACTIVATIONS

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA = Draft202012Validator(json.loads((DOCS / "case.schema.json").read_text()))
CASE = {
    "schema": 1,
    "arguments": {"kernel_size": 2},
    "input_shape": [1, 4, 4, 1],
    "data": {"recipe": "integers", "seed": 0},
}
REFUSAL = {"schema": 1, "arguments": {"kernel_size": "two"}, "input_shape": [1, None, 4], "refused": {}}
LAYER = {**CASE, "layer": {"check": "defaults", "steps": ["build"]}}
OWN = {**CASE, "data": {**CASE["data"], "arrays": {"kernel": "0" * 64}}}


def is_read(value: object) -> bool:
    def find(digest: str, dtype: str):
        raise LookupError  # the file is right so far; whether its arrays are there is another matter

    try:
        case_from_json(value, find)
    except ValueError:
        return False
    except LookupError:
        return True
    return True


def test_the_schema_is_one():
    Draft202012Validator.check_schema(SCHEMA.schema)


def test_the_schema_knows_all_names():
    definitions = SCHEMA.schema["$defs"]
    assert definitions["arguments"]["properties"]["activation"]["enum"] == list(ACTIVATIONS)
    assert definitions["refusal"]["properties"]["refused"]["properties"]["steps"]["items"]["enum"] == list(STEPS)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(cases() | refusals() | drawn_layer_cases())
def test_what_is_drawn_is_what_the_schema_says(case):
    SCHEMA.validate(json.loads(json.dumps(case.to_json())))


def test_what_every_run_asks_is_what_the_schema_says():
    for case in (*catalogue(), *fixed_cases(), *activation_cases(), *layer_cases(), *OUTSIDE):
        SCHEMA.validate(json.loads(json.dumps(case.to_json())))


@pytest.mark.parametrize(
    "text", [block for block in (DOCS / "cases.md").read_text().split("```") if block[:4] == "json"]
)
def test_what_the_page_shows_is_a_case(text):
    shown = text.removeprefix("json")
    value = json.loads(shown) if shown.strip().startswith("{") else {**CASE, **json.loads(f"{{{shown}}}")}
    if "arrays" in value.get("data", {}):
        value["data"]["arrays"] = dict.fromkeys(value["data"]["arrays"], "0" * 64)
    assert SCHEMA.is_valid(value), SCHEMA.iter_errors(value)
    assert is_read(value)


@pytest.mark.parametrize(
    "value",
    [
        *(CASE, REFUSAL, LAYER, OWN, {**CASE, "name": "conv_dw_1"}),
        {**CASE, "arguments": {"kernel_size": [2, 1], "padding": "Same", "data_format": None, "activation": None}},
        {**CASE, "input_shape": [0, 4, 4, 1]},
    ],
)
def test_both_accept(value):
    assert (SCHEMA.is_valid(value), is_read(value)) == (True, True)


@pytest.mark.parametrize(
    "value",
    [
        *([], 1, {}, {**CASE, "schema": 2}, {**CASE, "extra": 1}, {**CASE, "name": 1}, {**CASE, "name": "n" * 501}),
        {name: CASE[name] for name in ("schema", "arguments", "input_shape")},
        *({**CASE, "arguments": given} for given in ([], {}, {"kernel_size": 0}, {"kernel_size": [1, 2, 3]})),
        {**CASE, "arguments": {"kernel_size": 2, "groups": 2}},
        {**CASE, "arguments": {"kernel_size": 2, "padding": "full"}},
        {**CASE, "arguments": {"kernel_size": 2, "dtype": "int8"}},
        {**CASE, "arguments": {"kernel_size": 2, "use_bias": 1}},
        *({**CASE, "input_shape": shape} for shape in ("1", [1, 4, 4], [-1, 4, 4, 1], [1, 4, None, 1], [1, 0, 4, 1])),
        *({**CASE, "data": data} for data in ({}, {"recipe": 1, "seed": 0}, {"recipe": "zeros", "seed": -1})),
        {**CASE, "data": {**CASE["data"], "arrays": {"weights": "0" * 64}}},
        {**CASE, "data": {**CASE["data"], "arrays": {"kernel": "../../etc/passwd"}}},
        {**LAYER, "data": OWN["data"]},
        {**LAYER, "layer": {"steps": ["fly"]}},
        {**LAYER, "layer": {"home": "elsewhere"}},
        {**LAYER, "name": "mine"},
        {**REFUSAL, "data": CASE["data"]},
        {**REFUSAL, "refused": {"documented": 1}},
        {**REFUSAL, "input_shape": [1.5]},
    ],
)
def test_both_refuse(value):
    assert (SCHEMA.is_valid(value), is_read(value)) == (False, False)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_what_is_read_after_damage_is_what_the_schema_says(data):
    value = json.loads(json.dumps(data.draw(cases() | refusals() | drawn_layer_cases()).to_json()))
    place = data.draw(st.sampled_from([part for part in (value, *value.values()) if isinstance(part, dict)]))
    name = data.draw(st.sampled_from([*place, "name", "seed", "dtype"]))
    place[name] = data.draw(st.none() | st.booleans() | st.integers(-2, 9) | st.text(max_size=3) | st.just([2, 2]))
    assert SCHEMA.is_valid(value) or not is_read(value), value
