"""A `.tflite` file that is one depthwise layer, for adapters: `depthwise-conformance new --kind tflite-file`."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from depthwise_conformance.adapters.base import Adapter, AnyArray, Description
from depthwise_conformance.adapters.translate import claim_of, versions
from depthwise_conformance.reference.config import LayerConfig

FUNCTIONS = {0: None, 1: "relu", 3: "relu6"}  # what an operator may have fused into it
PADDINGS = {0: "same", 1: "valid"}
IDENTIFIER = b"TFL3"


class TfliteFile(Adapter):
    """The model at `file`, run by LiteRT (`ai-edge-litert`, or TensorFlow's own); it claims its own configuration.

    It is asked for no other layer. Accepted is one DEPTHWISE_CONV_2D on float32, with or without a fused activation.
    Each case's weights take the place of the file's. Raises ValueError for any other model.
    """

    file: ClassVar[Path]

    def __init__(self, device: str = "cpu", mode: str = "") -> None:
        super().__init__(device, mode)
        alone = find_spec("ai_edge_litert") is not None
        self._schema: Any = import_module(
            f"{'ai_edge_litert' if alone else 'tensorflow.lite.python'}.schema_py_generated"
        )
        self._lite: Any = import_module(f"{'ai_edge_litert' if alone else 'tensorflow.lite.python'}.interpreter")
        self._builder: Any = import_module("flatbuffers").Builder
        self._model = self._schema.ModelT.InitFromPackedBuf(self.file.read_bytes(), 0)
        (graph,) = self._model.subgraphs
        self._options = graph.operators[0].builtinOptions
        self._input, *self._weights = (graph.tensors[index] for index in graph.operators[0].inputs)
        if len(graph.operators) > 1 or not isinstance(self._options, self._schema.DepthwiseConv2DOptionsT):
            raise ValueError(
                f"{self.file.name} has {len(graph.operators)} operators: accepted is one DEPTHWISE_CONV_2D"
            )
        if self._options.fusedActivationFunction not in FUNCTIONS:
            raise ValueError(f"{self.file.name} has a fused activation that is none of {[*FUNCTIONS.values()]}")
        if self._input.type != self._schema.TensorType.FLOAT32:
            raise ValueError(f"{self.file.name} does not compute in float32, which is all that is accepted")

    def describe(self) -> Description:
        """The configuration is that of the file."""
        given = self._options
        _, height, width, _ = map(int, self._weights[0].shape)
        config = LayerConfig(
            kernel_size=(height, width),
            strides=(given.strideH, given.strideW),
            padding=PADDINGS[given.padding],
            depth_multiplier=given.depthMultiplier,
            dilation_rate=(given.dilationHFactor, given.dilationWFactor),
            activation=FUNCTIONS[given.fusedActivationFunction],
            use_bias=len(self._weights) > 1,
            strided_dilation=True,
        )
        named = self._input.shape if self._input.shapeSignature is None else self._input.shapeSignature
        sizes = tuple(None if size < 0 else int(size) for size in named)
        claims = f"{claim_of(config, sizes)} and batch > 0"
        return Description(versions("ai-edge-litert", "tensorflow"), dtypes=("float32",), claims=claims)

    def forward(self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None) -> AnyArray:
        """By an interpreter of its own, for a model that has these weights and this input's shape."""
        for tensor, array in zip(self._weights, (kernel, bias), strict=False):
            if array is not None:
                self._model.buffers[tensor.buffer].data = np.frombuffer(array.tobytes(), np.uint8)
        builder = self._builder(0)
        builder.Finish(self._model.Pack(builder), IDENTIFIER)
        interpreter = self._lite.Interpreter(model_content=bytes(builder.Output()))
        index = interpreter.get_input_details()[0]["index"]
        interpreter.resize_tensor_input(index, x.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(index, x)
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
