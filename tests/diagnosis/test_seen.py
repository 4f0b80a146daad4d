"""Causes that are seen in what came back: roundings, flushed subnormals, what became of special values."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from faults import FAULTS, HalfSumsInFloat16, HalfSumsInFloat32, NanInOneChannelSpreads, Tf32Products
from honest import Honest

from depthwise_conformance.adapters.base import Adapter
from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.diagnosis.seen import BEYOND, SEEN, STALE_CAUSES, seen_cause
from depthwise_conformance.judging.tally import Exhibit, Key
from depthwise_conformance.judging.values import Expectation, expect, judge_special, judge_values
from depthwise_conformance.reference import LayerConfig
from depthwise_conformance.reports.record import Verdict

DTYPES = ("float16", "bfloat16", "float32")
COMPUTED = [fault for fault in FAULTS if fault.cause in SEEN and fault.cause not in STALE_CAUSES.values()]


@functools.cache
def expectations(recipe: str) -> tuple[Expectation, ...]:
    """Some layers of every dtype, without an activation and with one."""
    layers = [
        LayerConfig((3, 3), padding=padding, depth_multiplier=2, dtype=dtype, activation=activation)
        for dtype in DTYPES
        for padding in ("valid", "same")
        for activation in (None, "tanh")
    ]
    cases = [
        Case(layer, (2, 9, 9, 4), Data(recipe, seed))
        for layer in layers
        for seed in range(12 if recipe == "special" else 3)
    ]
    if recipe == "s3":  # a bias shows in many elements alone
        cases = [Case(LayerConfig((5, 5), padding="same"), (4, 24, 24, 8), Data(recipe, seed)) for seed in range(2)]
    return tuple(map(expect, cases))


def told(fault: type[Adapter], check: str) -> set[str]:
    """The causes that are seen in the failing results, a cause for each verdict with its signature."""
    groups: dict[Key, list[Exhibit]] = {}
    for recipe in ("special",) if check == "special_values" else ("normal", "underflow", "cancellation", "s3"):
        for of in expectations(recipe):
            a = of.arrays
            y = fault().forward(of.case.config, a.x, a.kernel, a.bias)
            found = judge_special(y, of) if check == "special_values" else judge_values(y, of, "output")
            if found.verdict is not Verdict.PASS:
                groups.setdefault(Key(found.verdict, found.signature), []).append(Exhibit(of, y))
    return {seen_cause(check, key, exhibits) for key, exhibits in groups.items()}


@pytest.mark.parametrize("fault", COMPUTED, ids=lambda fault: fault.name)
def test_the_cause_of_a_fault_is_seen(fault: type[Adapter]) -> None:
    assert fault.cause in told(fault, fault.check)


@pytest.mark.parametrize("fault", [HalfSumsInFloat16, HalfSumsInFloat32, Tf32Products], ids=lambda fault: fault.name)
def test_narrow_sums_are_not_taken_for_a_rounding(fault: type[Adapter]) -> None:
    found = told(fault, "output")
    assert found and all(cause.startswith("as inaccurate as ") for cause in found)


def test_other_faults_of_special_values_have_no_cause() -> None:
    assert told(NanInOneChannelSpreads, "special_values") == {""}
    assert told(Honest, "special_values") == set()


def test_a_few_elements_are_no_cause() -> None:
    of = expectations("normal")[0]
    y = of.output.value.astype(np.float16)
    y[0, 0, 0, 0] = np.nextafter(np.nextafter(y[0, 0, 0, 0], np.float16(0)), np.float16(0))
    key = Key(Verdict.IMPRECISE, "float16: float16 accumulation")
    assert seen_cause("output", key, [Exhibit(of, y)]).startswith("as inaccurate as ")


def test_weights_beyond_the_truncation_are_a_cause_without_arrays() -> None:
    assert seen_cause("initializers", Key(Verdict.WRONG_VALUE, "truncation of the initial kernel"), []) == BEYOND
    assert seen_cause("initializers", Key(Verdict.WRONG_VALUE, "range of the initial kernel"), []) == ""
