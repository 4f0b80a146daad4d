"""`jax`: jax.lax.conv_general_dilated with one feature group for each channel."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any, ClassVar

import numpy as np

from depthwise_conformance.adapters.base import LAYOUTS, Adapter, AnyArray, Description, Gradients, Unsupported
from depthwise_conformance.adapters.translate import activate, activations, device_index, versions, weight_shapes
from depthwise_conformance.reference.config import LayerConfig

CALLS_KEPT = 400


class JaxLax(Adapter):
    """`jax.lax.conv_general_dilated(feature_group_count=channels)`, operation by operation.

    Gradients are compiled as a whole, as a training step is. The mode `x64` sets JAX_ENABLE_X64, without which JAX
    computes float64 arguments in float32; `jit` compiles the layer as a whole, too.
    """

    name: ClassVar[str] = "jax"
    layouts: ClassVar[tuple[str, ...]] = tuple(LAYOUTS)
    modes: ClassVar[tuple[str, ...]] = ("x64", "jit")

    def __init__(self, device: str = "cpu", mode: str = "") -> None:
        super().__init__(device, mode)
        prepare(mode)
        self._jax: Any = import_module("jax")
        nn = self._jax.nn
        self._activations = activations(nn, gelu=lambda y: nn.gelu(y, approximate=False))
        platform = device.partition(":")[0]
        self._device = self._jax.devices(platform)[device_index(device)]
        self._tidy = Tidy(self._jax)
        self._forward = self._compiled(self._apply) if mode == "jit" else self._apply
        self._gradients = self._compiled(self._pull_back)

    def describe(self) -> Description:
        """The devices are the CPU and what CUDA finds."""
        return Description(
            versions("jax", "jaxlib"),
            devices(self._jax),
            unsupported={"symbolic shapes with unknown dimensions": "jax.eval_shape wants every dimension"},
        )

    def forward(self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None) -> AnyArray:
        """One convolution, one addition, one activation."""
        self._tidy()
        return np.asarray(self._forward(config, *self._put(x, kernel, bias)))

    def gradients(
        self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None, cotangent: AnyArray
    ) -> Gradients:
        """By `jax.vjp`, compiled."""
        self._tidy()
        found = self._gradients(config, *self._put(x, kernel, bias, cotangent))
        input_, kernel_, bias_ = (None if gradient is None else np.asarray(gradient) for gradient in found)
        assert input_ is not None and kernel_ is not None
        return Gradients(input_, kernel_, bias_)

    def output_shape(self, config: LayerConfig, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """By `jax.eval_shape`."""
        if None in input_shape:
            raise Unsupported("jax.eval_shape wants every dimension")
        shapes = (input_shape, *weight_shapes(config, input_shape))
        specs = [None if shape is None else self._jax.ShapeDtypeStruct(shape, config.dtype) for shape in shapes]
        return tuple(self._jax.eval_shape(lambda *arrays: self._apply(config, *arrays), *specs).shape)

    def _apply(self, config: LayerConfig, x: Any, kernel: Any, bias: Any) -> Any:
        layout = "NHWC" if config.channels_last else "NCHW"
        channels, multiplier = kernel.shape[2:]
        y = self._jax.lax.conv_general_dilated(
            x,
            kernel.reshape(*config.kernel_size, 1, channels * multiplier),
            config.strides,
            config.padding.upper(),
            rhs_dilation=config.dilation_rate,
            dimension_numbers=(layout, "HWIO", layout),
            feature_group_count=channels,
        )
        if bias is not None:
            y = y + (bias if config.channels_last else bias.reshape(-1, 1, 1))
        return activate(config, self._activations, y)

    def _pull_back(self, config: LayerConfig, x: Any, kernel: Any, bias: Any, cotangent: Any) -> Any:
        _, pull = self._jax.vjp(lambda *arrays: self._apply(config, *arrays), x, kernel, bias)
        return pull(cotangent)

    def _compiled(self, function: Any) -> Any:
        return self._jax.jit(function, static_argnums=0)

    def _put(self, *arrays: AnyArray | None) -> Any:
        return self._jax.device_put(arrays, self._device)


class Tidy:
    """Drops compiled code now and then: JAX keeps some megabytes for every new shape, and cases have new shapes."""

    def __init__(self, jax: Any) -> None:
        self._jax = jax
        self._calls = 0

    def __call__(self) -> None:
        """To be called before each operation."""
        self._calls += 1
        if self._calls % CALLS_KEPT == 0:
            self._jax.clear_caches()


def prepare(mode: str) -> None:
    """What JAX reads from the environment when it is imported: the mode, and leave to share a GPU's memory."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if mode == "x64":
        os.environ["JAX_ENABLE_X64"] = "1"


def devices(jax: Any) -> tuple[str, ...]:
    """The CPU and the CUDA devices that JAX finds."""
    cuda = [device for device in jax.devices() if device.platform in ("gpu", "cuda")]
    return ("cpu", *(f"cuda:{index}" for index in range(len(cuda))))
