"""`torch:onnx`: the file that torch.onnx.export writes of a convolution, run by ONNX Runtime."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from depthwise_conformance.adapters.base import Adapter, AnyArray, Description, Gradients, Unsupported
from depthwise_conformance.adapters.exported import FORWARD, ONNX_DTYPES, UNKNOWN, Call, onnx_call
from depthwise_conformance.adapters.torch_conv2d import TorchConv2d
from depthwise_conformance.adapters.translate import versions
from depthwise_conformance.reference.config import LayerConfig


class TorchOnnx(TorchConv2d):
    """`torch.onnx.export(dynamo=True)` of the convolution that the target `torch` calls, its weights constants.

    In the mode `onnx_dynamic` batch, height and width are unknown; "same" with strides wants sizes there.
    """

    modes: ClassVar[tuple[str, ...]] = ("onnx", f"onnx{UNKNOWN}")
    layouts: ClassVar[tuple[str, ...]] = ()
    cases = 60

    def __init__(self, device: str = "cpu", mode: str = "") -> None:
        super().__init__(device, "")
        self.mode, self.cases = mode, TorchOnnx.cases
        self._opened: tuple[Any, Call | None] = (None, None)

    def describe(self) -> Description:
        """Forwards only, on the CPU."""
        found = versions("torch", "onnxscript", "onnxruntime", "onnx")
        claims = f'{ONNX_DTYPES} and (padding == "valid" or stride == 1)' if self._dynamic else ONNX_DTYPES
        return Description(found, unsupported={"gradients": FORWARD}, claims=claims)

    def forward(self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None) -> AnyArray:
        """By the file, which is kept open until other weights or another shape come."""
        key = (config, x.shape, kernel.tobytes(), b"" if bias is None else bias.tobytes())
        if key != self._opened[0]:
            self._opened = (key, self._export(config, *self._to_tensors(x, kernel, bias)))
        assert self._opened[1] is not None
        return self._opened[1](x)

    def gradients(
        self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None, cotangent: AnyArray
    ) -> Gradients:
        """Not claimed."""
        raise Unsupported(FORWARD)

    def output_shape(self, config: LayerConfig, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Not claimed: it is torch's, before it is exported."""
        return Adapter.output_shape(self, config, input_shape)

    @property
    def _dynamic(self) -> bool:
        return self.mode.endswith(UNKNOWN)

    def _export(self, config: LayerConfig, x: Any, *weights: Any) -> Call:
        torch = self._torch
        layer = partial(self._apply, config)
        module = type("Layer", (torch.nn.Module,), {"forward": lambda self, x: layer(x, *weights)})()
        sizes = (0, 1, 2) if config.channels_last else (0, 2, 3)
        shapes = [dict.fromkeys(sizes, torch.export.Dim.DYNAMIC)] if self._dynamic else None
        with TemporaryDirectory() as folder, torch.no_grad():
            path = Path(folder) / "model.onnx"
            torch.onnx.export(module, (x,), path, dynamo=True, dynamic_shapes=shapes, verbose=False)
            return onnx_call(path)
