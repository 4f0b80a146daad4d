"""Layers that are saved and loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
from layers import Array, HonestLayer

from layer_faults.base import belongs_to, camel, define


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
    define(__name__, f"SavedWithout{camel(key)}", told, "save_load", loaded_config=forgetting(key))
