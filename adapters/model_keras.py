"""The depthwise layers of a Keras model: a `.keras` file, or, without weights, JSON of `to_json()` or `get_config()`.

The model is called once, and every call of a `DepthwiseConv2D` in it is seen: in models within models, in layers that
are shared, in whatever order. It runs on the backend that KERAS_BACKEND names, or else the first that is installed.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from depthwise_conformance.adapters import tensorflow_nn
from depthwise_conformance.adapters.base import AnyArray
from depthwise_conformance.adapters.found import Found, FoundLayer, Skipped, UnreadableError, concrete
from depthwise_conformance.adapters.keras_handle import to_numpy
from depthwise_conformance.reference.config import LayerConfig

BACKENDS = ("torch", "tensorflow", "jax")  # in this order: PyTorch takes either data format on any device
RELATED = ("SeparableConv2D", "DepthwiseConv1D", "SeparableConv1D")
ARGUMENTS = ("kernel_size", "strides", "padding", "depth_multiplier", "data_format", "dilation_rate", "use_bias")


def read(file: Path, given: AnyArray | None) -> Found:
    """Every call of a depthwise layer, in order; `given` is the model's input. Raises UnreadableError."""
    content = _content(file)
    os.environ.setdefault("KERAS_BACKEND", next(name for name in (*BACKENDS, "") if not name or find_spec(name)))
    tensorflow_nn.prepare()
    keras: Any = import_module("keras")
    keras.utils.set_random_seed(0)  # weights that are in no file: what arrives is the same each time
    model = _load(keras, file, content)
    names = _names(model)
    calls = _calls(keras, model, given)
    counted: Counter[int] = Counter()
    for layer, x in calls:
        counted[id(layer)] += 1
        again = f" (call {counted[id(layer)]})" if counted[id(layer)] > 1 else ""
        weighted = file.suffix == ".keras"
        yield _found(keras, layer, names.get(id(layer), layer.name) + again, x, given is not None, weighted)
    for layer in model._flatten_layers(include_self=False):
        if why := _objection(keras, layer, counted):
            yield Skipped(names.get(id(layer), layer.name), why)


def _content(file: Path) -> dict[str, Any]:
    """What a JSON file holds; nothing, of a `.keras` file. Raises UnreadableError for what cannot be a model."""
    if file.suffix == ".keras":
        if not zipfile.is_zipfile(file):
            raise UnreadableError("is no .keras file, which is a zip archive, or not all of one")
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"is no JSON: {error}") from None
    if not isinstance(content, dict) or not {"layers", "class_name"} & set(content):
        raise UnreadableError("is neither what to_json() nor what get_config() of a Keras model gives")
    return content


def _load(keras: Any, file: Path, content: dict[str, Any]) -> Any:
    try:
        if not content:
            return keras.saving.load_model(file, compile=False, safe_mode=True)
        if "class_name" in content:
            return keras.saving.deserialize_keras_object(content, safe_mode=True)
        return (keras.Model if "input_layers" in content else keras.Sequential).from_config(content)
    except Exception as error:  # of Keras, of zip files, of HDF5
        raise UnreadableError(f"cannot be read as a Keras model: {_first_line(error)}") from None


def _calls(keras: Any, model: Any, given: AnyArray | None) -> list[tuple[Any, AnyArray]]:
    """Each call of a depthwise layer while the model is called, with its input (or, of that, a blank of its shape)."""
    kind = keras.layers.DepthwiseConv2D
    original: Callable[..., Any] = kind.call
    calls: list[tuple[Any, AnyArray]] = []

    def watched(layer: Any, inputs: Any, *others: Any, **named: Any) -> Any:
        if type(layer) is kind:
            array = to_numpy(keras, inputs)
            calls.append((layer, array if given is not None else np.broadcast_to(array.dtype.type(0), array.shape)))
        return original(layer, inputs, *others, **named)

    kind.call = watched
    feeds = _feeds(keras, model, given)
    try:
        model(feeds, training=False)
    except Exception as error:
        raise UnreadableError(f"the model cannot be called: {_first_line(error)}") from None
    return calls


def _feeds(keras: Any, model: Any, given: AnyArray | None) -> Any:
    try:
        inputs = list(model.inputs)
    except (AttributeError, TypeError, ValueError):
        inputs = []
    if given is None and not inputs:
        raise UnreadableError("the model does not say what inputs it takes: give it one, by --input FILE.npy")
    if given is not None and len(inputs) > 1:
        raise UnreadableError(f"--input: accepted for models of one input; this one has {len(inputs)}")
    if given is not None:
        return keras.ops.convert_to_tensor(given)
    blanks = [keras.ops.zeros(concrete(one.name, one.shape), one.dtype) for one in inputs]
    return blanks[0] if len(blanks) == 1 else blanks


def _found(keras: Any, layer: Any, name: str, x: AnyArray, arrived: bool, weighted: bool) -> FoundLayer | Skipped:
    config: Mapping[str, Any] = layer.get_config()
    dtype = str(layer.compute_dtype)
    arguments = {argument: config[argument] for argument in ARGUMENTS}
    try:
        activation = keras.activations.serialize(layer.activation)
        if not isinstance(activation, str):
            raise ValueError("its activation is a function of its own")
        stated = LayerConfig(**arguments, activation=None if activation == "linear" else activation, dtype=dtype)
    except ValueError as error:
        return Skipped(name, str(error))

    def weight(variable: Any) -> AnyArray | None:
        return to_numpy(keras, variable).astype(x.dtype) if weighted and variable is not None else None

    shape = tuple(map(int, x.shape))
    return FoundLayer(name, stated, shape, weight(layer.kernel), weight(layer.bias), x if arrived else None)


def _objection(keras: Any, layer: Any, counted: Mapping[int, int]) -> str:
    """Why a layer that is akin to a depthwise one is left out; "" where it is none, or is not."""
    kind = keras.layers.DepthwiseConv2D
    if isinstance(layer, kind) and type(layer) is not kind:
        return f"a {type(layer).__name__}, a class of its own"
    if isinstance(layer, kind):
        return "" if counted[id(layer)] else "never called where the model is"
    if type(layer).__name__ in RELATED:
        return f"a {type(layer).__name__}: accepted is DepthwiseConv2D"
    return "a grouped Conv2D: accepted is DepthwiseConv2D" if getattr(layer, "groups", 1) > 1 else ""


def _names(model: Any) -> dict[int, str]:
    """Every layer's name, behind those of the models that it is in."""
    return {id(layer): name for name, layer in _walk(model, "")}


def _walk(model: Any, above: str) -> Iterator[tuple[str, Any]]:
    for layer in getattr(model, "layers", ()):
        yield f"{above}{layer.name}", layer
        yield from _walk(layer, f"{above}{layer.name}/")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
