"""Faulty layers: each is honest but for one thing, which its docstring tells, and which a check has to find.

`@belongs_to(check)` makes the adapter that has such layers; the check is the one that the fault belongs to.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import ml_dtypes
import numpy as np
from honest import Honest
from layers import OPERATION, PARTS, PREFIX, Array, HonestLayer, Known, Numbers, Part, numpy_dtype

from depthwise_conformance.adapters.base import Adapter
from depthwise_conformance.reference import LayerConfig

SIZES = ("kernel_size", "strides", "dilation_rate")
FAULTS: list[type[Adapter]] = []


def belongs_to(check: str) -> Callable[[type[HonestLayer]], type[Adapter]]:
    """Makes an honest adapter with these layers, under the name of their class."""

    def adapter(layer: type[HonestLayer]) -> type[Adapter]:
        about = {"__doc__": layer.__doc__, "__module__": layer.__module__}
        made = type(layer.__name__, (Honest,), {"layer_class": layer, "check": check, **about})
        FAULTS.append(made)
        return made

    return adapter


def define(name: str, doc: str, check: str, **members: Any) -> None:
    """A fault whose layer differs by these members, as a class of this module."""
    layer = type(name, (HonestLayer,), {"__doc__": doc, "__module__": __name__, **members})
    globals()[name] = belongs_to(check)(layer)


def camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


# Where weights start.


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


# Regularizers.


@belongs_to("regularizers")
class L2Halved(HonestLayer):
    """L2 is half of the sum of squares, loss and gradient."""

    def coefficients(self, part: Part) -> tuple[float, float]:
        l1, l2 = super().coefficients(part)
        return l1, l2 / 2


@belongs_to("regularizers")
class L1WithoutAbsolute(HonestLayer):
    """L1 is the sum of the weights."""

    def penalty(self, part: Part, w: Array) -> Any:
        l1 = 0.0 if part.function else self.coefficients(part)[0]
        return super().penalty(part, w) + l1 * (w.sum() - np.abs(w).sum())

    def slope(self, part: Part, w: Array) -> Array:
        l1 = 0.0 if part.function else self.coefficients(part)[0]
        return (super().slope(part, w) + l1 * (1 - np.sign(w))).astype(w.dtype)


@belongs_to("regularizers")
class L1L2WithoutL1(HonestLayer):
    """L1L2 is L2."""

    def coefficients(self, part: Part) -> tuple[float, float]:
        l1, l2 = super().coefficients(part)
        return (0.0 if part.name == "L1L2" else l1), l2


@belongs_to("regularizers")
class L1L2ByNameIsNothing(HonestLayer):
    """ "l1_l2" has the defaults of the class."""

    def coefficients(self, part: Part) -> tuple[float, float]:
        l1, l2 = super().coefficients(part)
        return (0.0, 0.0) if l1 == l2 == 0.01 else (l1, l2)


@belongs_to("regularizers")
class RegularizersByMean(HonestLayer):
    """Regularizers take means for sums."""

    def penalty(self, part: Part, w: Array) -> Any:
        return super().penalty(part, w) / w.size

    def slope(self, part: Part, w: Array) -> Array:
        return super().slope(part, w) / w.dtype.type(w.size)


@belongs_to("regularizers")
class ActivityBeforeActivation(HonestLayer):
    """The activity regularizer sees the output before the activation."""

    def watch(self, x: Array, y: Array) -> Array:
        linear = {**self.operation(), "activation": None}
        inputs, weights = self.cast(x)
        return self.adapter.forward(self.construct(linear), inputs, weights["kernel"], weights.get("bias"))


@belongs_to("regularizers")
class ActivityOfInput(HonestLayer):
    """The activity regularizer sees the input."""

    def watch(self, x: Array, y: Array) -> Array:
        return x


@belongs_to("regularizers")
class ActivityIgnored(HonestLayer):
    """The activity regularizer is ignored."""

    def part(self, argument: str, given: Any) -> Part | None:
        found = super().part(argument, given)
        return None if argument == "activity_regularizer" else found


@belongs_to("regularizers")
class ActivityWithoutGradient(HonestLayer):
    """The activity regularizer's loss has no gradient."""

    def activity_slope(self, y: Array) -> Any:
        return 0


@belongs_to("regularizers")
class ActivityDividedBySize(HonestLayer):
    """The activity regularizer's loss is divided by the size of the output."""

    def images(self, y: Array) -> int:
        return y.size


@belongs_to("regularizers")
class ActivityDividedByChannels(HonestLayer):
    """The activity regularizer's loss is divided by the last dimension."""

    def images(self, y: Array) -> int:
        return y.shape[-1]


@belongs_to("regularizers")
class BiasRegularizerOnKernel(HonestLayer):
    """The bias regularizer is the kernel's."""

    def part(self, argument: str, given: Any) -> Part | None:
        taken = {"depthwise_regularizer": "bias_regularizer", "bias_regularizer": "depthwise_regularizer"}
        return super().part(argument, self.given[taken[argument]] if argument in taken else given)


@belongs_to("regularizers")
class BiasRegularizerIgnored(HonestLayer):
    """The bias regularizer is ignored."""

    def weight_penalty(self, name: str) -> Any:
        return 0.0 if name == "bias" else super().weight_penalty(name)

    def weight_slope(self, name: str) -> Any:
        return 0 if name == "bias" else super().weight_slope(name)


