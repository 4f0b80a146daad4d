"""The activations against decimal arithmetic of forty digits, and the constants that their bounds stand on."""

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from problems import ELEMENTWISE, KINKS

from depthwise_conformance.casebook.strategies import ACTIVATIONS as DRAWN
from depthwise_conformance.reference.activations import ACTIVATIONS
from depthwise_conformance.reference.rows import _excess, softmax

PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494")
POINTS = sorted({s * v for v in (0.0, 2.0**-40, 1e-3, 0.3, 0.5, 1.0, 1.7, 2.5, 4.0, 5.99, 6.5, 9.0) for s in (1, -1)})


def decimal_erf(x):
    """The Taylor series of erf, with digits to spare."""
    term, total, n = x, x, 0
    while abs(term) > Decimal("1e-70"):
        n += 1
        term = -term * x * x / n
        total += term / (2 * n + 1)
    return 2 * total / PI.sqrt()


def decimal_activation(name, x):
    up, down = x.exp(), (-x).exp()
    cdf = (1 + decimal_erf(x / Decimal(2).sqrt())) / 2
    return {
        "relu": lambda: max(x, Decimal(0)),
        "relu6": lambda: min(max(x, Decimal(0)), Decimal(6)),
        "tanh": lambda: (up - down) / (up + down),
        "sigmoid": lambda: 1 / (1 + down),
        "softplus": lambda: (1 + up).ln(),
        "gelu": lambda: x * cdf,
        **{other: lambda y=pair[0]: y for other, pair in decimal_further(x, up, down).items()},
    }[name]()


def decimal_further(x, up, down):
    """The other activations of one number: (value, derivative), by the page."""
    one, half, six = Decimal(1), Decimal("0.5"), Decimal(6)
    sigmoid, root = 1 / (1 + down), (x * x + 4).sqrt()
    tanh, t = (up - down) / (up + down), 1 - 2 / ((1 + up) ** 2 + 1)
    silu = x * sigmoid, sigmoid * (1 + x * (1 - sigmoid))
    elu = (x, one) if x > 0 else (up - 1, up)
    scale, alpha = Decimal("1.0507009873554804934193349852946"), Decimal("1.6732632423543772848170429916717")
    hard = (0, 0) if x < -3 else (x, 1) if x > 3 else (x * (x + 3) / six, (2 * x + 3) / six)
    return {
        "leaky_relu": (max(x, x / 5), one if x > 0 else Decimal("0.2")),
        **dict.fromkeys(("celu", "elu"), elu),
        "selu": (scale * x, scale) if x > 0 else (scale * alpha * (up - 1), scale * alpha * up),
        "softsign": (x / (abs(x) + 1), 1 / (abs(x) + 1) ** 2),
        "squareplus": ((x + root) / 2, (1 + x / root) / 2),
        "soft_shrink": (x - half, 1) if x > half else (x + half, 1) if x < -half else (0, 0),
        "hard_shrink": (x, 1) if abs(x) > half else (0, 0),
        "sparse_plus": (0, 0) if x <= -1 else ((x + 1) ** 2 / 4, (x + 1) / 2) if x < 1 else (x, 1),
        **dict.fromkeys(("silu", "swish"), silu),
        "tanh_shrink": (x - tanh, tanh**2),
        "sparse_sigmoid": (0, 0) if x <= -1 else ((x + 1) / 2, half) if x < 1 else (1, 0),
        "exponential": (up, up),
        "hard_sigmoid": (0, 0) if x <= -3 else (x / six + half, 1 / six) if x < 3 else (1, 0),
        **dict.fromkeys(("hard_silu", "hard_swish"), hard),
        "hard_tanh": (-1, 0) if x <= -1 else (x, 1) if x < 1 else (1, 0),
        "mish": (x * t, t + x * (1 - t * t) * sigmoid),
        "log_sigmoid": (-((1 + down).ln()), 1 - sigmoid),
    }


def decimal_derivative(name, x):
    up, down = x.exp(), (-x).exp()
    cdf = (1 + decimal_erf(x / Decimal(2).sqrt())) / 2
    return {
        "tanh": lambda: 4 / (up + down) ** 2,
        "sigmoid": lambda: 1 / ((1 + down) * (1 + up)),
        "softplus": lambda: 1 / (1 + down),
        "gelu": lambda: cdf + x * (-x * x / 2).exp() / (2 * PI).sqrt(),
        **{other: lambda y=pair[1]: y for other, pair in decimal_further(x, up, down).items()},
    }[name]()


@pytest.mark.parametrize("name", [name for name in ELEMENTWISE if name not in (None, "linear")])
def test_activations_err_by_no_more_than_their_bound_allows_and_common_ones_by_a_third(name):
    activation, p = ACTIVATIONS[name], np.array(POINTS)
    found = activation.value(p)
    allowed = activation.rounding(p) * 2.0**-53 / (3 if name in DRAWN else 1)
    with localcontext() as context:
        context.prec = 100
        exact = [decimal_activation(name, Decimal(x)) for x in POINTS]
        errors = [abs(float(Decimal(float(y)) - e)) for y, e in zip(found, exact, strict=True)]
    assert (errors <= allowed).all()


