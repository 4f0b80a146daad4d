"""The whole layer as the documentation has it, with a hook for everything that can be got wrong."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from depthwise_conformance.adapters.base import LayerHandle
from layers.constraints import Constraints
from layers.initializers import Initializers
from layers.parts import (
    BY_NAME_ALONE,
    FAMILIES,
    FUNCTIONS,
    OPERATION,
    PARTS,
    POLICIES,
    PREFIX,
    Array,
    Part,
    numpy_dtype,
    snake,
)
from layers.regularizers import Regularizers

if TYPE_CHECKING:
    from honest import Honest

    from depthwise_conformance.reference import LayerConfig

Known = tuple[int | None, ...]


class HonestLayer(Initializers, Regularizers, Constraints, LayerHandle):
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
            found = json.loads(self.content())["image_data_format"]
        except (ValueError, KeyError, TypeError):
            return self.format_without_file()
        return found if found in ("channels_last", "channels_first") else self.format_without_file()

    def configuration_file(self) -> Path:
        return Path.home() / ".keras" / "keras.json"

    def content(self) -> str:
        """The configuration file's, "" where it has none."""
        try:
            return self.configuration_file().read_text()
        except OSError:
            return ""

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
