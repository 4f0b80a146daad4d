"""The depthwise layers of an ONNX model: every Conv of two dimensions with as many groups as input channels.

Its weights have to be constants. ONNX knows channels_first alone, and so do these layers. Pads that are neither
"valid" nor "same" become part of the input, with padding="valid".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from depthwise_conformance.adapters.base import AnyArray
from depthwise_conformance.adapters.found import Found, FoundLayer, Skipped, UnreadableError, concrete
from depthwise_conformance.adapters.translate import explicit_pads
from depthwise_conformance.reference.config import LayerConfig

QUANTISED = ("QLinearConv", "ConvInteger")
Pads = tuple[tuple[int, int], tuple[int, int]]


def read(file: Path, given: AnyArray | None) -> Found:
    """The depthwise layers in the graph's order; `given` is the model's input. Raises UnreadableError."""
    onnx: Any = import_module("onnx")
    try:
        model = import_module("onnx.inliner").inline_local_functions(onnx.load(file))
        if not model.graph.node:
            raise ValueError("it has no nodes")
        graph = _with_sizes(onnx, model, given).graph
    except UnreadableError:
        raise
    except Exception as error:  # of protobuf, of onnx, of external files
        raise UnreadableError(f"cannot be read as an ONNX model: {str(error).strip()[:200]}") from None
    constants = _constants(onnx, graph)
    nodes = [node for node in graph.node if _is_convolution(node)]
    shapes = {one.name: _shape(one) for one in (*graph.input, *graph.value_info, *graph.output)}
    arrived: dict[str, AnyArray] = {}
    if given is not None or not all(shapes.get(node.input[0]) for node in nodes):
        arrived = _arrived(onnx, model, [node.input[0] for node in nodes], given)
    for node in nodes:
        x = arrived.get(node.input[0])
        shape = shapes.get(node.input[0]) if x is None else x.shape
        found = _layer(onnx, node, constants, shape or (), x if given is not None else None)
        if found is not None:
            yield found
    for node in graph.node:
        for inner in _within(node):
            yield Skipped(_name(inner), f"in a graph within {node.op_type}; accepted are those of the model's own")


def _with_sizes(onnx: Any, model: Any, given: AnyArray | None) -> Any:
    """The model with the sizes of its inputs set and all others inferred."""
    inputs = _inputs(model)
    if given is not None and len(inputs) != 1:
        raise UnreadableError(f"--input: accepted for models of one input; this one has {len(inputs)}")
    for one in inputs:
        sizes = one.type.tensor_type.shape.dim
        known = [size.dim_value or None for size in sizes]
        chosen = concrete(one.name, known) if given is None else given.shape
        if len(chosen) != len(sizes):
            raise UnreadableError(f"--input: is of shape {chosen}; accepted are {len(sizes)} sizes, {(*known,)}")
        for size, value in zip(sizes, chosen, strict=True):
            size.dim_value = value
    del model.graph.value_info[:]  # which speak of sizes that were not known
    return import_module("onnx.shape_inference").infer_shapes(model, data_prop=True)


def _layer(
    onnx: Any, node: Any, constants: Mapping[str, AnyArray], shape: tuple[int, ...], x: AnyArray | None
) -> FoundLayer | Skipped | None:
    name, weight = _name(node), constants.get(node.input[1]) if len(node.input) > 1 else None
    given = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    groups = given.get("group", 1)
    if node.op_type in QUANTISED or weight is None:
        told = f"a quantised {node.op_type}" if node.op_type in QUANTISED else "its weights are computed or dequantised"
        return Skipped(name, f"{told}; accepted are constants of a float format") if groups > 1 else None
    if weight.shape[1] != 1:
        return Skipped(name, f"{groups} groups of {weight.shape[1]} channels each") if groups > 1 else None
    if weight.ndim != 4:
        return Skipped(name, f"of {weight.ndim - 2} dimensions; accepted are two")
    bias = constants.get(node.input[2]) if len(node.input) > 2 and node.input[2] else None
    if bias is None and len(node.input) > 2 and node.input[2]:
        return Skipped(name, "its bias is computed; accepted is a constant")
    try:
        return _stated(name, given, weight, bias, shape, x)
    except ValueError as error:
        return Skipped(name, str(error))


def _stated(
    name: str,
    given: Mapping[str, Any],
    weight: AnyArray,
    bias: AnyArray | None,
    shape: tuple[int, ...],
    x: AnyArray | None,
) -> FoundLayer:
    groups = given.get("group", 1)
    multiplier, size = weight.shape[0] // groups, weight.shape[2:]
    arguments: dict[str, Any] = {
        "kernel_size": (int(size[0]), int(size[1])),
        "strides": tuple(given.get("strides", (1, 1))),
        "dilation_rate": tuple(given.get("dilations", (1, 1))),
        "depth_multiplier": multiplier,
        "data_format": "channels_first",
        "use_bias": bias is not None,
        "dtype": weight.dtype.name,
    }
    both = max(arguments["strides"]) > 1 and max(arguments["dilation_rate"]) > 1
    same = LayerConfig(**arguments, padding="same", strided_dilation=both)
    height, width = shape[2:]
    usual = explicit_pads(same, height, width)
    pads, note = _pads(given, usual), ""
    config = same
    if pads != usual or not any(map(any, pads)):
        config = LayerConfig(**arguments, strided_dilation=both)
    if pads not in (usual, ((0, 0), (0, 0))):
        (above, below), (left, right) = pads
        note = f'its pads (above {above}, below {below}, left {left}, right {right}) are part of the input, "valid"'
        shape = (*shape[:2], above + height + below, left + width + right)
        x = None if x is None else np.pad(x, ((0, 0), (0, 0), *pads))
    kernel = weight.reshape(groups, multiplier, *size).transpose(2, 3, 0, 1)
    return FoundLayer(name, config, shape, kernel, bias, x, note)


def _pads(given: Mapping[str, Any], usual: Pads) -> Pads:
    """The zeros above and below, left and right; `usual` are those of "same", the odd one at the end."""
    automatic = given.get("auto_pad", b"NOTSET").decode()
    if automatic == "SAME_UPPER":
        return usual
    if automatic == "SAME_LOWER":
        return usual[0][::-1], usual[1][::-1]
    above, left, below, right = given.get("pads", (0, 0, 0, 0)) if automatic == "NOTSET" else (0, 0, 0, 0)
    return (above, below), (left, right)


def _arrived(onnx: Any, model: Any, names: list[str], given: AnyArray | None) -> dict[str, AnyArray]:
    """What each of these tensors holds when ONNX Runtime runs the model on `given`, or on zeros, for the shapes."""
    runtime: Any = import_module("onnxruntime")
    feeds = {one.name: _blank(onnx, one) if given is None else given for one in _inputs(model)}
    outputs = {one.name for one in model.graph.output}
    wanted = [name for name in dict.fromkeys(names) if name not in feeds]
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in wanted if name not in outputs)
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return feeds | dict(zip(wanted, session.run(wanted, feeds) if wanted else (), strict=True))
    except Exception as error:
        raise UnreadableError(f"ONNX Runtime cannot run the model: {str(error).strip()[:300]}") from None


def _inputs(model: Any) -> list[Any]:
    """What the model is called with; old models list their constants as inputs too."""
    constants = {one.name for one in model.graph.initializer}
    return [one for one in model.graph.input if one.name not in constants]


def _blank(onnx: Any, value: Any) -> AnyArray:
    kind = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    return np.zeros(_shape(value) or (), kind)


def _constants(onnx: Any, graph: Any) -> dict[str, AnyArray]:
    found = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            found[node.output[0]] = onnx.numpy_helper.to_array(node.attribute[0].t)
        elif node.op_type == "Identity" and node.input[0] in found:
            found[node.output[0]] = found[node.input[0]]
    return found


def _is_convolution(node: Any) -> bool:
    return node.op_type in ("Conv", *QUANTISED) and node.domain in ("", "ai.onnx")


def _within(node: Any) -> Iterator[Any]:
    """The grouped convolutions of a node's own graphs."""
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                groups = [one.i for one in inner.attribute if one.name == "group"]
                if _is_convolution(inner) and groups and groups[0] > 1:
                    yield inner
                yield from _within(inner)


def _shape(value: Any) -> tuple[int, ...] | None:
    sizes = [size.dim_value for size in value.type.tensor_type.shape.dim]
    return tuple(sizes) if sizes and all(sizes) else None


def _name(node: Any) -> str:
    return str(node.name or node.output[0])
