"""The cases of whole layers: what is asked, what is told apart, and how often chance is blamed."""

import json
import math

import numpy as np
import pytest
from by_name import location

from depthwise_conformance.casebook.case import LayerCase, Refusal, canonical, case_from_json
from depthwise_conformance.layers import catalogue
from depthwise_conformance.layers.asking import judge_layers
from depthwise_conformance.layers.judging import SIGNATURE, judge_layer, layer_requests
from depthwise_conformance.layers.refusals import OUTSIDE, judge_refusal
from depthwise_conformance.layers.rehearsal import Drawn, Rehearsal, reference_layer
from depthwise_conformance.layers.sampling import FALSE_ALARM, TRUNCATION, describe_sample, distance_allowed
from depthwise_conformance.layers.telling import condition, plainer
from depthwise_conformance.reference.initializers import (
    GlorotUniform,
    HeNormal,
    Independent,
    Orthogonal,
    RandomNormal,
    TruncatedNormal,
    VarianceScaling,
    initializer,
)
from depthwise_conformance.reference.layer import DepthwiseConv2D
from depthwise_conformance.reports.record import LAYER_CHECKS, Verdict
from depthwise_conformance.running.drawing import draw_layer_cases
from depthwise_conformance.workers.inside import Inside
from depthwise_conformance.workers.outcomes import Outcome
from depthwise_conformance.workers.process import Launch

CASES = catalogue.layer_cases()
SHAPE = (3, 3, 64, 4)
U32 = 2.0**-24


# What is asked


def test_every_check_of_layers_has_cases_and_every_case_is_asked_once():
    assert {case.check for case in (*CASES, *OUTSIDE)} == {*LAYER_CHECKS, "shape_inference"}
    assert len({case.id for case in CASES}) == len(CASES)
    assert len({case.id for case in OUTSIDE}) == len(OUTSIDE)


def test_every_argument_is_away_from_its_default_in_some_case():
    given = [set(json.loads(case.arguments)) for case in CASES]
    for name in (*SIGNATURE, "name", "trainable", "dtype"):
        assert any(name in arguments for arguments in given), name
    for check in ("config_roundtrip", "save_load"):
        about = {case.about for case in CASES if case.check == check}
        geometry = {"kernel_size", "strides", "padding", "depth_multiplier", "dilation_rate", "data_format"}
        assert {*SIGNATURE} - geometry <= about


@pytest.mark.parametrize("seed", [0, 1])
def test_cases_are_json_both_ways_and_the_reference_can_do_what_they_ask(seed):
    drawn = draw_layer_cases(seed, 25)
    assert draw_layer_cases(seed, 25) == drawn
    assert len(drawn) > 15
    for case in (*CASES, *drawn, *OUTSIDE):
        assert case_from_json(json.loads(json.dumps(case.to_json()))) == case
    for case in (*CASES, *drawn):
        rehearsal = Rehearsal(case)
        for step in case.steps if case.about != catalogue.EXAMPLE else ():
            expected = rehearsal.expect(step)
            assert all(isinstance(w, Drawn) or w.bound.shape == w.value.shape for w in expected.arrays.values())


def test_the_reference_refuses_what_it_says_layers_have_to_refuse():
    for case in OUTSIDE:
        if case.steps == Refusal.steps and case.wrong != "depthwise_initializer has nothing for four dimensions":
            with pytest.raises((ValueError, TypeError)):
                reference_layer(layer(case.arguments)).build(case.input_shape)


def test_a_seed_is_asked_for_twice_and_numbers_are_sent_only_where_they_are_used():
    seeded = next(case for case in CASES if '"seed":7' in case.arguments)
    assert len(layer_requests(seeded)) == 2
    assert not layer_requests(seeded)[0].arrays
    assert set(layer_requests(layer('{"kernel_size":2}', steps=("build", "assign")))[0].arrays) >= {"kernel", "bias"}


def layer(arguments: str, check: str = "arguments", **more) -> LayerCase:
    return LayerCase(check, arguments, (1, 8, 8, 2), more.pop("steps", ("build",)), **more)


# Case files


