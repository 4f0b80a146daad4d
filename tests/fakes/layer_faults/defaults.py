"""What is left out, the Keras configuration file, and arguments by position."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from honest import Honest
from layers import HonestLayer

from layer_faults.base import belongs_to, camel, define


@belongs_to("initializers")
class DefaultDepthwiseInitializerZeros(HonestLayer):
    """depthwise_initializer is zeros by default."""

    defaults: ClassVar[Mapping[str, Any]] = {**HonestLayer.defaults, "depthwise_initializer": "zeros"}


DEFAULTS: Mapping[str, tuple[str, Any]] = {
    "strides": ("2", (2, 2)),
    "padding": ("same", "same"),
    "depth_multiplier": ("2", 2),
    "dilation_rate": ("2", (2, 2)),
    "activation": ("relu", "relu"),
    "use_bias": ("False", False),
    "bias_initializer": ("ones", "ones"),
    "depthwise_regularizer": ("l2", "l2"),
    "bias_regularizer": ("l2", "l2"),
    "activity_regularizer": ("l2", "l2"),
    "depthwise_constraint": ("non_neg", "non_neg"),
    "bias_constraint": ("non_neg", "non_neg"),
}
for key, (word, value) in DEFAULTS.items():
    members = {"defaults": {**HonestLayer.defaults, key: value}}
    define(__name__, f"Default{camel(key)}{camel(word)}", f"{key} is {word} by default.", "defaults", **members)


@belongs_to("defaults")
class DefaultTrainableFalse(HonestLayer):
    """Layers are frozen by default."""

    besides: ClassVar[Mapping[str, Any]] = {**HonestLayer.besides, "trainable": False}


@belongs_to("defaults")
class DefaultDtypeFloat64(HonestLayer):
    """dtype is float64 by default."""

    besides: ClassVar[Mapping[str, Any]] = {**HonestLayer.besides, "dtype": "float64"}


@belongs_to("defaults")
class ConfigurationFileIgnored(HonestLayer):
    """The Keras configuration file is ignored."""

    def configuration_file(self) -> Path:
        return Path("/nowhere")


@belongs_to("defaults")
class FirstWithoutConfigurationFile(HonestLayer):
    """data_format is channels_first without a configuration file."""

    def default_format(self) -> str:
        return super().default_format() if self.configuration_file().exists() else "channels_first"


@belongs_to("defaults")
class FirstWithBrokenConfigurationFile(HonestLayer):
    """data_format is channels_first with a broken configuration file."""

    def format_without_file(self) -> str:
        return "channels_first" if self.configuration_file().exists() else "channels_last"


@belongs_to("defaults")
class FirstWithoutKeyInFile(HonestLayer):
    """data_format is channels_first with a configuration file that is empty of keys."""

    def format_without_file(self) -> str:
        return "channels_first" if self.content() == "{}" else "channels_last"


@belongs_to("defaults")
class OtherKeysRaise(HonestLayer):
    """A configuration file of other keys alone raises KeyError."""

    def format_without_file(self) -> str:
        if "floatx" in self.content():
            raise KeyError("image_data_format")
        return "channels_last"


@belongs_to("defaults")
class FirstWithNumberInFile(HonestLayer):
    """data_format is channels_first where the configuration file has a number."""

    def format_without_file(self) -> str:
        return "channels_first" if self.content().endswith(": 1}") else "channels_last"


@belongs_to("defaults")
class FirstWithUnreadableFile(HonestLayer):
    """data_format is channels_first with a configuration file that cannot be read."""

    def format_without_file(self) -> str:
        return "channels_last" if self.content() or not self.configuration_file().exists() else "channels_first"


@belongs_to("defaults")
class KerasHomeRaises(HonestLayer):
    """The variable KERAS_HOME raises OSError."""

    def default_format(self) -> str:
        if "KERAS_HOME" in os.environ:
            raise OSError(os.environ["KERAS_HOME"])
        return super().default_format()


class NoStartWithoutKey(Honest):
    """Does not start with a configuration file that has no image_data_format."""

    check: ClassVar[str] = "defaults"

    def __init__(self, device: str = "cpu", mode: str = "") -> None:
        super().__init__(device, mode)
        if HonestLayer(self, (1,)).content() == "{}":
            raise KeyError("image_data_format")


@belongs_to("defaults")
class ConfigurationFileFirst(HonestLayer):
    """The Keras configuration file goes before the argument data_format."""

    def operation(self) -> dict[str, Any]:
        found = super().operation()
        return {**found, "data_format": self.default_format()} if self.configuration_file().exists() else found


@belongs_to("defaults")
class SecondArgumentIsDilation(HonestLayer):
    """The second argument by position is dilation_rate."""

    def order(self) -> tuple[str, ...]:
        return ("kernel_size", "dilation_rate", *(name for name in self.defaults if name != "dilation_rate"))


@belongs_to("defaults")
class PaddingAfterMultiplier(HonestLayer):
    """By position, depth_multiplier comes before padding."""

    def order(self) -> tuple[str, ...]:
        first, strides, padding, multiplier, *rest = super().order()
        return (first, strides, multiplier, padding, *rest)


@belongs_to("defaults")
class InitializersAfterRegularizers(HonestLayer):
    """By position, regularizers come before initializers."""

    def order(self) -> tuple[str, ...]:
        order = list(super().order())
        order[9:13] = [*order[11:13], *order[9:11]]
        return tuple(order)


@belongs_to("defaults")
class OnePositionOnly(HonestLayer):
    """All arguments but kernel_size have to be named."""

    def order(self) -> tuple[str, ...]:
        return ("kernel_size",)

    def bind(self, positional: tuple[Any, ...], arguments: Mapping[str, Any]) -> dict[str, Any]:
        if len(positional) > 1:
            raise TypeError("1 positional argument expected")
        found = {**self.defaults, **self.besides, **dict(zip(("kernel_size",), positional, strict=False)), **arguments}
        if unknown := set(found) - {"kernel_size", *self.defaults, *self.besides}:
            raise TypeError(str(unknown))
        return found
