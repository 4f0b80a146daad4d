"""`keras-openvino`, `keras-numpy`: Keras's layer on the backends that compute forwards only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from depthwise_conformance.adapters.base import AnyArray, Description, LayerHandle, Unsupported
from depthwise_conformance.adapters.keras_handle import KerasLayer
from depthwise_conformance.adapters.keras_layer import KerasAdapter

FORWARDS = "Keras documents that this backend cannot train"


class InferringLayer(KerasLayer):
    """A layer that is not trained."""

    def gradients(self, x: AnyArray, cotangent: AnyArray) -> dict[str, AnyArray]:
        """Not claimed."""
        raise Unsupported(FORWARDS)

    def step(self, gradients: Mapping[str, AnyArray], learning_rate: float) -> None:
        """Not claimed."""
        raise Unsupported(FORWARDS)

    def fit(self, x: AnyArray, cotangent: AnyArray, learning_rate: float) -> None:
        """Not claimed."""
        raise Unsupported(FORWARDS)


class InferringAdapter(KerasAdapter):
    """The layer on a backend without gradients."""

    def describe(self) -> Description:
        """Forwards alone."""
        told = super().describe()
        return Description(told.versions, told.devices, told.dtypes, {"training": FORWARDS})

    def layer(self, *positional: Any, **arguments: Any) -> LayerHandle:
        """`keras.layers.DepthwiseConv2D(*positional, **arguments)`."""
        return InferringLayer(self, self.keras.layers.DepthwiseConv2D(*positional, **arguments))

    def differentiate(self, layer: Any, x: Any, cotangent: Any) -> list[Any]:
        """Not claimed."""
        raise Unsupported(FORWARDS)

    def _devices(self) -> tuple[str, ...]:
        return ("cpu",)


class KerasOpenVino(InferringAdapter):
    """On OpenVINO."""

    name: ClassVar[str] = "keras-openvino"
    cases = 60
    backend: ClassVar[str] = "openvino"
    distributions: ClassVar[tuple[str, ...]] = ("openvino",)


class KerasNumPy(InferringAdapter):
    """On NumPy, which leaves convolutions to JAX."""

    name: ClassVar[str] = "keras-numpy"
    backend: ClassVar[str] = "numpy"
    distributions: ClassVar[tuple[str, ...]] = ("numpy", "jax")
