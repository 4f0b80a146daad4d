"""An ONNX model of one Conv node, as exporters write it, for whatever runs such models."""

from __future__ import annotations

from typing import Any

import numpy as np

from depthwise_conformance.adapters.base import AnyArray, Unsupported
from depthwise_conformance.adapters.translate import explicit_pads, grouped_kernel, spatial_sizes
from depthwise_conformance.reference.config import LayerConfig

OPSET = 20  # the first with Gelu
IR_VERSION = 9  # the one of its time, so that older runtimes accept the model
ELEMENT_TYPES = {"float16": "FLOAT16", "float32": "FLOAT", "float64": "DOUBLE"}
OPERATORS = {
    "relu": "Relu",
    "relu6": "Clip",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "softplus": "Softplus",
    "gelu": "Gelu",
    "softmax": "Softmax",
}
LINEAR = (None, "linear")


def decline_activation(config: LayerConfig) -> None:
    """Raises Unsupported where ONNX has no operator for the activation."""
    if config.activation not in (*LINEAR, *OPERATORS):
        raise Unsupported(f"no function for activation {config.activation!r}")


def conv_model(
    onnx: Any,
    config: LayerConfig,
    input_shape: tuple[int | None, ...],
    kernel: AnyArray,
    bias: AnyArray | None,
    auto_pad: bool = False,
) -> Any:
    """A Conv with one group for each channel, its weights constants of the model, from `x` to `y`.

    ONNX knows channels_first only: Transpose nodes surround the Conv otherwise. "same" becomes explicit pads, since
    `auto_pad` is deprecated and refuses dilations; unless it is asked for.
    """
    helper, element = onnx.helper, getattr(onnx.TensorProto, ELEMENT_TYPES[config.dtype])
    dimensions = [f"d{axis}" if size is None else size for axis, size in enumerate(input_shape)]
    constants = {"w": grouped_kernel(kernel)} | ({} if bias is None else {"b": bias})
    if config.activation == "relu6":
        constants |= {"zero": np.array(0, kernel.dtype), "six": np.array(6, kernel.dtype)}
    graph = helper.make_graph(
        _nodes(onnx, config, _padding(config, input_shape, auto_pad), kernel.shape[2], bias is not None),
        "depthwise",
        [helper.make_tensor_value_info("x", element, dimensions)],
        [helper.make_tensor_value_info("y", element, None)],
        [helper.make_tensor(name, element, a.shape, a.tobytes(), raw=True) for name, a in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


def _padding(config: LayerConfig, input_shape: tuple[int | None, ...], auto_pad: bool) -> dict[str, Any]:
    if auto_pad:
        return {"auto_pad": {"same": "SAME_UPPER", "valid": "VALID"}[config.padding]}
    rows, columns = explicit_pads(config, *spatial_sizes(config, input_shape))
    return {"pads": (rows[0], columns[0], rows[1], columns[1])}


def _nodes(onnx: Any, config: LayerConfig, padding: dict[str, Any], channels: int, biased: bool) -> list[Any]:
    convolution = {
        "group": channels,
        "kernel_shape": config.kernel_size,
        "strides": config.strides,
        "dilations": config.dilation_rate,
        **padding,
    }
    steps: list[tuple[str, list[str], dict[str, Any]]] = [("Conv", ["w", "b"] if biased else ["w"], convolution)]
    if config.channels_last:
        steps = [("Transpose", [], {"perm": (0, 3, 1, 2)}), *steps, ("Transpose", [], {"perm": (0, 2, 3, 1)})]
    if config.activation not in LINEAR:
        bounds = ["zero", "six"] if config.activation == "relu6" else []
        steps.append((OPERATORS[config.activation], bounds, {}))
    names = ["x", *(f"t{index}" for index in range(1, len(steps))), "y"]
    return [
        onnx.helper.make_node(operator, [names[index], *others], [names[index + 1]], **attributes)
        for index, (operator, others, attributes) in enumerate(steps)
    ]
