"""The whole layer of the documentation, in NumPy: what a user of `keras.layers.DepthwiseConv2D` may rely on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from depthwise_conformance.reference.bounds import AnyArray, Evaluation
from depthwise_conformance.reference.config import NAMED, LayerConfig
from depthwise_conformance.reference.constraints import constraint
from depthwise_conformance.reference.floats import expected_arithmetic
from depthwise_conformance.reference.geometry import (
    activated_shape,
    effective_extent,
    kernel_shape,
    split_shape,
    sums_shape,
)
from depthwise_conformance.reference.initializers import initializer
from depthwise_conformance.reference.regularizers import regularizer
from depthwise_conformance.reference.specs import serialize

Shape = tuple[int | None, ...]
FORMAT_NAMES = ("channels_last", "channels_first")
POLICIES = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}  # what they compute in; variables are float32


class DepthwiseConv2D:
    """`activation(depthwise_conv2d(inputs, kernel) + bias)`, with the documented arguments, names and defaults.

    `activation` is a name or a function, initializers, regularizers and constraints are what `specs.resolve` reads.
    Keyword arguments besides are `name`, `trainable` and `dtype` (a format of `FORMATS` or a policy of `POLICIES`).

    Inputs are 4D, laid out as `data_format` says: `(batch, height, width, channels)` or `(batch, channels, height,
    width)`. Weights are `kernel`, `(kernel_height, kernel_width, channels, depth_multiplier)`, and with `use_bias`
    `bias`, `(channels * depth_multiplier,)`, both None until the layer is built.

    Raises ValueError for every argument outside what the documentation accepts, and for `strides > 1` together with
    `dilation_rate > 1`.
    """

    def __init__(
        self,
        kernel_size: object,
        strides: object = (1, 1),
        padding: object = "valid",
        depth_multiplier: object = 1,
        data_format: object = None,
        dilation_rate: object = (1, 1),
        activation: object = None,
        use_bias: object = True,
        depthwise_initializer: object = "glorot_uniform",
        bias_initializer: object = "zeros",
        depthwise_regularizer: object = None,
        bias_regularizer: object = None,
        activity_regularizer: object = None,
        depthwise_constraint: object = None,
        bias_constraint: object = None,
        **kwargs: Any,
    ) -> None:
        self.name, self.trainable, self.dtype = _keywords(**kwargs)
        self.function = cast("Callable[[Any], Any] | None", activation if callable(activation) else None)
        named = None if self.function else activation
        data_format = default_data_format(Path.home()) if data_format is None else data_format
        given: Any = (kernel_size, strides, padding, depth_multiplier, data_format, dilation_rate, named, use_bias)
        self.config = replace(LayerConfig(*given), dtype=self.compute_dtype)
        self.depthwise_initializer = initializer("depthwise_initializer", depthwise_initializer, "glorot_uniform")
        self.bias_initializer = initializer("bias_initializer", bias_initializer, "zeros")
        self.depthwise_regularizer = regularizer("depthwise_regularizer", depthwise_regularizer)
        self.bias_regularizer = regularizer("bias_regularizer", bias_regularizer)
        self.activity_regularizer = regularizer("activity_regularizer", activity_regularizer)
        self.depthwise_constraint = constraint("depthwise_constraint", depthwise_constraint)
        self.bias_constraint = constraint("bias_constraint", bias_constraint)
        self.kernel: AnyArray | None = None
        self.bias: AnyArray | None = None
        self.losses: list[float] = []

    @property
    def compute_dtype(self) -> str:
        """The dtype of the computation, and of the output."""
        return POLICIES.get(self.dtype, self.dtype)

    @property
    def variable_dtype(self) -> str:
        """The dtype of the weights."""
        return "float32" if self.dtype in POLICIES else self.dtype

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Makes the weights for inputs of this shape. Raises ValueError where no output would have a shape."""
        self.compute_output_shape(input_shape)
        dtype = _numpy_dtype(self.variable_dtype)
        for name, shape in self.weight_shapes(input_shape).items():
            start = self.depthwise_initializer if name == "kernel" else self.bias_initializer
            setattr(self, name, start.sample(shape, start.random()).astype(dtype))

    def weight_shapes(self, input_shape: Sequence[int | None]) -> dict[str, tuple[int, ...]]:
        """The weights' names, in their order, and shapes."""
        channels = _known_channels(self.config, input_shape)
        shapes: dict[str, tuple[int, ...]] = {"kernel": kernel_shape(self.config, channels)}
        if self.config.use_bias:
            shapes["bias"] = (channels * self.config.depth_multiplier,)
        return shapes

    @property
    def weights(self) -> dict[str, AnyArray]:
        """The weights, by name."""
        return {name: array for name, array in (("kernel", self.kernel), ("bias", self.bias)) if array is not None}

    def __call__(self, x: AnyArray) -> AnyArray:
        """The output, in `compute_dtype`; `losses` is then what the regularizers add. Builds the layer if need be."""
        if self.kernel is None:
            self.build(x.shape)
        dtype = _numpy_dtype(self.compute_dtype)
        kernel, bias = (None if array is None else array.astype(dtype) for array in (self.kernel, self.bias))
        assert kernel is not None
        y = Evaluation(self.config, x.astype(dtype), kernel, bias).output(expected_arithmetic(self.compute_dtype)).value
        y = np.asarray(y if self.function is None else self.function(y)).astype(dtype)
        self.losses = self._penalties(y)
        return y

    def project(self) -> None:
        """Applies the constraints to the weights, as after an optimizer's update."""
        for name, projection in (("kernel", self.depthwise_constraint), ("bias", self.bias_constraint)):
            if projection is not None and (weight := self.weights.get(name)) is not None:
                setattr(self, name, projection.project(weight.astype(np.float64)).astype(weight.dtype))

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Shape:
        """The output's shape; None where a size is unknown. Raises ValueError where the input's channels are."""
        _known_channels(self.config, input_shape)
        # A size of the output depends on the input's in its place alone: where that is unknown, any will do that fits.
        enough = max(map(effective_extent, self.config.kernel_size, self.config.dilation_rate))
        sums = sums_shape(self.config, [enough if size is None else size for size in input_shape])
        known = tuple(None if given is None else size for given, size in zip(input_shape, sums, strict=True))
        return activated_shape(self.config, known)

    def get_config(self) -> dict[str, Any]:
        """Every argument, as plain values that `from_config` reads. Raises ValueError where one is a function."""
        if self.function is not None:
            raise ValueError(f"activation={self.function!r} is a function, which has no configuration")
        operation = {name: getattr(self.config, name) for name in OPERATION}
        objects = {name: serialize(getattr(self, name)) for name in NAMED}
        return {"name": self.name, "trainable": self.trainable, "dtype": self.dtype, **operation, **objects}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> DepthwiseConv2D:
        """The layer that `get_config` described, not built."""
        return cls(**config)

    def _penalties(self, y: AnyArray) -> list[float]:
        """Of the kernel, the bias and the output: the last divided by the batch, as Keras documents regularizers."""
        pairs = ((self.depthwise_regularizer, self.kernel), (self.bias_regularizer, self.bias))
        found = [penalty.penalty(w.astype(np.float64)) for penalty, w in pairs if penalty and w is not None]
        if self.activity_regularizer is not None:
            found.append(self.activity_regularizer.penalty(y.astype(np.float64)) / max(len(y), 1))
        return found


