"""Refusals that do not come, or come as another error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from honest import Honest
from layers import PREFIX, Array, HonestLayer, Known

from depthwise_conformance.reference import LayerConfig
from layer_faults.base import SIZES, belongs_to, camel, define


def accepting(repaired: Callable[[str, Any], Any]) -> Callable[[HonestLayer, Any, Any], None]:
    """A constructor that puts something acceptable in the place of what has to be refused."""

    def initialize(self: HonestLayer, adapter: Honest, positional: Any = (), arguments: Any = None) -> None:
        HonestLayer.__init__(self, adapter, positional, {n: repaired(n, v) for n, v in (arguments or {}).items()})

    return initialize


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
    define(__name__, camel(key.replace(" ", "_")) + "Taken", told, "errors", __init__=accepting(repaired))


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
