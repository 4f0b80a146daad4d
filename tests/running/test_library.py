"""The judge in a user's own tests: arrays, single cases, and cases drawn by Hypothesis."""

from __future__ import annotations

import numpy as np
import pytest
from by_name import location
from faults import KernelFlipped, OutputCachedByShape
from honest import Honest
from hypothesis import given, settings
from hypothesis import strategies as st

from depthwise_conformance import Case, Gradients, LayerConfig, Unsupported, assert_conforms, cases, check, make_arrays
from depthwise_conformance.adapters.loading import load_adapter

ONLY = 'kernel_size == 3 and dtype == "float32" and activation in (None, "relu") and dilation == 1'
CASE = Case(LayerConfig((3, 2), depth_multiplier=2), (2, 5, 6, 3))


def own(config: LayerConfig, case: Case = CASE) -> dict[str, np.ndarray]:
    arrays = make_arrays(Case(config, case.input_shape, case.data))
    return {"x": arrays.x, "kernel": arrays.kernel, "bias": arrays.bias}


def test_arrays_that_conform_pass_and_others_are_told_element_by_element():
    given = own(CASE.config)
    y = Honest().forward(CASE.config, **given)
    assert_conforms(y, config=CASE.config, **given)
    wrong = y.copy()
    wrong[1, 2, 3, 4] += 1
    with pytest.raises(AssertionError) as failure:
        assert_conforms(wrong, config={"kernel_size": (3, 2), "depth_multiplier": 2}, **given)
    told = str(failure.value)
    assert told.startswith("output is wrong_value\nDepthwiseConv2D(kernel_size=(3, 2), depth_multiplier=2)")
    assert "(1,2,3,4)" in told
    assert "1 of " in told


def test_a_dtype_and_a_shape_are_judged_too():
    given = own(CASE.config)
    y = Honest().forward(CASE.config, **given)
    with pytest.raises(AssertionError, match="wrong_dtype"):
        assert_conforms(y.astype(np.float64), config=CASE.config, **given)
    with pytest.raises(AssertionError, match="wrong_shape"):
        assert_conforms(y[:, :-1], config=CASE.config, **given)


def test_gradients_are_judged_for_their_cotangent():
    given, cotangent = own(CASE.config), make_arrays(CASE).cotangent
    found = Honest().gradients(CASE.config, **given, cotangent=cotangent)
    assert_conforms(config=CASE.config, **given, gradients=found, cotangent=cotangent)
    halved = Gradients(found.input, found.kernel / 2, found.bias)
    with pytest.raises(AssertionError, match="gradient_kernel is"):
        assert_conforms(config=CASE.config, **given, gradients=halved, cotangent=cotangent)


def test_special_values_are_judged_by_their_own_table():
    given = own(CASE.config)
    given["x"][0, 0, 0, 0] = np.nan
    y = Honest().forward(CASE.config, **given)
    assert_conforms(y, config=CASE.config, **given)
    with pytest.raises(AssertionError, match="wrong_special"):
        assert_conforms(np.nan_to_num(y), config=CASE.config, **given)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kernel": np.zeros((3, 2, 3, 1), np.float32)}, r"kernel is of shape .*accepted is \(3, 2, 3, 2\)"),
        ({"bias": np.zeros(3, np.float32)}, r"bias is of shape"),
        ({"kernel": np.zeros((3, 2, 3, 2))}, "kernel is of dtype float64"),
        ({"x": np.zeros((5, 6, 3), np.float32)}, "dimensions"),
        ({"config": {"kernel_size": 0}}, "kernel_size=0"),
        ({"gradients": Gradients(np.zeros(1), np.zeros(1), None)}, "give the cotangent"),
        ({"y": None}, "nothing to judge"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused_in_words(change, told):
    given = {"config": CASE.config, "y": np.zeros(1, np.float32), **own(CASE.config), **change}
    with pytest.raises(ValueError, match=told):
        assert_conforms(**given)


def test_a_case_is_judged_by_every_check():
    found = check(Honest(), CASE)
    assert {"output", "shape", "dtype", "determinism", "purity", "gradient_kernel", "metamorphic"} <= set(found)
    with pytest.raises(AssertionError, match="output is wrong_value"):
        check(KernelFlipped(), CASE)
    with pytest.raises(AssertionError, match="purity is impure"):
        check(OutputCachedByShape(), CASE, ["purity"])
    check(KernelFlipped(), CASE, ["shape"])
    with pytest.raises(ValueError, match="accepted are output, shape"):
        check(Honest(), CASE, ["defaults"])


def test_a_function_is_judged_and_may_claim_less():
    def forward(config, x, kernel, bias):
        if config.kernel_size != (3, 3):
            raise Unsupported("3x3 alone")
        return Honest().forward(config, x, kernel, bias)

    with pytest.raises(Unsupported, match="3x3 alone"):
        check(forward, CASE)
    assert check(forward, Case(LayerConfig((3, 3)), (1, 5, 5, 2)))["output"].verdict == "pass"


def test_what_it_does_to_its_arguments_stays_its_own_affair():
    def forward(config, x, kernel, bias):
        y = Honest().forward(config, x, kernel, bias)
        x[...] = 0
        return y

    with pytest.raises(AssertionError, match="changed its argument x"):
        check(forward, CASE)
    check(Honest(), CASE)


@settings(max_examples=25)
@given(cases(ONLY))
def test_hypothesis_draws_and_an_honest_kernel_conforms(case):
    check(Honest(), case)


def test_hypothesis_shrinks_what_a_fault_fails_on():
    @settings(max_examples=200, database=None, report_multiple_bugs=False)
    @given(cases(ONLY))
    def conforms(case: Case) -> None:
        check(KernelFlipped(), case, ["output"])

    with pytest.raises(AssertionError, match="output is") as failure:
        conforms()
    assert "on an input of shape (1, 3, 3, 1)" in str(failure.value)  # the smallest


def test_cases_are_an_ordinary_strategy():
    assert isinstance(cases(ONLY), st.SearchStrategy)
    with pytest.raises(ValueError, match="did you mean kernel_size"):
        cases("kernal_size == 3")
    assert load_adapter(location("Honest")).name == Honest.name
