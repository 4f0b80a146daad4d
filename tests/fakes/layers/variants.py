"""Other layers that do what the documentation says, all of which must pass."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from depthwise_conformance.adapters.base import LayerHandle, Unsupported
from layers.initializers import Numbers
from layers.layer import HonestLayer, Known
from layers.parts import Array, Part

if TYPE_CHECKING:
    from honest import Honest


class BuiltByFirstCall(HonestLayer):
    """Makes its weights on the first call only."""

    def build(self, input_shape: Known) -> None:
        raise Unsupported("the layer is not built apart from its first call")

    def __call__(self, x: Array) -> Array:
        if not self.variables:
            HonestLayer.build(self, x.shape)
        return super().__call__(x)


class CallAlone(LayerHandle):
    """The least that can be written: the call."""

    def __init__(self, adapter: Honest, positional: Sequence[Any], arguments: Mapping[str, Any]):
        self.layer = HonestLayer(adapter, positional, arguments)

    def __call__(self, x: Array) -> Array:
        return self.layer(x)


class ActivityOfBatch(HonestLayer):
    """Does not divide the activity regularizer's loss by the batch size."""

    def images(self, y: Array) -> int:
        return 1


class OtherDraws(HonestLayer):
    """Draws normal numbers by Box and Muller, truncated ones by rejection, orthogonal ones by Gram and Schmidt."""

    def normal(self, random: Numbers, shape: tuple[int, ...], mean: float, deviation: float) -> Array:
        radius = np.sqrt(-2.0 * np.log1p(-random.random(shape)))
        return mean + deviation * radius * np.cos(2.0 * math.pi * random.random(shape))

    def uniform(self, random: Numbers, shape: tuple[int, ...], low: float, high: float) -> Array:
        grid = random.integers(0, 1 << 23, shape) / (1 << 23)  # as frameworks do in float32
        return low + (high - low) * grid

    def truncated(self, random: Numbers, shape: tuple[int, ...], mean: float, deviation: float) -> Array:
        z = self.normal(random, shape, 0.0, 1.0)
        while (far := np.abs(z) > 2.0).any():
            z[far] = self.normal(random, (int(far.sum()),), 0.0, 1.0)
        return mean + deviation * z

    def orthogonal(self, random: Numbers, shape: tuple[int, ...]) -> Array:
        rows, columns = math.prod(shape[:-1]), shape[-1]
        found: list[Array] = []
        for row in random.normal(size=(min(rows, columns), max(rows, columns))):
            for _ in range(2):
                row = row - sum((q * (q @ row) for q in found), start=np.zeros_like(row))
            found.append(row / np.linalg.norm(row))
        matrix = np.stack(found)
        return (matrix.T if rows >= columns else matrix).reshape(shape)


class OtherSlopes(HonestLayer):
    """Takes the slope of the absolute value at zero for one."""

    def slope(self, part: Part, w: Array) -> Array:
        l1 = 0.0 if part.function else self.coefficients(part)[0]
        return super().slope(part, w) + w.dtype.type(l1) * (w == 0)


class AsKerasWrites(HonestLayer):
    """Adds epsilon to norms, counts frozen weights in the loss, has further entries in its configuration."""

    def norms(self, w: Array, axis: Any) -> Array:
        return super().norms(w, axis) + w.dtype.type(1e-7)

    def loss(self) -> Array:
        frozen = [] if self.trainable else [self.weight_penalty(name) for name in self.variables]
        return np.asarray(super().loss() + sum(frozen), self.wide)

    def get_config(self) -> dict[str, Any]:
        return {"module": "keras.layers", "registered_name": None, "groups": 1, **super().get_config()}

    def from_config(self, config: dict[str, Any]) -> HonestLayer:
        own = ("module", "registered_name", "groups")
        return super().from_config({name: value for name, value in config.items() if name not in own})

    def configuration_file(self) -> Path:
        return Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "keras.json"


class InDouble(HonestLayer):
    """Calculates losses, updates and constraints in float64."""

    @property
    def wide(self) -> np.dtype[Any]:
        return np.dtype(np.float64)


class OtherErrors(HonestLayer):
    """Refuses with errors of its own what the documentation names no error for."""

    def __init__(self, adapter: Honest, positional: Sequence[Any] = (), arguments: Mapping[str, Any] | None = None):
        try:
            super().__init__(adapter, positional, arguments)
        except (TypeError, ValueError) as error:
            if "strides > 1 is incompatible" in str(error):
                raise
            raise NotImplementedError(str(error)) from None

    def build(self, input_shape: Known) -> None:
        try:
            super().build(input_shape)
        except ValueError as error:
            raise IndexError(str(error)) from None


class RefusesWhenUsed(HonestLayer):
    """Looks at its arguments when it is first used."""

    def __init__(self, adapter: Honest, positional: Sequence[Any] = (), arguments: Mapping[str, Any] | None = None):
        self.late = (adapter, positional, arguments)

    def __getattr__(self, name: str) -> Any:
        super().__init__(*self.late)
        return self.__dict__[name]
