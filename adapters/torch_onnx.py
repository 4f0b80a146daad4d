"""`torch:onnx`: the file that torch.onnx.export writes of a convolution, run by ONNX Runtime."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from depthwise_conformance.adapters.base import AnyArray, Description
from depthwise_conformance.adapters.exported import FORWARD, ONNX_DTYPES, UNKNOWN, Call, Exported, onnx_call
from depthwise_conformance.adapters.torch_conv2d import TorchConv2d
from depthwise_conformance.adapters.translate import versions
from depthwise_conformance.reference.config import LayerConfig


class TorchOnnx(Exported, TorchConv2d):
    """`torch.onnx.export(dynamo=True)` of the convolution that the target `torch` calls, its weights constants.

    In the mode `onnx_dynamic` batch, height and width are unknown; "same" with strides wants sizes there.
    """

    modes: ClassVar[tuple[str, ...]] = ("onnx", f"onnx{UNKNOWN}")
    cases = 60

    def describe(self) -> Description:
        """Forwards only, on the CPU."""
        found = versions("torch", "onnxscript", "onnxruntime", "onnx")
        claims = f'{ONNX_DTYPES} and (padding == "valid" or stride == 1)' if self._dynamic else ONNX_DTYPES
        return Description(found, unsupported={"gradients": FORWARD}, claims=claims)

    @property
    def _dynamic(self) -> bool:
        return self.mode.endswith(UNKNOWN)

    def export(self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None) -> Call:
        """By torch's exporter."""
        torch, (given, *weights) = self._torch, self._to_tensors(x, kernel, bias)
        layer = partial(self._apply, config)
        module = type("Layer", (torch.nn.Module,), {"forward": lambda self, x: layer(x, *weights)})()
        sizes = (0, 1, 2) if config.channels_last else (0, 2, 3)
        shapes = [dict.fromkeys(sizes, torch.export.Dim.DYNAMIC)] if self._dynamic else None
        with TemporaryDirectory() as folder, torch.no_grad():
            path = Path(folder) / "model.onnx"
            torch.onnx.export(module, (given,), path, dynamo=True, dynamic_shapes=shapes, verbose=False)
            return onnx_call(path)
