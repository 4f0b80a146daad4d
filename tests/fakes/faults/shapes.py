"""Shapes that are inferred without computing."""

from __future__ import annotations

import math
from typing import Any

from honest import Known

from depthwise_conformance.reference import LayerConfig
from faults.base import Fault


class InferenceForgetsDilation(Fault):
    """Inferred shapes with padding="valid" leave the dilation out."""

    check = "shape_inference"

    def infer_size(self, config: LayerConfig, index: int, size: int | None) -> int | None:
        return super().infer_size(LayerConfig(config.kernel_size, config.strides, config.padding), index, size)


class InferenceForgetsPadding(Fault):
    """Inferred shapes take padding="same" for "valid"."""

    check = "shape_inference"

    def infer_size(self, config: LayerConfig, index: int, size: int | None) -> int | None:
        if size is None or config.padding == "valid":
            return super().infer_size(config, index, size)
        extent = (config.kernel_size[index] - 1) * config.dilation_rate[index] + 1
        return max((size - extent) // config.strides[index] + 1, 0)


class InferenceRoundsDown(Fault):
    """Inferred shapes with padding="same" round down where the stride does not divide."""

    check = "shape_inference"

    def infer_size(self, config: LayerConfig, index: int, size: int | None) -> int | None:
        if size is None or config.padding == "valid":
            return super().infer_size(config, index, size)
        return size // config.strides[index]


class InferenceRoundsUp(Fault):
    """Inferred shapes with padding="valid" round up where the stride does not divide."""

    check = "shape_inference"

    def infer_size(self, config: LayerConfig, index: int, size: int | None) -> int | None:
        if size is None or config.padding == "same":
            return super().infer_size(config, index, size)
        extent = (config.kernel_size[index] - 1) * config.dilation_rate[index] + 1
        return math.ceil((size - extent) / config.strides[index]) + 1


class InferenceForgetsMultiplier(Fault):
    """Inferred shapes have as many channels as the input."""

    check = "shape_inference"

    def infer_channels(self, config: LayerConfig, channels: int | None) -> int | None:
        return channels


class InferenceOfUnknownBatchIsOne(Fault):
    """Inferred shapes put one for an unknown batch."""

    check = "shape_inference"

    def split(self, config: LayerConfig, input_shape: Known) -> Known:
        batch, *rest = super().split(config, input_shape)
        return (1 if batch is None else batch, *rest)


class InferenceOfUnknownHeight(Fault):
    """Inferred shapes guess a height of one where it is unknown."""

    check = "shape_inference"

    def infer_size(self, config: LayerConfig, index: int, size: int | None) -> int | None:
        return 1 if size is None and index == 0 else super().infer_size(config, index, size)


class InferenceOfUnknownWidthIsHeight(Fault):
    """Inferred shapes take the height for a width that alone is unknown."""

    check = "shape_inference"

    def split(self, config: LayerConfig, input_shape: Known) -> Known:
        batch, height, width, channels = super().split(config, input_shape)
        return batch, height, height if width is None else width, channels


class InferenceOfUnknownImageWithGelu(Fault):
    """Inferring a shape of which only batch and channels are known raises with channels_first and gelu."""

    check = "shape_inference"

    def split(self, config: LayerConfig, input_shape: Known) -> Known:
        batch, height, width, channels = super().split(config, input_shape)
        if (config.data_format, config.activation) == (
            "channels_first",
            "gelu",
        ) and height is width is None is not batch:
            raise TypeError("unsupported operand type(s) for *: 'NoneType' and 'int'")
        return batch, height, width, channels


class InferenceRaisesOnUnknown(Fault):
    """Inferring a shape with an unknown batch raises TypeError."""

    check = "shape_inference"

    def split(self, config: LayerConfig, input_shape: Known) -> Known:
        if input_shape[0] is None:
            raise TypeError("'NoneType' object cannot be interpreted as an integer")
        return super().split(config, input_shape)


class InferenceAssumesChannelsLast(Fault):
    """Inferred shapes take every input for channels_last."""

    check = "shape_inference"

    def output_shape(self, config: LayerConfig, input_shape: Known) -> Known:
        last = LayerConfig.from_json({**config.to_json(), "data_format": "channels_last", "padding": "same"})
        return super().output_shape(config if config.channels_last else last, input_shape)


class InferenceSwapsStrides(Fault):
    """Inferred shapes swap unequal strides."""

    check = "shape_inference"

    def infer_size(self, config: LayerConfig, index: int, size: int | None) -> int | None:
        swapped = LayerConfig.from_json({**config.to_json(), "strides": config.strides[::-1]})
        return super().infer_size(swapped, index, size)


class InferenceReturnsText(Fault):
    """Inferred shapes are text."""

    check = "shape_inference"

    def output_shape(self, config: LayerConfig, input_shape: Known) -> Any:
        return str(super().output_shape(config, input_shape))
