"""The gradient through the activation."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from honest import Array, erf, sigmoid, softmax

from depthwise_conformance.reference import LayerConfig
from faults.base import Fault


class Backwards(Fault):
    """Honest; its subclasses take one derivative wrongly."""

    check: ClassVar[str] = "gradient_kernel"

    def back(self, config: LayerConfig, p: Array, cotangent: Array) -> Array:
        wrong = self.derivative(config, p)
        return super().back(config, p, cotangent) if wrong is None else cotangent * wrong

    def derivative(self, config: LayerConfig, p: Array) -> Array | None:
        return None


class ReluGradientLeaks(Backwards):
    """relu's derivative is a tenth where the sum is negative."""

    cause = "derivative of relu leaking by 0.1"

    def derivative(self, config: LayerConfig, p: Array) -> Array | None:
        return np.where(p > 0, 1, 0.1).astype(p.dtype) if config.activation == "relu" else None


class Relu6GradientAboveSix(Backwards):
    """relu6's derivative is one above six."""

    cause = "derivative of relu6 as relu's"

    def derivative(self, config: LayerConfig, p: Array) -> Array | None:
        return (p > 0).astype(p.dtype) if config.activation == "relu6" else None


class SigmoidGradientOfInput(Backwards):
    """sigmoid's derivative is p * (1 - p) of the sum p itself."""

    cause = "derivative of sigmoid at the sum"

    def derivative(self, config: LayerConfig, p: Array) -> Array | None:
        return p * (1 - p) if config.activation == "sigmoid" else None


class TanhGradientNotSquared(Backwards):
    """tanh's derivative is 1 - |tanh|."""

    def derivative(self, config: LayerConfig, p: Array) -> Array | None:
        return 1 - np.abs(np.tanh(p)) if config.activation == "tanh" else None


class GeluGradientWithoutDensity(Backwards):
    """gelu's derivative lacks its second term."""

    cause = "derivative of gelu without its density"

    def derivative(self, config: LayerConfig, p: Array) -> Array | None:
        root = p.dtype.type(math.sqrt(0.5))
        return (1 + erf(p * root)) * p.dtype.type(0.5) if config.activation == "gelu" else None


class SoftplusGradientIsOne(Backwards):
    """softplus's derivative is one for positive sums."""

    def derivative(self, config: LayerConfig, p: Array) -> Array | None:
        return np.where(p > 0, np.ones_like(p), sigmoid(p)) if config.activation == "softplus" else None


class SoftmaxGradientOfDiagonal(Backwards):
    """softmax's derivative leaves out what one output does to the others."""

    cause = "derivative of softmax by its diagonal"

    def derivative(self, config: LayerConfig, p: Array) -> Array | None:
        if config.activation != "softmax":
            return None
        s = softmax(p)
        return s * (1 - s)
