"""The data format, and dimensions that are confused where their sizes coincide."""

from __future__ import annotations

import numpy as np
from honest import Array

from depthwise_conformance.reference import LayerConfig
from faults.base import Fault


class ChannelsFirstSwapsHeightAndWidth(Fault):
    """channels_first: height and width are read the other way round, and written so."""

    cause = "height and width swapped throughout"

    def read(self, config: LayerConfig, x: Array) -> Array:
        return x if config.channels_last else x.transpose(0, 3, 2, 1)

    def write(self, config: LayerConfig, y: Array) -> Array:
        return y if config.channels_last else y.transpose(0, 3, 2, 1)


class Misread(Fault):
    """Honest; its subclasses read (batch, height, width, channels) wrongly where sizes coincide."""

    def read(self, config: LayerConfig, x: Array) -> Array:
        return self.misread(config, super().read(config, x))

    def misread(self, config: LayerConfig, images: Array) -> Array:
        return images


class SquareImagesTransposed(Misread):
    """channels_last, as high as wide: rows and columns of the input are swapped."""

    cause = "height taken for width"

    def misread(self, config: LayerConfig, images: Array) -> Array:
        square = images.shape[1] == images.shape[2] and config.channels_last
        return images.swapaxes(1, 2) if square else images


class HeightTakenForChannels(Misread):
    """As high as there are channels: the two are swapped in the input."""

    cause = "height taken for channels"

    def misread(self, config: LayerConfig, images: Array) -> Array:
        return images.swapaxes(1, 3) if images.shape[1] == images.shape[3] else images


class WidthTakenForChannels(Misread):
    """channels_first, as wide as there are channels: the two are swapped in the input."""

    cause = "width taken for channels"

    def misread(self, config: LayerConfig, images: Array) -> Array:
        equal = images.shape[2] == images.shape[3] and not config.channels_last
        return images.swapaxes(2, 3) if equal else images


class BatchTakenForChannels(Misread):
    """As many images as channels: the two are swapped in the input."""

    cause = "batch taken for channels"

    def misread(self, config: LayerConfig, images: Array) -> Array:
        return images.swapaxes(0, 3) if images.shape[0] == images.shape[3] else images


class BatchTakenForHeight(Misread):
    """As many images as rows: the two are swapped in the input."""

    cause = "batch taken for height"

    def misread(self, config: LayerConfig, images: Array) -> Array:
        return images.swapaxes(0, 1) if images.shape[0] == images.shape[1] else images


class ChannelsFirstMemoryTakenForLast(Fault):
    """channels_first: the memory is read as if the channels came last."""

    cause = "input read in the other data format"

    def read(self, config: LayerConfig, x: Array) -> Array:
        images = super().read(config, x)
        return images if config.channels_last else np.ascontiguousarray(x).reshape(images.shape)
