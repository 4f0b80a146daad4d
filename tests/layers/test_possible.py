"""Cases of whole layers from elsewhere: what cannot be asked or judged is refused where it is read."""

from __future__ import annotations

import copy
import json
import random

import pytest

from depthwise_conformance.casebook.case import case_from_json
from depthwise_conformance.layers.catalogue import layer_cases
from depthwise_conformance.layers.judging import layer_requests
from depthwise_conformance.layers.possible import check_possible
from depthwise_conformance.layers.refusals import OUTSIDE, refusal_request
from depthwise_conformance.layers.rehearsal import Rehearsal

LAYER = {
    "schema": 1,
    "arguments": {"kernel_size": 2, "data_format": "channels_last"},
    "input_shape": [1, 4, 4, 2],
    "data": {"recipe": "integers", "seed": 1},
    "layer": {"check": "arguments", "steps": ["build", "assign", "call"]},
}
VALUES = [
    *(None, True, -1, 10**9, 2**70, 1.5, "", "x", [], {}, [None], [1, 2]),
    *({"function": "nonesuch"}, {"tuple": 3}, {"class_name": "L1", "config": 3}, "call", ["call"] * 1000),
]


def read(content):
    case = case_from_json(content)
    check_possible(case)
    return case


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"arguments": {**LAYER["arguments"], "depth_multiplier": 10**9}}, "too many elements; accepted are 4194304"),
        (
            {"arguments": {**LAYER["arguments"], "activation": {"function": "evil"}}},
            "are the functions halved",
        ),
        ({"arguments": {"kernel_size": {"tuple": 2}}}, "kernel_size={'tuple': 2}: accepted is"),
        ({"arguments": {"kernel_size": 2, "name": "x" * 100_000}}, "accepted are 65536 characters of JSON"),
        ({"arguments": {"kernel_size": 9}}, "(at construct): "),
        ({"layer": {"check": "arguments", "steps": ["call", "build"]}}, "(at call): "),
        ({"layer": {"check": "arguments", "steps": ["build"] * 100_000}}, "layer.steps are 100000: accepted are 100"),
        ({"layer": {"check": "defaults", "about": "example", "steps": ["build"]}}, "accepted for example is one step"),
        ({"data": {"recipe": "secret", "seed": 1}}, "recipe='secret': accepted are integers"),
    ],
)
def test_what_cannot_be_judged_is_told(changes, told):
    with pytest.raises(ValueError) as caught:
        read({**LAYER, **changes})
    assert told in str(caught.value)


def damaged(value, draw: random.Random):
    """One entry of an object, at any depth, gone, shuffled, or another."""
    inside = made = copy.deepcopy(value)
    while True:
        key = draw.choice([*inside]) if isinstance(inside, dict) else draw.randrange(len(inside))
        if isinstance(inside[key], dict | list) and inside[key] and draw.random() < 0.7:
            inside = inside[key]
            continue
        if draw.random() < 0.2:
            del inside[key]
        elif isinstance(inside, list) and draw.random() < 0.4:
            draw.shuffle(inside)
        else:
            inside[key] = draw.choice(VALUES)
        return made


def test_every_case_that_is_read_can_be_asked_and_judged():
    draw, left = random.Random(0), 0
    for case in draw.choices([*layer_cases(), *OUTSIDE], k=200):
        try:
            found = read(damaged(json.loads(json.dumps(case.to_json())), draw))
        except ValueError as error:
            assert type(error) is ValueError
            continue
        left += 1
        if hasattr(found, "documented"):
            refusal_request(found)
            continue
        layer_requests(found)
        rehearsal = Rehearsal(found)
        for step in () if found.about == "example" else found.steps:
            rehearsal.expect(step)
    assert left > 20


def test_every_case_of_ours_is_possible():
    for case in layer_cases():
        check_possible(case)
