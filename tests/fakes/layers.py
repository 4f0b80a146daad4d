"""An honest whole layer, with a hook for everything that can be got wrong, and variants that must all pass.

Written from the documentation, in NumPy, and independent of the reference's; the operation itself is the adapter's.
`layer_faults.py` overrides one hook at a time.
"""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, ClassVar

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.adapters.base import LayerHandle, Unsupported

if TYPE_CHECKING:
    from honest import Honest

    from depthwise_conformance.reference import LayerConfig

Array = NDArray[Any]
Known = tuple[int | None, ...]
Numbers = np.random.Generator

POLICIES = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}
OPERATION = (
    *("kernel_size", "strides", "padding", "depth_multiplier", "data_format", "dilation_rate"),
    *("activation", "use_bias"),
)
PARTS = (
    *("depthwise_initializer", "bias_initializer", "depthwise_regularizer", "bias_regularizer"),
    *("activity_regularizer", "depthwise_constraint", "bias_constraint"),
)
PREFIX = {"kernel": "depthwise", "bias": "bias"}  # what the arguments call the weights
SCALINGS = {
    "GlorotUniform": (1.0, "fan_avg", "uniform"),
    "GlorotNormal": (1.0, "fan_avg", "truncated_normal"),
    "HeUniform": (2.0, "fan_in", "uniform"),
    "HeNormal": (2.0, "fan_in", "truncated_normal"),
    "LecunUniform": (1.0, "fan_in", "uniform"),
    "LecunNormal": (1.0, "fan_in", "truncated_normal"),
}
FAMILIES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {  # the defaults of every class
    "initializer": {
        "Zeros": {},
        "Ones": {},
        "Constant": {"value": 0.0},
        "RandomNormal": {"mean": 0.0, "stddev": 0.05, "seed": None},
        "RandomUniform": {"minval": -0.05, "maxval": 0.05, "seed": None},
        "TruncatedNormal": {"mean": 0.0, "stddev": 0.05, "seed": None},
        "VarianceScaling": {"scale": 1.0, "mode": "fan_in", "distribution": "truncated_normal", "seed": None},
        "Orthogonal": {"gain": 1.0, "seed": None},
        **{name: {"seed": None} for name in SCALINGS},
    },
    "regularizer": {"L1": {"l1": 0.01}, "L2": {"l2": 0.01}, "L1L2": {"l1": 0.0, "l2": 0.0}},
    "constraint": {
        "NonNeg": {},
        "MaxNorm": {"max_value": 2, "axis": 0},
        "UnitNorm": {"axis": 0},
        "MinMaxNorm": {"min_value": 0.0, "max_value": 1.0, "rate": 1.0, "axis": 0},
    },
}
BY_NAME_ALONE = {"l1_l2": {"l1": 0.01, "l2": 0.01}}


@dataclass(frozen=True)
class Part:
    """An initializer, a regularizer or a constraint: a class's name and configuration, or a function."""

    name: str
    config: Mapping[str, Any]
    function: Callable[..., Any] | None = None

    def __getitem__(self, key: str) -> Any:
        return self.config[key]


class Halved:
    """Half of an array; `gradient` is the slope."""

    def __call__(self, p: Array) -> Array:
        return p / p.dtype.type(2)

    def gradient(self, p: Array) -> Array:
        return np.full_like(p, 0.5)


class SumOfSquares:
    """The sum of squares; `gradient` is its gradient."""

    def __call__(self, w: Array) -> Array:
        return np.asarray(np.square(w).sum())

    def gradient(self, w: Array) -> Array:
        return w + w


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "halved": Halved(),
    "sum_of_squares": SumOfSquares(),
    "halves": lambda shape, dtype=None: np.ones(shape) / 2,
    "cropped": lambda w: w[:1],
}


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def numpy_dtype(name: str) -> np.dtype[Any]:
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


