"""`tensorflow`: tf.nn.depthwise_conv2d."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any, ClassVar

import numpy as np

from depthwise_conformance.adapters.base import LAYOUTS, Adapter, AnyArray, Description, Gradients, Unsupported
from depthwise_conformance.adapters.translate import activate, activations, device_index, versions, weight_shapes
from depthwise_conformance.reference.config import LayerConfig

STRIDED_DILATION = "tf.nn.depthwise_conv2d documents that dilations want all strides to be 1"
UNEQUAL = "Current implementation only supports equal length strides in the row and column dimensions."
LIMITS = {  # where oneDNN does not take the operation over
    "unequal strides": UNEQUAL,
    "data_format='channels_first' on CPU": "Depthwise convolution on CPU is only supported for NHWC format",
}


class TensorFlowNN(Adapter):
    """`tf.nn.depthwise_conv2d` and `tf.nn.bias_add`, eagerly.

    The mode `function` has layer and gradients traced, each as one `tf.function`, `xla` has them compiled by XLA
    (`jit_compile=True`).
    """

    name: ClassVar[str] = "tensorflow"
    modes: ClassVar[tuple[str, ...]] = ("function", "xla")
    layouts: ClassVar[tuple[str, ...]] = tuple(LAYOUTS)

    def __init__(self, device: str = "cpu", mode: str = "") -> None:
        super().__init__(device, mode)
        prepare()
        self._tf: Any = import_module("tensorflow")
        self._activations = activations(self._tf.nn, gelu=self._tf.nn.gelu)
        self._traced: tuple[LayerConfig | None, Any, Any] = (None, None, None)
        self._place = "/CPU:0" if device == "cpu" else f"/GPU:{device_index(device)}"

    def describe(self) -> Description:
        """The devices are the CPU and the GPUs that TensorFlow finds."""
        limits = {"strides with dilation": STRIDED_DILATION, **LIMITS}
        if self.mode == "xla":  # of which only gradients know the limits
            limits = {"strides with dilation": STRIDED_DILATION, "gradients with unequal strides": UNEQUAL}
        return Description(versions("tensorflow", "tensorflow-cpu"), devices(self._tf), unsupported=limits)

    def forward(self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None) -> AnyArray:
        """Eagerly."""
        with self._declining(), self._tf.device(self._place):
            forward, _ = self._functions(config)
            return np.asarray(forward(*self._to_tensors(x, kernel, bias)).numpy())

    def gradients(
        self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None, cotangent: AnyArray
    ) -> Gradients:
        """By `tf.GradientTape`."""
        with self._declining(), self._tf.device(self._place):
            _, pull_back = self._functions(config)
            found = pull_back(*self._to_tensors(x, kernel, bias, cotangent))
            arrays = [np.asarray(gradient.numpy()) for gradient in found]
        return Gradients(arrays[0], arrays[1], arrays[2] if bias is not None else None)

    def output_shape(self, config: LayerConfig, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """By tracing a `tf.function`."""
        shapes = [shape for shape in (input_shape, *weight_shapes(config, input_shape)) if shape is not None]
        specs = [self._tf.TensorSpec(shape, config.dtype) for shape in shapes]

        def traced(x: Any, kernel: Any, bias: Any = None) -> Any:
            return self._apply(config, x, kernel, bias)

        # Without autograph, which would rewrite this adapter's source before it is traced.
        with self._declining(), self._tf.device(self._place):
            function = self._tf.function(traced, autograph=False).get_concrete_function(*specs)
        return tuple(function.output_shapes.as_list())

    def _functions(self, config: LayerConfig) -> tuple[Any, Any]:
        """The layer and its gradients, as functions of arrays; those traced last are kept."""
        both = partial(self._apply, config), partial(self._pull_back, config)
        if not self.mode:
            return both
        if config != self._traced[0]:
            traced = (self._tf.function(one, autograph=False, jit_compile=self.mode == "xla") for one in both)
            self._traced = (config, *traced)
        return self._traced[1:]

    def _pull_back(self, config: LayerConfig, x: Any, kernel: Any, bias: Any, cotangent: Any) -> Any:
        leaves = [leaf for leaf in (x, kernel, bias) if leaf is not None]
        with self._tf.GradientTape() as tape:
            tape.watch(leaves)
            y = self._apply(config, x, kernel, bias)
        return tape.gradient(y, leaves, cotangent)

    def _apply(self, config: LayerConfig, x: Any, kernel: Any, bias: Any) -> Any:
        if max(config.strides) > 1 and max(config.dilation_rate) > 1:
            raise Unsupported(STRIDED_DILATION)
        layout = "NHWC" if config.channels_last else "NCHW"
        strides = (1, *config.strides, 1) if config.channels_last else (1, 1, *config.strides)
        y = self._tf.nn.depthwise_conv2d(x, kernel, strides, config.padding.upper(), layout, config.dilation_rate)
        if bias is not None:
            y = self._tf.nn.bias_add(y, bias, layout)
        return activate(config, self._activations, y)

    @contextmanager
    def _declining(self) -> Iterator[None]:
        """What TensorFlow says that it has no kernel for, one such message being spelled as an InvalidArgumentError."""
        errors = self._tf.errors
        try:
            yield
        except (errors.UnimplementedError, errors.InvalidArgumentError) as error:
            for limit in LIMITS.values():
                if limit in str(error):
                    raise Unsupported(limit) from error
            if isinstance(error, errors.UnimplementedError):
                raise Unsupported(str(error)) from error
            raise

    def _to_tensors(self, *arrays: AnyArray | None) -> list[Any]:
        return [None if array is None else self._tf.convert_to_tensor(array) for array in arrays]


def prepare() -> None:
    """What TensorFlow reads from the environment when it is imported: less to print, leave to share a GPU's memory."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")


def devices(tf: Any) -> tuple[str, ...]:
    """The CPU and the GPUs that TensorFlow finds."""
    gpus = tf.config.list_physical_devices("GPU")
    return ("cpu", *(f"cuda:{index}" for index in range(len(gpus))))
