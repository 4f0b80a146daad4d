"""What exported files share: who runs an ONNX model, and who a TFLite one."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from depthwise_conformance.adapters.base import AnyArray

Call = Callable[[AnyArray], AnyArray]
FORWARD = "an exported file computes forwards only"
ONNX_DTYPES = 'dtype in ("float16", "float32")'  # that ONNX Runtime has a Conv for
TFLITE = 'dtype == "float32" and batch > 0'  # what LiteRT takes of what TensorFlow converts
UNKNOWN = "_dynamic"  # modes that end so have models of unknown sizes
RESOLVERS = {  # of LiteRT, by the mode: whose kernels it takes; XNNPACK's by default
    "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "reference": "BUILTIN_REF",
}


def onnx_call(path: Path) -> Call:
    """A call of the model in that file, by ONNX Runtime on the CPU."""
    runtime = import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads take no cores from others
    session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
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
