"""A layer's case gone through on the reference layer: what every step has to give, with bounds."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from depthwise_conformance.casebook.case import Case, Data, LayerCase, partly_unknown
from depthwise_conformance.casebook.recipes import Arrays, make_arrays
from depthwise_conformance.reference import FORMATS, Arithmetic, Bounded, Evaluation, expected_arithmetic
from depthwise_conformance.reference.bounds import AnyArray, Array
from depthwise_conformance.reference.functions import FUNCTIONS
from depthwise_conformance.reference.initializers import Fixed, Given, Initializer
from depthwise_conformance.reference.layer import OPERATION, DepthwiseConv2D

POSITION_OF_FORMAT = 4  # that of data_format among the constructor's arguments
LEARNING_RATE = 0.5  # a power of two, so that it costs no rounding
WEIGHTS = ("kernel", "bias")


@dataclass(frozen=True)
class Drawn:
    """A weight that an initializer draws at random."""

    initializer: Initializer
    shape: tuple[int, ...]


Weight = Bounded | Drawn
Declared = Mapping[str, Arithmetic]


@dataclass(frozen=True)
class Expected:
    """What a step has to give: arrays by name, all of one dtype ("" is any), and facts by name."""

    arrays: Mapping[str, Weight]
    dtype: str = ""
    facts: Mapping[str, Any] | None = None


NOTHING = Expected({})


class Rehearsal:
    """The steps of a case in turn, on the reference layer.

    The loss of an activity regularizer is divided by the batch size, as Keras documents on its page of regularizers, or
    with `per_image=False` is not, as the specification may be read.
    """

    def __init__(self, case: LayerCase, declared: Declared = MappingProxyType({}), per_image: bool = True) -> None:
        self.case = case
        self.layer = reference_layer(case)
        dtype = self.layer.compute_dtype
        self._arithmetic = declared.get(dtype) or expected_arithmetic(dtype)
        self._images = max(case.input_shape[0], 1) if per_image else 1
        self._state: dict[str, Weight] = {}
        self._output = Bounded(np.zeros(()), np.zeros(()))

    @functools.cached_property
    def arrays(self) -> Arrays:
        """The case's numbers."""
        return layer_arrays(self.case, self.layer)

    def expect(self, step: str) -> Expected:
        """What the next step has to give."""
        found: Expected = getattr(self, f"_{step}")()
        return found

    def _build(self) -> Expected:
        self._state = {name: self._initial(name, shape) for name, shape in self._shapes().items()}
        return NOTHING

    def _weights(self) -> Expected:
        return Expected(dict(self._state), self.layer.variable_dtype, {"order": list(self._shapes())})

    def _assign(self) -> Expected:
        given = {"kernel": self.arrays.kernel, "bias": self.arrays.bias}
        self._state = {name: _exact(array) for name, array in given.items() if array is not None}
        return NOTHING

    def _call(self) -> Expected:
        self._output = self._evaluation().output(self._arithmetic)
        if self.layer.function is not None:
            self._output = Bounded(self.layer.function(self._output.value), self.layer.function(self._output.bound))
        return Expected({"output": self._output}, self.layer.compute_dtype)

    def _loss(self) -> Expected:
        """Of whatever dtype; whether the weights of a frozen layer add to it is left open."""
        if not self.layer.trainable:
            return NOTHING
        parts = [(penalty, self._known(name), 1) for name, penalty in self._regularizers() if name in self._state]
        if self.layer.activity_regularizer is not None:
            parts.append((self.layer.activity_regularizer, self._output, self._images))
        found = [(penalty.bounded(w, self._roundoff), share) for penalty, w, share in parts]
        value = sum(one.value / share for one, share in found)
        bound = sum(one.bound / share for one, share in found) + len(found) * self._roundoff * abs(value)
        return Expected({"loss": Bounded(np.asarray(value), np.asarray(bound))})

    def _gradients(self) -> Expected:
        self._call()
        found = self._slopes(self._floats(self.arrays.cotangent))
        if not self.layer.trainable:
            found = {"input": found["input"]}
        return Expected(found, self.layer.variable_dtype)

    def _step(self) -> Expected:
        updates = {name: _exact(array) for name, array in step_gradients(self.case, self.layer).items()}
        self._descend(updates)
        return NOTHING

    def _fit(self) -> Expected:
        self._call()
        batch = max(self.case.input_shape[0], 1)
        self._descend(self._slopes(self._floats(self.arrays.cotangent) / batch))
        return NOTHING

    def _attributes(self) -> Expected:
        given = json.loads(self.case.arguments)
        facts = {"trainable": self.layer.trainable, "compute_dtype": self.layer.compute_dtype}
        facts["variable_dtype"] = self.layer.variable_dtype
        return Expected({}, facts={**facts, "name": given["name"]} if given.get("name") else facts)

    def _config(self) -> Expected:
        plain = {name: getattr(self.layer.config, name) for name in OPERATION if name != "activation"}
        return Expected({}, facts={"config": json.loads(json.dumps(plain))})

    def _recreate(self) -> Expected:
        self._state = {}
        return NOTHING

    def _reload(self) -> Expected:
        return NOTHING

    def _compute_output_shape(self) -> Expected:
        given = partly_unknown(self.layer.config, self.case.input_shape)
        shapes = [self.layer.compute_output_shape(shape) for shape in given]
        return Expected({}, facts={"shapes": shapes})

    def _symbolic_shape(self) -> Expected:
        return self._compute_output_shape()

    @property
    def _roundoff(self) -> float:
        return FORMATS[self.layer.variable_dtype].roundoff

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return self.layer.weight_shapes(self.case.input_shape)

    def _initial(self, name: str, shape: tuple[int, ...]) -> Weight:
        start = self.layer.depthwise_initializer if name == "kernel" else self.layer.bias_initializer
        if isinstance(start, Fixed | Given):
            value = start.sample(shape, start.random())
            return Bounded(value, self._roundoff * np.abs(value))
        return Drawn(start, shape)

    def _regularizers(self) -> list[tuple[str, Any]]:
        found = zip(WEIGHTS, (self.layer.depthwise_regularizer, self.layer.bias_regularizer), strict=True)
        return [(name, penalty) for name, penalty in found if penalty is not None]

    def _known(self, name: str) -> Bounded:
        weight = self._state[name]
        if isinstance(weight, Drawn):
            raise ValueError(f"{self.case}: the {name} is not known; assign it first")
        return weight

    def _evaluation(self, cotangent: AnyArray | None = None) -> Evaluation:
        a = self.arrays
        weights = [self._known(name).value if name in self._state else None for name in WEIGHTS]
        kernel, bias = weights
        assert kernel is not None
        return Evaluation(self.layer.config, a.x, kernel, bias, cotangent)

    def _slopes(self, cotangent: Array) -> dict[str, Bounded]:
        """The gradients of `sum(cotangent * output)` and of the loss."""
        total, spread = cotangent, np.zeros(())
        if (activity := self.layer.activity_regularizer) is not None:
            if self._output.bound.any():
                raise ValueError(f"{self.case}: an activity regularizer's gradient needs an exact output")
            own = activity.gradient(self._output.value) / self._images
            total = total + own
            rounding = 4.0 * self._roundoff * (np.abs(own) + np.abs(total))
            spread = activity.kink(self._output.value) / self._images + rounding
        factor = 1.0 if self.layer.function is None else float(self.layer.function(1.0))
        found = self._evaluation(total * factor).gradients(self._arithmetic)
        slopes = {"input": found.input, "kernel": found.kernel}
        if found.bias is not None:
            slopes["bias"] = found.bias
        if spread.any():
            slopes = {name: Bounded(s.value, s.bound + self._carried(spread, name)) for name, s in slopes.items()}
        for name, penalty in self._regularizers():
            if name in slopes:
                slopes[name] = self._added(slopes[name], penalty.gradient(self._known(name).value), penalty, name)
        return slopes

    def _added(self, slope: Bounded, own: Array, penalty: Any, name: str) -> Bounded:
        value = slope.value + own
        rounding = 4.0 * self._roundoff * (np.abs(own) + np.abs(value))
        return Bounded(value, slope.bound + rounding + penalty.kink(self._known(name).value))

    def _carried(self, spread: Array, name: str) -> Array:
        """What a cotangent that is off by `spread` makes of a gradient: the same linear map, of absolute values."""
        linear = replace(self.layer.config, activation=None)
        here = self._evaluation()
        kernel, bias = np.abs(here.kernel), None if here.bias is None else np.abs(here.bias)
        found = Evaluation(linear, np.abs(here.x), kernel, bias, spread).gradients(expected_arithmetic("float64"))
        return {"input": found.input, "kernel": found.kernel, "bias": found.bias or found.kernel}[name].value

    def _descend(self, slopes: Mapping[str, Bounded]) -> None:
        """Gradient descent, and the constraints after it; what is not trained stays."""
        if not self.layer.trainable:
            return
        for name in self._state:
            weight, slope = self._known(name), slopes[name]
            value = weight.value - LEARNING_RATE * slope.value
            rounding = 2.0 * self._roundoff * (np.abs(weight.value) + LEARNING_RATE * np.abs(slope.value))
            updated = Bounded(value, LEARNING_RATE * slope.bound + rounding)
            project = self.layer.depthwise_constraint if name == "kernel" else self.layer.bias_constraint
            self._state[name] = updated if project is None else project.bounded(updated, self._roundoff)

    @staticmethod
    def _floats(array: AnyArray) -> Array:
        return array.astype(np.float64)