OPERATION = (
    *("kernel_size", "strides", "padding", "depth_multiplier", "data_format", "dilation_rate"),
    *("activation", "use_bias"),
)


def _keywords(
    name: str | None = None, trainable: object = True, dtype: str | None = None, **unknown: Any
) -> tuple[str, bool, str]:
    """Name, trainable and dtype or policy, with their defaults."""
    if unknown:
        accepted = "accepted besides the documented are name, trainable, dtype"
        raise ValueError(f"unknown arguments {sorted(unknown)}; {accepted}")
    return name or "depthwise_conv2d", bool(trainable), dtype or "float32"


def default_data_format(home: Path) -> str:
    """The `image_data_format` of the Keras configuration file under a home folder; `channels_last` without one."""
    try:
        content = json.loads((home / ".keras" / "keras.json").read_text())
        found = content["image_data_format"]
    except (OSError, ValueError, KeyError, TypeError):
        return FORMAT_NAMES[0]
    return found if found in FORMAT_NAMES else FORMAT_NAMES[0]


def _known_channels(config: LayerConfig, input_shape: Sequence[int | None]) -> int:
    known = [1 if size is None else size for size in input_shape]
    split_shape(config, known)  # four sizes, none too small
    channels = input_shape[-1 if config.channels_last else 1]
    if channels is None:
        raise ValueError(f"input shape {tuple(input_shape)}: the number of channels has to be known")
    return channels


def _numpy_dtype(name: str) -> np.dtype[Any]:
    try:
        return np.dtype(name)
    except TypeError:
        raise ValueError(f"dtype={name!r}: NumPy has it once ml_dtypes has been imported") from None
