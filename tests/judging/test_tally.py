"""What tells failing cases apart before anything is known: texts without what differs from call to call."""

from __future__ import annotations

import random
import uuid

import pytest

from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.judging.tally import FEW, MANY, VARIED, Key, Tally
from depthwise_conformance.judging.values import Judgement, essence
from depthwise_conformance.reference import LayerConfig
from depthwise_conformance.reports.record import Verdict


def case(seed: int) -> Case:
    return Case(LayerConfig((1, 1)), (1, 2, 2, 1), Data("integers", seed))


def refused(text: str) -> Judgement:
    return Judgement(Verdict.REFUSED, signature=essence(text))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("<object at 0x7F3A90> failed", "<object at 0x55DEAD> failed"),
        ("buffer 7f3a90c0ffee is busy", "buffer deadbeef0123 is busy"),
        (f"request {uuid.UUID(int=1)} lost", f"request {uuid.UUID(int=2**127)} lost"),
        ("cannot read /tmp/tmpab_3xq9z/x.onnx", "cannot read /tmp/tmp1zz8kk_p/x.onnx"),
        ("at 12:03:11.5, call 17", "at 9:59:01.25, call 4"),
        ("\x1b[31mno\x1b[0m", "no"),
    ],
)
def test_what_differs_from_call_to_call_is_no_part_of_a_signature(one, other):
    assert essence(one) == essence(other)


@pytest.mark.parametrize(("one", "other"), [("no bias", "no kernel"), ("needs float", "needs double")])
def test_what_is_told_is(one, other):
    assert essence(one) != essence(other)


def test_texts_that_differ_from_case_to_case_are_one_group():
    draw, tally = random.Random(0), Tally()
    letters = "abcdefghijklmnopqrstuvwxyz"
    for number in range(200):
        tally.add(case(number), refused("the same" if number % 10 == 0 else "".join(draw.choices(letters, k=8))))
    assert {key.signature: group.failing for key, group in tally.groups.items()} == {"the same": 20, VARIED: 180}
    varied = Key(Verdict.REFUSED, VARIED)
    assert varied.tells(refused("whatever"))
    assert not varied.tells(Judgement(Verdict.CRASHED, signature="whatever"))


def test_a_few_texts_and_those_of_several_cases_are_told_apart():
    tally = Tally()
    for number in range(MANY * FEW):
        tally.add(case(number), refused(f"text {'x' * (number // FEW)}"))
    assert len(tally.groups) == MANY
    assert VARIED not in {key.signature for key in tally.groups}
