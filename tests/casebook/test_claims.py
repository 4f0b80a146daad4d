"""The claims language: what it says, what it refuses, and that nothing outside a claim is ever asked."""

from __future__ import annotations

import functools
import inspect

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.casebook.claims import EVERYTHING, NAMES, Claim, ClaimError
from depthwise_conformance.casebook.covering import catalogue, coverage
from depthwise_conformance.casebook.facts import facts
from depthwise_conformance.casebook.fixed import activation_cases, fixed_cases
from depthwise_conformance.casebook.strategies import cases
from depthwise_conformance.diagnosis.separating import simplest
from depthwise_conformance.judging.relations import RELATIONS, choose
from depthwise_conformance.judging.values import expect
from depthwise_conformance.reference import LayerConfig
from depthwise_conformance.running.drawing import draw_block, draw_pool

KERNEL = 'kernel_size == 3 and strides in (1, 2) and dtype == "float32" and data_format == "channels_last"'
CLAIMS = (
    KERNEL,
    f"{KERNEL} and dilation == 1 and activation == None and depth_multiplier == 1 and stride_height == stride_width",
    'channels % 8 == 0 and kernel_size in (3, 5, 7) and (dtype == "float32" or data_format == "channels_last")',
    "not (padding == 'same' and channels % 4) and channels <= 33",
    "input_width % 16 == 0 and channels == 4",
    "kernel_size == (5, 3) and batch >= 8",
    "stride == 4 and kernel_size == 7 and not use_bias",
    'activation == "silu" and dtype in ("float64", "bfloat16")',
    "channels == 1000",
)


@functools.cache
def drawn_inside(text: str) -> tuple[Case, ...]:
    return draw_block(0, 60, Claim(text))


def case(shape: tuple[int, int, int, int] = (2, 6, 7, 8), **arguments: object) -> Case:
    return Case(LayerConfig.from_json({"kernel_size": 3, **arguments}), shape, Data())


@pytest.mark.parametrize(
    ("text", "arguments", "holds"),
    [
        ("", {}, True),
        ("kernel_size == 3", {}, True),
        ("kernel_size == 3", {"kernel_size": [3, 1]}, False),
        ("kernel_size != 3", {"kernel_size": [3, 1]}, True),
        ("kernel_size == (3, 1)", {"kernel_size": [3, 1]}, True),
        ("kernel_size <= 7", {"kernel_size": [3, 1]}, True),
        ("kernel_size > 1", {"kernel_size": [3, 1]}, False),  # on both axes
        ("kernel > 1", {"kernel_size": [3, 1]}, True),  # the larger of them
        ("strides in (1, 2)", {"strides": [1, 2]}, False),
        ("strides in (1, (1, 2))", {"strides": [1, 2]}, True),
        ("strides not in (1, 2)", {"strides": [1, 2]}, True),
        ("activation == 'linear'", {}, True),
        ("activation == None", {"activation": "linear"}, True),
        ("activation in (None, 'relu')", {"activation": "tanh"}, False),
        ("1 <= batch <= 2 and channels % 8 == 0", {}, True),
        ("channels % 3", {}, True),
        ("not (use_bias and half_precision)", {}, True),
        ("use_bias == False", {"use_bias": False}, True),
        ("input_height < input_width", {}, True),
        ("stride == 1 or dilation == 1", {"dilation_rate": 2}, True),
    ],
)
def test_what_a_statement_says(text, arguments, holds):
    assert Claim(text).covers(case(**arguments)) is holds


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("kernal_size == 3", "did you mean kernel_size?"),
        ("sdfgh == 3", "accepted are activation, batch"),
        ('dtype == "f32"', "'float16', 'bfloat16', 'float32', 'float64'"),
        ('kernel_size == "3"', "a number and a pair of numbers"),
        ("batch == (1, 2)", "accepted is one value"),
        ("dtype == channels", "cannot be compared"),
        ("dtype < 'float32'", "cannot be compared"),
        ("use_bias == 1", "cannot be compared"),
        ("kernel_size in 3", "a list in parentheses"),
        ("depth_multiplier", "compare it, as in depth_multiplier == ..."),
        ("channels is 3", "accepted comparisons are"),
        ("channels ==", "cannot be read"),
        ("(1, 2)", "is no statement"),
        ("__import__('os').system('true')", "is no statement"),
        ("channels.real == 3", "is no term"),
        ("channels % 0 == 0", "is no term"),
        ("channels ** 9 == 0", "is no term"),
        ("not " * 100_000 + "use_bias", "nested too deeply"),
        ("\0", "cannot be read"),
    ],
)
def test_what_is_none_is_refused_in_words(text, told):
    with pytest.raises(ClaimError) as error:
        Claim(text)
    assert told in str(error.value) or (told == "nested too deeply" and "cannot be read" in str(error.value))


