"""`mlx`: `mlx.core.conv_general` with one group for each channel."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, ClassVar

import numpy as np

from depthwise_conformance.adapters.base import Adapter, AnyArray, Description, Gradients, Unsupported
from depthwise_conformance.adapters.translate import activate, activations, explicit_pads, spatial_sizes, versions
from depthwise_conformance.reference.config import LayerConfig

FLOAT64 = "MLX makes float32 of NumPy's float64, and has no convolution in it"
OTHERS = (
    "celu",
    "elu",
    "gelu",
    "hard_shrink",
    "hard_tanh",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "selu",
    "silu",
    "softsign",
)


class MlxConv(Adapter):
    """On the CPU; the images are channels_last, as MLX has them, and "same" is explicit pads, which it has none for."""

    name: ClassVar[str] = "mlx"
    claims: ClassVar[str] = 'dtype != "float64"'

    def __init__(self, device: str = "cpu", mode: str = "") -> None:
        super().__init__(device, mode)
        self._mx: Any = import_module("mlx.core")
        self._mx.set_default_device(self._mx.cpu)
        nn: Any = import_module("mlx.nn")
        others = {name: getattr(nn, name) for name in OTHERS}
        self._functions = activations(nn, **others)

    def describe(self) -> Description:
        """The CPU alone."""
        return Description(versions("mlx"), ("cpu",), ("float16", "bfloat16", "float32"), {"float64": FLOAT64})

    def forward(self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None) -> AnyArray:
        """Lazily, until its numbers are asked for."""
        call, tensors = self._prepared(config, x, kernel, bias)
        return self._to_numpy(call(*tensors), x)

    def gradients(
        self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None, cotangent: AnyArray
    ) -> Gradients:
        """By `mlx.core.vjp`."""
        call, tensors = self._prepared(config, x, kernel, bias)
        _, found = self._mx.vjp(call, tensors, [self._mx.array(cotangent)])
        arrays = [self._to_numpy(one, x) for one in found]
        return Gradients(arrays[0], arrays[1], arrays[2] if bias is not None else None)

    def _prepared(
        self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None
    ) -> tuple[Callable[..., Any], list[Any]]:
        if config.dtype == "float64":
            raise Unsupported(FLOAT64)
        rows, columns = explicit_pads(config, *spatial_sizes(config, x.shape))
        height, width, channels, multiplier = kernel.shape

        def call(x: Any, kernel: Any, bias: Any = None) -> Any:
            grouped = kernel.transpose(2, 3, 0, 1).reshape(channels * multiplier, height, width, 1)
            y = self._mx.conv_general(
                x if config.channels_last else x.transpose(0, 2, 3, 1),
                grouped,
                stride=config.strides,
                padding=([rows[0], columns[0]], [rows[1], columns[1]]),
                kernel_dilation=config.dilation_rate,
                groups=channels,
            )
            y = y if bias is None else y + bias
            return activate(config, self._functions, y if config.channels_last else y.transpose(0, 3, 1, 2))

        given = [x, kernel] if bias is None else [x, kernel, bias]
        return call, [self._mx.array(one) for one in given]

    def _to_numpy(self, tensor: Any, like: AnyArray) -> AnyArray:
        """NumPy takes no bfloat16 from it: its bits, then."""
        if tensor.dtype == self._mx.bfloat16:
            return np.array(tensor.view(self._mx.uint16)).view(like.dtype)
        return np.array(tensor)
