"""What exported files share: an adapter that calls one, who runs an ONNX model, and who a TFLite one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from depthwise_conformance.adapters.base import Adapter, AnyArray, Gradients, Unsupported
from depthwise_conformance.adapters.onnx_runtime import session_options
from depthwise_conformance.reference.config import LayerConfig

Call = Callable[[AnyArray], AnyArray]
FORWARD = "an exported file computes forwards only"
ONNX_DTYPES = 'dtype in ("float16", "float32")'  # that ONNX Runtime has a Conv for
TFLITE = 'dtype == "float32" and batch > 0'  # what LiteRT takes of what TensorFlow converts
UNKNOWN = "_dynamic"  # modes that end so have models of unknown sizes
RESOLVERS = {  # of LiteRT, by the mode: whose kernels it takes; XNNPACK's by default
    "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "reference": "BUILTIN_REF",
}


class Exported(Adapter):
    """Computes forwards by a file, its weights constants, that is kept open until other weights or a shape come."""

    layouts: ClassVar[tuple[str, ...]] = ()

    def __init__(self, device: str = "cpu", mode: str = "") -> None:
        super().__init__(device, mode)
        self._opened: tuple[Any, Call | None] = (None, None)

    @abstractmethod
    def export(self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None) -> Call:
        """A call of the file of a layer with these weights, for inputs of the shape of `x`."""

    def forward(self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None) -> AnyArray:
        """By the file."""
        key = (config, x.shape, kernel.tobytes(), b"" if bias is None else bias.tobytes())
        if key != self._opened[0]:
            self._opened = (None, None)
            self._opened = (key, self.export(config, x, kernel, bias))
        assert self._opened[1] is not None
        return self._opened[1](x)

    def gradients(
        self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None, cotangent: AnyArray
    ) -> Gradients:
        """Not claimed."""
        raise Unsupported(FORWARD)

    def output_shape(self, config: LayerConfig, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Not claimed: it is the framework's, before anything is exported."""
        return Adapter.output_shape(self, config, input_shape)


def onnx_call(path: Path) -> Call:
    """A call of the model in that file, by ONNX Runtime on the CPU."""
    runtime = import_module("onnxruntime")
    session = runtime.InferenceSession(path, session_options(runtime), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda x: np.asarray(session.run(None, {name: x})[0])


def tflite_call(model: bytes, mode: str = "") -> Call:
    """A call of the model, by LiteRT with the kernels of a mode of `RESOLVERS`."""
    lite: Any = import_module("ai_edge_litert.interpreter")
    resolver = getattr(lite.OpResolverType, RESOLVERS.get(mode, "AUTO"))
    interpreter = lite.Interpreter(model_content=model, experimental_op_resolver_type=resolver)
    given, told = (some[0] for some in (interpreter.get_input_details(), interpreter.get_output_details()))

    def call(x: AnyArray) -> AnyArray:
        if tuple(given["shape"]) != x.shape:
            interpreter.resize_tensor_input(given["index"], x.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(given["index"], x)
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(told["index"]))

    return call