def reference_layer(case: LayerCase) -> DepthwiseConv2D:
    """The reference's layer for a case. `data_format`, where it is not given, is what the case's home says."""
    positional = [decode(value) for value in json.loads(case.positional)]
    arguments = {name: decode(value) for name, value in json.loads(case.arguments).items()}
    if arguments.get("data_format") is None and len(positional) <= POSITION_OF_FORMAT:
        arguments["data_format"] = "channels_first" if case.home == "channels_first" else "channels_last"
    return DepthwiseConv2D(*positional, **arguments)


def decode(value: Any) -> Any:
    """What a case's JSON means to the reference: `{"tuple": [...]}` and `{"function": name}`."""
    if isinstance(value, dict) and set(value) == {"tuple"}:
        return tuple(value["tuple"])
    if isinstance(value, dict) and set(value) == {"function"}:
        return FUNCTIONS[value["function"]]
    return value


def layer_arrays(case: LayerCase, layer: DepthwiseConv2D) -> Arrays:
    """Input, weights and cotangent of a case, in the dtype of the layer's weights."""
    return make_arrays(Case(replace(layer.config, dtype=layer.variable_dtype), case.input_shape, case.data))


def operation_case(case: LayerCase) -> Case:
    """The case's operation alone, on the same numbers."""
    return Case(reference_layer(case).config, case.input_shape, case.data)


def step_gradients(case: LayerCase, layer: DepthwiseConv2D) -> dict[str, AnyArray]:
    """What an optimizer is given for the weights: other numbers of the same recipe."""
    other = replace(case, data=Data(case.data.recipe, case.data.seed + 1))
    arrays = layer_arrays(other, layer)
    return {"kernel": arrays.kernel} | ({} if arrays.bias is None else {"bias": arrays.bias})


def _exact(array: AnyArray) -> Bounded:
    values = array.astype(np.float64)
    return Bounded(values, np.zeros_like(values))
