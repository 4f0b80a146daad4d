"""`keras-*:compiled`: the layer in a model that Keras compiles, called by `predict_on_batch`, trained by a batch."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from depthwise_conformance.adapters.base import AnyArray, Description, Gradients, LayerHandle, Unsupported
from depthwise_conformance.adapters.keras_handle import to_numpy
from depthwise_conformance.adapters.keras_layer import KerasAdapter, KerasJax, KerasTensorFlow, KerasTorch
from depthwise_conformance.adapters.torch_compiled import keep_compiled
from depthwise_conformance.reference.config import LayerConfig

WHOLE = "whole layers are those of the target without the mode, which trains them compiled, too"
EMPTY = "Keras's training steps take no empty batch"


class _Compiled(KerasAdapter):
    """A model of the layer alone. The gradients are those of a training step, as its optimizer keeps them.

    The input is a weight of the model there, added to zeros; the momentum after one step of gradient descent at a rate
    of 1 is the negative gradient.
    """

    modes: ClassVar[tuple[str, ...]] = ("compiled",)
    layouts: ClassVar[tuple[str, ...]] = ()  # Keras makes batches of its own of them
    jit_compile: ClassVar[bool | str] = "auto"
    cases = 100

    def __init__(self, device: str = "cpu", mode: str = "") -> None:
        super().__init__(device, mode)
        self._made: tuple[Any, Any, Any] = (None, None, None)  # a shape, a layer, and their model

    def describe(self) -> Description:
        """What the layer's own target says, and what it does instead."""
        own = super().describe()
        limits = {"whole layers": WHOLE, "gradients of an empty batch": EMPTY}
        return Description(own.versions, own.devices, own.dtypes, limits)

    def forward(self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None) -> AnyArray:
        """By `model.predict_on_batch`."""
        with self.keras.device(self.place):
            layer = self._loaded(config, x.shape, kernel, bias)
            return np.asarray(self._model(x.shape, layer).predict_on_batch(x))

    def gradients(
        self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None, cotangent: AnyArray
    ) -> Gradients:
        """By `model.train_on_batch`."""
        if not len(x):
            raise Unsupported(EMPTY)
        with self.keras.device(self.place):
            layer = self._loaded(config, x.shape, kernel, bias)
            given = self._input(x)
            optimizer = self.keras.optimizers.SGD(1.0, momentum=0.5)
            loss = self._loss(config.dtype)
            model = self.keras.Sequential([self.keras.Input(batch_shape=x.shape, dtype=config.dtype), given, layer])
            model.compile(optimizer=optimizer, loss=loss, jit_compile=self.jit_compile)
            model.train_on_batch(np.zeros_like(x), cotangent)
            arrays = [to_numpy(self.keras, -momentum.value) for momentum in optimizer.variables[2:]]
        return Gradients(arrays[0], arrays[1], arrays[2] if bias is not None else None)

    def layer(self, *positional: Any, **arguments: Any) -> LayerHandle:
        """Not claimed."""
        raise Unsupported(WHOLE)

    def _model(self, shape: tuple[int, ...], layer: Any) -> Any:
        """A model of inputs of this shape, kept until another layer or shape comes."""
        if not self._is_made(shape, layer):
            model = self.keras.Sequential([self.keras.Input(batch_shape=shape, dtype=layer.dtype), layer])
            model.compile(jit_compile=self.jit_compile)
            self._made = (shape, layer, model)
        return self._made[2]

    def _is_made(self, shape: tuple[int, ...], layer: Any) -> bool:
        return shape == self._made[0] and layer is self._made[1]

    def _input(self, x: AnyArray) -> Any:
        """A layer that adds `x`, as its weight."""
        convert = self.keras.ops.convert_to_tensor

        def build(layer: Any, input_shape: Any) -> None:
            layer.x = layer.add_weight(shape=x.shape, initializer=lambda *_, **__: convert(x), name="x")

        def call(layer: Any, zeros: Any) -> Any:
            return zeros + layer.x

        return type("Given", (self.keras.layers.Layer,), {"build": build, "call": call})(dtype=x.dtype.name)

    def _loss(self, dtype: str) -> Any:
        """The loss `sum(cotangent * output)`."""
        total = self.keras.ops.sum

        def call(loss: Any, cotangent: Any, output: Any) -> Any:
            return total(cotangent * output, axis=(1, 2, 3))

        return type("Weighted", (self.keras.losses.Loss,), {"call": call})(reduction="sum", dtype=dtype)


class CompiledTensorFlow(_Compiled, KerasTensorFlow):
    """Traced by `tf.function`; Keras has XLA compile it where it thinks that worth while, which is not on the CPU."""


class CompiledJax(_Compiled, KerasJax):
    """Compiled by `jax.jit`."""


class CompiledTorch(_Compiled, KerasTorch):
    """By `torch.compile`, as `jit_compile=True` asks for; training steps take half a minute, and are not asked for."""

    jit_compile: ClassVar[bool | str] = True
    cases = 12

    def __init__(self, device: str = "cpu", mode: str = "") -> None:
        self._programs = keep_compiled()
        super().__init__(device, mode)

    def gradients(
        self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None, cotangent: AnyArray
    ) -> Gradients:
        """Not claimed."""
        raise Unsupported("a training step takes half a minute to compile, for each new shape")

    def _model(self, shape: tuple[int, ...], layer: Any) -> Any:
        if not self._is_made(shape, layer):
            self._framework._dynamo.reset()  # which gives up recompiling after some shapes, and runs eagerly
        return super()._model(shape, layer)
