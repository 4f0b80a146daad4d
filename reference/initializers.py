"""Initializers: the numbers that a weight starts from, or the distribution that they are drawn from.

The formulas are those of Keras's documentation of `keras.initializers`; a kernel of shape `(height, width, channels,
depth_multiplier)` has `fan_in = height * width * channels` and `fan_out = height * width * depth_multiplier`, as
Keras computes them for any kernel, and a bias of n entries has n for both.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from depthwise_conformance.reference.bounds import Array
from depthwise_conformance.reference.specs import registry, resolve

CUT = 2.0  # standard deviations, beyond which a truncated normal distribution is drawn anew
# The standard deviation of a standard normal distribution cut there: sqrt(1 - 2 * CUT * density / probability).
CUT_DEVIATION = math.sqrt(
    1.0 - 2.0 * CUT * math.exp(-CUT * CUT / 2.0) / math.sqrt(2.0 * math.pi) / math.erf(CUT / math.sqrt(2.0))
)


class Initializer(ABC):
    """What a weight of a shape starts from."""

    seed: Any = None

    @abstractmethod
    def sample(self, shape: tuple[int, ...], random: np.random.Generator) -> Array:
        """Initial values. Raises ValueError for shapes that it has none for."""

    def random(self) -> np.random.Generator:
        """The generator that a seed means; a fresh one without a seed."""
        return np.random.default_rng(self.seed)


class Fixed(Initializer):
    """One value everywhere."""

    value: float

    def sample(self, shape: tuple[int, ...], random: np.random.Generator) -> Array:
        """The value, so many times."""
        return np.full(shape, self.value)


class Independent(Initializer):
    """Independent draws from one distribution: uniform, normal, or normal and cut at `CUT` deviations."""

    @abstractmethod
    def drawn(self, shape: tuple[int, ...]) -> Distribution:
        """What a weight of this shape is drawn from."""

    def sample(self, shape: tuple[int, ...], random: np.random.Generator) -> Array:
        """Draws from the distribution."""
        return self.drawn(shape).sample(shape, random)


@dataclass(frozen=True)
class Distribution:
    """`kind` is "uniform" on `centre +- spread`, or "normal" or "truncated_normal" with deviation `spread` (uncut)."""

    kind: str
    centre: float
    spread: float

    @property
    def reach(self) -> float:
        """No draw is farther from the centre."""
        return {"uniform": self.spread, "truncated_normal": CUT * self.spread, "normal": math.inf}[self.kind]

    def cumulative(self, values: Array) -> Array:
        """The probability of a draw of at most each value."""
        z = (values - self.centre) / self.spread
        if self.kind == "uniform":
            return np.clip((z + 1.0) / 2.0, 0.0, 1.0)
        below = 0.5 * np.asarray(np.frompyfunc(math.erfc, 1, 1)(-z / math.sqrt(2.0)), np.float64)
        if self.kind == "normal":
            return below
        tail = 0.5 * math.erfc(CUT / math.sqrt(2.0))
        return np.clip((below - tail) / (1.0 - 2.0 * tail), 0.0, 1.0)

    def sample(self, shape: tuple[int, ...], random: np.random.Generator) -> Array:
        """Independent draws."""
        if self.kind == "uniform":
            return self.centre + self.spread * random.uniform(-1.0, 1.0, shape)
        z = random.standard_normal(shape)
        while self.kind == "truncated_normal" and (far := np.abs(z) > CUT).any():
            z[far] = random.standard_normal(int(far.sum()))
        return self.centre + self.spread * z


@dataclass(frozen=True)
class Constant(Fixed):
    """`value` everywhere."""

    value: float = 0.0


@dataclass(frozen=True)
class Zeros(Fixed):
    """Zeros."""

    value: float = field(default=0.0, init=False)


@dataclass(frozen=True)
class Ones(Fixed):
    """Ones."""

    value: float = field(default=1.0, init=False)


@dataclass(frozen=True)
class Given(Initializer):
    """A function of the shape."""

    function: Any

    def sample(self, shape: tuple[int, ...], random: np.random.Generator) -> Array:
        """What the function gives."""
        return np.asarray(self.function(shape), np.float64)


@dataclass(frozen=True)
class RandomNormal(Independent):
    """Normal with `mean` and `stddev`."""

    mean: float = 0.0
    stddev: float = 0.05
    seed: int | None = None

    def drawn(self, shape: tuple[int, ...]) -> Distribution:
        """Normal, whatever the shape."""
        return Distribution("normal", self.mean, self.stddev)


@dataclass(frozen=True)
class TruncatedNormal(Independent):
    """Normal with `mean` and `stddev`, where what is more than two deviations off is drawn anew."""

    mean: float = 0.0
    stddev: float = 0.05
    seed: int | None = None

    def drawn(self, shape: tuple[int, ...]) -> Distribution:
        """Truncated normal, whatever the shape."""
        return Distribution("truncated_normal", self.mean, self.stddev)


@dataclass(frozen=True)
class RandomUniform(Independent):
    """Uniform between `minval` and `maxval`."""

    minval: float = -0.05
    maxval: float = 0.05
    seed: int | None = None

    def drawn(self, shape: tuple[int, ...]) -> Distribution:
        """Uniform, whatever the shape."""
        return Distribution("uniform", (self.minval + self.maxval) / 2.0, (self.maxval - self.minval) / 2.0)


@dataclass(frozen=True)
class VarianceScaling(Independent):
    """A variance of `scale / n`, where n is the fan that `mode` names."""

    scale: float = 1.0
    mode: str = "fan_in"
    distribution: str = "truncated_normal"  # or "untruncated_normal", "uniform"
    seed: int | None = None

    def drawn(self, shape: tuple[int, ...]) -> Distribution:
        """Of the variance that the fans of the shape ask for."""
        fan_in, fan_out = fans(shape)
        count = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2.0}[self.mode]
        deviation = math.sqrt(self.scale / max(1.0, count))
        if self.distribution == "uniform":
            return Distribution("uniform", 0.0, math.sqrt(3.0) * deviation)
        if self.distribution == "truncated_normal":
            return Distribution("truncated_normal", 0.0, deviation / CUT_DEVIATION)
        return Distribution("normal", 0.0, deviation)


@dataclass(frozen=True)
class _Seeded(Independent):
    """Variance scaling of one kind."""

    seed: int | None = None
    scaling: ClassVar[VarianceScaling]

    def drawn(self, shape: tuple[int, ...]) -> Distribution:
        """As the scaling says."""
        return self.scaling.drawn(shape)


class GlorotUniform(_Seeded):
    """Uniform within `sqrt(6 / (fan_in + fan_out))`."""

    scaling = VarianceScaling(1.0, "fan_avg", "uniform")


class GlorotNormal(_Seeded):
    """Truncated normal with a variance of `2 / (fan_in + fan_out)`."""

    scaling = VarianceScaling(1.0, "fan_avg")


class HeUniform(_Seeded):
    """Uniform within `sqrt(6 / fan_in)`."""

    scaling = VarianceScaling(2.0, "fan_in", "uniform")


class HeNormal(_Seeded):
    """Truncated normal with a variance of `2 / fan_in`."""

    scaling = VarianceScaling(2.0)


class LecunUniform(_Seeded):
    """Uniform within `sqrt(3 / fan_in)`."""

    scaling = VarianceScaling(1.0, "fan_in", "uniform")


class LecunNormal(_Seeded):
    """Truncated normal with a variance of `1 / fan_in`."""

    scaling = VarianceScaling(1.0)


@dataclass(frozen=True)
class Orthogonal(Initializer):
    """`gain` times orthonormal columns, or rows, of the kernel seen as a matrix whose columns are its last axis."""

    gain: float = 1.0
    seed: int | None = None

    def sample(self, shape: tuple[int, ...], random: np.random.Generator) -> Array:
        """The orthonormal factor of a matrix of normal draws."""
        if len(shape) < 2:
            raise ValueError(f"shape {shape}: Orthogonal accepts two dimensions or more")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        q, r = np.linalg.qr(random.standard_normal((max(rows, columns), min(rows, columns))))
        q = q * np.sign(np.diag(r))
        return np.asarray(self.gain * (q if rows >= columns else q.T).reshape(shape))


# Keras ships two more, which have nothing for a kernel of four dimensions: Identity and STFT.
INITIALIZERS: dict[str, Callable[..., Initializer]] = {
    **registry(
        *(Constant, Zeros, Ones, RandomNormal, TruncatedNormal, RandomUniform, VarianceScaling, Orthogonal),
        *(GlorotUniform, GlorotNormal, HeUniform, HeNormal, LecunUniform, LecunNormal),
    ),
    **{"zero": Zeros, "one": Ones, "normal": RandomNormal, "uniform": RandomUniform},
    "OrthogonalInitializer": Orthogonal,
}


def initializer(argument: str, given: object, default: str) -> Initializer:
    """The initializer that an argument means, the one named `default` for None. Raises ValueError."""
    found = resolve(argument, default if given is None else given, INITIALIZERS, Initializer, Given)
    return INITIALIZERS[default]() if found is None else found


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """`fan_in` and `fan_out` of a weight: its last two sizes, times the receptive field before them."""
    if len(shape) == 1:
        return shape[0], shape[0]
    field = math.prod(shape[:-2])
    return field * shape[-2], field * shape[-1]
