"""Faults of two kinds in one implementation, on cases of two kinds."""

from __future__ import annotations

from faults import BiasMissingWithMultiplier
from honest import Array

from depthwise_conformance.reference import LayerConfig


class TwoFaults(BiasMissingWithMultiplier):
    """depth_multiplier above one: no bias. Otherwise, channels_first: the kernel is mirrored."""

    def read_kernel(self, config: LayerConfig, kernel: Array) -> Array:
        mirrored = config.depth_multiplier == 1 and not config.channels_last
        return super().read_kernel(config, kernel[:, ::-1] if mirrored else kernel)
