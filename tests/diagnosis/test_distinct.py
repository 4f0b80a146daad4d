"""Cases that have two faults at once, what tells them, and causes that explain by chance."""

from dataclasses import replace

import pytest
from discrepancies import discrepancy, exhibit

from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.diagnosis.conditions import Atom, Condition
from depthwise_conformance.diagnosis.distinct import (
    Suspect,
    among,
    are_telling,
    cover,
    evidence,
    fails_alike,
    fails_untold,
    is_narrower,
    most_telling,
    takes_both,
)
from depthwise_conformance.judging.tally import Examined, Failure, Group, Key
from depthwise_conformance.judging.values import Judgement
from depthwise_conformance.reference import LayerConfig
from depthwise_conformance.reports.record import Verdict

ONE, OTHER = "kernel flipped", "bias missing"
BOTH = f"{ONE} + {OTHER}"
CASES = [Case(LayerConfig((2, 3), activation="relu"), (2, 4, 5, 3), Data("integers", seed)) for seed in range(3)]


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


def test_beside_a_cause_those_are_suspected_that_explain_what_it_does_not():
    group = Group()
    cases = [replace(CASES[0], data=Data("integers", seed)) for seed in range(16)]
    for case in cases:
        group.add(Failure(case, Judgement(Verdict.WRONG_VALUE)), None)
    ids = [case.id for case in cases]
    first, shadow = Suspect("a", tuple(ids[:9])), Suspect("b", tuple(ids[:8]))
    second, third, few = Suspect("c", tuple(ids[7:13])), Suspect("d", tuple(ids[12:])), Suspect("e", tuple(ids[14:]))
    assert cover([first, shadow, third, second, few], [first], group.without(first.ids)) == [third, second]


def examined(cause):
    given = exhibit(CASES[0], cause)
    return Examined(given.expectation, [("output", Judgement(Verdict.WRONG_VALUE))], {"output": given.observed})


@pytest.mark.parametrize(("cause", "alike"), [(ONE, True), (BOTH, True), (OTHER, False), ("activation missing", None)])
def test_a_result_of_two_causes_fails_as_either_does_and_one_of_the_other_alone_does_not(cause, alike):
    one, other = discrepancy(ONE), discrepancy(OTHER)
    assert fails_alike(among(one, [one, other]), examined(cause)) is alike
    assert fails_alike(one, examined(cause)) is (True if cause == ONE else None)


@pytest.mark.parametrize(("cause", "answer"), [(ONE, None), (BOTH, None), ("activation missing", True)])
def test_what_is_told_already_says_nothing_of_what_has_no_cause(cause, answer):
    assert fails_untold(discrepancy(""), examined(cause), [discrepancy(ONE), discrepancy(OTHER)]) is answer


@pytest.mark.parametrize(("told", "answer"), [("float32: TF32 products", None), ("float32: bfloat16 products", True)])
def test_what_is_as_imprecise_as_is_told_does_not_fail_alike(told, answer):
    given = exhibit(CASES[0], ONE)
    judgement = Judgement(Verdict.IMPRECISE, signature="float32: TF32 products")
    examined = Examined(given.expectation, [("output", judgement)], {"output": given.observed})
    others = [discrepancy("as inaccurate as it is", key=Key(Verdict.IMPRECISE, told))]
    assert fails_untold(discrepancy(""), examined, others) is answer


@pytest.mark.parametrize(
    ("need", "cause", "narrower"), [(True, "", [True, True]), (False, "", [True, False]), (True, ONE, [True, False])]
)
def test_a_condition_that_says_more_than_a_need_is_of_the_same(need, cause, narrower):
    half, wide = Atom("dtype", "==", "float16"), Atom("kernel_width", ">", 1)
    one = replace(discrepancy(cause), fulfilled=Condition((half,)), need=need)
    assert [is_narrower(Condition(atoms), one) for atoms in ((half,), (half, wide))] == narrower
    assert not is_narrower(Condition((wide,)), one)
    assert not is_narrower(Condition(), one)
