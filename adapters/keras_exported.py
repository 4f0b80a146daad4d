"""`keras-*:onnx`, `:litert`, `:saved_model`: the layer in a model that Keras exports, called as that file."""

from __future__ import annotations

from abc import abstractmethod
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np

from depthwise_conformance.adapters.base import AnyArray, Description, LayerHandle, Unsupported
from depthwise_conformance.adapters.exported import (
    FORWARD,
    ONNX_DTYPES,
    TFLITE,
    UNKNOWN,
    Call,
    Exported,
    onnx_call,
    tflite_call,
)
from depthwise_conformance.adapters.keras_layer import KerasAdapter, KerasTensorFlow, KerasTorch
from depthwise_conformance.adapters.translate import versions
from depthwise_conformance.reference.config import LayerConfig

WHOLE = "a file is no layer any more"


class _KerasExported(Exported, KerasAdapter):
    """`model.export` of the layer alone, anew for every shape and all weights.

    Keras leaves the batch open; in a mode that ends with `_dynamic` the image's size is open, too.
    """

    format: ClassVar[str]
    suffix: ClassVar[str] = ""
    opening: ClassVar[tuple[str, ...]] = ()  # the distributions that write and open the file
    cases = 60

    def describe(self) -> Description:
        """Forwards only, on the CPU."""
        found = {**super().describe().versions, **versions(*self.opening)}
        return Description(found, unsupported={"gradients": FORWARD, "whole layers": WHOLE}, claims=self.claims)

    def layer(self, *positional: Any, **arguments: Any) -> LayerHandle:
        """Not claimed."""
        raise Unsupported(WHOLE)

    @abstractmethod
    def open(self, path: Path) -> Call:
        """A call of the model in that file, which is gone afterwards."""

    def export(self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None) -> Call:
        """By Keras, of the layer alone."""
        layer = self._loaded(config, x.shape, kernel, bias)
        channel = 3 if config.channels_last else 1
        open_ = self.mode.endswith(UNKNOWN)
        given = [None if axis == 0 or (open_ and axis != channel) else size for axis, size in enumerate(x.shape)]
        model = self.keras.Sequential([self.keras.Input(batch_shape=given, dtype=config.dtype), layer])
        model(x)  # which Keras wants of a model before it exports it
        with TemporaryDirectory() as folder:
            path = Path(folder) / f"model{self.suffix}"
            model.export(str(path), format=self.format, verbose=False)
            return self.open(path)


class _Onnx(_KerasExported):
    """An ONNX model, run by ONNX Runtime."""

    modes: ClassVar[tuple[str, ...]] = ("onnx", f"onnx{UNKNOWN}")
    claims: ClassVar[str] = ONNX_DTYPES
    format: ClassVar[str] = "onnx"
    suffix: ClassVar[str] = ".onnx"
    opening: ClassVar[tuple[str, ...]] = ("onnxruntime", "onnx")

    def open(self, path: Path) -> Call:
        """By ONNX Runtime."""
        return onnx_call(path)


class TensorFlowOnnx(_Onnx, KerasTensorFlow):
    """Written by tf2onnx."""

    opening: ClassVar[tuple[str, ...]] = ("tf2onnx", *_Onnx.opening)


class TorchOnnx(_Onnx, KerasTorch):
    """Written by torch."""


class TensorFlowLiteRt(_KerasExported, KerasTensorFlow):
    """A TFLite model, run by LiteRT with XNNPACK, as is its default."""

    modes: ClassVar[tuple[str, ...]] = ("litert", f"litert{UNKNOWN}")
    claims: ClassVar[str] = TFLITE
    format: ClassVar[str] = "litert"
    suffix: ClassVar[str] = ".tflite"
    opening: ClassVar[tuple[str, ...]] = ("ai-edge-litert",)

    def open(self, path: Path) -> Call:
        """By LiteRT."""
        return tflite_call(path.read_bytes())


class TensorFlowSavedModel(_KerasExported, KerasTensorFlow):
    """A SavedModel, loaded by TensorFlow."""

    modes: ClassVar[tuple[str, ...]] = ("saved_model",)
    format: ClassVar[str] = "tf_saved_model"

    def open(self, path: Path) -> Call:
        """The function that serves, which the loaded model has to outlive."""
        loaded = import_module("tensorflow").saved_model.load(str(path))
        return lambda x: np.asarray(loaded.serve(x).numpy())
