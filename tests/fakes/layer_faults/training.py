"""Training by `fit`."""

from __future__ import annotations

from collections.abc import Callable

import ml_dtypes
from layers import Array, HonestLayer

from layer_faults.base import belongs_to, camel, define


@belongs_to("training")
class FitOfSum(HonestLayer):
    """fit descends the sum over the batch."""

    def of_mean(self, cotangent: Array) -> Array:
        return cotangent


@belongs_to("training")
class FitOfMeanOfAll(HonestLayer):
    """fit descends the mean over all numbers of the output."""

    def of_mean(self, cotangent: Array) -> Array:
        return cotangent / cotangent.dtype.type(cotangent.size)


@belongs_to("training")
class FitWithoutConstraints(HonestLayer):
    """fit ignores constraints."""

    def fit(self, x: Array, cotangent: Array, learning_rate: float) -> None:
        kept = self.parts
        slopes = self.gradients(x, self.of_mean(cotangent))
        self.parts = {**kept, "depthwise_constraint": None, "bias_constraint": None}
        self.step(slopes, learning_rate)
        self.parts = kept


@belongs_to("training")
class FitWithoutRegularizers(HonestLayer):
    """fit ignores regularizers."""

    def fit(self, x: Array, cotangent: Array, learning_rate: float) -> None:
        kept = self.parts
        self.parts = {name: None if name.endswith("regularizer") else part for name, part in kept.items()}
        super().fit(x, cotangent, learning_rate)
        self.parts = kept


def fitting_without(part: str) -> Callable[[HonestLayer, Array, Array, float], None]:
    def fit(self: HonestLayer, x: Array, cotangent: Array, learning_rate: float) -> None:
        kept = self.parts
        self.parts = {**kept, part: None}
        HonestLayer.fit(self, x, cotangent, learning_rate)
        self.parts = kept

    return fit


for key in ("bias_regularizer", "activity_regularizer", "bias_constraint"):
    define(__name__, f"FitWithout{camel(key)}", f"fit ignores {key}.", "training", fit=fitting_without(key))


@belongs_to("training")
class FitTwice(HonestLayer):
    """fit takes two steps."""

    def fit(self, x: Array, cotangent: Array, learning_rate: float) -> None:
        super().fit(x, cotangent, learning_rate)
        super().fit(x, cotangent, learning_rate)


@belongs_to("training")
class FitDoesNothing(HonestLayer):
    """fit changes nothing."""

    def fit(self, x: Array, cotangent: Array, learning_rate: float) -> None:
        self(x)


@belongs_to("training")
class FitOfKernelOnly(HonestLayer):
    """fit leaves the bias as it is."""

    def fit(self, x: Array, cotangent: Array, learning_rate: float) -> None:
        bias = self.variables.get("bias")
        super().fit(x, cotangent, learning_rate)
        self.variables |= {} if bias is None else {"bias": bias}


@belongs_to("training")
class FitTrainsFrozen(HonestLayer):
    """fit trains frozen layers, too."""

    def fit(self, x: Array, cotangent: Array, learning_rate: float) -> None:
        kept, self.trainable = self.trainable, True
        super().fit(x, cotangent, learning_rate)
        self.trainable = kept


@belongs_to("training")
class FitUpwards(HonestLayer):
    """fit climbs."""

    def fit(self, x: Array, cotangent: Array, learning_rate: float) -> None:
        super().fit(x, cotangent, -learning_rate)


@belongs_to("training")
class FitInHalfPrecision(HonestLayer):
    """fit computes in bfloat16."""

    def gradients(self, x: Array, cotangent: Array) -> dict[str, Array]:
        found = super().gradients(x, cotangent)
        return {name: slope.astype(ml_dtypes.bfloat16).astype(slope.dtype) for name, slope in found.items()}


@belongs_to("training")
class FitWithoutActivation(HonestLayer):
    """fit takes the activation for linear in its gradients."""

    def fit(self, x: Array, cotangent: Array, learning_rate: float) -> None:
        kept = self.config
        self.config = self.construct({**self.operation(), "activation": None})
        super().fit(x, cotangent, learning_rate)
        self.config = kept