@pytest.mark.parametrize(
    "change, said",
    [
        ({"layer": {"check": 3}}, "layer.check=3: accepted is text"),
        ({"layer": {"steps": ["dance"]}}, "accepted is a list of build, weights"),
        ({"layer": {"home": "elsewhere"}}, "layer.home='elsewhere': accepted are"),
        ({"layer": {"positional": 3}}, "layer.positional=3: accepted is a list"),
        ({"layer": {"colour": 3}}, "layer has unknown entries"),
        ({"input_shape": [1, 2, 3]}, "accepted are 4 integers"),
        ({"input_shape": [1, None, 3, 3]}, "accepted is a list of integers"),
        ({"refused": {}}, "accepted is one of them"),
    ],
)
def test_a_malformed_layer_is_told(change, said):
    content = {**CASES[0].to_json(), **change}
    with pytest.raises(ValueError, match=said.replace("'", ".")):
        case_from_json(content)


# What tells failing layers apart


def test_a_condition_is_what_all_failing_have_and_no_passing_one():
    failing = [layer(canonical({"kernel_size": 2, "use_bias": False, "strides": n})) for n in (1, 2)]
    passing = [layer(canonical({"kernel_size": 2, "use_bias": True})), layer(canonical({"kernel_size": 2}))]
    assert condition(failing, passing) == "use_bias == False"
    assert condition(failing, []) == ""
    both = [layer(canonical({"kernel_size": 2, "use_bias": False, "padding": "same"}))]
    assert condition(both, passing) == ""  # either would do
    several = [
        layer(canonical({"kernel_size": 2, "activation": name, "strides": n})) for n, name in ((1, "elu"), (2, "selu"))
    ]
    plain = [layer(canonical({"kernel_size": 2, "activation": "relu", "strides": n})) for n in (1, 2)]
    assert condition(several, plain) == 'activation in ("elu", "selu")'


def test_a_condition_may_take_three_arguments_together():
    three = {"activation": "elu", "use_bias": False, "padding": "same"}
    fewer = [{k: three[k] for k in three if k != gone} for gone in three]
    passing = [layer(canonical({"kernel_size": 2, **arguments})) for arguments in fewer]
    told = condition([layer(canonical({"kernel_size": 2, **three}))], passing)
    assert told == 'activation == "elu" and padding == "same" and use_bias == False'


def test_a_plainer_layer_has_one_argument_less():
    case = layer(canonical({"kernel_size": 2, "data_format": "channels_last", "use_bias": False, "name": "a"}))
    assert [json.loads(one.arguments) for one in plainer(case)] == [
        {"kernel_size": 2, "data_format": "channels_last", "use_bias": False},
        {"kernel_size": 2, "data_format": "channels_last", "name": "a"},
    ]


# Verdicts


def test_a_refusal_is_told_by_its_class_and_its_step():
    case = OUTSIDE[0]
    raised = Outcome("error", "ValueError: no", classes=("ValueError",), step="build")
    found = judge_refusal(case, raised)
    assert (found.verdict, found.signature) == (Verdict.PASS, "ValueError at build")
    assert found.detail.splitlines()[0] == case.wrong
    assert judge_refusal(case, Outcome("value")).verdict is Verdict.ERROR_MISSING
    strict = Refusal(case.arguments, case.input_shape, "ValueError")
    other = Outcome("error", "TypeError: no", classes=("TypeError",), step="construct")
    assert judge_refusal(strict, other).verdict is Verdict.ERROR_WRONG


def test_an_error_on_a_valid_layer_is_a_refusal_but_for_a_broken_configuration():
    raised = Outcome("error", "ValueError: no", classes=("ValueError",), step="construct")
    case = next(case for case in CASES if case.home == "none")
    assert judge_layer(case, [raised]).verdict is Verdict.REFUSED
    broken = next(case for case in CASES if case.home == "broken")
    assert judge_layer(broken, [raised]).verdict is Verdict.PASS


def test_a_home_of_its_own_takes_a_process_of_its_own():
    """In this process the layer would read the configuration of whoever runs the tests."""
    cases = [case for case in CASES if case.home][:3]
    found = list(judge_layers(Inside(Launch(location("Honest")), 20.0), {}, cases))
    assert [case for case, _ in found] == cases
    assert {judgement.verdict for _, judgement in found} == {Verdict.UNSUPPORTED}


