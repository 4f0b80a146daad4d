"""The adapters that come with the package, by target name. Importing this imports none of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Builtin(NamedTuple):
    """Where an adapter's class is (`module:Class`), and the packages without which it cannot start."""

    entry_point: str
    packages: tuple[str, ...]


BUILTIN: Mapping[str, Builtin] = MappingProxyType(
    {
        "keras-tensorflow": Builtin(
            "depthwise_conformance.adapters.keras_layer:KerasTensorFlow", ("keras", "tensorflow")
        ),
        "keras-torch": Builtin("depthwise_conformance.adapters.keras_layer:KerasTorch", ("keras", "torch")),
        "keras-jax": Builtin("depthwise_conformance.adapters.keras_layer:KerasJax", ("keras", "jax")),
        "tensorflow": Builtin("depthwise_conformance.adapters.tensorflow_nn:TensorFlowNN", ("tensorflow",)),
        "torch": Builtin("depthwise_conformance.adapters.torch_conv2d:TorchConv2d", ("torch",)),
        "jax": Builtin("depthwise_conformance.adapters.jax_lax:JaxLax", ("jax",)),
        "onnxruntime": Builtin("depthwise_conformance.adapters.onnx_runtime:OnnxRuntime", ("onnx", "onnxruntime")),
    }
)
