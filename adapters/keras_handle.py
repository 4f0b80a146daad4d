"""A layer that Keras constructed, used as its users do: built, called, trained, saved."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from depthwise_conformance.adapters.base import AnyArray, LayerHandle, Shape


class Backend(Protocol):
    """What differs between Keras's backends."""

    keras: Any
    place: str

    def differentiate(self, layer: Any, x: Any, cotangent: Any) -> list[Any]:
        """The gradients of `sum(cotangent * layer(x))` and the layer's losses, for x and the trained weights."""
        ...


class KerasLayer(LayerHandle):
    """`keras.layers.DepthwiseConv2D`; whatever is asked of it may raise."""

    def __init__(self, backend: Backend, layer: Any) -> None:
        self._backend = backend
        self._keras = backend.keras
        self._layer = layer
        self._input_shape: Shape = ()

    def build(self, input_shape: Shape) -> None:
        """By `layer.build`."""
        self._input_shape = input_shape
        with self._keras.device(self._backend.place):
            self._layer.build(input_shape)

    def __call__(self, x: AnyArray) -> AnyArray:
        """With the layer's own weights."""
        with self._keras.device(self._backend.place):
            return to_numpy(self._keras, self._layer(x))

    def weights(self) -> dict[str, AnyArray]:
        """`layer.weights`, each by the name that Keras gave it."""
        return {weight.name: to_numpy(self._keras, weight.value) for weight in self._layer.weights}

    def assign(self, weights: Mapping[str, AnyArray]) -> None:
        """By `variable.assign`."""
        for weight in self._layer.weights:
            weight.assign(weights[weight.name])

    def attributes(self) -> dict[str, Any]:
        """The properties of the same names."""
        names = ("name", "trainable", "compute_dtype", "variable_dtype")
        return {name: getattr(self._layer, name) for name in names}

    def loss(self) -> AnyArray:
        """The sum of `layer.losses`."""
        return to_numpy(self._keras, sum(self._layer.losses, start=self._keras.ops.zeros(())))

    def gradients(self, x: AnyArray, cotangent: AnyArray) -> dict[str, AnyArray]:
        """By the backend's autodiff."""
        names = ["input", *(weight.name for weight in self._layer.trainable_variables)]
        convert = self._keras.ops.convert_to_tensor
        with self._keras.device(self._backend.place):
            found = self._backend.differentiate(self._layer, convert(x), convert(cotangent))
            return {name: to_numpy(self._keras, one) for name, one in zip(names, found, strict=True)}

    def step(self, gradients: Mapping[str, AnyArray], learning_rate: float) -> None:
        """By `keras.optimizers.SGD`."""
        variables = self._layer.trainable_variables
        if variables:
            convert = self._keras.ops.convert_to_tensor
            with self._keras.device(self._backend.place):
                optimizer = self._keras.optimizers.SGD(learning_rate)
                optimizer.apply([convert(gradients[weight.name]) for weight in variables], variables)

    def fit(self, x: AnyArray, cotangent: AnyArray, learning_rate: float) -> None:
        """By `model.fit` of a model that is this layer."""
        ops = self._keras.ops

        def loss(wanted: Any, got: Any) -> Any:
            return ops.sum(wanted * got, axis=(1, 2, 3))

        with self._keras.device(self._backend.place):
            model = self._model(x.shape[1:], x.dtype.name)
            model.compile(optimizer=self._keras.optimizers.SGD(learning_rate), loss=loss)
            model.fit(x, cotangent, batch_size=len(x), epochs=1, shuffle=False, verbose=0)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """By `layer.compute_output_shape`."""
        return tuple(self._layer.compute_output_shape(input_shape))

    def symbolic_shape(self, input_shape: Shape) -> Shape:
        """By the call that functional models make."""
        return tuple(self._layer(self._keras.KerasTensor(input_shape, self._layer.compute_dtype)).shape)

    def get_config(self) -> dict[str, Any]:
        """By `layer.get_config`."""
        config: dict[str, Any] = self._layer.get_config()
        return config

    def recreated(self) -> KerasLayer:
        """By `from_config`."""
        return KerasLayer(self._backend, type(self._layer).from_config(self._layer.get_config()))

    def reloaded(self) -> KerasLayer:
        """By `model.save` to a `.keras` file, and `keras.models.load_model`."""
        with tempfile.TemporaryDirectory() as folder, self._keras.device(self._backend.place):
            path = Path(folder) / "layer.keras"
            self._model(self._input_shape[1:], self._layer.variable_dtype).save(path)
            loaded = KerasLayer(self._backend, self._keras.models.load_model(path).layers[-1])
        loaded._input_shape = self._input_shape
        return loaded

    def _model(self, shape: Shape, dtype: str) -> Any:
        return self._keras.Sequential([self._keras.Input(shape, dtype=dtype), self._layer])


def to_numpy(keras: Any, tensor: Any) -> AnyArray:
    """By Keras's own conversion, which keeps the dtype."""
    array: AnyArray = keras.ops.convert_to_numpy(tensor)
    return array


def functions(keras: Any) -> dict[str, Callable[..., Any]]:
    """The functions of `reference.functions`, of Keras's tensors."""
    return {
        "halved": lambda p: p * 0.5,
        "sum_of_squares": lambda w: keras.ops.sum(w * w),
        "halves": lambda shape, dtype=None: keras.ops.full(shape, 0.5, dtype),
        "cropped": lambda w: w[:1],
    }
