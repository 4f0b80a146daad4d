"""What is another sight of a discrepancy told: whole layers by their operation's condition, and wrong values that some
numbers hide."""

from dataclasses import replace

import pytest
from discrepancies import WRONG, discrepancy

from depthwise_conformance.casebook.case import Case, Data, LayerCase, canonical
from depthwise_conformance.diagnosis.conditions import Atom, Condition
from depthwise_conformance.diagnosis.distinct import Distinct, absorb
from depthwise_conformance.diagnosis.sights import Sights
from depthwise_conformance.judging.repeating import REMEMBERS
from depthwise_conformance.judging.tally import Examined, Failure, Group, Key, Tally
from depthwise_conformance.judging.values import Judgement, expect
from depthwise_conformance.reference import LayerConfig
from depthwise_conformance.reports.record import Verdict

CHECK = "shape_inference"
LEFT_OVER = Condition((Atom("leftover", ">", 0),))
SINGLE = Condition((Atom("dtype", "==", "float32"),))
LONG = Condition((Atom("kernel_width", ">", 2),))
SHAPE = Key(Verdict.WRONG_SHAPE, "")


def layer(stride):
    arguments = canonical({"kernel_size": 3, "strides": stride, "data_format": "channels_last"})
    return LayerCase(CHECK, arguments, (2, 6, 5, 3), ("build", "compute_output_shape"))


def failing(*cases, verdict):
    group = Group()
    for case in cases:
        group.add(Failure(case, Judgement(verdict)), None)
    return group


def sights(verdict=Verdict.PASS):
    """Of a target whose outputs all have one verdict."""

    def examine(case, check):
        return Examined(expect(case), [(check, Judgement(verdict))], {})

    return Sights(examine, examine, lambda: False)


@pytest.mark.parametrize(
    ("total", "passed", "verdict", "told"),
    [
        (True, [], Verdict.WRONG_SHAPE, [True, False]),
        (True, [2], Verdict.WRONG_SHAPE, [False, False]),
        (False, [2], Verdict.WRONG_SHAPE, [True, False]),  # what all that fail have, some may have that pass
        (True, [], Verdict.CRASHED, [False, False]),
    ],
)
def test_whole_layers_belong_to_the_condition_of_their_operation(total, passed, verdict, told):
    one = Distinct(CHECK, SHAPE, Group(), condition=str(LEFT_OVER), fulfilled=LEFT_OVER, total=total, need=not total)
    layers = [layer(2), layer(1)]
    tally = Tally(passed_layers=[replace(layer(stride), about="another") for stride in passed])
    shared = sights().share(one, CHECK, failing(*layers, verdict=verdict), tally)
    assert [layer.id in shared for layer in layers] == told
    assert not sights().share(one, "output", failing(*layers, verdict=verdict), tally)


@pytest.mark.parametrize(
    ("dtype", "whole_numbers", "said", "rows"),
    [
        ("float32", Verdict.WRONG_VALUE, LONG, 1),
        ("float32", Verdict.PASS, LONG, 2),  # what rounds
        ("float32", Verdict.PASS, SINGLE, 1),  # but wrong values are of one dtype, and no more is known of them
        ("float64", Verdict.WRONG_VALUE, SINGLE, 2),  # beyond the condition
    ],
)
def test_results_that_are_wrong_for_whole_numbers_too_are_not_imprecise(dtype, whole_numbers, said, rows):
    case = Case(LayerConfig((2, 3), dtype=dtype), (2, 4, 5, 3), Data("uniform"))
    imprecise = discrepancy("as inaccurate as TF32 products", key=Key(Verdict.IMPRECISE, f"{dtype}: TF32 products"))
    imprecise.group = failing(case, verdict=Verdict.IMPRECISE)
    wrong = replace(discrepancy(""), condition=f"only if {said}", fulfilled=said, need=True)
    found = [imprecise]
    absorb(wrong, found, sights(whole_numbers).is_wrong_beyond_rounding)
    assert len([*found, wrong]) == rows
    assert wrong.key == WRONG
    assert (wrong.group.cases == [case]) is (rows == 1)


@pytest.mark.parametrize(("dtype", "alike"), [("float32", True), ("float64", False)])
def test_imprecise_results_belong_to_wrong_values_that_have_such_of_their_dtype(dtype, alike):
    case = Case(LayerConfig((2, 3)), (2, 4, 5, 3), Data("uniform"))
    wrong = discrepancy("")
    wrong.group.add(Failure(case, Judgement(Verdict.IMPRECISE, signature="float32: TF32 products")), None)
    others = failing(replace(case, data=Data("uniform", 1)), verdict=Verdict.IMPRECISE)
    key = Key(Verdict.IMPRECISE, f"{dtype}: bfloat16 products")
    assert sights().shows_again(wrong, "output", key, others) is alike


@pytest.mark.parametrize(
    ("check", "dtype", "alike"), [("gradient_input", "float32", True), ("output", "float64", False)]
)
def test_a_gradient_is_as_imprecise_as_its_output(check, dtype, alike):
    case = Case(LayerConfig((2, 3)), (2, 4, 5, 3), Data("uniform"))
    key = Key(Verdict.IMPRECISE, f"{dtype}: TF32 products")
    wrong = discrepancy("")
    wrong.group.add(Failure(case, Judgement(Verdict.IMPRECISE, signature="float32: TF32 products")), None)
    others = failing(replace(case, data=Data("uniform", 1)), verdict=Verdict.IMPRECISE)
    assert sights().shows_again(wrong, check, key, others) is alike


@pytest.mark.parametrize(("operation", "told"), [(Verdict.WRONG_SHAPE, 3), (Verdict.PASS, 0)])
def test_layers_infer_as_wrongly_as_their_operation(operation, told):
    one, layers = Distinct(CHECK, SHAPE, Group()), [layer(stride) for stride in (1, 2, 3)]
    shared = sights(operation).share(one, CHECK, failing(*layers, verdict=Verdict.WRONG_SHAPE), Tally())
    assert len(shared) == told


@pytest.mark.parametrize(("numbers", "told"), [(Verdict.WRONG_VALUE, True), (Verdict.PASS, False)])
@pytest.mark.parametrize("kernel_width", [2, 3])  # the condition holds on one
@pytest.mark.parametrize("check", ["gradient_input", "special_values"])
def test_what_follows_from_an_output_that_is_wrong_with_other_numbers(numbers, told, kernel_width, check):
    case = Case(LayerConfig((2, kernel_width)), (2, 4, 5, 3), Data("zeros"))
    one = replace(discrepancy(""), condition=str(LONG), fulfilled=LONG, total=True)
    shared = sights(numbers)._followers(one, check, failing(case, verdict=Verdict.WRONG_VALUE))
    assert shared == ({case.id} if told and LONG.holds(case) else set())
    assert sights(numbers).follows(one, case) is (told and LONG.holds(case))


def test_a_stale_result_depends_on_earlier_calls():
    case = Case(LayerConfig((2, 3)), (2, 4, 5, 3), Data("uniform"))
    stale, remembers = (Key(Verdict.IMPURE, text) for text in ("stale result for altered x", REMEMBERS))
    group = failing(case, verdict=Verdict.IMPURE)
    one = Distinct("purity", stale, group, "stale input")
    assert sights().shows_again(one, "purity", remembers, group)
    assert not sights().shows_again(one, "purity", Key(Verdict.IMPURE, "changed its argument x"), group)
