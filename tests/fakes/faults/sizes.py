"""Outputs of another height or width."""

from __future__ import annotations

from honest import Array

from depthwise_conformance.reference import LayerConfig
from faults.base import Fault


class SameFloorInsteadOfCeil(Fault):
    """padding="same" with strides that do not divide the size: one row or column too few."""

    check = "shape"
    cause = "same size rounded down after padding"

    def output_size(self, config: LayerConfig, index: int, size: int) -> int:
        if config.padding == "same":
            return max(size // config.strides[index], 1)
        return super().output_size(config, index, size)


class ValidCeilInsteadOfFloor(Fault):
    """padding="valid" with strides: keeps the last window although it reaches over the edge."""

    check = "shape"
    cause = "valid size rounded up"

    def output_size(self, config: LayerConfig, index: int, size: int) -> int:
        exact = super().output_size(config, index, size)
        extent = (config.kernel_size[index] - 1) * config.dilation_rate[index] + 1
        return exact + ((size - extent) % config.strides[index] > 0) if config.padding == "valid" else exact


class ValidSizeForgetsDilation(Fault):
    """padding="valid" with dilation: as many windows as without it."""

    check = "shape"
    cause = "valid size without the dilation"

    def output_size(self, config: LayerConfig, index: int, size: int) -> int:
        if config.padding == "valid":
            return (size - config.kernel_size[index]) // config.strides[index] + 1
        return super().output_size(config, index, size)


class SameTakenForValid(Fault):
    """padding="same" with an even kernel height: no padding at all, where the kernel fits."""

    check = "shape"
    cause = "same taken for valid"

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        sizes = self.dims(config, x.shape)[1:3]
        steps = zip(config.kernel_size, config.dilation_rate, sizes, strict=True)
        if config.padding == "same" and config.kernel_size[0] % 2 == 0 and all((k - 1) * d < s for k, d, s in steps):
            config = LayerConfig.from_json({**config.to_json(), "padding": "valid"})
        return super().forward(config, x, kernel, bias)


class OneRowMore(Fault):
    """Rows of the output beyond eight: one more than there should be."""

    check = "shape"
    cause = "one window more along the height"

    def output_size(self, config: LayerConfig, index: int, size: int) -> int:
        exact = super().output_size(config, index, size)
        return exact + 1 if index == 0 and exact > 8 else exact
