"""How a faulty layer becomes a fault."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from honest import Honest
from layers import HonestLayer

from depthwise_conformance.adapters.base import Adapter

SIZES = ("kernel_size", "strides", "dilation_rate")


def belongs_to(check: str) -> Callable[[type[HonestLayer]], type[Adapter]]:
    """Makes an honest adapter with these layers, under the name of their class."""

    def adapter(layer: type[HonestLayer]) -> type[Adapter]:
        about = {"__doc__": layer.__doc__, "__module__": layer.__module__}
        return type(layer.__name__, (Honest,), {"layer_class": layer, "check": check, **about})

    return adapter


def define(module: str, name: str, doc: str, check: str, **members: Any) -> None:
    """A fault whose layer differs by these members, as a class of the module of that name."""
    layer = type(name, (HonestLayer,), {"__doc__": doc, "__module__": module, **members})
    setattr(sys.modules[module], name, belongs_to(check)(layer))


def camel(name: str) -> str:
    """`snake_case` as `SnakeCase`."""
    return "".join(word.capitalize() for word in name.split("_"))