@belongs_to("regularizers")
class RegularizersWithoutGradient(HonestLayer):
    """What regularizers add to the loss has no gradient."""

    def weight_slope(self, name: str) -> Any:
        return 0


@belongs_to("regularizers")
class RegularizersWithoutLoss(HonestLayer):
    """Regularizers have a gradient, and no loss."""

    def weight_penalty(self, name: str) -> Any:
        return 0.0


@belongs_to("regularizers")
class RegularizerGradientElsewhere(HonestLayer):
    """The bias regularizer's gradient reaches the kernel."""

    def weight_slope(self, name: str) -> Any:
        if name == "bias" or "bias" not in self.variables:
            return 0 if name == "bias" else super().weight_slope(name)
        kernel = self.variables["kernel"].shape
        return super().weight_slope("kernel") + np.reshape(
            super().weight_slope("bias") + np.zeros(kernel[2] * kernel[3]), kernel[2:]
        )


@belongs_to("regularizers")
class RegularizerGradientTwice(HonestLayer):
    """The gradients of regularizers count twice."""

    def weight_slope(self, name: str) -> Any:
        return 2 * super().weight_slope(name)


@belongs_to("regularizers")
class WeightLossPerImage(HonestLayer):
    """The losses of weights are divided by the batch size, as those of activities are."""

    def weight_penalty(self, name: str) -> Any:
        return super().weight_penalty(name) / self.images(self.watched)


@belongs_to("regularizers")
class LossesAddUp(HonestLayer):
    """The loss has what the activity regularizer added in earlier calls."""

    calls = 0

    def watch(self, x: Array, y: Array) -> Array:
        self.calls += 1
        return super().watch(x, y)

    def loss(self) -> Array:
        part = self.parts["activity_regularizer"]
        before = 0 if part is None else self.penalty(part, self.watched.astype(self.wide)) * (self.calls - 1)
        return np.asarray(super().loss() + before, self.wide)


# Constraints.


@belongs_to("constraints")
class NormsAlongLastAxis(HonestLayer):
    """Norms are taken along the last axis."""

    def axis(self, part: Part) -> Any:
        return -1


@belongs_to("constraints")
class NormsOfEverything(HonestLayer):
    """Norms are those of the whole weight."""

    def axis(self, part: Part) -> Any:
        return None


@belongs_to("constraints")
class NormsAlongFirstOfAxes(HonestLayer):
    """Of several axes, the first is taken."""

    def axis(self, part: Part) -> Any:
        found = super().axis(part)
        return found[0] if isinstance(found, tuple) else found


@belongs_to("constraints")
class ConstraintBeforeUpdate(HonestLayer):
    """Constraints apply to the weights before they are updated."""

    def updated(self, name: str, w: Array, gradient: Array, rate: Any) -> Array:
        return self.constrained(name, w) - rate * gradient


@belongs_to("constraints")
class ConstraintOnGradient(HonestLayer):
    """Constraints apply to the gradients."""

    def updated(self, name: str, w: Array, gradient: Array, rate: Any) -> Array:
        return w - rate * self.constrained(name, gradient)


@belongs_to("constraints")
class ConstraintOnCall(HonestLayer):
    """Constraints apply when the layer is called."""

    def updated(self, name: str, w: Array, gradient: Array, rate: Any) -> Array:
        return w - rate * gradient

    def apply(self, x: Array) -> Array:
        for name, weight in self.variables.items():
            self.variables[name] = self.constrained(name, weight.astype(self.wide)).astype(self.stored)
        return super().apply(x)


@belongs_to("constraints")
class ConstraintOnAssignment(HonestLayer):
    """Constraints apply to weights that are assigned."""

    def assign(self, weights: Mapping[str, Array]) -> None:
        super().assign(weights)
        for name, weight in self.variables.items():
            self.variables[name] = self.constrained(name, weight.astype(self.wide)).astype(self.stored)


@belongs_to("constraints")
class ConstraintTwice(HonestLayer):
    """Constraints apply twice."""

    def constrained(self, name: str, w: Array) -> Array:
        return super().constrained(name, super().constrained(name, w))


@belongs_to("constraints")
class NonNegByMagnitude(HonestLayer):
    """NonNeg takes absolute values."""

    def non_negative(self, w: Array) -> Array:
        return np.abs(w)


@belongs_to("constraints")
class MaxNormScalesAll(HonestLayer):
    """MaxNorm makes small norms large."""

    def wanted(self, part: Part, norms: Array) -> Array:
        return np.full_like(norms, part["max_value"]) if part.name == "MaxNorm" else super().wanted(part, norms)


@belongs_to("constraints")
class MaxNormByElements(HonestLayer):
    """MaxNorm cuts single weights."""

    def project(self, part: Part, w: Array) -> Array:
        limit = part.config.get("max_value", 0)
        return np.clip(w, -limit, limit) if part.name == "MaxNorm" else super().project(part, w)


@belongs_to("constraints")
class RateIgnored(HonestLayer):
    """MinMaxNorm takes its rate for one."""

    def rate(self, part: Part) -> float:
        return 1.0


@belongs_to("constraints")
class MinimumIgnored(HonestLayer):
    """MinMaxNorm takes its minimum for zero."""

    def wanted(self, part: Part, norms: Array) -> Array:
        return super().wanted(Part(part.name, {**part.config, "min_value": 0.0}), norms)


