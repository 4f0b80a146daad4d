"""A `.onnx` file that is one depthwise layer, for adapters: `depthwise-conformance new --kind onnx-file`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from depthwise_conformance.adapters.base import Adapter, AnyArray, Description
from depthwise_conformance.adapters.onnx_builder import OPERATORS
from depthwise_conformance.adapters.onnx_runtime import OnnxRuntime
from depthwise_conformance.adapters.translate import claim_of, grouped_kernel, versions
from depthwise_conformance.reference.config import LayerConfig

RELU6 = [0.0, 6.0]  # the bounds of a Clip


class OnnxFile(OnnxRuntime):
    """The model at `file`, run by ONNX Runtime; it claims its own configuration, and is asked for no other layer.

    Accepted is one Conv with its weights as initializers, with a Transpose before and behind it where the model is
    channels_last, and at most one activation. Each case's weights take the place of the file's. Raises ValueError for
    any other model.
    """

    file: ClassVar[Path]

    def __init__(self, device: str = "cpu", mode: str = "") -> None:
        super().__init__(device, mode)
        self._file = self._onnx.load(self.file)
        self._input = self._file.graph.input[0].name
        operators = [node.op_type for node in self._file.graph.node]
        others = [operator for operator in operators if operator != "Transpose"]
        if others[:1] != ["Conv"] or len(others) > 2 or not {*others[1:]} <= {*OPERATORS.values()}:
            accepted = f"one Conv, Transpose around it, and at most one of {', '.join(OPERATORS.values())}"
            raise ValueError(f"{self.file.name} has the operators {', '.join(operators)}; accepted are {accepted}")
        self._nodes_by_type = {node.op_type: node for node in self._file.graph.node}
        initializers = {tensor.name: tensor for tensor in self._file.graph.initializer}
        convolution = self._nodes_by_type["Conv"]
        if missing := [name for name in convolution.input[1:] if name not in initializers]:
            raise ValueError(f"{self.file.name}: its Conv takes {', '.join(missing)}, which are no initializers")
        self._weights = [initializers[name] for name in convolution.input[1:]]

    def describe(self) -> Description:
        """The configuration is that of the file."""
        attribute_value = self._onnx.helper.get_attribute_value
        given = {one.name: attribute_value(one) for one in self._nodes_by_type["Conv"].attribute}
        above, left, below, right = given.get("pads", (0, 0, 0, 0))
        padded = any((above, left, below, right))
        config = self._configuration(given, padded or given.get("auto_pad", b"").startswith(b"SAME"))
        sizes = [size.dim_value or None for size in self._file.graph.input[0].type.tensor_type.shape.dim]
        sizes[-1 if config.channels_last else 1] = self._weights[0].dims[0] // config.depth_multiplier
        claims = claim_of(config, tuple(sizes), ((above, below), (left, right)) if padded else None)
        devices = super().describe().devices
        return Description(versions("onnxruntime", "onnxruntime-gpu", "onnx"), devices, (config.dtype,), claims=claims)

    def output_shape(self, config: LayerConfig, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Not claimed: the file may have sizes of its own."""
        return Adapter.output_shape(self, config, input_shape)

    def _configuration(self, given: Mapping[str, Any], same: bool) -> LayerConfig:
        weight = self._weights[0]
        return LayerConfig(
            kernel_size=tuple(weight.dims[2:]),
            strides=tuple(given.get("strides", (1, 1))),
            padding="same" if same else "valid",
            depth_multiplier=weight.dims[0] // given.get("group", 1),
            data_format="channels_last" if "Transpose" in self._nodes_by_type else "channels_first",
            dilation_rate=tuple(given.get("dilations", (1, 1))),
            activation=self._activation(),
            use_bias=len(self._weights) > 1,
            dtype=self._onnx.helper.tensor_dtype_to_np_dtype(weight.data_type).name,
            strided_dilation=True,
        )

    def _activation(self) -> str | None:
        found = [name for name, operator in OPERATORS.items() if operator in self._nodes_by_type]
        if "relu6" in found:
            bounds = self._nodes_by_type["Clip"].input[1:]
            arrays = {one.name: self._onnx.numpy_helper.to_array(one) for one in self._file.graph.initializer}
            if [arrays.get(name) for name in bounds] != RELU6:
                raise ValueError(f"{self.file.name} has a Clip whose bounds are not 0 and 6")
        return found[0] if found else None

    def _model(
        self, config: LayerConfig, input_shape: tuple[int | None, ...], kernel: AnyArray, bias: AnyArray | None
    ) -> Any:
        for tensor, array in zip(self._weights, (grouped_kernel(kernel), bias), strict=False):
            tensor.CopyFrom(self._onnx.numpy_helper.from_array(array, tensor.name))
        return self._file