def test_where_the_page_is_silent_a_choice_is_recorded_and_where_it_is_not_an_error_is_a_refusal():
    raised = Outcome("error", "PermissionError: no", classes=("an error",), step="start")
    found = {case.home: judge_layer(case, [raised]) for case in CASES if case.home}
    assert {home for home, one in found.items() if one.verdict is Verdict.PASS} == {
        "broken",
        "wrong_type",
        "unreadable",
    }
    assert found["unreadable"].signature == "a ~/.keras/keras.json that cannot be read: an error at start"


# Chance


def sample(start: Independent, seed: int, shape=SHAPE) -> np.ndarray:
    return start.sample(shape, np.random.default_rng(seed)).astype(np.float32)


@pytest.mark.parametrize("name", ["glorot_uniform", "he_normal", "random_normal", "truncated_normal", "orthogonal"])
def test_honest_draws_are_not_blamed(name):
    start = initializer("i", name, "zeros")
    for seed in range(100):
        assert describe_sample(sample(start, seed), Drawn(start, SHAPE), U32) == ("", "")


@pytest.mark.parametrize(
    "asked, drawn, fault",
    [
        (GlorotUniform(), VarianceScaling(1.0, "fan_in", "uniform"), "distribution"),
        (GlorotUniform(), VarianceScaling(1.1, "fan_avg", "uniform"), "range"),
        (GlorotUniform(), VarianceScaling(0.8, "fan_avg", "uniform"), "distribution"),
        (HeNormal(), VarianceScaling(2.0, "fan_in", "untruncated_normal"), "range"),
        (HeNormal(), VarianceScaling(2.0, "fan_out"), "range"),
        (TruncatedNormal(), RandomNormal(), "range"),
        (RandomNormal(), RandomNormal(stddev=0.06), "distribution"),
        (RandomNormal(), RandomNormal(mean=0.005), "distribution"),
        (RandomNormal(), TruncatedNormal(stddev=0.05), "distribution"),
        (Orthogonal(), RandomNormal(stddev=1 / 24), "orthogonality"),
    ],
)
def test_other_draws_are_told(asked, drawn, fault):
    large = (3, 3, 256, 16)
    assert describe_sample(sample(drawn, 0, large), Drawn(asked, large), U32)[0] == fault


def test_few_weights_beyond_the_truncation_are_told_as_such():
    weights = sample(TruncatedNormal(), 0)
    weights[0, 0, 0, 0] = 0.16
    assert describe_sample(weights, Drawn(TruncatedNormal(), SHAPE), U32)[0] == TRUNCATION
    weights = sample(GlorotUniform(), 0)
    weights[0, 0, 0, 0] = 0.6
    assert describe_sample(weights, Drawn(GlorotUniform(), SHAPE), U32)[0] == "range"


def test_copies_are_told():
    tiled = np.tile(sample(GlorotUniform(), 0)[:, :, :2], (1, 1, 32, 1))
    assert describe_sample(tiled, Drawn(GlorotUniform(), SHAPE), U32)[0] in ("repeats", "distribution")


def test_the_distance_that_is_allowed_is_exceeded_with_the_stated_probability():
    for count in (10, 1000, 100_000):
        assert 2 * math.exp(-2 * count * distance_allowed(count) ** 2) <= FALSE_ALARM
    # What the inequality promises, where it can be seen: one in twenty at a distance for one in twenty.
    random, count = np.random.default_rng(0), 50
    distance = math.sqrt(math.log(2 / 0.05) / (2 * count))
    draws = np.sort(random.random((4000, count)), axis=1)
    steps = np.arange(count + 1) / count
    found = np.maximum(steps[1:] - draws, draws - steps[:-1]).max(axis=1)
    assert 0.03 < (found > distance).mean() <= 0.05


def test_a_rehearsal_follows_the_layer():
    case = next(c for c in CASES if c.check == "constraints" and "MaxNorm" in c.arguments)
    rehearsal = Rehearsal(case)
    found = [rehearsal.expect(step) for step in case.steps]
    reference = reference_layer(case)
    assert isinstance(reference, DepthwiseConv2D)
    assigned, updated = found[2].arrays["kernel"], found[4].arrays["kernel"]
    assert not isinstance(assigned, Drawn)
    assert not isinstance(updated, Drawn)
    norms = np.sqrt((updated.value**2).sum(axis=reference.depthwise_constraint.axis))
    assert (norms <= 0.5 + 1e-12).all()
    assert (np.sqrt((assigned.value**2).sum(axis=reference.depthwise_constraint.axis)) > 0.5).any()
