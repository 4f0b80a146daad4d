"""Cases that have two faults at once, what tells them, and causes that explain by chance."""

from dataclasses import replace

import pytest

from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.diagnosis.conditions import Atom, Condition
from depthwise_conformance.diagnosis.distinct import (
    Distinct,
    Suspect,
    are_telling,
    evidence,
    give_to_both,
    most_telling,
    takes_both,
)
from depthwise_conformance.diagnosis.explaining import _prediction, _program
from depthwise_conformance.judging.tally import Exhibit, Failure, Group, Key
from depthwise_conformance.judging.values import Judgement, expect
from depthwise_conformance.reference import LayerConfig
from depthwise_conformance.reports.record import Verdict

ONE, OTHER = "kernel flipped", "bias missing"
BOTH = f"{ONE} + {OTHER}"
CASES = [Case(LayerConfig((2, 3), activation="relu"), (2, 4, 5, 3), Data("integers", seed)) for seed in range(3)]
HALVES = [replace(case, config=replace(case.config, dtype="float16")) for case in CASES]
KEY = Key(Verdict.WRONG_VALUE, "")


def exhibit(case, cause, off=0.0):
    """The array that comes of a cause, `off` by so much of its own size."""
    expectation = expect(case)
    found = _prediction(_program(cause, case), expectation.arrays, "output", case.dtype)
    assert found is not None
    return Exhibit(expectation, (found.value * (1.0 + off)).astype(case.dtype))


def discrepancy(cause, *exhibits, key=KEY):
    group = Group()
    for one in exhibits:
        group.add(Failure(one.expectation.case, Judgement(key.verdict)), one)
    return Distinct("output", key, group, cause)


def test_cases_with_two_faults_belong_to_what_is_told():
    first, second = discrepancy(ONE, exhibit(CASES[0], ONE)), discrepancy(OTHER, exhibit(CASES[0], OTHER))
    left = discrepancy("", exhibit(CASES[1], BOTH), exhibit(CASES[2], "activation missing"))
    give_to_both(left, [first, second])
    assert left.group.cases == [CASES[2]]
    assert first.group.cases == [CASES[0], CASES[1]]


def test_no_deviation_is_tried_on_special_values():
    first, second = discrepancy(ONE), discrepancy(OTHER)
    first.shown_by["special_values"] = Group()
    left = replace(discrepancy("", exhibit(CASES[1], BOTH)), check="special_values")
    give_to_both(left, [first, second])
    assert left.group.cases == [CASES[1]]


@pytest.mark.parametrize(("told", "left"), [("float16", []), ("bfloat16", HALVES[1:2])])
def test_a_cause_with_sums_that_are_told_to_be_narrow(told, left):
    off = exhibit(HALVES[1], ONE, off=2.0**-9)  # more than sums in float32 may be off, less than those in float16
    first = discrepancy(ONE, exhibit(HALVES[0], ONE))
    narrow = discrepancy("", key=Key(Verdict.IMPRECISE, f"{told}: {told} accumulation"))
    one = discrepancy("", off)
    give_to_both(one, [first, narrow])
    assert one.group.cases == left


def test_two_causes_are_believed_where_neither_would_do():
    mixed = [evidence("output", exhibit(case, BOTH), True) for case in CASES]
    alone = [evidence("output", exhibit(case, ONE), True) for case in CASES]
    assert takes_both(BOTH, mixed)
    assert not takes_both(BOTH, [*alone, *mixed[:1]])


def test_what_tells_of_a_case():
    told = [discrepancy(ONE), discrepancy(OTHER)]
    for cause in (ONE, OTHER, BOTH):
        assert are_telling(told, "output", CASES[0], exhibit(CASES[0], cause))
    assert not are_telling(told, "output", CASES[0], exhibit(CASES[0], "activation missing"))
    assert not are_telling(told[:1], "output", CASES[0], exhibit(CASES[0], BOTH))
    assert not are_telling(told, "output", CASES[0], None)
    assert not are_telling(told, "special_values", CASES[0], exhibit(CASES[0], ONE))
    ruled = replace(discrepancy(""), fulfilled=Condition((Atom("activation", "==", "relu"),)), total=True)
    assert are_telling([ruled], "output", CASES[0], None)
    assert not are_telling([ruled], "gradient_input", CASES[0], None)
    linear = replace(CASES[0], config=replace(CASES[0].config, activation=None))
    assert not are_telling([ruled], "output", linear, None)


@pytest.mark.parametrize(
    ("cause", "batch", "told"),
    [
        ("as inaccurate as sums in float16", 2, ("as inaccurate as sums in float16", "only if batch == 2")),
        (ONE, 2, ("", "only if batch == 2")),  # no array is there that it would explain
        ("", 1, ("", "")),
    ],
)
def test_what_another_check_shows_is_told_by_what_is_true_of_it(cause, batch, told):
    whole = discrepancy(cause, exhibit(CASES[0], OTHER))
    whole.condition, whole.need = f"only if batch == {batch}", True
    whole.fulfilled = Condition((Atom("batch", "==", batch),))
    whole.shown_by["gradient_bias"] = Group()
    whole.shown_by["gradient_bias"].add(Failure(CASES[1], Judgement(Verdict.WRONG_VALUE)), None)
    part = whole.part(lambda check, failure: check == "gradient_bias")
    assert part is not None
    assert (part.check, part.cause, part.condition) == ("gradient_bias", *told)


def test_a_suspect_whose_cases_another_has_told_gives_way():
    group = Group()
    cases = [replace(CASES[0], data=Data("integers", seed)) for seed in range(10)]
    for case in cases:
        group.add(Failure(case, Judgement(Verdict.WRONG_VALUE)), None)
    ids = [case.id for case in cases]
    first, shadow, other = Suspect("a", tuple(ids[:6])), Suspect("b", tuple(ids[:5])), Suspect("c", tuple(ids[6:]))
    assert most_telling([first, shadow, other], [], group) == first
    assert most_telling([first, shadow, other], [first], group.without(first.ids)) == other
    assert most_telling([first, shadow, other], [first, other], group.without(ids[:4])) is None