class HonestLayer(LayerHandle):
    """The layer: `given` has its arguments by name, `config` the operation's, `variables` the weights."""

    defaults: ClassVar[Mapping[str, Any]] = {  # in the order of the signature, behind kernel_size
        "strides": (1, 1),
        "padding": "valid",
        "depth_multiplier": 1,
        "data_format": None,
        "dilation_rate": (1, 1),
        "activation": None,
        "use_bias": True,
        "depthwise_initializer": "glorot_uniform",
        "bias_initializer": "zeros",
        "depthwise_regularizer": None,
        "bias_regularizer": None,
        "activity_regularizer": None,
        "depthwise_constraint": None,
        "bias_constraint": None,
    }
    besides: ClassVar[Mapping[str, Any]] = {"name": None, "trainable": True, "dtype": None}
    instead_of_none: ClassVar[Mapping[str, Any]] = {
        "depthwise_initializer": "glorot_uniform",
        "bias_initializer": "zeros",
    }

    def __init__(self, adapter: Honest, positional: Sequence[Any] = (), arguments: Mapping[str, Any] | None = None):
        self.adapter = adapter
        self.given = self.bind(tuple(positional), arguments or {})
        self.name = self.given["name"] or "depthwise_conv2d"
        self.policy = self.given["dtype"] or "float32"
        self.trainable = self.given["trainable"]
        self.function = self.given_function()
        self.config = self.construct(self.operation())
        self.parts = {name: self.part(name, self.given[name]) for name in PARTS}
        self.variables: dict[str, Array] = {}
        self.watched: Array = np.zeros(0)

    # The arguments.

    def order(self) -> tuple[str, ...]:
        """The arguments that may be given by position."""
        return ("kernel_size", *self.defaults)

    def bind(self, positional: tuple[Any, ...], arguments: Mapping[str, Any]) -> dict[str, Any]:
        """All arguments by name. Raises TypeError as Python does."""
        order = self.order()
        if len(positional) > len(order):
            raise TypeError(f"{len(positional)} positional arguments; accepted are {len(order)}")
        placed = dict(zip(order, positional, strict=False))
        if unknown := set(arguments) - {*order, *self.besides}:
            raise TypeError(f"unexpected arguments {sorted(unknown)}")
        if twice := set(placed) & set(arguments):
            raise TypeError(f"{sorted(twice)} are given twice")
        found = {**self.defaults, **self.besides, **placed, **arguments}
        if "kernel_size" not in found:
            raise TypeError("kernel_size is missing")
        return found

    def given_function(self) -> Callable[[Array], Array] | None:
        """The activation, where it is a function."""
        activation = self.given["activation"]
        if isinstance(activation, dict) and activation.get("class_name") == "function":
            activation = FUNCTIONS[activation["config"]]
        return activation if callable(activation) else None

    def operation(self) -> dict[str, Any]:
        """The operation's arguments, as given."""
        found = {name: self.given[name] for name in OPERATION}
        if found["data_format"] is None:
            found["data_format"] = self.default_format()
        if self.function is not None:
            found["activation"] = None
        return {**found, "dtype": self.compute_dtype()}

    def construct(self, operation: dict[str, Any]) -> LayerConfig:
        """Raises ValueError for arguments that the documentation refuses."""
        return self.adapter.construct(operation)

    def default_format(self) -> str:
        """What the Keras configuration file says."""
        try:
            found = json.loads(self.configuration_file().read_text())["image_data_format"]
        except (OSError, ValueError, KeyError, TypeError):
            return self.format_without_file()
        return found if found in ("channels_last", "channels_first") else self.format_without_file()

    def configuration_file(self) -> Path:
        return Path.home() / ".keras" / "keras.json"

    def format_without_file(self) -> str:
        return "channels_last"

    def compute_dtype(self) -> str:
        return POLICIES.get(self.policy, self.policy)

    def variable_dtype(self) -> str:
        return "float32" if self.policy in POLICIES else self.policy

    def part(self, argument: str, given: Any) -> Part | None:
        """What a name, a class with its configuration or a function means. Raises ValueError."""
        given = self.instead_of_none.get(argument) if given is None else given
        if given is None:
            return None
        known = FAMILIES[argument.rpartition("_")[2]]
        if callable(given):
            return Part("function", {}, given)
        if isinstance(given, str):
            for name, config in known.items():
                if given in (name, snake(name)):
                    return Part(name, {**config, **BY_NAME_ALONE.get(given, {})})
        if isinstance(given, dict) and given.get("class_name") == "function":
            return Part("function", {}, FUNCTIONS[given["config"]])
        if isinstance(given, dict) and given.get("class_name") in known:
            config = known[given["class_name"]]
            if set(given.get("config", {})) <= set(config):
                return Part(given["class_name"], {**config, **given.get("config", {})})
        raise ValueError(f"{argument}={given!r} is unknown")

    # Weights and where they start.

    def build(self, input_shape: Known) -> None:
        self.compute_output_shape(input_shape)
        for name, shape in self.shapes(self.channels(input_shape)).items():
            self.variables[name] = self.initial(name, shape).astype(self.initial_dtype())

    def channels(self, input_shape: Known) -> int:
        found = input_shape[-1 if self.config.channels_last else 1]
        if found is None:
            raise ValueError("the number of channels is unknown")
        return found

    def shapes(self, channels: int) -> dict[str, tuple[int, ...]]:
        """Of the weights, in their order."""
        multiplier = self.config.depth_multiplier
        bias = {"bias": (channels * multiplier,)} if self.config.use_bias else {}
        return {"kernel": (*self.config.kernel_size, channels, multiplier), **bias}

    def initial_dtype(self) -> np.dtype[Any]:
        return self.stored

    @property
    def stored(self) -> np.dtype[Any]:
        """The dtype of the weights."""
        return numpy_dtype(self.variable_dtype())

    @property
    def wide(self) -> np.dtype[Any]:
        """The dtype in which weights are calculated with."""
        found = self.adapter.accumulator(self.stored)
        return found if found.itemsize <= 8 else np.dtype(np.float64)

    def initial(self, name: str, shape: tuple[int, ...]) -> Array:
        part = self.parts[f"{PREFIX[name]}_initializer"]
        assert part is not None
        return np.asarray(part.function(shape)) if part.function else self.sample(part, shape)

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

    # Use.

    def __call__(self, x: Array) -> Array:
        if not self.variables:
            self.build(x.shape)
        y = self.apply(x)
        self.watched = self.watch(x, y)
        return y

    def apply(self, x: Array) -> Array:
        x, weights = self.cast(x)
        y = self.adapter.forward(self.config, x, weights["kernel"], weights.get("bias"))
        return self.finish(y)

    def cast(self, x: Array) -> tuple[Array, dict[str, Array]]:
        """Input and weights in the dtype of the computation."""
        dtype = numpy_dtype(self.config.dtype)
        return x.astype(dtype), {name: weight.astype(dtype) for name, weight in self.variables.items()}

    def finish(self, y: Array) -> Array:
        """Applies an activation that is a function."""
        return y if self.function is None else self.function(y)

    def watch(self, x: Array, y: Array) -> Array:
        """What the activity regularizer sees."""
        return y

    def weights(self) -> dict[str, Array]:
        return {name: weight.copy() for name, weight in self.variables.items()}

    def assign(self, weights: Mapping[str, Array]) -> None:
        for name in self.variables:
            self.variables[name] = weights[name].astype(self.stored)

    def attributes(self) -> dict[str, Any]:
        dtypes = {"compute_dtype": self.compute_dtype(), "variable_dtype": self.variable_dtype()}
        return {"name": self.name, "trainable": self.trainable, **dtypes}

    # What is added to the loss.

    def loss(self) -> Array:
        found = [self.weight_penalty(name) for name in self.trained()]
        if (part := self.parts["activity_regularizer"]) is not None:
            found.append(self.penalty(part, self.watched.astype(self.wide)) / self.images(self.watched))
        return np.asarray(sum(found), self.wide)

    def weight_penalty(self, name: str) -> Any:
        part = self.parts[f"{PREFIX[name]}_regularizer"]
        return 0.0 if part is None else self.penalty(part, self.variables[name].astype(self.wide))

    def penalty(self, part: Part, w: Array) -> Any:
        if part.function is not None:
            return part.function(w)
        l1, l2 = self.coefficients(part)
        return (l1 * np.abs(w).sum() if l1 else 0) + (l2 * np.square(w).sum() if l2 else 0)

    def slope(self, part: Part, w: Array) -> Array:
        """The gradient of `penalty`."""
        if part.function is not None:
            return part.function.gradient(w)  # type: ignore[attr-defined]
        l1, l2 = self.coefficients(part)
        return (l1 * np.sign(w) + 2 * l2 * w).astype(w.dtype)

    def coefficients(self, part: Part) -> tuple[float, float]:
        return part.config.get("l1", 0.0), part.config.get("l2", 0.0)

    def images(self, y: Array) -> int:
        """By how much the activity regularizer's loss is divided."""
        return max(len(y), 1)

    # Training.

    def trained(self) -> tuple[str, ...]:
        return tuple(self.variables) if self.trainable else ()

    def gradients(self, x: Array, cotangent: Array) -> dict[str, Array]:
        y = self(x)
        inputs, weights = self.cast(x)
        back = self.behind_function(y, (cotangent.astype(self.wide) + self.activity_slope(y)).astype(y.dtype))
        found = self.adapter.gradients(self.config, inputs, weights["kernel"], weights.get("bias"), back)
        slopes = {"kernel": found.kernel, "bias": found.bias}
        return {"input": found.input.astype(self.stored), **{n: self.regularized(n, slopes) for n in self.trained()}}

    def activity_slope(self, y: Array) -> Any:
        part = self.parts["activity_regularizer"]
        return 0 if part is None else self.slope(part, y.astype(self.wide)) / self.wide.type(self.images(y))

    def behind_function(self, y: Array, cotangent: Array) -> Array:
        """The cotangent before an activation that is a function (all of which are linear)."""
        if self.function is None:
            return cotangent
        return cotangent * self.function.gradient(y)  # type: ignore[attr-defined]

    def regularized(self, name: str, slopes: Mapping[str, Any]) -> Array:
        """A weight's gradient with that of its regularizer."""
        return (slopes[name].astype(self.wide) + self.weight_slope(name)).astype(self.stored)

    def weight_slope(self, name: str) -> Any:
        part = self.parts[f"{PREFIX[name]}_regularizer"]
        return 0 if part is None else self.slope(part, self.variables[name].astype(self.wide))

    def step(self, gradients: Mapping[str, Array], learning_rate: float) -> None:
        for name in self.trained():
            w, gradient = (a.astype(self.wide) for a in (self.variables[name], gradients[name]))
            self.variables[name] = self.updated(name, w, gradient, self.wide.type(learning_rate)).astype(self.stored)

    def updated(self, name: str, w: Array, gradient: Array, rate: Any) -> Array:
        return self.constrained(name, w - rate * gradient)

    def constrained(self, name: str, w: Array) -> Array:
        part = self.parts[f"{PREFIX[name]}_constraint"]
        projected = w if part is None else self.project(part, w)
        if projected.shape != w.shape:
            raise ValueError(f"the constraint makes {projected.shape} of {w.shape}")
        return projected

    def project(self, part: Part, w: Array) -> Array:
        if part.function is not None:
            return part.function(w)
        if part.name == "NonNeg":
            return self.non_negative(w)
        norms = self.norms(w, self.axis(part))
        scale = np.divide(self.wanted(part, norms), norms, out=np.zeros_like(norms), where=norms > 0)
        return w * scale

    def non_negative(self, w: Array) -> Array:
        return np.maximum(w, w.dtype.type(0))

    def axis(self, part: Part) -> Any:
        axis = part["axis"]
        return tuple(axis) if isinstance(axis, list) else axis

    def norms(self, w: Array, axis: Any) -> Array:
        return np.sqrt(np.square(w).sum(axis=axis, keepdims=True))

    def wanted(self, part: Part, norms: Array) -> Array:
        """The norms to be had instead of these."""
        match part.name:
            case "MaxNorm":
                found = np.minimum(norms, part["max_value"])
            case "MinMaxNorm":
                inside = np.minimum(np.maximum(norms, part["min_value"]), part["max_value"])
                found = norms + self.rate(part) * (inside - norms)
            case _:
                found = np.ones_like(norms)
        return found.astype(norms.dtype)

    def rate(self, part: Part) -> float:
        return part["rate"]

    def fit(self, x: Array, cotangent: Array, learning_rate: float) -> None:
        self.step(self.gradients(x, self.of_mean(cotangent)), learning_rate)

    def of_mean(self, cotangent: Array) -> Array:
        """The cotangent of the mean over the batch."""
        return cotangent / cotangent.dtype.type(max(len(cotangent), 1))

    # Shapes.

    def compute_output_shape(self, input_shape: Known) -> Known:
        found = self.adapter.output_shape(self.config, input_shape)
        self.channels(input_shape)
        return found

    def symbolic_shape(self, input_shape: Known) -> Known:
        return self.compute_output_shape(input_shape)

    # Configurations and files.

    def get_config(self) -> dict[str, Any]:
        plain = {name: self.plain(name) for name in OPERATION}
        parts = {name: self.told(part) for name, part in self.parts.items()}
        return {"name": self.name, "trainable": self.trainable, "dtype": self.policy, **plain, **parts}

    def plain(self, name: str) -> Any:
        if name == "activation" and self.function is not None:
            return self.told(Part("function", {}, self.function))
        value = getattr(self.config, name)
        return list(value) if isinstance(value, tuple) else value

    def told(self, part: Part | None) -> Any:
        """The class and configuration, or the function's name."""
        if part is None:
            return None
        if part.function is not None:
            name = next(name for name, function in FUNCTIONS.items() if function is part.function)
            return {"class_name": "function", "config": name}
        return {"class_name": part.name, "config": dict(part.config)}

    def recreated(self) -> LayerHandle:
        return self.from_config(json.loads(json.dumps(self.get_config())))

    def from_config(self, config: dict[str, Any]) -> HonestLayer:
        return type(self)(self.adapter, (), config)

    def reloaded(self) -> LayerHandle:
        """By a file of the configuration and one of the weights."""
        with tempfile.TemporaryDirectory() as folder:
            text, numbers = Path(folder) / "config.json", Path(folder) / "weights.npz"
            text.write_text(json.dumps(self.get_config()))
            np.savez(numbers, **{name: weight.astype(np.float64) for name, weight in self.variables.items()})
            loaded = self.from_config(self.loaded_config(json.loads(text.read_text())))
            with np.load(numbers) as saved:
                found = self.loaded_weights({name: saved[name] for name in saved.files})
        loaded.variables = {name: weight.astype(loaded.stored) for name, weight in found.items()}
        return loaded

    def loaded_config(self, config: dict[str, Any]) -> dict[str, Any]:
        return config

    def loaded_weights(self, weights: dict[str, Array]) -> dict[str, Array]:
        return weights