@belongs_to("constraints")
class UnitNormSquared(HonestLayer):
    """UnitNorm divides by the square of the norm."""

    def project(self, part: Part, w: Array) -> Array:
        found = super().project(part, w)
        return found / np.maximum(self.norms(w, self.axis(part)), 1e-30) if part.name == "UnitNorm" else found


@belongs_to("constraints")
class NormsOfMagnitudes(HonestLayer):
    """Norms are sums of absolute values."""

    def norms(self, w: Array, axis: Any) -> Array:
        return np.abs(w).sum(axis=axis, keepdims=True)


@belongs_to("constraints")
class NormsOfMeanSquares(HonestLayer):
    """Norms are roots of mean squares."""

    def norms(self, w: Array, axis: Any) -> Array:
        return np.sqrt(np.square(w).mean(axis=axis, keepdims=True))


@belongs_to("constraints")
class BiasConstraintIgnored(HonestLayer):
    """The bias constraint is ignored."""

    def constrained(self, name: str, w: Array) -> Array:
        return w if name == "bias" else super().constrained(name, w)


@belongs_to("constraints")
class KernelConstraintOnBias(HonestLayer):
    """The kernel's constraint applies to the bias, too."""

    def constrained(self, name: str, w: Array) -> Array:
        own = super().constrained(name, w)
        part = self.parts["depthwise_constraint"]
        local = part is not None and part.config.get("axis", 0) == 0
        return self.project(part, own) if name == "bias" and local and part is not None else own


@belongs_to("constraints")
class MaxNormByNameIsNothing(HonestLayer):
    """ "max_norm" has no maximum unless one is given."""

    def wanted(self, part: Part, norms: Array) -> Array:
        return norms if part.name == "MaxNorm" and part["max_value"] == 2 else super().wanted(part, norms)


# Configurations.


def losing(key: str) -> Callable[[HonestLayer, dict[str, Any]], HonestLayer]:
    def from_config(self: HonestLayer, config: dict[str, Any]) -> HonestLayer:
        rest = {name: value for name, value in config.items() if name != key}
        return HonestLayer.from_config(self, rest if key != "kernel_size" else {**rest, key: 1})

    return from_config


for key in (*OPERATION, *PARTS, "dtype", "trainable", "name"):
    told = f"A layer made from a configuration has the default of {key}."
    define(f"ConfigLoses{camel(key)}", told, "config_roundtrip", from_config=losing(key))


@belongs_to("config_roundtrip")
class ConfigWithoutActivation(HonestLayer):
    """The configuration leaves the activation out."""

    def get_config(self) -> dict[str, Any]:
        return {name: value for name, value in super().get_config().items() if name != "activation"}


@belongs_to("config_roundtrip")
class ConfigWithoutConstraints(HonestLayer):
    """The configuration leaves the constraints out."""

    def get_config(self) -> dict[str, Any]:
        return {name: value for name, value in super().get_config().items() if not name.endswith("constraint")}


@belongs_to("config_roundtrip")
class ConfigOfObjects(HonestLayer):
    """The configuration has objects in it, not JSON."""

    def told(self, part: Part | None) -> Any:
        return part

    def part(self, argument: str, given: Any) -> Part | None:
        return given if isinstance(given, Part) else super().part(argument, given)

    def recreated(self) -> HonestLayer:
        return self.from_config(self.get_config())


@belongs_to("config_roundtrip")
class ConfigOfDefaults(HonestLayer):
    """The configuration names classes without their configuration."""

    def told(self, part: Part | None) -> Any:
        return None if part is None else {"class_name": part.name, "config": {}}


@belongs_to("config_roundtrip")
class ConfigWithoutDilation(HonestLayer):
    """The configuration has a dilation rate of one."""

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dilation_rate": [1, 1]}


@belongs_to("config_roundtrip")
class ConfigRaises(HonestLayer):
    """A layer with an activity regularizer has no configuration."""

    def get_config(self) -> dict[str, Any]:
        if self.parts["activity_regularizer"] is not None:
            raise AttributeError("get_config")
        return super().get_config()


@belongs_to("config_roundtrip")
class RecreatedIsItself(HonestLayer):
    """A layer made from a configuration is the layer that the configuration is of, weights and all."""

    def recreated(self) -> HonestLayer:
        return self

    def build(self, input_shape: Known) -> None:
        if not self.variables:
            super().build(input_shape)


# Files.


@belongs_to("save_load")
class SavedKernelTransposed(HonestLayer):
    """Height and width of the kernel are swapped on loading, where they are equal."""

    def loaded_weights(self, weights: dict[str, Array]) -> dict[str, Array]:
        kernel = weights["kernel"]
        return {**weights, "kernel": kernel.swapaxes(0, 1) if kernel.shape[0] == kernel.shape[1] else kernel}


@belongs_to("save_load")
class SavedWithoutBias(HonestLayer):
    """The bias is zero after loading."""

    def loaded_weights(self, weights: dict[str, Array]) -> dict[str, Array]:
        return {name: weight * (name != "bias") for name, weight in weights.items()}


@belongs_to("save_load")
class LoadedAnew(HonestLayer):
    """Loaded layers have new initial weights."""

    def loaded_weights(self, weights: dict[str, Array]) -> dict[str, Array]:
        return {name: self.initial(name, weight.shape) for name, weight in weights.items()}


