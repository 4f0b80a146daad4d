"""`paddle`: `paddle.nn.functional.conv2d` with one group for each channel."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, ClassVar

import numpy as np

from depthwise_conformance.adapters.base import Adapter, AnyArray, Description, Gradients, Unsupported
from depthwise_conformance.adapters.translate import activate, activations, explicit_pads, spatial_sizes, versions
from depthwise_conformance.reference.config import LayerConfig

DTYPES = ("float32", "float64")
OTHERS = ("celu", "elu", "gelu", "leaky_relu", "log_sigmoid", "log_softmax", "mish", "selu", "silu", "softsign")


class PaddleConv2d(Adapter):
    """On the CPU, eagerly, in either data format; "same" is explicit pads, of which each side has its own."""

    name: ClassVar[str] = "paddle"
    claims: ClassVar[str] = "not half_precision"

    def __init__(self, device: str = "cpu", mode: str = "") -> None:
        super().__init__(device, mode)
        self._paddle: Any = import_module("paddle")
        self._paddle.set_device("cpu")
        functional = self._paddle.nn.functional
        others: dict[str, Callable[[Any], Any]] = {name: getattr(functional, name) for name in OTHERS}
        others["leaky_relu"] = lambda y: functional.leaky_relu(y, 0.2)  # Keras's slope
        self._functions = activations(functional, **others)

    def describe(self) -> Description:
        """The CPU has no kernels for half precision."""
        half = {"half precision": "Paddle has no kernels for it on the CPU"}
        return Description(versions("paddlepaddle"), ("cpu",), DTYPES, half)

    def forward(self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None) -> AnyArray:
        """Eagerly."""
        return np.asarray(self._call(config, self._tensors(config, x, kernel, bias)).numpy())

    def gradients(
        self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None, cotangent: AnyArray
    ) -> Gradients:
        """By `paddle.grad`."""
        tensors = self._tensors(config, x, kernel, bias)
        for tensor in tensors:
            tensor.stop_gradient = False
        y = self._call(config, tensors)
        found = self._paddle.grad([y], tensors, [self._paddle.to_tensor(cotangent)])
        arrays = [np.asarray(one.numpy()) for one in found]
        return Gradients(arrays[0], arrays[1], arrays[2] if bias is not None else None)

    def _tensors(self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None) -> list[Any]:
        if config.dtype not in DTYPES:
            raise Unsupported(f"Paddle is asked in {' and '.join(DTYPES)}")
        return [self._paddle.to_tensor(one) for one in (x, kernel, bias) if one is not None]

    def _call(self, config: LayerConfig, tensors: list[Any]) -> Any:
        x, kernel, *bias = tensors
        rows, columns = explicit_pads(config, *spatial_sizes(config, tuple(x.shape)))
        height, width, channels, multiplier = kernel.shape
        y = self._paddle.nn.functional.conv2d(
            x,
            kernel.transpose([2, 3, 0, 1]).reshape([channels * multiplier, 1, height, width]),
            bias[0] if bias else None,
            list(config.strides),
            [*rows, *columns],
            list(config.dilation_rate),
            channels,
            "NHWC" if config.channels_last else "NCHW",
        )
        return activate(config, self._functions, y)
