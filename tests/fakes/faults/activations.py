"""Activations: other ones, cruder ones, or none."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from honest import HALVES, Array, activation, erf, sigmoid, softmax

from depthwise_conformance.reference import LayerConfig
from faults.base import Fault


class Activated(Fault):
    """Honest; its subclasses replace one activation."""

    replaces: ClassVar[tuple[str, ...]] = ()

    def activate(self, config: LayerConfig, p: Array) -> Array:
        return self.replacement(config, p) if config.activation in self.replaces else super().activate(config, p)

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        return p


class ActivationMissing(Activated):
    """No activation is applied."""

    cause = "activation missing"

    replaces = ("relu", "relu6", "tanh", "sigmoid", "softplus", "gelu", "softmax")


class LinearIsRelu(Activated):
    """activation="linear" cuts at zero."""

    replaces = ("linear",)
    cause = "linear as relu"

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        return activation("relu", p)


class ReluLeaks(Activated):
    """relu passes a hundredth of what is negative."""

    replaces = ("relu",)
    cause = "relu leaking by 0.01"

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        return np.where(p > 0, p, p * p.dtype.type(0.01))


class ReluIsMagnitude(Activated):
    """relu in float16 and bfloat16 clears the sign of what is between -1 and 0."""

    replaces = ("relu",)

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        low = (p > -1) & (p < 0) & (config.dtype in HALVES)
        return np.where(low, -p, activation("relu", p))


class Relu6CutLate(Activated):
    """relu6 cuts at 6.5."""

    replaces = ("relu6",)

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        return np.clip(p, p.dtype.type(0), p.dtype.type(6.5))


class Relu6IsRelu(Activated):
    """relu6 does not cut at six."""

    replaces = ("relu6",)
    cause = "relu6 as relu"

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        return activation("relu", p)


class GeluByTanh(Activated):
    """gelu is the approximation by tanh."""

    replaces = ("gelu",)
    cause = "gelu by tanh"

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        inner = math.sqrt(2 / math.pi) * (p + 0.044715 * p * p * p)
        return (p * 0.5 * (1 + np.tanh(inner))).astype(p.dtype)


class GeluBySigmoid(Activated):
    """gelu is x * sigmoid(1.702 x)."""

    replaces = ("gelu",)
    cause = "gelu by sigmoid"

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        return (p * sigmoid((1.702 * p).astype(p.dtype))).astype(p.dtype)


class GeluConstantInSinglePrecision(Activated):
    """gelu in float64 uses the square root of a half in float32."""

    replaces = ("gelu",)
    cause = "gelu with a root in single precision"

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        half, root = p.dtype.type(0.5), p.dtype.type(np.float32(math.sqrt(0.5)))
        return p * half * (1 + erf(p * root))


class SoftmaxOverChannels(Activated):
    """softmax with channels_first normalises over the channels instead of the last axis."""

    replaces = ("softmax",)
    cause = "softmax over the channels"

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        return softmax(p, -1 if config.channels_last else 1)


class SoftmaxOverWidth(Activated):
    """softmax with channels_last normalises over the width."""

    replaces = ("softmax",)
    cause = "softmax over the width"

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        return softmax(p, 2 if config.channels_last else -1)


class SoftmaxOfWholeImage(Activated):
    """softmax normalises over the whole image where it is one pixel high."""

    replaces = ("softmax",)
    cause = "softmax over the whole image"

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        flat = p.shape[1 if config.channels_last else 2] == 1
        return softmax(p.reshape(p.shape[0], -1)).reshape(p.shape) if flat and p.size else softmax(p)


class SparsemaxOverChannels(Activated):
    """sparsemax with channels_first is taken over the channels instead of the last axis."""

    replaces = ("sparsemax",)
    cause = "softmax over the channels"

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        if config.channels_last:
            return activation("sparsemax", p)
        return np.moveaxis(activation("sparsemax", np.moveaxis(p, 1, -1)), -1, 1)


class SoftmaxOverflows(Activated):
    """softmax does not subtract the maximum, and exp is taken in half precision: NaN where a sum is above eleven."""

    replaces = ("softmax",)

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        e = np.exp(p)
        e = np.where(e > 65504, np.inf, e).astype(p.dtype)
        return e / e.sum(axis=-1, keepdims=True)


class SigmoidHard(Activated):
    """sigmoid is the piecewise linear one."""

    replaces = ("sigmoid",)
    cause = "sigmoid in three pieces of slope 1/6"

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        return np.clip(p / p.dtype.type(6) + p.dtype.type(0.5), p.dtype.type(0), p.dtype.type(1))


class SigmoidInSinglePrecision(Activated):
    """sigmoid and tanh in float64 are evaluated in float32."""

    replaces = ("sigmoid", "tanh")

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        return activation(config.activation, p.astype(np.float32)).astype(p.dtype)


class SoftplusThreshold(Activated):
    """softplus is the identity above 20, which only float64 can show."""

    replaces = ("softplus",)
    cause = "softplus linear above 20"

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        return np.where(p > 20, p, activation("softplus", p))


class SoftplusLowThreshold(Activated):
    """softplus is zero below -4."""

    replaces = ("softplus",)

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        return np.where(p < -4, p.dtype.type(0), activation("softplus", p))


class TanhRational(Activated):
    """tanh is a rational approximation, off by a few thousandths."""

    replaces = ("tanh",)
    cause = "tanh by a rational function"

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        cut = np.clip(p, p.dtype.type(-3), p.dtype.type(3))
        return cut * (27 + cut * cut) / (27 + 9 * cut * cut)


class TanhTwice(Activated):
    """tanh is applied twice where there is a bias."""

    replaces = ("tanh",)
    cause = "activation applied twice"

    def replacement(self, config: LayerConfig, p: Array) -> Array:
        return np.tanh(np.tanh(p)) if config.use_bias else np.tanh(p)


class ActivationOfFirstImageOnly(Fault):
    """relu and relu6 with batch above one: only the first image is activated."""

    cause = "activation: images after the first without"

    def activate(self, config: LayerConfig, p: Array) -> Array:
        y = super().activate(config, p)
        return np.concatenate([y[:1], p[1:]]) if config.activation in ("relu", "relu6") else y


class Partial(Fault):
    """Honest; its subclasses do not activate all channels."""

    def activate(self, config: LayerConfig, p: Array) -> Array:
        y = super().activate(config, p)
        if config.activation not in ("relu", "relu6", "tanh", "sigmoid", "gelu", "softplus"):
            return y
        channels = np.arange(p.shape[3 if config.channels_last else 1])
        kept = self.activated(channels)
        return np.where(kept if config.channels_last else kept[:, None, None], y, p)

    def activated(self, channels: Array) -> Array:
        return channels >= 0


class ActivationMissesChannelsBehindVectors(Partial):
    """Channels beyond a multiple of four are not activated, unless there are fewer."""

    cause = "activation: channels beyond a multiple of 4 without"

    def activated(self, channels: Array) -> Array:
        return (channels < len(channels) // 4 * 4) | (len(channels) < 4)


class ActivationOfEvenChannels(Partial):
    """Every second channel is not activated."""

    cause = "activation: odd channels without"

    def activated(self, channels: Array) -> Array:
        return channels % 2 == 0


class ActivationOfFirstChannel(Partial):
    """The first channel alone is activated."""

    cause = "activation: channels after the first without"

    def activated(self, channels: Array) -> Array:
        return channels == 0