@belongs_to("save_load")
class SavedInHalfPrecision(HonestLayer):
    """Weights are saved in bfloat16."""

    def loaded_weights(self, weights: dict[str, Array]) -> dict[str, Array]:
        return {name: weight.astype(ml_dtypes.bfloat16) for name, weight in weights.items()}


def forgetting(key: str) -> Callable[[HonestLayer, dict[str, Any]], dict[str, Any]]:
    def loaded_config(self: HonestLayer, config: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in config.items() if name != key}

    return loaded_config


FILED = (
    *("strides", "padding", "data_format", "activation", "dilation_rate", "dtype", "trainable", "name"),
    *(
        "depthwise_initializer",
        "bias_initializer",
        "depthwise_regularizer",
        "bias_regularizer",
        "activity_regularizer",
        "depthwise_constraint",
        "bias_constraint",
    ),
)
for key in FILED:
    told = f"A loaded layer has the default of {key}."
    define(f"SavedWithout{camel(key)}", told, "save_load", loaded_config=forgetting(key))


# Arguments.


@belongs_to("arguments")
class PaddingInLowerCaseOnly(HonestLayer):
    """padding in capitals is valid."""

    def operation(self) -> dict[str, Any]:
        found = super().operation()
        return {**found, "padding": "valid" if found["padding"] in ("SAME", "Same", "sAmE") else found["padding"]}


@belongs_to("arguments")
class PaddingInCapitalsRefused(HonestLayer):
    """padding in capitals is refused."""

    def operation(self) -> dict[str, Any]:
        found = super().operation()
        if found["padding"] in ("SAME", "VALID"):
            raise ValueError("padding")
        return found


@belongs_to("arguments")
class PaddingInMixedCaseRefused(HonestLayer):
    """padding with some letters in capitals is refused."""

    def operation(self) -> dict[str, Any]:
        found = super().operation()
        if isinstance(found["padding"], str) and found["padding"] not in ("same", "valid", "SAME", "VALID"):
            raise ValueError("padding")
        return found


@belongs_to("arguments")
class ListsRefused(HonestLayer):
    """kernel_size is refused as a list."""

    def operation(self) -> dict[str, Any]:
        found = super().operation()
        if isinstance(found["kernel_size"], list):
            raise TypeError("kernel_size is a list")
        return found


@belongs_to("arguments")
class TuplesRefused(HonestLayer):
    """dilation_rate is refused as a tuple."""

    def operation(self) -> dict[str, Any]:
        if isinstance(self.given["dilation_rate"], tuple) and self.given["dilation_rate"] != (1, 1):
            raise TypeError("dilation_rate is a tuple")
        return super().operation()


@belongs_to("arguments")
class ListsReversed(HonestLayer):
    """Lists are read as width and height."""

    def operation(self) -> dict[str, Any]:
        found = super().operation()
        return {**found, **{n: found[n][::-1] for n in SIZES if isinstance(found[n], list)}}


@belongs_to("arguments")
class TuplesReversed(HonestLayer):
    """Tuples are read as width and height."""

    def operation(self) -> dict[str, Any]:
        found = super().operation()
        return {**found, **{n: found[n][::-1] for n in SIZES if isinstance(found[n], tuple)}}


@belongs_to("arguments")
class DilationOfHeightOnly(HonestLayer):
    """dilation_rate as one integer is for the height."""

    def operation(self) -> dict[str, Any]:
        found = super().operation()
        rate = found["dilation_rate"]
        return {**found, "dilation_rate": (rate, 1) if isinstance(rate, int) else rate}


@belongs_to("arguments")
class StridesOfHeightOnly(HonestLayer):
    """strides as one integer are for the height."""

    def operation(self) -> dict[str, Any]:
        found = super().operation()
        return {**found, "strides": (found["strides"], 1) if isinstance(found["strides"], int) else found["strides"]}


@belongs_to("arguments")
class TrainableIgnored(HonestLayer):
    """trainable=False is ignored."""

    def trained(self) -> tuple[str, ...]:
        return tuple(self.variables)


@belongs_to("arguments")
class TrainableForgotten(HonestLayer):
    """trainable=False is honoured, but the attribute is True."""

    def attributes(self) -> dict[str, Any]:
        return {**super().attributes(), "trainable": True}


@belongs_to("arguments")
class FrozenBiasTrained(HonestLayer):
    """trainable=False freezes the kernel only."""

    def trained(self) -> tuple[str, ...]:
        return super().trained() or tuple(self.variables)[1:]


@belongs_to("arguments")
class NameIgnored(HonestLayer):
    """The name is ignored."""

    def attributes(self) -> dict[str, Any]:
        return {**super().attributes(), "name": "depthwise_conv2d"}


@belongs_to("arguments")
class PoliciesIgnored(HonestLayer):
    """Mixed policies are float32."""

    def compute_dtype(self) -> str:
        return self.variable_dtype()


@belongs_to("arguments")
class PoliciesInHalfPrecision(HonestLayer):
    """Mixed policies have weights in half precision."""

    def variable_dtype(self) -> str:
        return self.compute_dtype()


@belongs_to("arguments")
class PolicyOutputInSingle(HonestLayer):
    """mixed_float16: the output is float32."""

    def finish(self, y: Array) -> Array:
        return super().finish(y).astype(np.float32 if self.policy == "mixed_float16" else y.dtype)


