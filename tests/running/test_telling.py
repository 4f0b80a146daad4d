"""What is said of a discrepancy and of the machine: a name that stays, a processor that can be told from another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from asked import case

from depthwise_conformance.casebook.case import AnyCase, LayerCase, Refusal
from depthwise_conformance.diagnosis.distinct import Distinct
from depthwise_conformance.judging.tally import Failure, Group, Key
from depthwise_conformance.judging.values import Judgement
from depthwise_conformance.reports.record import Verdict
from depthwise_conformance.running.describing import describe_processor
from depthwise_conformance.running.telling import asks_for, family_of, make_discrepancy

DILATED = case(activation="gelu", dilation_rate=2, dtype="float64")


def named(smallest: AnyCase = DILATED, verdict=Verdict.WRONG_VALUE, cause="", versions="torch 2.13.0", taken=()) -> str:
    return told(smallest, verdict, cause, versions, taken).id


def told(smallest, verdict, cause, versions, taken, name="torch@cpu"):
    target = SimpleNamespace(name=name, device="cpu", version_text=versions)
    failure = Failure(smallest, Judgement(verdict, error=3.0))
    group = Group()
    group.add(failure, None)
    one = Distinct("output", Key(verdict, "some words"), group, cause)
    return make_discrepancy(target, one, 5, failure, "", taken)


def test_the_name_of_a_fault_stays_when_more_is_known_of_it():
    assert named(cause="gelu by sigmoid") == named()
    assert named(versions="torch 2.14.0") == named()
    assert named(verdict=Verdict.IMPRECISE) == named()
    assert named(replace(DILATED, input_shape=(1, 9, 9, 2))) == named()


@pytest.mark.parametrize(
    "other",
    [
        case(activation="gelu", dilation_rate=(1, 2), dtype="float64"),
        case(activation="gelu", dilation_rate=2),
        Refusal("{}", (1, 2, 2, 1), wrong="strides is not an integer"),
        LayerCase("training", '{"use_bias": false}', (1, 2, 2, 1), ("build",)),
    ],
    ids=["axis", "dtype", "refusal", "layer"],
)
def test_faults_that_take_something_else_to_show_have_other_names(other):
    assert named(other) != named()
    assert named(verdict=Verdict.REFUSED) != named()


def test_a_fault_has_one_family_on_all_targets():
    here, there = (told(DILATED, Verdict.WRONG_VALUE, "", "", (), name) for name in ("torch@cpu", "jax@cpu"))
    assert here.family == there.family
    assert here.family.startswith(
        "output value activation=gelu use_bias=True padding=same dtype=float64 dilation_height"
    )
    assert here.id != there.id


PLAIN = case()
LAYER = LayerCase("training", '{"bias_initializer": null, "name": "a b", "use_bias": false}', (1, 2, 2, 1), ("build",))
REFUSED = Refusal("{}", (1, 2, 2, 1), wrong="strides is not an integer")


@pytest.mark.parametrize("asked", [PLAIN, DILATED, LAYER, REFUSED], ids=["plain", "dilated", "layer", "refusal"])
def test_a_case_asks_for_the_family_that_it_is_the_smallest_case_of(asked):
    assert asks_for(family_of("output", Verdict.WRONG_VALUE, asked), asked)


@pytest.mark.parametrize(
    ("family", "asked", "expected"),
    [
        ("output value", DILATED, True),
        ("output value dtype=float64", DILATED, True),
        ("output value activation=gelu dilation_height", DILATED, True),
        ("output value dtype=float64", PLAIN, False),
        ("output value dtype=float6", DILATED, False),
        ("output value stride_height", DILATED, False),
        ("training value bias_initializer=None use_bias=False", LAYER, True),
        ("training value use_bias=True", LAYER, False),
        ("errors error_missing strides is not", REFUSED, False),
    ],
)
def test_a_case_asks_for_a_family_that_takes_no_more_than_it_has(family, asked, expected):
    assert asks_for(family, asked) is expected


def test_two_faults_that_take_the_same_have_two_names():
    assert named(taken=[named()]) != named()


def test_the_processor_is_named_with_its_vector_units(tmp_path: Path):
    listing = tmp_path / "cpuinfo"
    listing.write_text(
        "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC 9B14\nflags\t\t: fpu avx2 avx512f\n"
    )
    assert describe_processor(listing) == "AuthenticAMD AMD EPYC 9B14 (avx2, avx512f)"
    listing.write_text("processor\t: 0\nFeatures\t: fp asimd sve\nCPU part\t: 0xd40\n")
    assert describe_processor(listing) == "0xd40 (asimd, sve)"
    assert describe_processor(tmp_path / "none")
