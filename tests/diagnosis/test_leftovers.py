"""Cases that no cause explains alone, and rules that say one thing."""

from dataclasses import replace

import pytest
from discrepancies import discrepancy, exhibit

from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.diagnosis.conditions import Atom, Condition
from depthwise_conformance.diagnosis.leftovers import follow, gather, give_away, settle
from depthwise_conformance.judging.tally import Examined, Failure, Group, Key
from depthwise_conformance.judging.values import Judgement
from depthwise_conformance.reference import LayerConfig
from depthwise_conformance.reports.record import Verdict

ONE, OTHER = "kernel flipped", "bias missing"
BOTH = f"{ONE} + {OTHER}"
CASES = [Case(LayerConfig((2, 3), activation="relu"), (2, 4, 5, 3), Data("integers", seed)) for seed in range(3)]
HALVES = [replace(case, config=replace(case.config, dtype="float16")) for case in CASES]
ROUGH = [replace(case, data=Data("uniform", seed)) for seed, case in enumerate(CASES)]


def unasked(case, check):
    raise AssertionError(f"{check} of {case} should not be asked")


def without_arrays(*cases):
    one = discrepancy("")
    for case in cases:
        one.group.add(Failure(case, Judgement(Verdict.WRONG_VALUE)), None)
    return one


def test_cases_with_two_faults_belong_to_what_is_told():
    first, second = discrepancy(ONE, exhibit(CASES[0], ONE)), discrepancy(OTHER, exhibit(CASES[0], OTHER))
    left = discrepancy("", exhibit(CASES[1], BOTH), exhibit(CASES[2], "activation missing"))
    give_away(left, [first, second], unasked)
    assert left.group.cases == [CASES[2]]
    assert first.group.cases == [CASES[0], CASES[1]]


def test_no_deviation_is_tried_on_special_values():
    first, second = discrepancy(ONE), discrepancy(OTHER)
    first.shown_by["special_values"] = Group()
    left = replace(discrepancy("", exhibit(CASES[1], BOTH)), check="special_values")
    give_away(left, [first, second], unasked)
    assert left.group.cases == [CASES[1]]


@pytest.mark.parametrize(("cause", "left"), [(ONE, []), (BOTH, []), ("activation missing", CASES[1:2])])
def test_arrays_that_were_not_kept_are_asked_for(cause, left):
    def ask(case, check):
        given = exhibit(case, cause)
        return Examined(given.expectation, [(check, Judgement(Verdict.WRONG_VALUE))], {"output": given.observed})

    one = without_arrays(CASES[1])
    give_away(one, [discrepancy(ONE), discrepancy(OTHER)], ask)
    assert one.group.cases == left


@pytest.mark.parametrize(("told", "left"), [("wherever it makes a difference", CASES[2:]), ("", CASES[1:])])
def test_where_there_is_no_array_the_cause_has_to_make_a_difference(told, left):
    plain = replace(CASES[2], config=replace(CASES[2].config, use_bias=False))
    one = without_arrays(CASES[1], plain)
    give_away(one, [replace(discrepancy(OTHER), condition=told)], lambda case, check: None)
    assert one.group.cases == [*left[:-1], plain]


def test_what_was_told_too_late_for_a_leftover_has_it_in_the_end():
    left = [discrepancy("", exhibit(CASES[1], BOTH)), discrepancy("", exhibit(CASES[2], "sums doubled"))]
    found = [*left, discrepancy(ONE), discrepancy(OTHER)]
    settle("output", found, unasked)
    assert [one.group.cases for one in found] == [[CASES[2]], [CASES[1]], []]


@pytest.mark.parametrize(
    ("case", "off", "told", "stays"),
    [
        (HALVES[1], 2.0**-9, "float16: float16 accumulation", False),  # more than sums in float32 may be off
        (HALVES[1], 2.0**-9, "bfloat16: bfloat16 accumulation", True),
        (ROUGH[1], 2.0**-11, "float32: TF32 products", False),
        (ROUGH[1], 2.0**-11, "float32: float32 accumulation", True),
        (ROUGH[1], 2.0**-6, "float32: TF32 products", True),
    ],
)
def test_a_cause_in_arithmetic_that_is_told_to_be_narrow(case, off, told, stays):
    first = discrepancy(ONE, exhibit(CASES[0], ONE))
    one = discrepancy("", exhibit(case, ONE, off))
    give_away(one, [first, discrepancy("", key=Key(Verdict.IMPRECISE, told))], unasked)
    assert bool(one.group.cases) is stays


def rule(case, *atoms):
    one = without_arrays(case)
    one.fulfilled, one.total = Condition(atoms), True
    one.condition = str(one.fulfilled)
    return one


def test_many_rules_that_say_one_thing_are_one_row():
    half = Atom("dtype", "==", "float16")
    names = ("relu", "selu", "elu")
    rules = [rule(case, half, Atom("activation", "==", name)) for case, name in zip(CASES, names, strict=True)]
    other = rule(CASES[0], Atom("batch", ">", 256), Atom("channels", ">", 128))
    assert gather([other, *rules[:2]]) == [other, *rules[:2]]
    whole, rest = gather([*rules[:1], other, *rules[1:]])
    assert rest is other
    assert (whole.condition, whole.need, whole.total) == ('only if dtype == "float16"', True, False)
    assert whole.group.cases == CASES
    assert all(one.condition in whole.notes[0] for one in rules)


@pytest.mark.parametrize("told", [{"cause": ONE}, {"condition": "kernel > 1"}, {"check": "dtype"}, {}])
def test_what_nothing_tells_of_a_gradient_belongs_to_the_wrong_output_of_its_cases(told):
    output = discrepancy("", exhibit(CASES[0], ONE))
    gradient = replace(without_arrays(*CASES), check="gradient_input")
    found = [output, replace(gradient, **told)]
    follow("gradient_input", found, lambda one, case: case in CASES[:2])
    if told:
        assert found[1].group.cases == CASES
    else:
        assert [one.group.cases for one in found] == [CASES[:1], CASES[2:]]
        assert output.shown_by["gradient_input"].cases == CASES[:2]
    follow("gradient_input", found, lambda one, case: True)
    assert (found == [output]) is (not told)