@belongs_to("arguments")
class PolicyComputesInSingle(HonestLayer):
    """mixed_bfloat16: computes in float32, and returns bfloat16 numbers in an array of float32."""

    def finish(self, y: Array) -> Array:
        return super().finish(y).astype(np.float32 if self.policy == "mixed_bfloat16" else y.dtype)


@belongs_to("arguments")
class DoubleInSingle(HonestLayer):
    """dtype="float64" is float32."""

    def __init__(self, adapter: Honest, positional: Sequence[Any] = (), arguments: Mapping[str, Any] | None = None):
        given = dict(arguments or {})
        super().__init__(adapter, positional, {**given, "dtype": None} if given.get("dtype") == "float64" else given)


@belongs_to("arguments")
class WeightsInOtherOrder(HonestLayer):
    """The bias is before the kernel."""

    def weights(self) -> dict[str, Array]:
        return dict(reversed(super().weights().items()))


@belongs_to("arguments")
class WeightsNamedOtherwise(HonestLayer):
    """The kernel is called depthwise_kernel."""

    def weights(self) -> dict[str, Array]:
        return {{"kernel": "depthwise_kernel"}.get(name, name): weight for name, weight in super().weights().items()}


@belongs_to("arguments")
class BiasOfOneRow(HonestLayer):
    """The bias has two dimensions."""

    def weights(self) -> dict[str, Array]:
        return {name: w[None] if name == "bias" else w for name, w in super().weights().items()}


@belongs_to("arguments")
class KernelInGroupedLayout(HonestLayer):
    """The kernel is (height, width, 1, channels * depth_multiplier)."""

    def weights(self) -> dict[str, Array]:
        return {n: w.reshape(*w.shape[:2], 1, -1) if n == "kernel" else w for n, w in super().weights().items()}


@belongs_to("arguments")
class BiasAlways(HonestLayer):
    """use_bias=False: there is a bias, which is not used."""

    def weights(self) -> dict[str, Array]:
        found = super().weights()
        kernel = found["kernel"]
        return {"bias": np.zeros(math.prod(kernel.shape[2:]), kernel.dtype), **found} if len(found) == 1 else found


@belongs_to("arguments")
class BiasAlwaysInUse(HonestLayer):
    """use_bias=False is ignored."""

    def operation(self) -> dict[str, Any]:
        return {**super().operation(), "use_bias": True}


@belongs_to("arguments")
class FunctionAppliedTwice(HonestLayer):
    """An activation that is a function is applied twice."""

    def finish(self, y: Array) -> Array:
        return super().finish(super().finish(y))


@belongs_to("arguments")
class FunctionIgnored(HonestLayer):
    """An activation that is a function is ignored."""

    def finish(self, y: Array) -> Array:
        return y


@belongs_to("arguments")
class FunctionRefused(HonestLayer):
    """An activation that is a function is refused."""

    def given_function(self) -> Callable[[Array], Array] | None:
        if super().given_function() is not None:
            raise TypeError("activation must be a name")
        return None


@belongs_to("arguments")
class AssignedWeightsIgnored(HonestLayer):
    """Weights that are assigned are used, but the old ones are told."""

    def assign(self, weights: Mapping[str, Array]) -> None:
        if not hasattr(self, "first"):
            self.first = super().weights()
        super().assign(weights)

    def weights(self) -> dict[str, Array]:
        return getattr(self, "first", super().weights())


@belongs_to("arguments")
class PoliciesRoundWeights(HonestLayer):
    """Mixed policies: the weights are float32, of numbers rounded to half precision."""

    def assign(self, weights: Mapping[str, Array]) -> None:
        dtype = numpy_dtype(self.compute_dtype())
        super().assign({name: weight.astype(dtype) for name, weight in weights.items()})


# Defaults.


@belongs_to("initializers")
class DefaultDepthwiseInitializerZeros(HonestLayer):
    """depthwise_initializer is zeros by default."""

    defaults: ClassVar[Mapping[str, Any]] = {**HonestLayer.defaults, "depthwise_initializer": "zeros"}


DEFAULTS: Mapping[str, tuple[str, Any]] = {
    "strides": ("2", (2, 2)),
    "padding": ("same", "same"),
    "depth_multiplier": ("2", 2),
    "dilation_rate": ("2", (2, 2)),
    "activation": ("relu", "relu"),
    "use_bias": ("False", False),
    "bias_initializer": ("ones", "ones"),
    "depthwise_regularizer": ("l2", "l2"),
    "bias_regularizer": ("l2", "l2"),
    "activity_regularizer": ("l2", "l2"),
    "depthwise_constraint": ("non_neg", "non_neg"),
    "bias_constraint": ("non_neg", "non_neg"),
}
for key, (word, value) in DEFAULTS.items():
    members = {"defaults": {**HonestLayer.defaults, key: value}}
    define(f"Default{camel(key)}{camel(word)}", f"{key} is {word} by default.", "defaults", **members)


@belongs_to("defaults")
class DefaultTrainableFalse(HonestLayer):
    """Layers are frozen by default."""

    besides: ClassVar[Mapping[str, Any]] = {**HonestLayer.besides, "trainable": False}


@belongs_to("defaults")
class DefaultDtypeFloat64(HonestLayer):
    """dtype is float64 by default."""

    besides: ClassVar[Mapping[str, Any]] = {**HonestLayer.besides, "dtype": "float64"}


@belongs_to("defaults")
class ConfigurationFileIgnored(HonestLayer):
    """The Keras configuration file is ignored."""

    def configuration_file(self) -> Path:
        return Path("/nowhere")


