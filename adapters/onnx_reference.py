"""`onnx-reference`: a model of one Conv node, by the evaluator of the package `onnx`."""

from __future__ import annotations

from importlib import import_module
from typing import Any, ClassVar

import numpy as np

from depthwise_conformance.adapters.base import LAYOUTS, Adapter, AnyArray, Description, Unsupported
from depthwise_conformance.adapters.onnx_builder import ELEMENT_TYPES, conv_model, decline_activation
from depthwise_conformance.adapters.translate import versions
from depthwise_conformance.reference.config import LayerConfig

BFLOAT16 = "Conv has no bfloat16 in the model's operator set"


class OnnxReference(Adapter):
    """`onnx.reference.ReferenceEvaluator`, on the model that the target `onnxruntime` runs (`onnx_builder`)."""

    name: ClassVar[str] = "onnx-reference"
    layouts: ClassVar[tuple[str, ...]] = tuple(LAYOUTS)

    def __init__(self, device: str = "cpu", mode: str = "") -> None:
        super().__init__(device, mode)
        self._onnx: Any = import_module("onnx")
        self._evaluator: Any = import_module("onnx.reference").ReferenceEvaluator

    def describe(self) -> Description:
        """Forwards only, in three dtypes."""
        limits = {"bfloat16": BFLOAT16, "gradients": "the evaluator computes forwards only"}
        return Description(versions("onnx"), dtypes=tuple(ELEMENT_TYPES), unsupported=limits)

    def forward(self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None) -> AnyArray:
        """By an evaluator of the model."""
        if config.dtype not in ELEMENT_TYPES:
            raise Unsupported(BFLOAT16)
        decline_activation(config)
        model = conv_model(self._onnx, config, x.shape, kernel, bias)
        return np.asarray(self._evaluator(model).run(None, {"x": x})[0])
