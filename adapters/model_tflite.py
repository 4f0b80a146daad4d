"""The depthwise layers of a TensorFlow Lite model: every DEPTHWISE_CONV_2D whose weights are float32 constants."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from depthwise_conformance.adapters.base import AnyArray
from depthwise_conformance.adapters.found import Found, FoundLayer, Skipped, UnreadableError, concrete
from depthwise_conformance.adapters.tflite_file import FUNCTIONS, IDENTIFIER, PADDINGS
from depthwise_conformance.reference.config import LayerConfig

TANH = {4: "tanh"}


def read(file: Path, given: AnyArray | None) -> Found:
    """The depthwise layers in the order of the operators; `given` is the model's input. Raises UnreadableError."""
    content = file.read_bytes()
    if content[4:8] != IDENTIFIER:
        raise UnreadableError("is no TensorFlow Lite model")
    package = "ai_edge_litert" if find_spec("ai_edge_litert") else "tensorflow.lite.python"
    schema: Any = import_module(f"{package}.schema_py_generated")
    try:
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        graph = model.subgraphs[0]
        inputs = [graph.tensors[index] for index in graph.inputs]
        sizes = [one.shape if one.shapeSignature is None else one.shapeSignature for one in inputs]
    except Exception as error:  # of flatbuffers, whatever a damaged one leads to
        raise UnreadableError(f"cannot be read as a TensorFlow Lite model: {error}") from None
    if given is None:
        for one, known in zip(inputs, sizes, strict=True):
            concrete(_text(one.name), [*map(int, known)])
    elif len(inputs) != 1:
        raise UnreadableError(f"--input: accepted for models of one input; this one has {len(inputs)}")
    depthwise = [one for one in graph.operators if isinstance(one.builtinOptions, schema.DepthwiseConv2DOptionsT)]
    arrived = {} if given is None else _arrived(package, content, {int(one.inputs[0]) for one in depthwise}, given)
    for operator in depthwise:
        x = arrived.get(int(operator.inputs[0]))
        yield _layer(schema, model, graph, operator, x)


def _layer(schema: Any, model: Any, graph: Any, operator: Any, x: AnyArray | None) -> FoundLayer | Skipped:
    name = _name(graph.tensors[operator.inputs[1]])
    source, *weights = (graph.tensors[index] for index in operator.inputs if index >= 0)
    buffers = [model.buffers[one.buffer].data for one in weights]
    kinds = {one.type for one in (source, *weights)}
    if kinds != {schema.TensorType.FLOAT32}:
        return Skipped(name, "it is quantised; accepted is float32")
    if any(data is None for data in buffers):
        return Skipped(name, "its weights are computed or dequantised; accepted are constants")
    kernel, *biases = (np.asarray(data, np.uint8).view("<f4") for data in buffers)
    given, (_, height, width, _) = operator.builtinOptions, map(int, weights[0].shape)
    function = given.fusedActivationFunction
    if function not in FUNCTIONS | TANH:
        return Skipped(name, f"it has a fused activation that is none of {[*(FUNCTIONS | TANH).values()]}")
    shape = tuple(map(int, source.shape if x is None else x.shape))
    strides, dilation = (given.strideH, given.strideW), (given.dilationHFactor, given.dilationWFactor)
    config = LayerConfig(
        kernel_size=(height, width),
        strides=strides,
        padding=PADDINGS[given.padding],
        depth_multiplier=int(weights[0].shape[3]) // shape[3],
        dilation_rate=dilation,
        activation=(FUNCTIONS | TANH)[function],
        use_bias=bool(biases),
        strided_dilation=max(strides) > 1 and max(dilation) > 1,
    )
    bias = biases[0] if biases else None
    return FoundLayer(name, config, shape, kernel.reshape(height, width, shape[3], -1), bias, x)


def _arrived(package: str, content: bytes, wanted: set[int], given: AnyArray) -> dict[int, AnyArray]:
    """What each of these tensors holds when the model is run on `given`, by the interpreter's own kernels."""
    lite: Any = import_module(f"{package}.interpreter")
    plain = lite.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES  # a delegate would not keep what is between
    try:
        interpreter = lite.Interpreter(
            model_content=content, experimental_preserve_all_tensors=True, experimental_op_resolver_type=plain
        )
        index = interpreter.get_input_details()[0]["index"]
        interpreter.resize_tensor_input(index, given.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(index, given)
        interpreter.invoke()
        return {index: np.array(interpreter.get_tensor(index)) for index in wanted}
    except (RuntimeError, ValueError) as error:
        raise UnreadableError(f"the model cannot be run on this input: {str(error).strip()[:300]}") from None


def _name(kernel: Any) -> str:
    """The layer's name: that of its weights, which may join those of all layers that were merged into it."""
    names = _text(kernel.name).split(";")
    return next((name for name in names if name.endswith("depthwise")), names[0])


def _text(name: Any) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)
