"""The numbers of a smallest case, as they are written beside its script."""

from dataclasses import replace

import numpy as np
import pytest
from reported import DISCREPANCY

from depthwise_conformance.casebook.case import Case, Data, Refusal
from depthwise_conformance.judging.checks import PARTS
from depthwise_conformance.judging.tally import Examined
from depthwise_conformance.judging.values import expect
from depthwise_conformance.reference import LayerConfig
from depthwise_conformance.reports.evidence import read_evidence
from depthwise_conformance.reports.record import Verdict
from depthwise_conformance.running.exhibiting import write_numbers

LAYER = LayerConfig((2, 3), padding="same", depth_multiplier=2, activation="gelu")
CASE = Case(LAYER, (2, 4, 5, 2), Data("integers", 3))
FIRST = Case(replace(LAYER, data_format="channels_first", padding="valid"), (1, 2, 4, 5))
SPECIAL = Case(LayerConfig((2, 2), use_bias=False), (1, 3, 4, 2), Data("special", 0))


def shifted(check, case):
    """As if every element had been wrong."""
    expectation, part = expect(case), PARTS.get(check, "output")
    return Examined(expectation, [], {part: np.asarray(expectation.part(part).value + 7.0)})


def written(folder, check, case, verdict=Verdict.WRONG_VALUE, again=None):
    (folder / "repro").mkdir()
    told = replace(DISCREPANCY, check=check, verdict=verdict)
    write_numbers(folder, told, case, again or (lambda: shifted(check, case)))
    return read_evidence(folder, told.id)


@pytest.mark.parametrize("case", [CASE, FIRST])
@pytest.mark.parametrize("check", ["output", "gradient_input", "gradient_kernel", "gradient_bias"])
def test_what_goes_in_and_what_comes_back_is_kept(tmp_path, case, check):
    found, expectation = written(tmp_path, check, case).arrays, expect(case)
    np.testing.assert_array_equal(found["x"].values, expectation.arrays.x)
    np.testing.assert_array_equal(found["kernel"].values, expectation.arrays.kernel)
    expected = expectation.part(check.removeprefix("gradient_")).value
    np.testing.assert_array_equal(found["expected"].values, expected)
    np.testing.assert_array_equal(found["got"].values, expected + 7.0)
    assert (found["error"].values > 1.0).any()
    assert ("cotangent" in found) is (check != "output")
    sizes = dict(zip(found["expected"].axes, expected.shape, strict=True))
    assert sizes.get("channel") == {"output": 4, "gradient_input": 2, "gradient_kernel": 2, "gradient_bias": 4}[check]


def test_of_special_values_what_is_accepted_is_no_error(tmp_path):
    expectation = expect(SPECIAL)
    right = expectation.special.expected.value.astype(np.float32)
    found = written(tmp_path, "special_values", SPECIAL, again=lambda: Examined(expectation, [], {"output": right}))
    assert not (found.arrays["error"].values > 1.0).any()


def test_what_comes_back_in_another_shape_has_no_error(tmp_path):
    expectation = expect(CASE)
    again = Examined(expectation, [], {"output": np.zeros((3, 2), np.float32)})
    found = written(tmp_path, "shape", CASE, Verdict.WRONG_SHAPE, lambda: again).arrays
    assert found["got"].axes == ("axis 0", "axis 1")
    assert "error" not in found


@pytest.mark.parametrize("verdict", [Verdict.CRASHED, Verdict.REFUSED, Verdict.TIMED_OUT])
def test_a_target_that_gives_nothing_is_not_asked_again(tmp_path, verdict):
    def again():
        raise AssertionError("asked")

    assert written(tmp_path, "output", CASE, verdict, again).arrays.keys() == {"x", "kernel", "bias"}


def test_what_is_no_array_is_left_out(tmp_path):
    again = Examined(expect(CASE), [], {"output": np.array([object()])})
    assert "got" not in written(tmp_path, "output", CASE, again=lambda: again).arrays


def test_refused_arguments_have_no_numbers(tmp_path):
    refusal = Refusal('{"kernel_size":0}', (1, 2, 2, 1), "", "a window of no size")
    assert written(tmp_path, "errors", refusal, Verdict.ERROR_MISSING) is None
