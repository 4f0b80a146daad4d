"""Dtype, kind and dimensions of what is returned."""

from __future__ import annotations

from typing import Any

import numpy as np
from honest import Array

from depthwise_conformance.reference import LayerConfig
from faults.base import Returned, outputs_of


class Float16ReturnsFloat32(Returned):
    """float16 layers return float32."""

    check = "dtype"

    def returned(self, config: LayerConfig, y: Array) -> Any:
        return y.astype(np.float32) if config.dtype == "float16" else y


class Bfloat16ReturnsFloat16(Returned):
    """bfloat16 layers return float16."""

    check = "dtype"

    def returned(self, config: LayerConfig, y: Array) -> Any:
        return y.astype(np.float16) if config.dtype == "bfloat16" else y


class Float64ReturnsFloat32(Returned):
    """float64 layers return float32."""

    check = "dtype"

    def returned(self, config: LayerConfig, y: Array) -> Any:
        return y.astype(np.float32) if config.dtype == "float64" else y


class AlwaysFloat64(Returned):
    """Every layer returns float64."""

    check = "dtype"

    def returned(self, config: LayerConfig, y: Array) -> Any:
        return y.astype(np.float64)


class DtypeOfActivation(Returned):
    """bfloat16 layers with an activation return float32."""

    check = "dtype"

    def returned(self, config: LayerConfig, y: Array) -> Any:
        wide = config.dtype == "bfloat16" and config.activation not in (None, "linear")
        return y.astype(np.float32) if wide else y


class ReturnsList(Returned):
    """Returns nested lists where there is one channel."""

    check = "dtype"

    def returned(self, config: LayerConfig, y: Array) -> Any:
        return y.tolist() if outputs_of(config, y.shape) == config.depth_multiplier else y


class ReturnsNone(Returned):
    """Returns None for 1x1 kernels."""

    check = "dtype"

    def returned(self, config: LayerConfig, y: Array) -> Any:
        return None if config.kernel_size == (1, 1) else y


class ReturnsObjects(Returned):
    """Returns an array of Python objects for kernels of two rows."""

    check = "dtype"

    def returned(self, config: LayerConfig, y: Array) -> Any:
        return y.astype(object) if config.kernel_size[0] == 2 else y


class ReturnsComplex(Returned):
    """float64 layers return complex numbers."""

    check = "dtype"

    def returned(self, config: LayerConfig, y: Array) -> Any:
        return y.astype(np.complex128) if config.dtype == "float64" else y


class BatchOfOneSqueezed(Returned):
    """Batch of one: the dimension is dropped."""

    check = "shape"
    cause = "batch of one dropped"

    def returned(self, config: LayerConfig, y: Array) -> Any:
        return y[0] if len(y) == 1 else y


class ChannelsFirstReturnedAsLast(Returned):
    """channels_first: the output comes with its channels last."""

    check = "shape"
    cause = "output in the other data format"

    def returned(self, config: LayerConfig, y: Array) -> Any:
        return y if config.channels_last else y.transpose(0, 2, 3, 1)


class MultiplierAsFifthDimension(Returned):
    """depth_multiplier above one: the filters come as a dimension of their own."""

    check = "shape"
    cause = "filters in a dimension of their own"

    def returned(self, config: LayerConfig, y: Array) -> Any:
        multiplier = config.depth_multiplier
        shape = (*y.shape[:3], y.shape[3] // multiplier, multiplier)
        return y.reshape(shape) if config.channels_last and multiplier > 1 else y


class SinglePixelFlattened(Returned):
    """Outputs of 1x1: the spatial dimensions are dropped."""

    check = "shape"
    cause = "single pixel dropped"

    def returned(self, config: LayerConfig, y: Array) -> Any:
        sizes = self.dims(config, y.shape)[1:3]
        return y.reshape(len(y), y.shape[1] * y.shape[2] * y.shape[3]) if sizes == (1, 1) else y


class OneChannelDropped(Returned):
    """One output channel: its dimension is dropped."""

    check = "shape"
    cause = "single channel dropped"

    def returned(self, config: LayerConfig, y: Array) -> Any:
        axis = 3 if config.channels_last else 1
        return y.squeeze(axis) if y.shape[axis] == 1 else y