@belongs_to("defaults")
class FirstWithoutConfigurationFile(HonestLayer):
    """data_format is channels_first without a configuration file."""

    def default_format(self) -> str:
        return super().default_format() if self.configuration_file().exists() else "channels_first"


@belongs_to("defaults")
class FirstWithBrokenConfigurationFile(HonestLayer):
    """data_format is channels_first with a broken configuration file."""

    def format_without_file(self) -> str:
        return "channels_first" if self.configuration_file().exists() else "channels_last"


@belongs_to("defaults")
class ConfigurationFileFirst(HonestLayer):
    """The Keras configuration file goes before the argument data_format."""

    def operation(self) -> dict[str, Any]:
        found = super().operation()
        return {**found, "data_format": self.default_format()} if self.configuration_file().exists() else found


@belongs_to("defaults")
class SecondArgumentIsDilation(HonestLayer):
    """The second argument by position is dilation_rate."""

    def order(self) -> tuple[str, ...]:
        return ("kernel_size", "dilation_rate", *(name for name in self.defaults if name != "dilation_rate"))


@belongs_to("defaults")
class PaddingAfterMultiplier(HonestLayer):
    """By position, depth_multiplier comes before padding."""

    def order(self) -> tuple[str, ...]:
        first, strides, padding, multiplier, *rest = super().order()
        return (first, strides, multiplier, padding, *rest)


@belongs_to("defaults")
class InitializersAfterRegularizers(HonestLayer):
    """By position, regularizers come before initializers."""

    def order(self) -> tuple[str, ...]:
        order = list(super().order())
        order[9:13] = [*order[11:13], *order[9:11]]
        return tuple(order)


@belongs_to("defaults")
class OnePositionOnly(HonestLayer):
    """All arguments but kernel_size have to be named."""

    def order(self) -> tuple[str, ...]:
        return ("kernel_size",)

    def bind(self, positional: tuple[Any, ...], arguments: Mapping[str, Any]) -> dict[str, Any]:
        if len(positional) > 1:
            raise TypeError("1 positional argument expected")
        found = {**self.defaults, **self.besides, **dict(zip(("kernel_size",), positional, strict=False)), **arguments}
        if unknown := set(found) - {"kernel_size", *self.defaults, *self.besides}:
            raise TypeError(str(unknown))
        return found


# Shapes.


@belongs_to("shape_inference")
class ShapeOfSameTooLarge(HonestLayer):
    """compute_output_shape with padding="same" is one row too tall."""

    def compute_output_shape(self, input_shape: Known) -> Known:
        found = list(super().compute_output_shape(input_shape))
        row = 1 if self.config.channels_last else 2
        if self.config.padding == "same" and found[row] is not None:
            found[row] += 1
        return tuple(found)


@belongs_to("shape_inference")
class ShapeForgetsDilation(HonestLayer):
    """compute_output_shape is that of a kernel without dilation."""

    def compute_output_shape(self, input_shape: Known) -> Known:
        super().compute_output_shape(input_shape)
        return self.adapter.output_shape(self.construct({**self.operation(), "dilation_rate": 1}), input_shape)


@belongs_to("shape_inference")
class ShapeForgetsStrides(HonestLayer):
    """compute_output_shape is that of strides of one."""

    def compute_output_shape(self, input_shape: Known) -> Known:
        super().compute_output_shape(input_shape)
        return self.adapter.output_shape(self.construct({**self.operation(), "strides": 1}), input_shape)


@belongs_to("shape_inference")
class ShapeForgetsMultiplier(HonestLayer):
    """compute_output_shape has as many channels as the input."""

    def compute_output_shape(self, input_shape: Known) -> Known:
        super().compute_output_shape(input_shape)
        return self.adapter.output_shape(self.construct({**self.operation(), "depth_multiplier": 1}), input_shape)


@belongs_to("shape_inference")
class ShapeAsIfChannelsLast(HonestLayer):
    """compute_output_shape reads every shape as channels_last."""

    def compute_output_shape(self, input_shape: Known) -> Known:
        last = self.construct({**self.operation(), "data_format": "channels_last"})
        return self.adapter.output_shape(last, input_shape)


@belongs_to("shape_inference")
class ShapeRaisesOnUnknown(HonestLayer):
    """compute_output_shape raises TypeError where a size is unknown."""

    def compute_output_shape(self, input_shape: Known) -> Known:
        if None in input_shape:
            raise TypeError("unsupported operand type(s) for -: 'NoneType' and 'int'")
        return super().compute_output_shape(input_shape)


@belongs_to("shape_inference")
class ShapeOfUnknownIsOne(HonestLayer):
    """compute_output_shape takes an unknown size for one that just fits."""

    def compute_output_shape(self, input_shape: Known) -> Known:
        return tuple(1 if size is None else size for size in super().compute_output_shape(input_shape))


@belongs_to("shape_inference")
class SymbolicBatchOfOne(HonestLayer):
    """Symbolic calls take an unknown batch for one."""

    def symbolic_shape(self, input_shape: Known) -> Known:
        batch, *rest = super().symbolic_shape(input_shape)
        return (1 if batch is None else batch, *rest)


@belongs_to("shape_inference")
class SymbolicBatchHasToBeKnown(HonestLayer):
    """Symbolic calls raise ValueError where the batch is unknown."""

    def symbolic_shape(self, input_shape: Known) -> Known:
        if input_shape[0] is None:
            raise ValueError("the batch is unknown")
        return super().symbolic_shape(input_shape)