@given(st.text(alphabet="abcdehiklnorstuz_ =<>!()%,.0123456789'\"", max_size=40))
def test_whatever_is_written_is_read_or_refused(text):
    try:
        Claim(text).covers(case())
    except ClaimError as error:
        assert str(error)


@pytest.mark.parametrize("text", CLAIMS)
def test_partial_facts_never_contradict_the_case(text):
    """What is said of some of a case's facts is what all of them say, or nothing."""
    claim = Claim(text)
    for one in drawn_inside("")[:40]:
        whole, known = claim.covers(one), facts(one)
        for left_out in NAMES:
            some = {name: value for name, value in known.items() if name != left_out}
            assert claim.truth(some) in (None, whole)
        assert claim.truth({}) in (None, whole)


def test_claims_are_joined():
    both = Claim("channels == 3 or batch == 1") & Claim("kernel_size == 3")
    assert both.text == "(channels == 3 or batch == 1) and (kernel_size == 3)"
    assert Claim("batch == 1") & EVERYTHING == EVERYTHING & Claim("batch == 1") == Claim("batch == 1")
    assert EVERYTHING & EVERYTHING == EVERYTHING


@pytest.mark.parametrize("text", CLAIMS)
def test_every_pair_of_a_claim_is_covered_inside_it(text):
    claim = Claim(text)
    found = catalogue(2, claim)
    assert all(claim.covers(one) for one in found)
    covered = coverage(found, 2, claim)
    assert covered.covered == covered.allowed > 300
    assert len({one.id for one in found}) == len(found)


@pytest.mark.parametrize("text", CLAIMS)
def test_drawn_cases_are_claimed_as_many_as_asked_for_and_unlike(text):
    claim = Claim(text)
    drawn = drawn_inside(text)
    assert len(drawn) == len({one.id for one in drawn}) == 60
    assert all(claim.covers(one) for one in drawn)
    assert len({one.input_shape for one in drawn}) > 20


@pytest.mark.parametrize("text", CLAIMS)
def test_no_pair_that_is_drawn_counts_as_not_allowed(text):
    """Counted among the allowed are all pairs that cases drawn inside the claim have."""
    claim = Claim(text)
    drawn = drawn_inside(text)
    alone, together = coverage(drawn, 2, claim), coverage([*catalogue(2, claim), *drawn], 2, claim)
    assert together.covered == together.allowed >= alone.covered


@pytest.mark.parametrize("text", CLAIMS)
def test_fixed_cases_are_brought_inside(text):
    claim = Claim(text)
    found = (*fixed_cases(claim), *activation_cases(claim), *(draw_pool(0, claim)[:20] if text == KERNEL else ()))
    assert all(claim.covers(one) for one in found)


def test_real_layers_come_with_and_without_their_activation_and_bias():
    narrow = fixed_cases(Claim(f"{KERNEL} and activation == None and dilation == 1"))
    assert {(one.input_shape, one.config.strides, one.config.use_bias) for one in narrow} >= {
        ((1, 112, 112, 64), (2, 2), True),
        ((1, 112, 112, 64), (2, 2), False),
    }
    shapes = [(one.config.kernel_size, one.config.activation, one.config.use_bias) for one in fixed_cases()]
    assert {((7, 7), None, True), ((7, 7), None, False), ((5, 5), "silu", True), ((5, 5), None, False)} <= set(shapes)


@pytest.mark.parametrize("text", CLAIMS)
def test_relations_make_no_call_outside_a_claim(text):
    claim, chosen = Claim(text), 0
    for one in drawn_inside(text)[:40]:
        relation = choose(expect(one), claim)
        calls = relation.calls(expect(one)) if relation else ()
        chosen += relation is not None
        assert all(claim.covers(call.case) for call in calls)
    assert chosen > 10
    assert len(RELATIONS) == 10


def test_what_is_told_as_a_condition_is_a_statement_of_the_language():
    """Every condition that separates some drawn cases from others reads back as what it was."""
    drawn = drawn_inside("")
    seen = 0
    for start in range(0, 50, 2):
        for condition in simplest(drawn[start : start + 2], drawn[start + 2 :], several=True)[:20]:
            if condition.atoms:
                claim = Claim(str(condition))
                assert [claim.covers(one) for one in drawn] == [condition.holds(one) for one in drawn], str(condition)
                seen += 1
    assert seen > 100


def test_the_same_draw_draws_the_same():
    assert inspect.unwrap(draw_block)(0, 60, Claim(KERNEL)) == drawn_inside(KERNEL)  # drawn again, not remembered


@pytest.mark.parametrize("text", ["channels == 0", "kernel_size == 3 and kernel_size == 5", "dtype != dtype"])
def test_a_claim_of_nothing_is_told(text):
    with pytest.raises(ClaimError, match=r"it claims nothing|cannot be compared"):
        catalogue(2, Claim(text))


@settings(max_examples=30)
@given(cases(Claim(CLAIMS[2])))
def test_the_strategy_stays_inside(one):
    assert Claim(CLAIMS[2]).covers(one)
