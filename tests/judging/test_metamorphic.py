"""Relations between a target's own answers: honest ones keep them all, and each is broken by some fault."""

from __future__ import annotations

import functools
from dataclasses import replace

import faults
import honest
import numpy as np
import pytest

from depthwise_conformance.adapters.base import Adapter
from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.casebook.fixed import fixed_cases
from depthwise_conformance.casebook.recipes import SPECIAL
from depthwise_conformance.judging.relation import Relation
from depthwise_conformance.judging.relations import RELATIONS, applicable, choose
from depthwise_conformance.judging.values import Expectation, Judgement, expect
from depthwise_conformance.reference import LayerConfig, output_shape
from depthwise_conformance.reports.record import Verdict
from depthwise_conformance.running.drawing import draw_block

NAMES = {relation.name: relation for relation in RELATIONS}
PLAIN = {"kernel_size": (3, 2), "padding": "same", "depth_multiplier": 2}


@functools.cache
def drawn(count: int = 300) -> tuple[Expectation, ...]:
    return tuple(expect(case) for case in draw_block(7, count))


def case(shape: tuple[int, int, int, int] = (3, 5, 4, 3), recipe: str = "integers", **arguments: object) -> Expectation:
    return expect(Case(LayerConfig(**{**PLAIN, **arguments}), shape, Data(recipe, 1)))


def answer(adapter: Adapter, expectation: Expectation) -> np.ndarray:
    a = expectation.arrays
    return adapter.forward(expectation.case.config, a.x, a.kernel, a.bias)


def judge(relation: Relation, adapter: Adapter, expectation: Expectation) -> Judgement | None:
    further = [answer(adapter, call) for call in relation.calls(expectation)]
    return relation.judge(expectation, answer(adapter, expectation), further)


# Honest implementations


@pytest.mark.parametrize(
    "fake",
    [honest.MatrixProduct, honest.FusedMultiplyAdd, honest.RoundedActivation, honest.FlushedSubnormals],
    ids=lambda fake: fake.name,
)
def test_honest_implementations_keep_every_relation(fake):
    adapter = fake()
    for expectation in drawn():
        for relation in applicable(expectation.case):
            judgement = judge(relation, adapter, expectation)
            assert judgement is not None
            assert judgement.verdict is Verdict.PASS, f"{expectation.case.to_json()}\n{judgement.detail}"
            assert judgement.error <= 1.0


class OtherSums(honest.Honest):
    """Sums in another order at every call, in the accumulator and then in the case's own dtype, as may be."""

    def taps(self, rows, columns):
        self.calls = getattr(self, "calls", 0) + 1
        order = np.random.default_rng(self.calls).permutation(rows.kernel * columns.kernel)
        return [divmod(int(tap), columns.kernel) for tap in order]


def test_an_implementation_may_sum_in_another_order_in_every_call():
    adapter = OtherSums()
    for expectation in drawn(150):
        for relation in applicable(expectation.case):
            assert judge(relation, adapter, expectation).verdict is Verdict.PASS


@pytest.mark.parametrize("relation", RELATIONS, ids=lambda relation: relation.name)
def test_the_reference_keeps_the_relation(relation):
    for expectation in (*drawn(), *map(expect, fixed_cases()[4:])):
        if relation in applicable(expectation.case):
            joined = relation.join(expectation.case, [call.output.value for call in relation.calls(expectation)])
            seen = relation.seen(expectation.case, expectation.output.value)
            scale = np.abs(expectation.output.value).max() + 1e-300
            known = np.isfinite(seen) & np.isfinite(joined)
            np.testing.assert_allclose(joined[known], seen[known], rtol=1e-11, atol=1e-11 * scale)


# Faults: one that each relation finds and, where there is one, one that keeps it although it is wrong

BREAKS = {
    "batch split": faults.SecondImageFromFirst,
    "channels permuted": faults.ChannelTailByEight,
    "input shifted": faults.WidthTailByFour,
    "height and width transposed": faults.DilationIgnoredOnWidth,
    "linear in the input": faults.LinearIsRelu,
    "linear in the kernel": faults.KernelCachedByShape,
    "the other data_format": faults.ChannelsFirstDilationOfHeight,
    "depth_multiplier unfolded": faults.MultiplierMajorOrder,
    "dilation_rate unfolded": faults.DilationCappedAtThree,
    "padding unfolded": faults.SamePaddingOddZeroBefore,
}
KEEPS = {
    "batch split": faults.ChannelTailByEight,
    "channels permuted": faults.KernelFlipped,
    "input shifted": faults.KernelFlippedRows,
    "height and width transposed": faults.SamePaddingOddZeroBefore,
    "linear in the input": faults.SamePaddingAllBefore,
    "linear in the kernel": faults.SamePaddingAllBefore,
    "the other data_format": faults.KernelFlippedRows,
    "depth_multiplier unfolded": faults.SamePaddingAllAfter,
    "dilation_rate unfolded": faults.SamePaddingAllAfter,
    "padding unfolded": faults.KernelFlipped,
}


