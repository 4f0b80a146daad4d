"""Configurations that leave something out, and layers that are made from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from layers import OPERATION, PARTS, HonestLayer, Known, Part

from layer_faults.base import belongs_to, camel, define


def losing(key: str) -> Callable[[HonestLayer, dict[str, Any]], HonestLayer]:
    def from_config(self: HonestLayer, config: dict[str, Any]) -> HonestLayer:
        rest = {name: value for name, value in config.items() if name != key}
        return HonestLayer.from_config(self, rest if key != "kernel_size" else {**rest, key: 1})

    return from_config


for key in (*OPERATION, *PARTS, "dtype", "trainable", "name"):
    told = f"A layer made from a configuration has the default of {key}."
    define(__name__, f"ConfigLoses{camel(key)}", told, "config_roundtrip", from_config=losing(key))


@belongs_to("config_roundtrip")
class ConfigWithoutActivation(HonestLayer):
    """The configuration leaves the activation out."""

    def get_config(self) -> dict[str, Any]:
        return {name: value for name, value in super().get_config().items() if name != "activation"}


@belongs_to("config_roundtrip")
class ConfigWithoutConstraints(HonestLayer):
    """The configuration leaves the constraints out."""

    def get_config(self) -> dict[str, Any]:
        return {name: value for name, value in super().get_config().items() if not name.endswith("constraint")}


@belongs_to("config_roundtrip")
class ConfigOfObjects(HonestLayer):
    """The configuration has objects in it, not JSON."""

    def told(self, part: Part | None) -> Any:
        return part

    def part(self, argument: str, given: Any) -> Part | None:
        return given if isinstance(given, Part) else super().part(argument, given)

    def recreated(self) -> HonestLayer:
        return self.from_config(self.get_config())


@belongs_to("config_roundtrip")
class ConfigOfDefaults(HonestLayer):
    """The configuration names classes without their configuration."""

    def told(self, part: Part | None) -> Any:
        return None if part is None else {"class_name": part.name, "config": {}}


@belongs_to("config_roundtrip")
class ConfigWithoutDilation(HonestLayer):
    """The configuration has a dilation rate of one."""

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dilation_rate": [1, 1]}


@belongs_to("config_roundtrip")
class ConfigRaises(HonestLayer):
    """A layer with an activity regularizer has no configuration."""

    def get_config(self) -> dict[str, Any]:
        if self.parts["activity_regularizer"] is not None:
            raise AttributeError("get_config")
        return super().get_config()


@belongs_to("config_roundtrip")
class RecreatedIsItself(HonestLayer):
    """A layer made from a configuration is the layer that the configuration is of, weights and all."""

    def recreated(self) -> HonestLayer:
        return self

    def build(self, input_shape: Known) -> None:
        if not self.variables:
            super().build(input_shape)
