"""A part of a discrepancy: of its own failing cases, and of those by which other checks show it."""

from __future__ import annotations

from asked import case

from depthwise_conformance.diagnosis.distinct import Distinct
from depthwise_conformance.judging.tally import KEPT, Failure, Group, Key
from depthwise_conformance.judging.values import Judgement
from depthwise_conformance.reports.record import Verdict

NARROW, WIDE, HALF = case(), case(strides=2), case(dtype="float16")


def group(*cases, verdict=Verdict.WRONG_VALUE):
    made = Group()
    for one in cases:
        made.add(Failure(one, Judgement(verdict, error=2.0)), None)
    return made


def distinct() -> Distinct:
    one = Distinct("output", Key(Verdict.WRONG_VALUE, ""), group(NARROW, WIDE), "kernel flipped", "always", "all")
    one.join("gradient_bias", group(WIDE, HALF))
    return one


def test_a_part_has_the_chosen_failures_of_every_check():
    whole = distinct()
    part = whole.part(lambda check, failure: failure.case in (WIDE, NARROW))
    assert part is not None
    assert (part.check, part.cause, part.condition) == ("output", "kernel flipped", "always")
    assert part.group.cases == [NARROW, WIDE]
    assert {check: shown.cases for check, shown in part.shown_by.items()} == {"gradient_bias": [WIDE]}
    assert [shown.failing for shown in whole.shown_by.values()] == [2]  # which stays as it was


def test_a_part_that_other_checks_alone_show_is_told_by_one_of_them_without_a_cause():
    part = distinct().part(lambda check, failure: failure.case == HALF)
    assert part is not None
    assert (part.check, part.key, part.cause, part.condition) == ("gradient_bias", Key(Verdict.WRONG_VALUE, ""), "", "")
    assert (part.group.cases, part.shown_by) == ([HALF], {})


def test_a_part_of_another_verdict_is_told_by_it():
    whole = distinct()
    whole.group.extend(group(HALF, verdict=Verdict.IMPRECISE))
    part = whole.part(lambda check, failure: failure.judgement.verdict is Verdict.IMPRECISE)
    assert part is not None and part.key.verdict is Verdict.IMPRECISE


def test_of_nothing_there_is_no_part():
    assert distinct().part(lambda check, failure: False) is None


def test_failures_that_were_counted_only_go_with_all_that_were_kept():
    whole = distinct()
    whole.group.failing = KEPT + 5
    everything, some = (whole.part(lambda check, failure, n=n: failure.case != n) for n in (HALF, WIDE))
    assert everything is not None and some is not None
    assert (everything.group.failing, some.group.failing) == (KEPT + 5, 1)
