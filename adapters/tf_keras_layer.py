"""`tf_keras`: the second generation of Keras's layer, which lives on as a package of its own, on TensorFlow."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from depthwise_conformance.adapters import tensorflow_nn
from depthwise_conformance.adapters.base import (
    LAYOUTS,
    Adapter,
    AnyArray,
    Description,
    Gradients,
    LayerHandle,
    Shape,
    Unsupported,
)
from depthwise_conformance.adapters.translate import versions
from depthwise_conformance.reference.config import LayerConfig

HARD_SIGMOID = "Keras 2 documents another hard_sigmoid, 0.2 x + 0.5 between 0 and 1"
ABSENT = "Keras 2 documents no such activation"
LATER = (
    *("celu", "glu", "hard_shrink", "hard_silu", "hard_swish", "hard_tanh", "leaky_relu", "log_sigmoid", "log_softmax"),
    *("relu6", "silu", "soft_shrink", "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus", "tanh_shrink"),
    "threshold",
)  # names of activations that came with Keras 3


class TfKerasLayer(LayerHandle):
    """`tf_keras.layers.DepthwiseConv2D`; whatever is asked of it may raise."""

    def __init__(self, adapter: TfKeras, layer: Any) -> None:
        self._adapter, self._layer = adapter, layer
        self._tf, self._keras = adapter.tf, adapter.keras
        self._input_shape: Shape = ()

    def build(self, input_shape: Shape) -> None:
        """By `layer.build`."""
        self._input_shape = input_shape
        self._layer.build(input_shape)

    def __call__(self, x: AnyArray) -> AnyArray:
        """With the layer's own weights."""
        return _array(self._layer(self._tf.constant(x)))

    def weights(self) -> dict[str, AnyArray]:
        """`layer.weights`."""
        return {_name(weight): _array(weight) for weight in self._layer.weights}

    def assign(self, weights: Mapping[str, AnyArray]) -> None:
        """By `variable.assign`."""
        for weight in self._layer.weights:
            weight.assign(weights[_name(weight)])

    def attributes(self) -> dict[str, Any]:
        """The properties of the same names."""
        return {name: getattr(self._layer, name) for name in ("name", "trainable", "compute_dtype", "variable_dtype")}

    def loss(self) -> AnyArray:
        """The sum of `layer.losses`."""
        return _array(self._tf.add_n([self._tf.zeros(()), *self._layer.losses]))

    def gradients(self, x: AnyArray, cotangent: AnyArray) -> dict[str, AnyArray]:
        """By a tape."""
        given, trained = self._tf.constant(x), self._layer.trainable_variables
        with self._tf.GradientTape() as tape:
            tape.watch(given)
            parts = [self._layer(given), *self._layer.losses]
        ones = [self._tf.ones_like(loss) for loss in parts[1:]]
        found = tape.gradient(parts, [given, *trained], [self._tf.constant(cotangent), *ones])
        return dict(zip(["input", *map(_name, trained)], map(_array, found), strict=True))

    def step(self, gradients: Mapping[str, AnyArray], learning_rate: float) -> None:
        """By `tf_keras.optimizers.SGD`."""
        variables = self._layer.trainable_variables
        if variables:
            pairs = [(self._tf.constant(gradients[_name(weight)]), weight) for weight in variables]
            self._keras.optimizers.SGD(learning_rate).apply_gradients(pairs)

    def fit(self, x: AnyArray, cotangent: AnyArray, learning_rate: float) -> None:
        """By `model.fit` of a model that is this layer."""

        def loss(wanted: Any, got: Any) -> Any:
            return self._tf.reduce_sum(wanted * got, axis=(1, 2, 3))

        model = self._model(x.shape[1:], x.dtype.name)
        model.compile(optimizer=self._keras.optimizers.SGD(learning_rate), loss=loss)
        model.fit(x, cotangent, batch_size=len(x), epochs=1, shuffle=False, verbose=0)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """By `layer.compute_output_shape`."""
        return tuple(self._layer.compute_output_shape(input_shape))

    def symbolic_shape(self, input_shape: Shape) -> Shape:
        """By the call that functional models make."""
        given = self._keras.Input(batch_shape=input_shape, dtype=self._layer.compute_dtype)
        return tuple(self._layer(given).shape)

    def get_config(self) -> dict[str, Any]:
        """By `layer.get_config`."""
        return dict(self._layer.get_config())

    def recreated(self) -> TfKerasLayer:
        """By `from_config`."""
        return TfKerasLayer(self._adapter, type(self._layer).from_config(self._layer.get_config()))

    def reloaded(self) -> TfKerasLayer:
        """By `model.save` to a `.keras` file, and `tf_keras.models.load_model`."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "layer.keras"
            self._model(self._input_shape[1:], self._layer.variable_dtype).save(path)
            loaded = TfKerasLayer(self._adapter, self._keras.models.load_model(path).layers[-1])
        loaded._input_shape = self._input_shape
        return loaded

    def _model(self, shape: Shape, dtype: str) -> Any:
        return self._keras.Sequential([self._keras.Input(shape, dtype=dtype), self._layer])


class TfKeras(Adapter):
    """The layer, eagerly. An exception is a finding: the whole layer is documented, so nothing is declined."""

    name: ClassVar[str] = "tf_keras"
    layouts: ClassVar[tuple[str, ...]] = tuple(LAYOUTS)

    def __init__(self, device: str = "cpu", mode: str = "") -> None:
        super().__init__(device, mode)
        tensorflow_nn.prepare()
        self.tf: Any = import_module("tensorflow")
        self.keras: Any = import_module("tf_keras")

    def describe(self) -> Description:
        """On the CPU."""
        told = versions("tf_keras", "tensorflow", "tensorflow-cpu")
        return Description(told, ("cpu",), unsupported={"hard_sigmoid": HARD_SIGMOID})

    def forward(self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None) -> AnyArray:
        """The call of a layer to which the weights are assigned."""
        return self._loaded(config, x.shape, kernel, bias)(x)

    def gradients(
        self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None, cotangent: AnyArray
    ) -> Gradients:
        """Through the layer's call."""
        found = self._loaded(config, x.shape, kernel, bias).gradients(x, cotangent)
        return Gradients(found["input"], found["kernel"], found.get("bias"))

    def output_shape(self, config: LayerConfig, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """By the symbolic call that functional models make."""
        return self._layer_of(config).symbolic_shape(input_shape)

    def layer(self, *positional: Any, **arguments: Any) -> TfKerasLayer:
        """`tf_keras.layers.DepthwiseConv2D(*positional, **arguments)`."""
        if arguments.get("activation") in LATER:
            raise Unsupported(ABSENT)
        return TfKerasLayer(self, self.keras.layers.DepthwiseConv2D(*positional, **arguments))

    def function(self, name: str) -> Callable[..., Any]:
        """By operators and TensorFlow."""
        functions: dict[str, Callable[..., Any]] = {
            "halved": lambda p: p * 0.5,
            "sum_of_squares": lambda w: self.tf.reduce_sum(w * w),
            "halves": lambda shape, dtype=None: self.tf.fill(shape, self.tf.cast(0.5, dtype)),
            "cropped": lambda w: w[:1],
        }
        return functions[name]

    def _loaded(self, config: LayerConfig, shape: Shape, kernel: AnyArray, bias: AnyArray | None) -> TfKerasLayer:
        layer = self._layer_of(config)
        layer.build(shape)
        layer.assign({"kernel": kernel} if bias is None else {"kernel": kernel, "bias": bias})
        return layer

    def _layer_of(self, config: LayerConfig) -> TfKerasLayer:
        if max(config.strides) > 1 and max(config.dilation_rate) > 1:
            raise Unsupported("the layer documents that strides > 1 is incompatible with dilation_rate > 1")
        if config.activation == "hard_sigmoid":
            raise Unsupported(HARD_SIGMOID)
        said = {"data_format": config.data_format, "dtype": config.dtype}
        arguments = config.to_json() | said | {"depthwise_initializer": "zeros"}
        arguments.pop("strided_dilation", None)
        return self.layer(**arguments)


def _name(weight: Any) -> str:
    return str(weight.name).partition(":")[0].rpartition("/")[2].removeprefix("depthwise_")


def _array(tensor: Any) -> AnyArray:
    return np.asarray(tensor.numpy())
