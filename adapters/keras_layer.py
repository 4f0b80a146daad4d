"""`keras-tensorflow`, `keras-torch`, `keras-jax`: the real keras.layers.DepthwiseConv2D, used as users do."""

from __future__ import annotations

import functools
import itertools
import os
from abc import abstractmethod
from collections.abc import Callable
from importlib import import_module
from typing import Any, ClassVar

import numpy as np

from depthwise_conformance.adapters import jax_lax, tensorflow_nn
from depthwise_conformance.adapters.base import (
    LAYOUTS,
    Adapter,
    AnyArray,
    Description,
    Gradients,
    LayerHandle,
    Unsupported,
)
from depthwise_conformance.adapters.keras_handle import KerasLayer, functions, to_numpy
from depthwise_conformance.adapters.translate import versions
from depthwise_conformance.reference.config import LayerConfig


class KerasAdapter(Adapter):
    """The layer on one backend. An exception is a finding: the whole layer is documented, so nothing is declined."""

    backend: ClassVar[str]
    distributions: ClassVar[tuple[str, ...]]
    layouts: ClassVar[tuple[str, ...]] = tuple(LAYOUTS)

    def __init__(self, device: str = "cpu", mode: str = "") -> None:
        super().__init__(device, mode)
        os.environ["KERAS_BACKEND"] = self.backend
        tensorflow_nn.prepare()  # Keras may import frameworks besides its backend: on torch, JAX
        jax_lax.prepare(mode)
        self.keras: Any = import_module("keras")
        if not hasattr(self.keras, "device"):
            raise ValueError(f"Keras {self.keras.__version__} has no keras.device; later releases of Keras 3 have")
        self._framework: Any = import_module(self.backend)
        self.place = device.replace("cuda", "gpu")
        self._last: tuple[LayerConfig, int] | None = None
        self._layer: Any = None

    def describe(self) -> Description:
        """The versions are Keras's and the backend's."""
        return Description(versions("keras", *self.distributions), self._devices())

    def forward(self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None) -> AnyArray:
        """The call of a layer to which the weights are assigned."""
        with self.keras.device(self.place):
            return to_numpy(self.keras, self._loaded(config, x.shape, kernel, bias)(x))

    def gradients(
        self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None, cotangent: AnyArray
    ) -> Gradients:
        """By the backend's autodiff, through the layer's call."""
        convert = self.keras.ops.convert_to_tensor
        with self.keras.device(self.place):
            layer = self._loaded(config, x.shape, kernel, bias)
            found = self.differentiate(layer, convert(x), convert(cotangent))
            arrays = [to_numpy(self.keras, gradient) for gradient in found]
        return Gradients(arrays[0], arrays[1], arrays[2] if bias is not None else None)

    def output_shape(self, config: LayerConfig, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """By the symbolic call that functional models make."""
        return KerasLayer(self, self._construct(config)).symbolic_shape(input_shape)

    def layer(self, *positional: Any, **arguments: Any) -> LayerHandle:
        """`keras.layers.DepthwiseConv2D(*positional, **arguments)`."""
        return KerasLayer(self, self.keras.layers.DepthwiseConv2D(*positional, **arguments))

    def function(self, name: str) -> Callable[..., Any]:
        """By operators and `keras.ops`."""
        return functions(self.keras)[name]

    def policy(self, config: LayerConfig) -> str:
        """What the layer is given as its dtype."""
        return config.dtype

    @abstractmethod
    def differentiate(self, layer: Any, x: Any, cotangent: Any) -> list[Any]:
        """The gradients of `sum(cotangent * layer(x))` and the layer's losses, for x and the trained weights."""

    @abstractmethod
    def _devices(self) -> tuple[str, ...]:
        """The devices that the backend finds."""

    def _loaded(self, config: LayerConfig, shape: tuple[int, ...], kernel: AnyArray, bias: AnyArray | None) -> Any:
        key = (config, kernel.shape[2])
        if key != self._last:
            self._last = None
            self._layer = self._construct(config)
            self._layer.build(shape)
            self._last = key
        self._layer.kernel.assign(kernel)
        if bias is not None:
            self._layer.bias.assign(bias)
        return self._layer

    def _construct(self, config: LayerConfig) -> Any:
        if max(config.strides) > 1 and max(config.dilation_rate) > 1:
            raise Unsupported("the layer documents that strides > 1 is incompatible with dilation_rate > 1")
        # What keras.json could change is said; the weights are assigned, so random ones would be made in vain (JAX
        # compiles their initializers, "zeros" too, for every shape). No penalty belongs to the operation's gradients.
        said = {"data_format": config.data_format, "dtype": self.policy(config)}
        zeros = {"depthwise_initializer": self._zeros, "bias_initializer": self._zeros}
        none = dict.fromkeys(("depthwise_regularizer", "bias_regularizer", "activity_regularizer"))
        arguments = config.to_json() | said | zeros | none
        arguments.pop("strided_dilation", None)
        return self.keras.layers.DepthwiseConv2D(**arguments)

    def _zeros(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        return self.keras.ops.convert_to_tensor(np.zeros(shape, dtype))


class KerasTensorFlow(KerasAdapter):
    """On TensorFlow, eagerly."""

    name: ClassVar[str] = "keras-tensorflow"
    backend: ClassVar[str] = "tensorflow"
    distributions: ClassVar[tuple[str, ...]] = ("tensorflow", "tensorflow-cpu")

    def differentiate(self, layer: Any, x: Any, cotangent: Any) -> list[Any]:
        """By a tape."""
        with self._framework.GradientTape() as tape:
            tape.watch(x)
            parts = [layer(x), *layer.losses]
        leaves = [x, *(weight.value for weight in layer.trainable_variables)]
        ones = [self._framework.ones_like(loss) for loss in parts[1:]]
        found: list[Any] = tape.gradient(parts, leaves, [cotangent, *ones])
        return found

    def _devices(self) -> tuple[str, ...]:
        return tensorflow_nn.devices(self._framework)


class KerasTorch(KerasAdapter):
    """On torch, eagerly."""

    name: ClassVar[str] = "keras-torch"
    backend: ClassVar[str] = "torch"
    distributions: ClassVar[tuple[str, ...]] = ("torch",)

    def differentiate(self, layer: Any, x: Any, cotangent: Any) -> list[Any]:
        """By `torch.autograd.grad`."""
        x.requires_grad_()
        leaves = [x, *(weight.value for weight in layer.trainable_variables)]
        y = layer(x)
        losses = [loss for loss in layer.losses if loss.requires_grad]  # not those of frozen weights
        return list(self._framework.autograd.grad([y, *losses], leaves, [cotangent, *([None] * len(losses))]))

    def _devices(self) -> tuple[str, ...]:
        return ("cpu", *(f"cuda:{index}" for index in range(self._framework.cuda.device_count())))


class KerasJax(KerasAdapter):
    """On JAX, operation by operation, gradients compiled as Keras trains; the mode `x64` sets JAX_ENABLE_X64."""

    name: ClassVar[str] = "keras-jax"
    modes: ClassVar[tuple[str, ...]] = ("x64",)
    backend: ClassVar[str] = "jax"
    distributions: ClassVar[tuple[str, ...]] = ("jax", "jaxlib")

    def __init__(self, device: str = "cpu", mode: str = "") -> None:
        super().__init__(device, mode)
        self._tidy = jax_lax.Tidy(self._framework)
        self._pulled: tuple[Any, Any] = (None, None)  # the layer differentiated last, and its gradients compiled

    def _loaded(self, config: LayerConfig, shape: tuple[int, ...], kernel: AnyArray, bias: AnyArray | None) -> Any:
        self._tidy()
        return super()._loaded(config, shape, kernel, bias)

    def differentiate(self, layer: Any, x: Any, cotangent: Any) -> list[Any]:
        """By `jax.vjp` of a call in a stateless scope, compiled."""
        if layer is not self._pulled[0]:
            self._pulled = (layer, self._framework.jit(functools.partial(self._pull_back, layer)))
        trained, frozen = ([v.value for v in some] for some in _variables(layer))
        found: list[Any] = self._pulled[1](x, trained, frozen, cotangent)
        return found

    def _pull_back(self, layer: Any, x: Any, trained: list[Any], frozen: list[Any], cotangent: Any) -> list[Any]:
        variables = list(itertools.chain(*_variables(layer)))

        def call(x: Any, trained: list[Any]) -> list[Any]:
            mapping = list(zip(variables, [*trained, *frozen], strict=True))
            with self.keras.StatelessScope(state_mapping=mapping, collect_losses=True):
                return [layer(x), *layer.losses]

        parts, pull = self._framework.vjp(call, x, trained)
        ones = [self._framework.numpy.ones_like(loss) for loss in parts[1:]]
        input_gradient, weight_gradients = pull([cotangent, *ones])
        return [input_gradient, *weight_gradients]

    def _devices(self) -> tuple[str, ...]:
        return jax_lax.devices(self._framework)


def _variables(layer: Any) -> tuple[list[Any], list[Any]]:
    """Those that are trained, and the others."""
    return layer.trainable_variables, layer.non_trainable_variables
