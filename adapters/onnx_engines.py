"""`openvino`, `tract`, `opencv`: other engines that run an ONNX model of one Conv node."""

from __future__ import annotations

import re
import tempfile
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from depthwise_conformance.adapters.base import Adapter, AnyArray, Description, Unsupported
from depthwise_conformance.adapters.onnx_builder import conv_model, decline_activation
from depthwise_conformance.adapters.translate import versions
from depthwise_conformance.reference.config import LayerConfig

Call = Callable[[AnyArray], AnyArray]
HINT = "INFERENCE_PRECISION_HINT"
# "Precision Control" in OpenVINO's documentation: the default execution mode, PERFORMANCE, may take a precision below
# that of the model where the processor has instructions for it, and the compiled model's property says which.
PRECISIONS = {"bf16": "bfloat16 arithmetic", "f16": "float16 arithmetic"}


class OnnxEngine(Adapter):
    """The model of `onnx_builder` in an engine, where it is kept as long as it stays the same."""

    distributions: ClassVar[tuple[str, ...]]
    dtypes: ClassVar[tuple[str, ...]] = ("float32",)
    lacking: ClassVar[str]  # why it has no other dtypes

    def __init__(self, device: str = "cpu", mode: str = "") -> None:
        super().__init__(device, mode)
        self._onnx: Any = import_module("onnx")
        self._last: tuple[bytes, Call] = (b"", np.asarray)

    def describe(self) -> Description:
        """Forwards alone."""
        return Description(
            versions(*self.distributions, "onnx"),
            ("cpu",),
            self.dtypes,
            {"other dtypes": self.lacking, "gradients": f"{self.name} computes forwards only"},
            claims=self.claims,
        )

    def forward(self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None) -> AnyArray:
        """By the model, whose weights are constants."""
        if config.dtype not in self.dtypes:
            raise Unsupported(self.lacking)
        decline_activation(config)
        model = conv_model(self._onnx, config, x.shape, kernel, bias)
        content = model.SerializeToString()
        if self._last[0] != content:
            self._last = (content, self.load(model))
        return np.array(self._last[1](x))  # a copy: the next call may write into the same memory

    @abstractmethod
    def load(self, model: Any) -> Call:
        """What computes the model's output from its input."""


class OpenVino(OnnxEngine):
    """The CPU plugin; the mode `f32` hints at float32, which the default leaves where bfloat16 is faster.

    What the plugin says that it computes float32 in, is declared.
    """

    name: ClassVar[str] = "openvino"
    claims: ClassVar[str] = 'dtype == "float32"'
    cases = 100
    modes: ClassVar[tuple[str, ...]] = ("f32",)
    distributions: ClassVar[tuple[str, ...]] = ("openvino",)
    lacking: ClassVar[str] = "OpenVINO's CPU plugin computes float32 and narrower; models of float16 in what is faster"

    def __init__(self, device: str = "cpu", mode: str = "") -> None:
        super().__init__(device, mode)
        self._core: Any = import_module("openvino").Core()
        self._properties = {HINT: mode} if mode else {}

    def describe(self) -> Description:
        """The arithmetic is that of a small model, as the plugin tells it."""
        one = np.ones((1, 1, 1, 1), np.float32)
        compiled = self._compiled(conv_model(self._onnx, LayerConfig((1, 1), use_bias=False), one.shape, one, None))
        precision = compiled.get_property(HINT).to_string()
        told, declared = super().describe(), {"float32": PRECISIONS[precision]} if precision in PRECISIONS else {}
        return replace(told, arithmetic=declared)

    def load(self, model: Any) -> Call:
        """By `compile_model`."""
        compiled = self._compiled(model)
        return lambda x: compiled([x])[0]

    def _compiled(self, model: Any) -> Any:
        return self._core.compile_model(self._core.read_model(model.SerializeToString()), "CPU", self._properties)


class Tract(OnnxEngine):
    """By its Python bindings, which read files."""

    name: ClassVar[str] = "tract"
    claims: ClassVar[str] = 'dtype != "bfloat16"'
    distributions: ClassVar[tuple[str, ...]] = ("tract",)
    dtypes: ClassVar[tuple[str, ...]] = ("float16", "float32", "float64")
    lacking: ClassVar[str] = "the ONNX model carries no bfloat16 to tract"

    def __init__(self, device: str = "cpu", mode: str = "") -> None:
        super().__init__(device, mode)
        self._tract: Any = import_module("tract")

    def forward(self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None) -> AnyArray:
        """An operator that says what it does not support is a limit that tract declares."""
        try:
            return super().forward(config, x, kernel, bias)
        except self._tract.TractError as error:
            if told := re.search(r"\w+ does not support \w+", str(error)):
                raise Unsupported(told[0]) from error
            raise

    def load(self, model: Any) -> Call:
        """By `into_model` and `into_runnable`."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "depthwise.onnx"
            file.write_bytes(model.SerializeToString())
            runnable = self._tract.onnx().load(file).into_model().into_runnable()
        return lambda x: runnable.run([x])[0].to_numpy()


class OpenCv(OnnxEngine):
    """The module `dnn`, whose reader wants the shapes of all values in the model."""

    name: ClassVar[str] = "opencv"
    claims: ClassVar[str] = 'dtype == "float32" and batch > 0'  # an array without elements is none to it
    distributions: ClassVar[tuple[str, ...]] = ("opencv-python-headless", "opencv-python")
    lacking: ClassVar[str] = "the module dnn returns float32, and takes no float64"

    def __init__(self, device: str = "cpu", mode: str = "") -> None:
        super().__init__(device, mode)
        self._cv: Any = import_module("cv2")

    def load(self, model: Any) -> Call:
        """By `readNetFromONNX`."""
        content = self._onnx.shape_inference.infer_shapes(model).SerializeToString()
        net = self._cv.dnn.readNetFromONNX(np.frombuffer(content, np.uint8))

        def call(x: AnyArray) -> AnyArray:
            net.setInput(x)
            found: AnyArray = net.forward()
            return found

        return call
