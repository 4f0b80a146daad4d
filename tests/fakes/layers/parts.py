"""What a layer is made of by its arguments: initializers, regularizers, constraints, functions, policies."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
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
    """`SnakeCase` as `snake_case`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def numpy_dtype(name: str) -> np.dtype[Any]:
    """The dtype of that name, bfloat16 among them."""
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)