# Variants, as honest.


class BuiltByFirstCall(HonestLayer):
    """Makes its weights on the first call only."""

    def build(self, input_shape: Known) -> None:
        raise Unsupported("the layer is not built apart from its first call")

    def __call__(self, x: Array) -> Array:
        if not self.variables:
            HonestLayer.build(self, x.shape)
        return super().__call__(x)


class CallAlone(LayerHandle):
    """The least that can be written: the call."""

    def __init__(self, adapter: Honest, positional: Sequence[Any], arguments: Mapping[str, Any]):
        self.layer = HonestLayer(adapter, positional, arguments)

    def __call__(self, x: Array) -> Array:
        return self.layer(x)


class ActivityOfBatch(HonestLayer):
    """Does not divide the activity regularizer's loss by the batch size."""

    def images(self, y: Array) -> int:
        return 1


class OtherDraws(HonestLayer):
    """Draws normal numbers by Box and Muller, truncated ones by rejection, orthogonal ones by Gram and Schmidt."""

    def normal(self, random: Numbers, shape: tuple[int, ...], mean: float, deviation: float) -> Array:
        radius = np.sqrt(-2.0 * np.log1p(-random.random(shape)))
        return mean + deviation * radius * np.cos(2.0 * math.pi * random.random(shape))

    def uniform(self, random: Numbers, shape: tuple[int, ...], low: float, high: float) -> Array:
        grid = random.integers(0, 1 << 23, shape) / (1 << 23)  # as frameworks do in float32
        return low + (high - low) * grid

    def truncated(self, random: Numbers, shape: tuple[int, ...], mean: float, deviation: float) -> Array:
        z = self.normal(random, shape, 0.0, 1.0)
        while (far := np.abs(z) > 2.0).any():
            z[far] = self.normal(random, (int(far.sum()),), 0.0, 1.0)
        return mean + deviation * z

    def orthogonal(self, random: Numbers, shape: tuple[int, ...]) -> Array:
        rows, columns = math.prod(shape[:-1]), shape[-1]
        found: list[Array] = []
        for row in random.normal(size=(min(rows, columns), max(rows, columns))):
            for _ in range(2):
                row = row - sum((q * (q @ row) for q in found), start=np.zeros_like(row))
            found.append(row / np.linalg.norm(row))
        matrix = np.stack(found)
        return (matrix.T if rows >= columns else matrix).reshape(shape)


