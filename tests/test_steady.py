"""What is told hangs on no clock: a slowed worker and a busy machine give the same discrepancies, line by line."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import steady

WORDS = ("--examples", "10", "--check", "output")
FAULT = "EvenKernelLosesLastRow"


@pytest.fixture(scope="module")
def quiet():
    text = steady.told(FAULT, WORDS)
    assert text.count("\n") > 1, "nothing was told"
    return text


def test_a_slowed_worker_is_told_the_same_of(quiet):
    assert steady.told(FAULT, WORDS, slowed_by=0.05) == quiet


def test_a_busy_machine_tells_the_same(quiet):
    with steady.busy():
        assert steady.told(FAULT, WORDS) == quiet