@pytest.mark.parametrize("name", NAMES)
def test_every_relation_is_broken_by_a_fault(name):
    found, adapter = [], BREAKS[name]()
    for expectation in drawn():
        if NAMES[name] in applicable(expectation.case):
            judgement = judge(NAMES[name], adapter, expectation)
            if judgement is not None and judgement.verdict is Verdict.WRONG_VALUE:
                found.append(judgement)
    assert found
    assert {judgement.signature for judgement in found} == {name}
    assert all(judgement.error > 1.0 and judgement.detail.startswith(f"{name}: ") for judgement in found)


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_implementation_is_not_said_to_break_what_it_keeps(name):
    adapter = KEEPS[name]()
    for expectation in drawn():
        if NAMES[name] in applicable(expectation.case):
            judgement = judge(NAMES[name], adapter, expectation)
            assert judgement is None or judgement.verdict is Verdict.PASS, judgement.detail


# What the calls are


@pytest.mark.parametrize("relation", RELATIONS, ids=lambda relation: relation.name)
def test_calls_stay_inside_the_specification_and_fit_their_case(relation):
    for expectation in drawn():
        if relation not in applicable(expectation.case):
            continue
        calls = relation.calls(expectation)
        assert 1 <= len(calls) <= 2
        for call in calls:
            config, a = call.case.config, call.arrays
            assert (
                max(config.strides) == 1 or max(config.dilation_rate) == 1 or expectation.case.config.strided_dilation
            )
            assert (call.case.input_shape, call.case.dtype) == (a.x.shape, expectation.case.dtype)
            assert a.kernel.shape == (*config.kernel_size, call.case.channels, config.depth_multiplier)
            assert a.bias is None or a.bias.shape == (call.case.channels * config.depth_multiplier,)
            assert (a.bias is None) is not config.use_bias
            assert a.cotangent.shape == output_shape(config, a.x.shape)
            assert {array.dtype for array in (a.x, a.kernel)} == {expectation.arrays.x.dtype}
            assert all(array.flags.c_contiguous for array in (a.x, a.kernel))
            assert call.declared == expectation.declared


def test_no_call_changes_the_arguments_of_the_case():
    for expectation in drawn(60):
        before = [None if array is None else array.copy() for array in vars(expectation.arrays).values()]
        for relation in applicable(expectation.case):
            relation.calls(expectation)
        for old, new in zip(before, vars(expectation.arrays).values(), strict=True):
            assert old is new is None or old.tobytes() == new.tobytes()


def names(expectation: Expectation) -> set[str]:
    return {relation.name for relation in applicable(expectation.case)}


def test_which_relations_apply():
    both = {"channels permuted", "height and width transposed", "linear in the input", "linear in the kernel"}
    both |= {"the other data_format", "depth_multiplier unfolded"}
    assert names(case()) == both | {"batch split", "padding unfolded"}
    assert names(case(padding="valid", shape=(1, 5, 4, 3))) == both | {"input shifted"}
    assert names(case(dilation_rate=2, shape=(1, 5, 4, 3))) == both | {"padding unfolded", "dilation_rate unfolded"}
    assert names(case(activation="tanh", shape=(1, 5, 4, 1), depth_multiplier=1)) == {
        "height and width transposed",
        "the other data_format",
        "padding unfolded",
    }
    one_pixel = case((2, 3, 1, 1), padding="valid", data_format="channels_first", kernel_size=1)
    assert names(one_pixel) == both - {"height and width transposed"} | {"batch split"}


def test_softmax_keeps_what_leaves_its_axis_alone():
    last = names(case(activation="softmax", padding="valid"))
    assert last == {
        *("batch split", "channels permuted", "input shifted"),
        *("height and width transposed", "depth_multiplier unfolded"),
    }
    first = case((2, 3, 5, 4), activation="softmax", padding="valid", data_format="channels_first")
    assert names(first) == {"batch split", "channels permuted", "input shifted", "depth_multiplier unfolded"}
    (rolled,) = NAMES["input shifted"].calls(first)
    np.testing.assert_array_equal(rolled.arrays.x, np.roll(first.arrays.x, -1, axis=2))
    one_row = case((2, 3, 3, 4), activation="softmax", padding="valid", data_format="channels_first")
    assert "input shifted" not in names(one_row)


def test_nothing_is_said_of_empty_batches_and_special_values():
    for expectation in (case((0, 5, 4, 3)), case(recipe=SPECIAL)):
        assert applicable(expectation.case) == ()
        assert choose(expectation) is None


def test_one_relation_is_chosen_for_a_case_and_all_take_turns():
    chosen = [choose(expectation) for expectation in drawn()]
    assert chosen == [choose(expectation) for expectation in drawn()]
    for expectation, relation in zip(drawn(), chosen, strict=True):
        assert relation is None or relation in applicable(expectation.case)
    counts = [chosen.count(relation) for relation in RELATIONS]
    assert min(counts) >= 10
    assert max(counts) <= 4 * min(counts)


