"""Sums that are wrong in some places: the last rows, tails of channels, later images."""

from __future__ import annotations

import numpy as np
from honest import Array

from depthwise_conformance.reference import LayerConfig
from faults.base import Retouched, dilated


class LastRowMissing(Retouched):
    """A height that the stride does not divide: the last row of the output stays zero."""

    cause = "sums: last row zero"

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        if images.shape[1] % config.strides[0]:
            y[:, -1] = 0
        return y


class LastColumnRepeated(Retouched):
    """A width that the stride does not divide: the last column of the output repeats the one before."""

    cause = "sums: last column repeating the one before"

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        if images.shape[2] % config.strides[1] and y.shape[2] > 1:
            y[:, :, -1] = y[:, :, -2]
        return y


class WidthTailByFour(Retouched):
    """Output widths above four that are no multiple of four: the tail repeats the last full column."""

    cause = "sums: columns beyond a multiple of 4 repeating the one before"

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        whole = y.shape[2] // 4 * 4
        if 0 < whole < y.shape[2]:
            y[:, :, whole:] = y[:, :, whole - 1 : whole]
        return y


class WidthSeventeen(Retouched):
    """Images 17 wide: the last column of the output is zero."""

    cause = "sums: last column zero"

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        if images.shape[2] == 17:
            y[:, :, -1] = 0
        return y


class ChannelTailByEight(Retouched):
    """More than eight output channels, no multiple of eight: the tail is zero."""

    cause = "sums: channels beyond a multiple of 8 zero"

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        if y.shape[3] > 8:
            y[..., y.shape[3] // 8 * 8 :] = 0
        return y


class ChannelSeventeen(Retouched):
    """More than sixteen channels: those after the sixteenth repeat the first."""

    cause = "sums: channels after 16 repeating the first"

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        if images.shape[3] > 16:
            y[..., 16:] = y[..., :1]
        return y


class ThirtyThreeChannels(Retouched):
    """Exactly 33 channels: the last is zero."""

    cause = "sums: last channel zero"

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        if images.shape[3] == 33:
            y[..., -1] = 0
        return y


class BatchOfManyChannels(Retouched):
    """Batch above one and more than sixteen output channels: the last channel is the first image's."""

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        if y.shape[0] > 1 and y.shape[3] > 16:
            y[1:, ..., -1] = y[:1, ..., -1]
        return y


class LastElementMissing(Retouched):
    """An odd number of elements in the output: the last stays zero."""

    cause = "sums: last element zero"

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        if y.size % 2:
            y[-1, -1, -1, -1] = 0
        return y


class MultiplierMajorOrder(Retouched):
    """depth_multiplier above one: output channel m * channels + c instead of c * depth_multiplier + m."""

    cause = "multiplier-major channel order"

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        split = y.reshape(*y.shape[:3], images.shape[3], config.depth_multiplier)
        return np.ascontiguousarray(split.swapaxes(3, 4)).reshape(y.shape)


class ChannelsMixed(Retouched):
    """More than four channels: a little of the first output channel leaks into the last."""

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        if images.shape[3] > 4:
            y[..., -1] += y[..., 0] * y.dtype.type(0.01)
        return y


class SecondImageFromFirst(Retouched):
    """Batch above one: the second image's output is the first's."""

    cause = "sums: second image repeating the first"

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        y[1:2] = y[:1] if y.shape[0] > 1 else y[1:2]
        return y


class BatchBeyondTwoMissing(Retouched):
    """Batch above two: the images after the second stay zero."""

    cause = "sums: images after the second zero"

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        y[2:] = 0
        return y


class OddBatchLosesLast(Retouched):
    """Odd batches above one with depth_multiplier above one: the last image stays zero."""

    cause = "sums: last image zero"

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        if y.shape[0] % 2 and y.shape[0] > 1 and config.depth_multiplier > 1:
            y[-1] = 0
        return y


class SinglePixelOutputDoubled(Retouched):
    """Outputs of 1x1 from larger images with depth_multiplier above one: twice the value."""

    cause = "sums doubled"

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        single = y.shape[1:3] == (1, 1) and images.shape[1] * images.shape[2] > 1
        return y * 2 if single and config.depth_multiplier > 1 else y


class SinglePixelIsZero(Retouched):
    """Images of one pixel: the output is zero."""

    cause = "sums: all zero"

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        return np.zeros_like(y) if images.shape[1:3] == (1, 1) else y


class DilatedTallImage(Retouched):
    """channels_last, dilation, an image higher than wide: the last row of the output repeats the first."""

    cause = "sums: last row repeating the first"

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        if dilated(config) and images.shape[1] > images.shape[2] and config.channels_last:
            y[:, -1] = y[:, 0]
        return y


class ManyElementsTruncated(Retouched):
    """Outputs of more than 4096 elements: those beyond stay zero."""

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        y.reshape(-1)[4096:] = 0
        return y
