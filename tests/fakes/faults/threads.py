"""What depends on the cores that the process may use."""

from __future__ import annotations

import os

from honest import Array

from depthwise_conformance.reference import LayerConfig
from faults.base import Fault


class OtherOnOneCore(Fault):
    """Layers of more than a thousand outputs, where the process may use one core alone: the last row is zero."""

    check = "metamorphic"

    def convolve(self, config: LayerConfig, images: Array, weights: Array) -> Array:
        y = super().convolve(config, images, weights)
        if len(os.sched_getaffinity(0)) == 1 and y.size > 1000:
            y[:, -1] = 0
        return y
