"""Initializers: how weights are drawn."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from layers.parts import SCALINGS, Array, Part

Numbers = np.random.Generator


class Initializers:
    """The draws of every initializer, and the fans that their widths come from."""

    def sample(self, part: Part, shape: tuple[int, ...]) -> Array:
        random = self.random(part.config.get("seed"))
        match part.name:
            case "Zeros" | "Ones" | "Constant":
                return np.full(shape, {"Zeros": 0.0, "Ones": 1.0}.get(part.name, part.config.get("value")))
            case "RandomUniform":
                return self.uniform(random, shape, part["minval"], part["maxval"])
            case "RandomNormal":
                return self.normal(random, shape, part["mean"], part["stddev"])
            case "TruncatedNormal":
                return self.truncated(random, shape, part["mean"], part["stddev"])
            case "Orthogonal":
                return part["gain"] * self.orthogonal(random, shape)
            case "VarianceScaling":
                return self.scaled(random, shape, part["scale"], part["mode"], part["distribution"])
        return self.scaled(random, shape, *SCALINGS[part.name])

    def random(self, seed: int | None) -> Numbers:
        return np.random.default_rng(seed)

    def scaled(self, random: Numbers, shape: tuple[int, ...], scale: float, mode: str, distribution: str) -> Array:
        deviation = math.sqrt(scale / self.fan(shape, mode))
        if distribution == "uniform":
            return self.uniform(random, shape, -math.sqrt(3) * deviation, math.sqrt(3) * deviation)
        if distribution == "truncated_normal":
            return self.truncated(random, shape, 0.0, deviation / self.truncation())
        return self.normal(random, shape, 0.0, deviation)

    def fan(self, shape: tuple[int, ...], mode: str) -> float:
        fan_in, fan_out = self.fans(shape)
        return {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]

    def fans(self, shape: tuple[int, ...]) -> tuple[float, float]:
        if len(shape) == 1:
            return shape[0], shape[0]
        height, width, channels, multiplier = shape
        return height * width * channels, height * width * multiplier

    def truncation(self) -> float:
        """The standard deviation of a normal distribution of variance one that is cut at two."""
        return 0.87962566103423978

    def uniform(self, random: Numbers, shape: tuple[int, ...], low: float, high: float) -> Array:
        return random.uniform(low, high, shape)

    def normal(self, random: Numbers, shape: tuple[int, ...], mean: float, deviation: float) -> Array:
        return random.normal(mean, deviation, shape)

    def truncated(self, random: Numbers, shape: tuple[int, ...], mean: float, deviation: float) -> Array:
        """By the inverse of the distribution function, between -2 and 2."""
        standard = NormalDist()
        chances = random.uniform(standard.cdf(-2.0), standard.cdf(2.0), shape)
        return mean + deviation * np.asarray(np.frompyfunc(standard.inv_cdf, 1, 1)(chances), np.float64)

    def orthogonal(self, random: Numbers, shape: tuple[int, ...]) -> Array:
        """The unitary factor of a matrix of normal numbers."""
        u, _, v = np.linalg.svd(random.normal(size=(math.prod(shape[:-1]), shape[-1])), full_matrices=False)
        return (u @ v).reshape(shape)
