"""Arguments of the layer: accepted where they have to be refused, or refused in another way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from honest import Array
from layers import HonestLayer

from depthwise_conformance.adapters.base import LayerHandle
from depthwise_conformance.reference import LayerConfig
from faults.base import Fault, dilated, strided


class Lenient(Fault):
    """Honest; its subclasses put something acceptable in the place of arguments that have to be refused."""

    check: ClassVar[str] = "errors"

    def construct(self, arguments: Mapping[str, Any]) -> LayerConfig:
        return super().construct({**arguments, **self.instead(arguments)})

    def instead(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return {}


class StridedDilationAccepted(Lenient):
    """strides above one with a dilation rate above one are accepted."""

    def instead(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"strided_dilation": True}


class StridedDilationAcceptedForOneRow(Lenient):
    """strides above one with a dilation rate above one are accepted for kernels of size one."""

    def instead(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"strided_dilation": arguments.get("kernel_size") == 1}


class StridedDilationRaisesTypeError(Fault):
    """strides above one with a dilation rate above one raise TypeError."""

    check = "errors"

    def construct(self, arguments: Mapping[str, Any]) -> LayerConfig:
        try:
            return super().construct(arguments)
        except ValueError as error:
            raise TypeError(str(error)) from None


class StridedDilationRaisesOnlyWhenApplied(Fault):
    """strides above one with a dilation rate above one raise RuntimeError when the layer is applied."""

    check = "errors"

    def construct(self, arguments: Mapping[str, Any]) -> LayerConfig:
        return super().construct({**arguments, "strided_dilation": True})

    def layer(self, *positional: Any, **arguments: Any) -> LayerHandle:
        return LateLayer(self, positional, arguments)


class LateLayer(HonestLayer):
    """Refuses at the call, with the wrong class."""

    def __call__(self, x: Array) -> Array:
        if strided(self.config) and dilated(self.config):
            raise RuntimeError("strides with dilation are not implemented")
        return super().__call__(x)


class UnknownPaddingAccepted(Lenient):
    """padding="full" and the like are taken for "valid"."""

    def instead(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        known = str(arguments.get("padding", "valid")).lower() in ("valid", "same")
        return {} if known else {"padding": "valid"}


class UnknownDataFormatAccepted(Lenient):
    """An unknown data_format is taken for channels_last."""

    def instead(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        known = arguments.get("data_format") in (None, "channels_last", "channels_first")
        return {} if known else {"data_format": "channels_last"}


class UnknownActivationAccepted(Lenient):
    """An unknown activation is ignored."""

    def instead(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            LayerConfig(1, activation=arguments.get("activation"))
        except ValueError:
            return {"activation": None}
        return {}


class KernelSizeZeroAccepted(Lenient):
    """kernel_size=0 is taken for one."""

    def instead(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"kernel_size": 1} if arguments.get("kernel_size") == 0 else {}


class NegativeStridesAccepted(Lenient):
    """Negative strides are taken for positive ones."""

    def instead(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        strides = arguments.get("strides", 1)
        return {"strides": -strides} if isinstance(strides, int) and strides < 0 else {}


class ThreeSizesAccepted(Lenient):
    """Three entries where two are accepted: the last is dropped."""

    def instead(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        names = ("kernel_size", "strides", "dilation_rate")
        given = {name: arguments.get(name) for name in names}
        return {name: v[:2] for name, v in given.items() if isinstance(v, list | tuple) and len(v) == 3}


class NegativeMultiplierAccepted(Lenient):
    """depth_multiplier=-1 is taken for one."""

    def instead(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"depth_multiplier": 1} if arguments.get("depth_multiplier", 1) < 0 else {}


class ZeroDilationAccepted(Lenient):
    """dilation_rate=0 is taken for one."""

    def instead(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"dilation_rate": 1} if arguments.get("dilation_rate") == 0 else {}
