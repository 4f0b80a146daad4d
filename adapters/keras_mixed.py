"""`keras-*:mixed_bfloat16` and `:mixed_float16`: the layer under a mixed policy, its weights in float32."""

from __future__ import annotations

from typing import ClassVar

from depthwise_conformance.adapters.base import AnyArray, Description, Gradients, LayerHandle, Unsupported
from depthwise_conformance.adapters.keras_layer import KerasAdapter, KerasJax, KerasTensorFlow, KerasTorch
from depthwise_conformance.reference.config import LayerConfig

WHOLE = "whole layers are those of the target without the mode"
GRADIENTS = "those of the weights come in float32, the weights' dtype"


class _Mixed(KerasAdapter):
    """It computes and returns what the policy's name says: cases of that dtype, whose weights float32 holds exactly."""

    modes: ClassVar[tuple[str, ...]] = ("mixed_bfloat16", "mixed_float16")

    def describe(self) -> Description:
        """Of the one dtype."""
        own, dtype = super().describe(), self.mode.removeprefix("mixed_") or "float32"
        limits = {"gradients": GRADIENTS, "whole layers": WHOLE}
        return Description(own.versions, own.devices, (dtype,), limits, claims=f'dtype == "{dtype}"')

    def gradients(
        self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None, cotangent: AnyArray
    ) -> Gradients:
        """Not claimed."""
        raise Unsupported(GRADIENTS)

    def layer(self, *positional: object, **arguments: object) -> LayerHandle:
        """Not claimed."""
        raise Unsupported(WHOLE)

    def policy(self, config: LayerConfig) -> str:
        """The mode's."""
        return self.mode


class MixedTensorFlow(_Mixed, KerasTensorFlow):
    """On TensorFlow."""


class MixedTorch(_Mixed, KerasTorch):
    """On torch."""


class MixedJax(_Mixed, KerasJax):
    """On JAX."""