@belongs_to("shape_inference")
class SymbolicShapeUnknown(HonestLayer):
    """Symbolic calls have a shape of five dimensions."""

    def symbolic_shape(self, input_shape: Known) -> Known:
        return (*super().symbolic_shape(input_shape), None)


@belongs_to("shape_inference")
class SymbolicShapeSwapped(HonestLayer):
    """Symbolic calls swap height and width of channels_first."""

    def symbolic_shape(self, input_shape: Known) -> Known:
        batch, channels, height, width = found = super().symbolic_shape(input_shape)
        return found if self.config.channels_last else (batch, channels, width, height)


# Training.


@belongs_to("training")
class FitOfSum(HonestLayer):
    """fit descends the sum over the batch."""

    def of_mean(self, cotangent: Array) -> Array:
        return cotangent


@belongs_to("training")
class FitOfMeanOfAll(HonestLayer):
    """fit descends the mean over all numbers of the output."""

    def of_mean(self, cotangent: Array) -> Array:
        return cotangent / cotangent.dtype.type(cotangent.size)


@belongs_to("training")
class FitWithoutConstraints(HonestLayer):
    """fit ignores constraints."""

    def fit(self, x: Array, cotangent: Array, learning_rate: float) -> None:
        kept = self.parts
        slopes = self.gradients(x, self.of_mean(cotangent))
        self.parts = {**kept, "depthwise_constraint": None, "bias_constraint": None}
        self.step(slopes, learning_rate)
        self.parts = kept


@belongs_to("training")
class FitWithoutRegularizers(HonestLayer):
    """fit ignores regularizers."""

    def fit(self, x: Array, cotangent: Array, learning_rate: float) -> None:
        kept = self.parts
        self.parts = {name: None if name.endswith("regularizer") else part for name, part in kept.items()}
        super().fit(x, cotangent, learning_rate)
        self.parts = kept


def fitting_without(part: str) -> Callable[[HonestLayer, Array, Array, float], None]:
    def fit(self: HonestLayer, x: Array, cotangent: Array, learning_rate: float) -> None:
        kept = self.parts
        self.parts = {**kept, part: None}
        HonestLayer.fit(self, x, cotangent, learning_rate)
        self.parts = kept

    return fit


for key in ("bias_regularizer", "activity_regularizer", "bias_constraint"):
    define(f"FitWithout{camel(key)}", f"fit ignores {key}.", "training", fit=fitting_without(key))


@belongs_to("training")
class FitTwice(HonestLayer):
    """fit takes two steps."""

    def fit(self, x: Array, cotangent: Array, learning_rate: float) -> None:
        super().fit(x, cotangent, learning_rate)
        super().fit(x, cotangent, learning_rate)


@belongs_to("training")
class FitDoesNothing(HonestLayer):
    """fit changes nothing."""

    def fit(self, x: Array, cotangent: Array, learning_rate: float) -> None:
        self(x)


@belongs_to("training")
class FitOfKernelOnly(HonestLayer):
    """fit leaves the bias as it is."""

    def fit(self, x: Array, cotangent: Array, learning_rate: float) -> None:
        bias = self.variables.get("bias")
        super().fit(x, cotangent, learning_rate)
        self.variables |= {} if bias is None else {"bias": bias}


@belongs_to("training")
class FitTrainsFrozen(HonestLayer):
    """fit trains frozen layers, too."""

    def fit(self, x: Array, cotangent: Array, learning_rate: float) -> None:
        kept, self.trainable = self.trainable, True
        super().fit(x, cotangent, learning_rate)
        self.trainable = kept


@belongs_to("training")
class FitUpwards(HonestLayer):
    """fit climbs."""

    def fit(self, x: Array, cotangent: Array, learning_rate: float) -> None:
        super().fit(x, cotangent, -learning_rate)


@belongs_to("training")
class FitInHalfPrecision(HonestLayer):
    """fit computes in bfloat16."""

    def gradients(self, x: Array, cotangent: Array) -> dict[str, Array]:
        found = super().gradients(x, cotangent)
        return {name: slope.astype(ml_dtypes.bfloat16).astype(slope.dtype) for name, slope in found.items()}


@belongs_to("training")
class FitWithoutActivation(HonestLayer):
    """fit takes the activation for linear in its gradients."""

    def fit(self, x: Array, cotangent: Array, learning_rate: float) -> None:
        kept = self.config
        self.config = self.construct({**self.operation(), "activation": None})
        super().fit(x, cotangent, learning_rate)
        self.config = kept


# Refusals that do not come.


def accepting(repaired: Callable[[str, Any], Any]) -> Callable[[HonestLayer, Any, Any], None]:
    """A constructor that puts something acceptable in the place of what has to be refused."""

    def initialize(self: HonestLayer, adapter: Honest, positional: Any = (), arguments: Any = None) -> None:
        HonestLayer.__init__(self, adapter, positional, {n: repaired(n, v) for n, v in (arguments or {}).items()})

    return initialize


