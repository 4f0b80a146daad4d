"""Every activation: honest implementations are inside the bounds, plausible wrong ones are not."""

import itertools
import math
from dataclasses import replace

import honest
import numpy as np
import pytest
from problems import DTYPES

from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.casebook.fixed import activation_cases
from depthwise_conformance.casebook.strategies import ACTIVATIONS as DRAWN
from depthwise_conformance.judging.values import expect, judge_special, judge_values
from depthwise_conformance.reference import FORMATS, LayerConfig, output_shape
from depthwise_conformance.reference.activations import ACTIVATIONS
from depthwise_conformance.reports.record import Verdict


def with_data(case, dtype, recipe, seed):
    return replace(case, config=replace(case.config, dtype=dtype), data=Data(recipe, seed))


EVERY = sorted({case.config.activation for case in activation_cases()})


def test_the_activation_cases_are_a_few_of_every_activation_that_is_not_drawn():
    cases = activation_cases()
    assert {*EVERY} | {*DRAWN} == {*ACTIVATIONS}
    assert not {*EVERY} & {*DRAWN}
    assert len({case.id for case in cases}) == len(cases) < 100
    for name in EVERY:
        configs = [case.config for case in cases if case.config.activation == name]
        assert len({config.data_format for config in configs}) == len({config.padding for config in configs}) == 2
        assert [config.dtype for config in configs].count("float32") == 2
        assert {case.data.recipe for case in cases if case.config.activation == name} >= {"normal", "special"}
    assert {case.dtype for case in cases} == {*FORMATS}
    for case in cases:
        *_, columns, last = output_shape(case.config, case.input_shape)
        assert case.config.channels_last or 3 not in (columns, last)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("dtype", DTYPES)
def test_no_honest_activation_is_blamed(name, dtype):
    adapters = (honest.Honest(), honest.RoundedActivation(), honest.RoundedStages(), honest.WideAccumulator())
    cases = [case for case in activation_cases() if case.config.activation == name]
    for case, recipe, seed in itertools.product(cases, ("normal", "uniform", "integers", "wide", "special"), range(3)):
        expectation = expect(with_data(case, dtype, recipe, seed))
        a = expectation.arrays
        for adapter in adapters:
            y = adapter.forward(expectation.case.config, a.x, a.kernel, a.bias)
            if recipe == "special":
                assert judge_special(y, expectation).verdict is Verdict.PASS
                continue
            found = adapter.gradients(expectation.case.config, a.x, a.kernel, a.bias, a.cotangent)
            for part, array in (("output", y), ("input", found.input), ("kernel", found.kernel), ("bias", found.bias)):
                assert judge_values(array, expectation, part).error <= 1.0


def gelu_by_tanh(p):
    return 0.5 * p * (1 + np.tanh(math.sqrt(2 / math.pi) * (p + 0.044715 * p**3)))


WRONG = {  # the activation, and what a careless implementation has in its place
    "gelu by tanh": ("gelu", gelu_by_tanh),
    "silu for mish": ("mish", lambda p: honest.activation("silu", p)),
    "mish for silu": ("silu", lambda p: honest.activation("mish", p)),
    "hard_sigmoid of slope 0.2": ("hard_sigmoid", lambda p: np.clip(0.2 * p + 0.5, 0, 1)),
    "hard_silu by that": ("hard_silu", lambda p: p * np.clip(0.2 * p + 0.5, 0, 1)),
    "elu of alpha 1.67": ("elu", lambda p: np.where(p > 0, p, 1.67 * np.expm1(p))),
    "celu of alpha 1.67": ("celu", lambda p: np.where(p > 0, p, 1.67 * np.expm1(p))),
    "selu without its scale": ("selu", lambda p: np.where(p > 0, p, 1.6732632 * np.expm1(p))),
    "leaky_relu of slope 0.3": ("leaky_relu", lambda p: np.where(p > 0, p, 0.3 * p)),
    "leaky_relu of slope 0.01": ("leaky_relu", lambda p: np.where(p > 0, p, 0.01 * p)),
    "sparse_plus without its quarter": ("sparse_plus", lambda p: np.where(p >= 1, p, np.clip(p + 1, 0, 2) ** 2)),
    "sparse_sigmoid of slope 1": ("sparse_sigmoid", lambda p: np.clip(p + 0.5, 0, 1)),
    "squareplus of b = 1": ("squareplus", lambda p: (p + np.sqrt(p * p + 1)) / 2),
    "soft_shrink for hard_shrink": ("hard_shrink", lambda p: honest.activation("soft_shrink", p)),
    "hard_shrink for soft_shrink": ("soft_shrink", lambda p: honest.activation("hard_shrink", p)),
    "softsign squared": ("softsign", lambda p: p / (1 + p * p)),
    "tanh for hard_tanh": ("hard_tanh", np.tanh),
    "tanh_shrink the other way": ("tanh_shrink", lambda p: np.tanh(p) - p),
    "expm1 for exponential": ("exponential", np.expm1),
    "sigmoid for log_sigmoid": ("log_sigmoid", honest.sigmoid),
    "softmax over the channels": ("softmax", lambda p: honest.softmax(p, 1)),
    "log_softmax over the channels": ("log_softmax", lambda p: np.log(honest.softmax(p, 1))),
    "sparsemax for softmax": ("softmax", lambda p: honest.activation("sparsemax", p)),
    "softmax for sparsemax": ("sparsemax", honest.softmax),
    "glu with its halves swapped": ("glu", lambda p: honest.activation("glu", np.roll(p, p.shape[-1] // 2, axis=-1))),
}
# No half precision tells gelu from its approximation by tanh.
TOLD = [(name, dtype) for name in WRONG for dtype in FORMATS if dtype != "bfloat16"]
TOLD.remove(("gelu by tanh", "float16"))


@pytest.mark.parametrize(("wrong", "dtype"), TOLD)
def test_plausible_wrong_activations_are_caught(wrong, dtype):

    class Careless(honest.Honest):
        def activate(self, config, p):
            return np.asarray(WRONG[wrong][1](p.astype(np.float64))).astype(p.dtype)

    config = LayerConfig((2, 2), activation=WRONG[wrong][0], data_format="channels_first", dtype=dtype)
    expectation = expect(Case(config, (2, 3, 6, 5), Data("normal", 1)))
    a = expectation.arrays
    judgement = judge_values(Careless().forward(config, a.x, a.kernel, a.bias), expectation, "output")
    assert judgement.verdict.is_discrepancy
    assert judge_values(honest.Honest().forward(config, a.x, a.kernel, a.bias), expectation, "output").error <= 1.0