class OtherSlopes(HonestLayer):
    """Takes the slope of the absolute value at zero for one."""

    def slope(self, part: Part, w: Array) -> Array:
        l1 = 0.0 if part.function else self.coefficients(part)[0]
        return super().slope(part, w) + w.dtype.type(l1) * (w == 0)


class AsKerasWrites(HonestLayer):
    """Adds epsilon to norms, counts frozen weights in the loss, has further entries in its configuration."""

    def norms(self, w: Array, axis: Any) -> Array:
        return super().norms(w, axis) + w.dtype.type(1e-7)

    def loss(self) -> Array:
        frozen = [] if self.trainable else [self.weight_penalty(name) for name in self.variables]
        return np.asarray(super().loss() + sum(frozen), self.wide)

    def get_config(self) -> dict[str, Any]:
        return {"module": "keras.layers", "registered_name": None, "groups": 1, **super().get_config()}

    def from_config(self, config: dict[str, Any]) -> HonestLayer:
        own = ("module", "registered_name", "groups")
        return super().from_config({name: value for name, value in config.items() if name not in own})


class InDouble(HonestLayer):
    """Calculates losses, updates and constraints in float64."""

    @property
    def wide(self) -> np.dtype[Any]:
        return np.dtype(np.float64)


class OtherErrors(HonestLayer):
    """Refuses with errors of its own what the documentation names no error for."""

    def __init__(self, adapter: Honest, positional: Sequence[Any] = (), arguments: Mapping[str, Any] | None = None):
        try:
            super().__init__(adapter, positional, arguments)
        except (TypeError, ValueError) as error:
            if "strides > 1 is incompatible" in str(error):
                raise
            raise NotImplementedError(str(error)) from None

    def build(self, input_shape: Known) -> None:
        try:
            super().build(input_shape)
        except ValueError as error:
            raise IndexError(str(error)) from None


class RefusesWhenUsed(HonestLayer):
    """Looks at its arguments when it is first used."""

    def __init__(self, adapter: Honest, positional: Sequence[Any] = (), arguments: Mapping[str, Any] | None = None):
        self.late = (adapter, positional, arguments)

    def __getattr__(self, name: str) -> Any:
        super().__init__(*self.late)
        return self.__dict__[name]
