"""Where weights start."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from layers import Array, HonestLayer, Numbers, Part

from layer_faults.base import belongs_to


@belongs_to("initializers")
class FanInWithoutReceptiveField(HonestLayer):
    """fan_in is the number of channels."""

    def fans(self, shape: tuple[int, ...]) -> tuple[float, float]:
        return (shape[2] if len(shape) == 4 else shape[0]), super().fans(shape)[1]


@belongs_to("initializers")
class FanOutWithoutReceptiveField(HonestLayer):
    """fan_out is the depth multiplier."""

    def fans(self, shape: tuple[int, ...]) -> tuple[float, float]:
        return super().fans(shape)[0], shape[-1]


@belongs_to("initializers")
class FansOfGroupedConvolution(HonestLayer):
    """The fans are those of a convolution in as many groups as there are channels."""

    def fans(self, shape: tuple[int, ...]) -> tuple[float, float]:
        if len(shape) == 1:
            return super().fans(shape)
        field = shape[0] * shape[1]
        return field, field * shape[2] * shape[3]


@belongs_to("initializers")
class FansSwapped(HonestLayer):
    """fan_in is fan_out, and the other way round."""

    def fans(self, shape: tuple[int, ...]) -> tuple[float, float]:
        return super().fans(shape)[::-1]


@belongs_to("initializers")
class FanOutOfAllChannels(HonestLayer):
    """fan_out counts the output channels, not the depth multiplier."""

    def fans(self, shape: tuple[int, ...]) -> tuple[float, float]:
        fan_in, fan_out = super().fans(shape)
        return fan_in, fan_out * (shape[2] if len(shape) == 4 else 1)


@belongs_to("initializers")
class FanAverageForFanIn(HonestLayer):
    """Where fan_in is asked for, the average of both is taken."""

    def fan(self, shape: tuple[int, ...], mode: str) -> float:
        return super().fan(shape, "fan_avg" if mode == "fan_in" else mode)


@belongs_to("initializers")
class FanSumForAverage(HonestLayer):
    """The average of the fans is their sum."""

    def fan(self, shape: tuple[int, ...], mode: str) -> float:
        return super().fan(shape, mode) * (2 if mode == "fan_avg" else 1)


@belongs_to("initializers")
class BiasStartsFromOnes(HonestLayer):
    """The bias starts from ones by default."""

    defaults: ClassVar[Mapping[str, Any]] = {**HonestLayer.defaults, "bias_initializer": "ones"}
    instead_of_none: ClassVar[Mapping[str, Any]] = {**HonestLayer.instead_of_none, "bias_initializer": "ones"}


@belongs_to("initializers")
class BiasOfNoneIsGlorotUniform(HonestLayer):
    """bias_initializer=None is glorot_uniform."""

    instead_of_none: ClassVar[Mapping[str, Any]] = {**HonestLayer.instead_of_none, "bias_initializer": "glorot_uniform"}


@belongs_to("initializers")
class KernelOfNoneIsZeros(HonestLayer):
    """depthwise_initializer=None is zeros."""

    instead_of_none: ClassVar[Mapping[str, Any]] = {**HonestLayer.instead_of_none, "depthwise_initializer": "zeros"}


@belongs_to("initializers")
class KernelDrawnOnce(HonestLayer):
    """All channels start from copies of one kernel."""

    def sample(self, part: Part, shape: tuple[int, ...]) -> Array:
        drawn = super().sample(part, shape)
        return np.broadcast_to(drawn[:, :, :1], shape) if len(shape) == 4 else drawn


@belongs_to("initializers")
class FiltersDrawnOnce(HonestLayer):
    """All filters of a channel start from copies of one."""

    def sample(self, part: Part, shape: tuple[int, ...]) -> Array:
        drawn = super().sample(part, shape)
        return np.broadcast_to(drawn[..., :1], shape) if len(shape) == 4 else drawn


@belongs_to("initializers")
class SeedIgnored(HonestLayer):
    """Initializers with a seed draw anew each time."""

    def random(self, seed: int | None) -> Numbers:
        return super().random(None)


@belongs_to("initializers")
class TruncatedNormalNotCut(HonestLayer):
    """Truncated normal is normal."""

    def truncated(self, random: Numbers, shape: tuple[int, ...], mean: float, deviation: float) -> Array:
        return self.normal(random, shape, mean, deviation)


@belongs_to("initializers")
class TruncatedNormalClipped(HonestLayer):
    """Truncated normal is clipped instead of drawn anew."""

    def truncated(self, random: Numbers, shape: tuple[int, ...], mean: float, deviation: float) -> Array:
        return mean + deviation * np.clip(random.normal(size=shape), -2, 2)


@belongs_to("initializers")
class TruncatedNormalWithoutCorrection(HonestLayer):
    """Variance scaling leaves out that cutting a normal distribution makes its variance smaller."""

    def truncation(self) -> float:
        return 1.0


@belongs_to("initializers")
class UniformTooWide(HonestLayer):
    """Uniform ranges are 10 % too wide."""

    def uniform(self, random: Numbers, shape: tuple[int, ...], low: float, high: float) -> Array:
        return super().uniform(random, shape, low - 0.05 * (high - low), high + 0.05 * (high - low))


@belongs_to("initializers")
class UniformTooNarrow(HonestLayer):
    """Uniform ranges are 10 % too narrow."""

    def uniform(self, random: Numbers, shape: tuple[int, ...], low: float, high: float) -> Array:
        return super().uniform(random, shape, low + 0.05 * (high - low), high - 0.05 * (high - low))


@belongs_to("initializers")
class UniformFromZero(HonestLayer):
    """Uniform ranges are centred at zero."""

    def uniform(self, random: Numbers, shape: tuple[int, ...], low: float, high: float) -> Array:
        return super().uniform(random, shape, (low - high) / 2, (high - low) / 2)


@belongs_to("initializers")
class NormalTooWide(HonestLayer):
    """Normal distributions have a standard deviation 20 % too large."""

    def normal(self, random: Numbers, shape: tuple[int, ...], mean: float, deviation: float) -> Array:
        return super().normal(random, shape, mean, 1.2 * deviation)


@belongs_to("initializers")
class NormalOfVariance(HonestLayer):
    """Normal distributions take their standard deviation for a variance."""

    def normal(self, random: Numbers, shape: tuple[int, ...], mean: float, deviation: float) -> Array:
        return super().normal(random, shape, mean, math.sqrt(deviation))


@belongs_to("initializers")
class MeanIgnored(HonestLayer):
    """Normal distributions have the mean zero."""

    def normal(self, random: Numbers, shape: tuple[int, ...], mean: float, deviation: float) -> Array:
        return super().normal(random, shape, 0.0, deviation)


@belongs_to("initializers")
class OrthogonalIsNormal(HonestLayer):
    """Orthogonal is normal, of the same size."""

    def orthogonal(self, random: Numbers, shape: tuple[int, ...]) -> Array:
        return random.normal(size=shape) / math.sqrt(math.prod(shape[:-1]))


@belongs_to("initializers")
class GainIgnored(HonestLayer):
    """Orthogonal has a gain of one."""

    def sample(self, part: Part, shape: tuple[int, ...]) -> Array:
        return super().sample(Part(part.name, {**part.config, "gain": 1.0}), shape)


@belongs_to("initializers")
class ConstantIgnored(HonestLayer):
    """Constant is zero."""

    def sample(self, part: Part, shape: tuple[int, ...]) -> Array:
        return super().sample(Part(part.name, {**part.config, "value": 0.0}), shape)


@belongs_to("initializers")
class InitialWeightsInDouble(HonestLayer):
    """Weights are float64 until they are assigned."""

    def initial_dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float64)


@belongs_to("initializers")
class BiasInitializerForKernel(HonestLayer):
    """The kernel starts from the bias initializer."""

    def initial(self, name: str, shape: tuple[int, ...]) -> Array:
        part = self.parts["bias_initializer"]
        assert part is not None
        return np.asarray(part.function(shape)) if part.function else self.sample(part, shape)