@pytest.mark.parametrize("name", [name for name in ELEMENTWISE if name not in (None, "linear", "relu", "relu6")])
def test_derivatives_err_by_no_more_than_their_bound_allows_and_common_ones_by_a_third(name):
    p = np.array(POINTS)
    found = ACTIVATIONS[name].derivative(p)
    with localcontext() as context:
        context.prec = 100
        exact = [decimal_derivative(name, Decimal(x)) for x in POINTS]
        errors = [abs(float(Decimal(float(y)) - e)) for y, e in zip(found, exact, strict=True)]
    allowed = ACTIVATIONS[name].derivative_rounding(p) * 2.0**-53 / (3 if name in DRAWN else 1)
    assert (errors <= allowed).all()


def test_softmax_is_accurate_and_normalises_the_last_axis():
    p = np.array([[0.0, 1.0, -2.5], [700.0, 690.0, -700.0], [0.1, 0.1, 0.1]])
    with localcontext() as context:
        context.prec = 60
        powers = [[Decimal(x).exp() for x in row] for row in p]
        exact = [[float(e / sum(row)) for e in row] for row in powers]
    np.testing.assert_allclose(softmax(p), exact, rtol=1e-13)
    random = np.random.default_rng(2).standard_normal((2, 3, 4, 5))
    np.testing.assert_allclose(softmax(random).sum(axis=-1), 1.0, rtol=1e-14)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_lipschitz_and_curvature_constants_hold(name):
    activation = ACTIVATIONS[name]
    p = np.linspace(-12, 12, 240_001)
    slopes = activation.derivative(p)
    smooth = np.ones(len(p) - 1, bool)
    for kink in activation.kinks:
        smooth &= np.abs(p[1:] - kink) > 1e-3
    assert np.abs(slopes).max() <= activation.lipschitz
    steep = np.abs(np.diff(activation.value(p)) / np.diff(p))[smooth].max()
    assert steep <= activation.lipschitz * (1 + 1e-9)
    assert (np.abs(np.diff(slopes) / np.diff(p))[smooth]).max() <= activation.curvature * (1 + 1e-6)
    assert activation.is_steep or steep >= activation.lipschitz * 0.9  # and they are not idle


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("size", [1e-6, 0.1, 4.0])
def test_what_activations_move_by_is_no_less_than_they_do(name, size):
    activation, random = ACTIVATIONS[name], np.random.default_rng(1)
    p = np.concatenate(
        [random.uniform(-5, 5, 20_000), *(kink + random.uniform(-1, 1, 1000) * size for kink in KINKS.get(name, ()))]
    )
    e = np.full_like(p, size)
    for other in (p - size, p + size, p + size * random.uniform(-1, 1, p.size)):
        moved = np.abs(activation.value(other) - activation.value(p))
        assert (moved <= activation.moved(p, e) * (1 + 1e-9) + 1e-14).all()
        turned = np.abs(activation.derivative(other) - activation.derivative(p))
        assert (turned <= activation.turned(p, e, 0.0) * (1 + 1e-9) + 1e-14).all()


def test_a_jump_admits_both_sides_and_no_more():
    activation = ACTIVATIONS["hard_shrink"]
    p = np.array([0.5, 0.5, 0.6, 0.4, -0.501, 0.0])
    e = np.array([0.0, 1e-3, 1e-3, 1e-3, 2e-3, 1e-3])
    np.testing.assert_allclose(activation.moved(p, e), [0.0, 0.501, 1e-3, 1e-3, 0.502, 1e-3])


def literal_row(name, row):
    """What the activations over the last axis make of one row, in fractions as far as they go."""
    if name == "glu":
        half = len(row) // 2
        return [float(a) / (1 + math.exp(-b)) for a, b in zip(row[:half], row[half:], strict=True)]
    if name == "sparsemax":  # the projection on the simplex: of all supports the one whose threshold fits
        exact = [Fraction(x) for x in row]
        for size in range(1, len(row) + 1):
            tau = (sum(sorted(exact, reverse=True)[:size]) - 1) / size
            found = [max(x - tau, Fraction(0)) for x in exact]
            if sum(found) == 1:
                return [float(y) for y in found]
    total = math.fsum(math.exp(x) for x in row)
    return [x - math.log(total) if name == "log_softmax" else math.exp(x) / total for x in row]


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "sparsemax", "glu"])
def test_activations_over_the_last_axis_are_the_literal_ones(name):
    rows = np.random.default_rng(3).standard_normal((40, 3, 4)) * np.array([[[0.2]], [[1.0]], [[9.0]], [[0.0]]] * 10)
    expected = [[literal_row(name, row) for row in image] for image in rows]
    np.testing.assert_allclose(ACTIVATIONS[name].value(rows), expected, rtol=1e-12, atol=1e-13)


def test_the_gradient_of_sparsemax_is_its_slope_where_the_support_stays():
    random = np.random.default_rng(4)
    p, c = random.standard_normal((500, 5)), random.standard_normal((500, 5))
    activation, step = ACTIVATIONS["sparsemax"], 2.0**-20
    clear = (np.abs(_excess(p)) > 8 * step).all(axis=-1)
    assert clear.sum() > 400
    for index in range(5):
        moved = np.eye(5)[index] * step
        slope = (c * (activation.value(p + moved) - activation.value(p - moved))).sum(axis=-1) / (2 * step)
        np.testing.assert_allclose(activation.back(p, c)[clear, index], slope[clear], atol=1e-8)
