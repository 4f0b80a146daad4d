"""How far results are from one another, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from depthwise_conformance.judging.distances import Distance, distance


def far(values: list[float], others: list[float], exact: list[float], dtype: str = "float32") -> Distance:
    kind = np.float16 if dtype == "float16" else np.float32
    bound = np.full(len(exact), 0.5)
    return distance(np.array(values, kind), np.array(others, kind), np.array(exact, np.float64), bound, dtype)


def test_each_figure_is_the_largest_of_all_elements():
    found = far([1.0, 8.25, -3.0], [1.0, 8.0, -2.0], [1.0, 8.0, -2.0])
    assert found == Distance(error=2.0, ulp=1.0 / 2.0**-22, absolute=1.0, relative=0.125)


@pytest.mark.parametrize(
    ("exact", "dtype", "spacing"),
    [
        (1.0, "float32", 2.0**-23),
        (1.999, "float32", 2.0**-23),
        (2.0, "float32", 2.0**-22),
        (-0.75, "float32", 2.0**-24),
        (0.0, "float32", 2.0**-149),
        (2.0**-130, "float32", 2.0**-149),
        (1.0, "float16", 2.0**-10),
        (2.0**-20, "float16", 2.0**-24),
    ],
)
def test_an_ulp_is_the_distance_to_the_next_number(exact, dtype, spacing):
    kind = np.float16 if dtype == "float16" else np.float32
    following = np.nextafter(kind(exact), kind(math.copysign(math.inf, exact)))
    assert far([float(following)], [float(kind(exact))], [exact], dtype).ulp == pytest.approx(1.0)
    assert abs(float(following) - float(kind(exact))) == spacing


def test_equal_results_are_no_distance_apart_whatever_they_are():
    assert far([math.inf, 0.0], [math.inf, -0.0], [1.0, 0.0]) == Distance(0.0, 0.0, 0.0, 0.0)
    assert distance(*[np.zeros((0,), np.float32)] * 2, np.zeros(0), np.zeros(0), "float32") == Distance(
        0.0, 0.0, 0.0, 0.0
    )


def test_what_is_not_a_number_is_infinitely_far():
    found = far([math.nan], [1.0], [1.0])
    assert (found.error, found.ulp, found.absolute, found.relative) == (math.inf,) * 4


def test_a_difference_from_nothing_is_infinite_relative_to_it():
    assert far([0.25], [0.0], [0.0]).relative == math.inf
