"""The worker's side: failures that have an answer, what is odd and allowed, and what is observed."""

from __future__ import annotations

import numpy as np
import pytest
from worker_calls import ADAPTERS, forward, gradients, output_shape, unlucky

# Failures with an answer


@pytest.mark.parametrize(
    ("adapter", "kind", "told"),
    [
        ("RaisesUnprintable", "error", "Unprintable: <exception str() failed>"),
        ("UnprintableReason", "unsupported", "Mute, whose text cannot be had"),
        ("Recurses", "error", "RecursionError: maximum recursion depth exceeded"),
        ("RaisesAtLength", "error", "OSError: \\ud800\x00\x1b[2Jxxx"),
        ("DeclinesAtLength", "unsupported", "xxx"),
        ("StopsIteration", "error", "StopIteration"),
        ("ReturnsNone", "bad_return", "forward returned NoneType, not numpy.ndarray"),
        ("ReturnsList", "bad_return", "forward returned list, not numpy.ndarray"),
        ("ReturnsText", "bad_return", "forward returned str, not numpy.ndarray"),
        ("ReturnsTuple", "bad_return", "forward returned tuple, not numpy.ndarray"),
        ("ReturnsScalar", "bad_return", "forward returned numpy.float32, not numpy.ndarray"),
        ("ReturnsObjects", "bad_return", "forward returned an array of dtype object"),
        ("ReturnsLongDouble", "bad_return", f"forward returned an array of dtype {np.dtype(np.longdouble)}"),
        ("ReturnsRecords", "bad_return", "forward returned an array of dtype [('a', '<f4')]"),
    ],
)
def test_a_call_that_fails_costs_no_worker(start, adapter, kind, told):
    worker = start(adapter)
    outcome = unlucky(worker)
    assert outcome.kind == kind
    assert told in outcome.message
    assert len(outcome.message) <= 20_005  # with one surrogate as its escape
    assert worker.losses == 0


def test_an_error_tells_its_classes(start):
    assert unlucky(start("Recurses")).classes == ("RecursionError", "RuntimeError", "Exception")


@pytest.mark.parametrize(
    ("adapter", "call", "told"),
    [
        ("ReturnsTuple", gradients, "gradients returned tuple, not Gradients"),
        ("ReturnsEmptyGradients", gradients, "gradients: bias returned NoneType, not numpy.ndarray"),
        ("ReturnsNone", output_shape, "output_shape returned None, not sizes or None"),
        ("ReturnsDigits", output_shape, "output_shape returned '1234', not sizes or None"),
        ("ReturnsFractions", output_shape, "output_shape returned (1, 2.5, 3, 4), not sizes or None"),
    ],
)
def test_other_operations_are_held_to_their_types_too(start, adapter, call, told):
    outcome = unlucky(start(adapter), call)
    assert (outcome.kind, outcome.message) == ("bad_return", told)


# What is odd, and allowed


@pytest.mark.parametrize(
    ("adapter", "dtype"),
    [
        ("ReturnsComplex", "complex64"),
        ("ReturnsMasked", "float32"),
        ("ReturnsBigEndian", "float32"),
        ("ReturnsHostile", "float32"),
        ("Floods", "float32"),
        ("ClosesStandardStreams", "float32"),
        ("LeavesASession", "float32"),
    ],
)
def test_noise_and_odd_arrays_cost_nothing(start, adapter, dtype):
    worker = start(adapter)
    outcome = unlucky(worker)
    assert outcome.kind == "value"
    assert outcome.arrays["output"].dtype == dtype
    assert worker.losses == 0


def test_noise_before_the_first_frame_costs_nothing(start, tmp_path):
    noise = "print('noise at import' * 10_000)\nos.write(1, b'DWC1 noise' * 10_000)\n"
    (tmp_path / "noisy.py").write_text(ADAPTERS.read_text() + noise)
    assert unlucky(start(f"{tmp_path / 'noisy.py'}:Quiet")).kind == "value"


@pytest.mark.parametrize(
    ("adapter", "told"),
    [
        ("WritesToItsInput", ("changed its argument x",)),
        ("ReshapesItsInput", ("changed its argument x",)),
        ("ReturnsItsInput", ("returned memory of its argument x",)),
        ("ReusesItsOutput", ("changed the result of an earlier call",)),
    ],
)
def test_impurities_are_observed(start, adapter, told):
    outcomes = [outcomes[0] for outcomes in start(adapter).run([(forward(),), (forward(13),), (forward(),)])]
    assert [outcome.kind for outcome in outcomes] == ["value"] * 3
    assert told in [outcome.impurities for outcome in outcomes]
    assert outcomes[0].impurities == ()