def entries(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def fixed_sizes(fix: Callable[[Any], Any], *names: str) -> Callable[[str, Any], Any]:
    """Repairs sizes, entry by entry."""

    def repaired(name: str, value: Any) -> Any:
        if name not in names:
            return value
        return [fix(entry) for entry in value] if isinstance(value, list | tuple) else fix(value)

    return repaired


def fixed_lengths(name: str, value: Any) -> Any:
    short = name in SIZES and isinstance(value, list | tuple) and len(value) != 2
    return (*value, 1, 1)[:2] if short else value


def whole(value: Any) -> Any:
    return value if type(value) is int else int(float(value)) if isinstance(value, float | str) else 1


def fixed_choice(name: str, default: Any, *known: Any) -> Callable[[str, Any], Any]:
    """The default for what is not known."""

    def repaired(argument: str, value: Any) -> Any:
        return default if argument == name and str(value).lower() not in known else value

    return repaired


def fixed_part(family: str) -> Callable[[str, Any], Any]:
    """None for an initializer, regularizer or constraint that is not known."""
    layer = HonestLayer(Honest(), (1,))

    def repaired(argument: str, value: Any) -> Any:
        if not argument.endswith(family):
            return value
        try:
            layer.part(argument, value)
        except ValueError:
            return None
        return value

    return repaired


def fixed_activation(name: str, value: Any) -> Any:
    try:
        return value if name != "activation" or callable(value) else LayerConfig(1, activation=value).activation
    except ValueError:
        return None


NUMBERS = (*SIZES, "depth_multiplier")
ACCEPTED: Mapping[str, Callable[[str, Any], Any]] = {
    "zero sizes": fixed_sizes(lambda size: size or 1 if type(size) is int else size, *NUMBERS),
    "negative sizes": fixed_sizes(lambda size: abs(size) if type(size) is int else size, *NUMBERS),
    "sizes of other types": fixed_sizes(whole, *NUMBERS),
    "fractional strides": fixed_sizes(lambda size: int(size) if isinstance(size, float) else size, "strides"),
    "sizes as text": fixed_sizes(lambda size: int(size) if isinstance(size, str) else size, *NUMBERS),
    "other numbers of sizes": fixed_lengths,
    "unknown padding": fixed_choice("padding", "valid", "valid", "same"),
    "unknown data_format": fixed_choice("data_format", None, "channels_last", "channels_first"),
    "unknown dtypes": fixed_choice("dtype", None, "float16", "bfloat16", "float32", "float64"),
    "unknown initializers": fixed_part("initializer"),
    "unknown regularizers": fixed_part("regularizer"),
    "unknown constraints": fixed_part("constraint"),
    "unknown activation": fixed_activation,
    "depth_multiplier of None": lambda name, value: 1 if name == "depth_multiplier" and value is None else value,
}
for key, repaired in ACCEPTED.items():
    told = f"{key.capitalize()} are accepted: taken for something that is allowed."
    define(camel(key.replace(" ", "_")) + "Taken", told, "errors", __init__=accepting(repaired))


@belongs_to("errors")
class UnknownArgumentsTaken(HonestLayer):
    """Unknown keyword arguments are ignored."""

    def bind(self, positional: tuple[Any, ...], arguments: Mapping[str, Any]) -> dict[str, Any]:
        known = {*self.order(), *self.besides}
        return super().bind(positional, {name: value for name, value in arguments.items() if name in known})


@belongs_to("errors")
class ImagesWithoutBatchTaken(HonestLayer):
    """Inputs of three dimensions are batches of one."""

    def build(self, input_shape: Known) -> None:
        super().build((1, *input_shape) if len(input_shape) == 3 else input_shape)

    def apply(self, x: Array) -> Array:
        return super().apply(x[None])[0] if x.ndim == 3 else super().apply(x)


@belongs_to("errors")
class VolumesTaken(HonestLayer):
    """Of inputs with five dimensions, the last is dropped."""

    def build(self, input_shape: Known) -> None:
        super().build(input_shape[:4])

    def apply(self, x: Array) -> Array:
        return super().apply(x[..., 0] if x.ndim == 5 else x)


@belongs_to("errors")
class UnknownChannelsTaken(HonestLayer):
    """Unknown channels are one channel."""

    def channels(self, input_shape: Known) -> int:
        return input_shape[-1 if self.config.channels_last else 1] or 1


@belongs_to("errors")
class LargeKernelsTaken(HonestLayer):
    """Kernels that do not fit give an output without rows."""

    def compute_output_shape(self, input_shape: Known) -> Known:
        try:
            return super().compute_output_shape(input_shape)
        except ValueError as error:
            if "does not fit" not in str(error):
                raise
            return (input_shape[0], 0, 0, None)

    def apply(self, x: Array) -> Array:
        try:
            return super().apply(x)
        except ValueError as error:
            if "does not fit" not in str(error):
                raise
            return np.zeros((len(x), 0, 0, 1), x.dtype)


@belongs_to("errors")
class ConstraintsOfOtherShapesTaken(HonestLayer):
    """A constraint may change the shape of a weight."""

    def constrained(self, name: str, w: Array) -> Array:
        part = self.parts[f"{PREFIX[name]}_constraint"]
        return w if part is None else self.project(part, w)


@belongs_to("errors")
class StridesWithDilationRaiseTypeError(HonestLayer):
    """strides with dilation_rate raise TypeError."""

    def construct(self, operation: dict[str, Any]) -> LayerConfig:
        try:
            return super().construct(operation)
        except ValueError as error:
            if "incompatible" in str(error):
                raise TypeError(str(error)) from None
            raise


LAYER_FAULTS = tuple(FAULTS)
