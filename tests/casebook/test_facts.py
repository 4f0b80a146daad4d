"""Facts of a case: told in plain words, and altered one at a time."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.casebook.facts import altered, facts
from depthwise_conformance.casebook.strategies import cases
from depthwise_conformance.reference import LayerConfig


def test_facts_are_told_in_plain_words() -> None:
    config = LayerConfig((3, 2), strides=2, padding="same", depth_multiplier=2, activation="linear", dtype="bfloat16")
    known = facts(Case(config, (5, 7, 8, 3), Data("uniform", 1)))
    told = {
        **{"kernel_height": 3, "kernel_width": 2, "kernel": 3, "stride": 2, "dilation": 1, "extent_height": 3},
        **{"batch": 5, "input_height": 7, "input_width": 8, "channels": 3, "output_channels": 6},
        **{"output_height": 4, "output_width": 4, "elements": 480, "taps": 6, "empty": False},
        **{"zeros_above": 1, "zeros_below": 1, "zeros_left": 0, "zeros_right": 0, "zeros": 2, "odd_zeros": False},
        **{"remainder_height": 1, "remainder_width": 0, "remainder": 1, "leftover": 0},
        **{"activation": "linear", "half_precision": True, "recipe": "uniform", "data_format": "channels_last"},
    }
    assert {name: known[name] for name in told} == told


def test_no_activation_is_the_linear_one() -> None:
    one, other = (Case(LayerConfig(1, activation=name), (1, 2, 2, 1)) for name in (None, "linear"))
    assert facts(one) == facts(other)


@settings(max_examples=60, derandomize=True, database=None, deadline=None)
@given(cases(), st.sampled_from(("kernel_height", "stride_width", "batch", "channels", "output_height", "input_width")))
def test_an_altered_case_has_the_fact_asked_for(case: Case, fact: str) -> None:
    try:
        other = altered(case, fact, 3)
    except ValueError:
        return
    assert facts(other)[fact] == 3
    assert [facts(other)[name] for name in ("padding", "dtype")] == [facts(case)[name] for name in ("padding", "dtype")]
