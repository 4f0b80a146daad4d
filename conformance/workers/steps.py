"""The steps that a worker takes with a whole layer: constructed, then used in the order that a request asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from depthwise_conformance.adapters.base import Adapter, AnyArray, LayerHandle, Shape, Unsupported
from depthwise_conformance.workers.protocol import Message

Facts = dict[str, Any]
Arrays = Mapping[str, AnyArray]
CONSTRUCTION = "construct"
UPDATE = "update "  # before a weight's name: its gradient for a step


class StepError(Exception):
    """What a step raised, as its cause; the message is the step's name."""


class Steps:
    """One layer on its way: what each step returns is facts (JSON) and arrays, for which it must be asked in turn."""

    def __init__(self, adapter: Adapter, message: Message) -> None:
        self._adapter, self._arrays = adapter, message.arrays
        self._asked = message.header
        self._layer: LayerHandle

    def take(self) -> Iterator[tuple[Facts, Arrays]]:
        """The steps in turn. Raises StepError for what one of them raises, except for Unsupported."""
        for name in (CONSTRUCTION, *self._asked["steps"]):
            try:
                found: tuple[Facts, Arrays] = getattr(self, f"_{name}")()
            except Unsupported:
                raise
            except Exception as error:
                raise StepError(name) from error
            if name != CONSTRUCTION:
                yield found

    def _construct(self) -> tuple[Facts, Arrays]:
        arguments = {name: self._decode(value) for name, value in self._asked["arguments"].items()}
        positional = [self._decode(value) for value in self._asked.get("positional", ())]
        self._layer = self._adapter.layer(*positional, **arguments)
        return {}, {}

    def _build(self) -> tuple[Facts, Arrays]:
        shape = self._asked["input_shape"]
        try:
            self._layer.build(tuple(shape))
        except Unsupported:
            if None in shape:
                raise
            x = self._arrays.get("x")
            self._layer(np.zeros(shape, np.float32 if x is None else x.dtype))  # then the first call builds it
        return {}, {}

    def _weights(self) -> tuple[Facts, Arrays]:
        found = dict(self._layer.weights())
        return {"order": list(found)}, found

    def _assign(self) -> tuple[Facts, Arrays]:
        self._layer.assign({name: self._arrays[name] for name in ("kernel", "bias") if name in self._arrays})
        return {}, {}

    def _call(self) -> tuple[Facts, Arrays]:
        x = self._arrays.get("x")
        return {}, {"output": self._layer(np.zeros(self._asked["input_shape"], np.float32) if x is None else x)}

    def _loss(self) -> tuple[Facts, Arrays]:
        return {}, {"loss": self._layer.loss()}

    def _gradients(self) -> tuple[Facts, Arrays]:
        return {}, self._layer.gradients(self._arrays["x"], self._arrays["cotangent"])

    def _step(self) -> tuple[Facts, Arrays]:
        updates = {name.removeprefix(UPDATE): a for name, a in self._arrays.items() if name.startswith(UPDATE)}
        none = {} if updates else {name: np.zeros_like(weight) for name, weight in self._layer.weights().items()}
        self._layer.step(updates or none, self._asked.get("learning_rate", 1.0))
        return {}, {}

    def _fit(self) -> tuple[Facts, Arrays]:
        self._layer.fit(self._arrays["x"], self._arrays["cotangent"], self._asked["learning_rate"])
        return {}, {}

    def _attributes(self) -> tuple[Facts, Arrays]:
        return dict(self._layer.attributes()), {}

    def _config(self) -> tuple[Facts, Arrays]:
        return {"config": _plain(self._layer.get_config())}, {}

    def _recreate(self) -> tuple[Facts, Arrays]:
        self._layer = self._layer.recreated()
        return {}, {}

    def _reload(self) -> tuple[Facts, Arrays]:
        self._layer = self._layer.reloaded()
        return {}, {}

    def _compute_output_shape(self) -> tuple[Facts, Arrays]:
        return self._shapes(self._layer.compute_output_shape)

    def _symbolic_shape(self) -> tuple[Facts, Arrays]:
        return self._shapes(self._layer.symbolic_shape)

    def _shapes(self, infer: Callable[[Shape], Shape]) -> tuple[Facts, Arrays]:
        shapes = self._asked.get("shapes") or [self._asked["input_shape"]]
        return {"shapes": [list(infer(tuple(shape))) for shape in shapes]}, {}

    def _decode(self, value: Any) -> Any:
        """What JSON has no words for: `{"tuple": [...]}`, and `{"function": name}` of the adapter's functions."""
        if isinstance(value, dict) and set(value) == {"tuple"}:
            return tuple(value["tuple"])
        if isinstance(value, dict) and set(value) == {"function"}:
            return self._adapter.function(value["function"])
        return value


def _plain(value: Any) -> Any:
    """The value in JSON's types; what is of none is told by its text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value if isinstance(value, bool | int | float | str | None) else {"not JSON": repr(value)}
