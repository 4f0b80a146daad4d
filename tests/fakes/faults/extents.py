"""What only large kernels, images, channels and products of these show."""

from __future__ import annotations

import numpy as np
from honest import Array

from depthwise_conformance.reference import LayerConfig
from faults.base import Retouched


class TapsCountedInBytes(Retouched):
    """Kernels of 256 columns and more lose those past the 256th."""

    def convolve(self, config: LayerConfig, images: Array, weights: Array) -> Array:
        kept = weights.copy()
        kept[:, 256:] = 0
        return super().convolve(config, images, kept)


class LongKernelsSeeTheFirstImage(Retouched):
    """Kernels of 256 rows and more see the first image of a batch alone."""

    def convolve(self, config: LayerConfig, images: Array, weights: Array) -> Array:
        long = weights.shape[0] >= 256
        return super().convolve(config, np.broadcast_to(images[:1], images.shape) if long else images, weights)


class ColumnsCountedInShorts(Retouched):
    """Columns past 65536 repeat the first ones."""

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        y[:, :, 1 << 16 :] = y[:, :, : max(y.shape[2] - (1 << 16), 0)]
        return y


class RowsCountedInShorts(Retouched):
    """Rows past 65536 are zeros."""

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        y[:, 1 << 16 :] = 0
        return y


class ChannelsBeyondThousand(Retouched):
    """Channels past 1024 are zeros."""

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        if config.depth_multiplier == 1:
            y[..., 1024:] = 0
        return y


class OutputChannelsCountedInShorts(Retouched):
    """Output channels past 65536 are zeros."""

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        y[..., 1 << 16 :] = 0
        return y


class PlanesCountedInShorts(Retouched):
    """Planes past the 65535th, images and channels counted together, are zeros."""

    def retouch(self, config: LayerConfig, images: Array, y: Array) -> Array:
        planes = np.arange(y.shape[0] * y.shape[3]).reshape(y.shape[0], 1, 1, y.shape[3])
        return np.where(planes < (1 << 16) - 1, y, 0)
