"""The constructor arguments of the layer: normalised, validated, immutable."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, cast

from depthwise_conformance.reference.activations import ACTIVATIONS
from depthwise_conformance.reference.floats import FORMATS

Pair = tuple[int, int]
NAMED = (
    *("depthwise_initializer", "bias_initializer", "depthwise_regularizer", "bias_regularizer", "activity_regularizer"),
    *("depthwise_constraint", "bias_constraint"),
)


@dataclass(frozen=True)
class LayerConfig:
    """The arguments of `keras.layers.DepthwiseConv2D`, with its names and defaults.

    `kernel_size`, `strides` and `dilation_rate` accept an int or two ints and are kept as
    `(height, width)`; `padding` is kept in lower case; `data_format=None` is `"channels_last"`.
    `strided_dilation=True` admits `strides > 1` together with `dilation_rate > 1`, which the
    documentation refuses: the mathematics are defined, and raw operations compute it.

    Raises ValueError for every argument outside what the documentation accepts, naming the
    argument, what was given and what is accepted.
    """

    kernel_size: Pair
    strides: Pair = (1, 1)
    padding: str = "valid"
    depth_multiplier: int = 1
    data_format: str = "channels_last"
    dilation_rate: Pair = (1, 1)
    activation: str | None = None
    use_bias: bool = True
    depthwise_initializer: str | None = "glorot_uniform"
    bias_initializer: str | None = "zeros"
    depthwise_regularizer: str | None = None
    bias_regularizer: str | None = None
    activity_regularizer: str | None = None
    depthwise_constraint: str | None = None
    bias_constraint: str | None = None
    dtype: str = "float32"
    strided_dilation: bool = False

    def __post_init__(self) -> None:
        for name in ("kernel_size", "strides", "dilation_rate"):
            self._set(name, _pair(name, getattr(self, name)))
        self._set("depth_multiplier", _positive("depth_multiplier", self.depth_multiplier))
        self._set("padding", _choice("padding", _lower(self.padding), ("valid", "same")))
        data_format = "channels_last" if self.data_format is None else self.data_format
        self._set("data_format", _choice("data_format", data_format, ("channels_last", "channels_first")))
        _choice("activation", self.activation, tuple(ACTIVATIONS))
        _choice("use_bias", self.use_bias, (True, False))
        _choice("dtype", self.dtype, tuple(FORMATS))
        _choice("strided_dilation", self.strided_dilation, (True, False))
        for name in NAMED:
            _name(name, getattr(self, name))
        if max(self.strides) > 1 and max(self.dilation_rate) > 1 and not self.strided_dilation:
            raise ValueError(
                f"strides={self.strides} with dilation_rate={self.dilation_rate}: "
                "strides > 1 is incompatible with dilation_rate > 1; set one of them to 1"
            )

    @property
    def channels_last(self) -> bool:
        """Whether channels are the last dimension of inputs and outputs."""
        return self.data_format == "channels_last"

    def to_json(self) -> dict[str, Any]:
        """The arguments that differ from their defaults (kernel_size always), as plain JSON values."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        kept = {f.name: values[f.name] for f in fields(self) if values[f.name] != f.default}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in kept.items()}

    @classmethod
    def from_json(cls, arguments: Mapping[str, Any]) -> LayerConfig:
        """The inverse of `to_json`. Raises ValueError for unknown or invalid arguments."""
        known = {f.name for f in fields(cls)}
        if unknown := sorted(set(arguments) - known):
            raise ValueError(f"unknown layer arguments {unknown}; accepted are {sorted(known)}")
        if "kernel_size" not in arguments:
            raise ValueError("kernel_size is missing: an int or two ints")
        return cls(**arguments)

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)


def _pair(name: str, given: object) -> Pair:
    if isinstance(given, tuple | list):
        if len(given) != 2:
            raise ValueError(f"{name}={given!r} has {len(given)} entries; accepted are an int or two ints")
        return (_positive(name, given[0]), _positive(name, given[1]))
    value = _positive(name, given)
    return (value, value)


def _positive(name: str, given: object) -> int:
    try:
        value = operator.index(cast(Any, given))
    except TypeError:
        value = 0
    if isinstance(given, bool) or value < 1:
        raise ValueError(f"{name}={given!r}: accepted are integers of 1 or more")
    return value


def _name(name: str, given: object) -> None:
    if not (given is None or isinstance(given, str)):
        raise ValueError(f"{name}={given!r}: accepted are a name and None")


def _lower(given: object) -> object:
    return given.lower() if isinstance(given, str) else given


def _choice(name: str, given: object, accepted: tuple[object, ...]) -> object:
    if not any(given is value or (type(given) is type(value) and given == value) for value in accepted):
        raise ValueError(f"{name}={given!r}: accepted are {', '.join(map(repr, accepted))}")
    return given