# Judging


def altered(relation: Relation, expectation: Expectation, by: float, at: tuple[int, ...] = (2, 4, 3, 5)) -> Judgement:
    """The judgement of an honest implementation that has added to one element of its first answer."""
    adapter = honest.Honest()
    output = answer(adapter, expectation)
    output[at] += output.dtype.type(by)
    return relation.judge(expectation, output, [answer(adapter, call) for call in relation.calls(expectation)])


@pytest.mark.parametrize("activation", [None, "linear", "relu", "relu6"])
def test_sums_of_whole_numbers_have_to_be_the_same(activation):
    expectation = case(activation=activation)
    assert altered(NAMES["batch split"], expectation, 0.0) == Judgement(Verdict.PASS, 0.0)
    inexact = altered(NAMES["batch split"], expectation, 4e-6)
    assert inexact.verdict is Verdict.IMPRECISE
    assert inexact.signature == "batch split: sums of whole numbers that are not exact"
    assert altered(NAMES["batch split"], expectation, 1.0).verdict is Verdict.WRONG_VALUE


def test_rounding_may_part_answers_and_no_more():
    expectation = case(recipe="uniform")
    least = altered(NAMES["batch split"], expectation, 1e-7)
    assert least.verdict is Verdict.PASS
    assert 0.0 < least.error < 1.0
    assert altered(NAMES["batch split"], expectation, 1e-2).verdict is not Verdict.PASS
    wrong = altered(NAMES["batch split"], expectation, 1.0)
    assert (wrong.verdict, wrong.signature) == (Verdict.WRONG_VALUE, "batch split")
    assert "1 of 360 elements" in wrong.detail
    assert "(2,4,3,5)" in wrong.detail


def test_a_difference_that_a_narrower_arithmetic_explains_is_imprecise():
    found = [
        judge(NAMES["linear in the kernel"], faults.HalfSumsInFloat32(), expectation)
        for expectation in drawn()
        if expectation.case.dtype == "float32" and "linear in the kernel" in names(expectation)
    ]
    assert {judgement.verdict for judgement in found} == {Verdict.PASS, Verdict.IMPRECISE}
    signatures = {judgement.signature for judgement in found if judgement.verdict is Verdict.IMPRECISE}
    assert all(signature.startswith("linear in the kernel: float32: ") for signature in signatures)


def test_what_no_arithmetic_explains_is_wrong_though_the_difference_is_small():
    relation, expectation = NAMES["height and width transposed"], case((2, 9, 9, 3), kernel_size=5, dtype="float64")
    wrong = (
        answer(honest.Honest(), expectation) + np.arange(9)[:, None, None] % 3
    )  # less than bfloat16 products may err
    further = [answer(honest.Honest(), call) for call in relation.calls(expectation)]
    assert relation.judge(expectation, wrong, further).verdict is Verdict.WRONG_VALUE


def test_a_stray_nan_is_wrong_and_nan_in_both_is_none():
    relation, expectation, adapter = NAMES["batch split"], case(), honest.Honest()
    output, further = answer(adapter, expectation), [answer(adapter, call) for call in relation.calls(expectation)]
    output[0, 0, 0, 0] = np.nan
    assert relation.judge(expectation, output, further).verdict is Verdict.WRONG_VALUE
    further[0][0, 0, 0, 0] = np.nan
    assert relation.judge(expectation, output, further).verdict is Verdict.PASS


def test_nothing_is_asked_where_the_format_may_overflow():
    expectation = case(recipe="uniform", dtype="float16")
    huge = replace(expectation, given=replace(expectation.arrays, x=expectation.arrays.x * np.float16(60000.0)))
    assert altered(NAMES["batch split"], huge, np.inf) == Judgement(Verdict.PASS, 0.0)


@pytest.mark.parametrize("relation", RELATIONS, ids=lambda relation: relation.name)
def test_a_wrong_shape_or_dtype_is_left_to_other_checks_but_for_related_calls_which_none_of_them_sees(relation):
    adapter = honest.Honest()
    for expectation in (e for e in drawn(100) if relation in applicable(e.case)):
        output, further = answer(adapter, expectation), [answer(adapter, call) for call in relation.calls(expectation)]
        assert relation.judge(expectation, output[..., :0], further) is None
        assert relation.judge(expectation, output.astype(np.longdouble), further) is None
        for wrong, verdict in (
            ([further[0].astype(np.longdouble), *further[1:]], Verdict.WRONG_DTYPE),
            ([*further[:-1], further[-1][None]], Verdict.WRONG_SHAPE),
        ):
            judgement = relation.judge(expectation, output, wrong)
            assert judgement is not None
            assert judgement.verdict is verdict
