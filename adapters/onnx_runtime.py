"""`onnxruntime`: a model of one Conv node."""

from __future__ import annotations

from importlib import import_module
from typing import Any, ClassVar

import numpy as np

from depthwise_conformance.adapters.base import LAYOUTS, Adapter, AnyArray, Description, Unsupported
from depthwise_conformance.adapters.onnx_builder import ELEMENT_TYPES, conv_model, decline_activation
from depthwise_conformance.adapters.translate import declining, device_index, versions, weight_shapes
from depthwise_conformance.reference.config import LayerConfig

BFLOAT16 = "ONNX Runtime's NumPy interface does not carry bfloat16"
LEVELS = {"no_optimization": "ORT_DISABLE_ALL", "extended": "ORT_ENABLE_EXTENDED"}
AUTO_PAD = "auto_pad"


class OnnxRuntime(Adapter):
    """A Conv node, its weights constants of the model (`onnx_builder`), optimised in full, as is the default.

    The mode `no_optimization` has nodes run as they stand, `extended` fused with one another, but in the layout that
    they have. With `auto_pad` the node says SAME_UPPER instead of pads, and ONNX Runtime finds these.
    """

    name: ClassVar[str] = "onnxruntime"
    modes: ClassVar[tuple[str, ...]] = (*LEVELS, AUTO_PAD)
    layouts: ClassVar[tuple[str, ...]] = tuple(LAYOUTS)

    def __init__(self, device: str = "cpu", mode: str = "") -> None:
        super().__init__(device, mode)
        self._onnx: Any = import_module("onnx")
        self._runtime: Any = import_module("onnxruntime")
        self._not_implemented = import_module("onnxruntime.capi.onnxruntime_pybind11_state").NotImplemented
        self._options = session_options(self._runtime)
        if mode in LEVELS:
            self._options.graph_optimization_level = getattr(self._runtime.GraphOptimizationLevel, LEVELS[mode])
        self._last: tuple[bytes, Any] = (b"", None)
        self._input = "x"

    def describe(self) -> Description:
        """The devices are the CPU and CUDA's first, where the CUDA provider is built in."""
        cuda = ("cuda:0",) if "CUDAExecutionProvider" in self._runtime.get_available_providers() else ()
        return Description(
            versions("onnxruntime", "onnxruntime-gpu", "onnx"),
            ("cpu", *cuda),
            ("float16", "float32", "float64"),
            {"bfloat16": BFLOAT16, "gradients": "ONNX Runtime computes forwards only"},
            claims='padding == "same" and dilation == 1' if self.mode == AUTO_PAD else "",
        )

    def forward(self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None) -> AnyArray:
        """By a session that is kept as long as the model stays the same."""
        _decline(config)
        model = self._model(config, x.shape, kernel, bias).SerializeToString()
        with declining(self._not_implemented):
            return np.asarray(self._session(model).run(None, {self._input: x})[0])

    def output_shape(self, config: LayerConfig, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """By `onnx.shape_inference`, strictly."""
        _decline(config)
        kernel_shape, bias_shape = weight_shapes(config, input_shape)
        bias = None if bias_shape is None else np.zeros(bias_shape, config.dtype)
        model = self._model(config, input_shape, np.zeros(kernel_shape, config.dtype), bias)
        inferred = self._onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
        dimensions = inferred.graph.output[0].type.tensor_type.shape.dim
        return tuple(d.dim_value if d.HasField("dim_value") else None for d in dimensions)

    def _session(self, model: bytes) -> Any:
        if self._last[0] != model:
            self._last = (model, self._runtime.InferenceSession(model, self._options, providers=self._providers()))
        return self._last[1]

    def _providers(self) -> list[Any]:
        if self.device == "cpu":
            return ["CPUExecutionProvider"]
        return [("CUDAExecutionProvider", {"device_id": device_index(self.device)}), "CPUExecutionProvider"]

    def _model(
        self, config: LayerConfig, input_shape: tuple[int | None, ...], kernel: AnyArray, bias: AnyArray | None
    ) -> Any:
        return conv_model(self._onnx, config, input_shape, kernel, bias, self.mode == AUTO_PAD)


def session_options(runtime: Any) -> Any:
    """Of a session that is quiet, and whose idle threads do not take the cores from other processes."""
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _decline(config: LayerConfig) -> None:
    if config.dtype not in ELEMENT_TYPES:
        raise Unsupported(BFLOAT16)
    decline_activation(config)
