"""Gradients against finite differences."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given
from literal import literal_sums
from problems import EXACT, KINKS, bounded_gradients, bounded_output, examples, parts, problems

from depthwise_conformance.reference import LayerConfig, expected_arithmetic
from depthwise_conformance.reference.activations import ACTIVATIONS

SMOOTH = (
    *("linear", "tanh", "sigmoid", "softplus", "gelu", "softmax", "celu", "elu", "softsign", "squareplus", "silu"),
    *("sparse_plus", "swish", "glu", "tanh_shrink", "exponential", "mish", "log_softmax", "log_sigmoid"),
)


def loss(config, x, kernel, bias, cotangent):
    return (cotangent * bounded_output(config, x, kernel, bias, EXACT).value).sum()


def slope(problem, which, index, step=2.0**-17):
    """The central difference of the loss for one element of one argument."""
    config, *arrays = problem
    ends = []
    for sign in (1, -1):
        moved = [a if a is None else a.copy() for a in arrays]
        moved[which][index] += sign * step
        ends.append(loss(config, *moved))
    return (ends[0] - ends[1]) / (2 * step)


def check_slopes(problem):
    found = bounded_gradients(*problem, EXACT)
    for which, part in enumerate((found.input, found.kernel, found.bias)):
        for index in itertools.islice(np.ndindex(() if part is None else part.value.shape), 0, None, 3):
            if part is not None:
                assert part.value[index] == pytest.approx(slope(problem, which, index), rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("activation", SMOOTH)
def test_gradients_are_slopes(activation):
    @examples(12)
    @given(problems(activations=(activation,), size=4, channels=2, multipliers=2))
    def check(problem):
        check_slopes(problem)

    check()


@pytest.mark.parametrize("activation", KINKS)
def test_gradients_are_slopes_away_from_kinks(activation):
    @examples(12)
    @given(problems(activations=(activation,), size=4, channels=2, multipliers=2, scales=(1.0, 2.0)))
    def check(problem):
        config, x, kernel, bias, _ = problem
        sums = literal_sums(config, x, kernel, bias)
        assume(all((np.abs(sums - kink) > 1e-3).all() for kink in KINKS[activation]))
        check_slopes(problem)

    check()


@pytest.mark.parametrize(("activation", "kink"), [(name, kink) for name, kinks in KINKS.items() for kink in kinks])
def test_at_a_kink_either_slope_is_within_the_bound(activation, kink):
    config = LayerConfig(1, activation=activation)
    one = np.ones((1, 1, 1, 1), np.float32)
    found = bounded_gradients(config, one, one, one.reshape(1) * kink - 1, one, expected_arithmetic("float32"))
    for _, part in parts(found):
        for side in (-(2.0**-20), 2.0**-20):
            slope = ACTIVATIONS[activation].derivative(np.array(kink + side))
            assert np.abs(part.value - slope).max() <= part.bound.min()
