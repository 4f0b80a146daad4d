"""What regularizers add to the loss and to the gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
from layers import Array, HonestLayer, Part

from layer_faults.base import belongs_to


@belongs_to("regularizers")
class L2Halved(HonestLayer):
    """L2 is half of the sum of squares, loss and gradient."""

    def coefficients(self, part: Part) -> tuple[float, float]:
        l1, l2 = super().coefficients(part)
        return l1, l2 / 2


@belongs_to("regularizers")
class L1WithoutAbsolute(HonestLayer):
    """L1 is the sum of the weights."""

    def penalty(self, part: Part, w: Array) -> Any:
        l1 = 0.0 if part.function else self.coefficients(part)[0]
        return super().penalty(part, w) + l1 * (w.sum() - np.abs(w).sum())

    def slope(self, part: Part, w: Array) -> Array:
        l1 = 0.0 if part.function else self.coefficients(part)[0]
        return (super().slope(part, w) + l1 * (1 - np.sign(w))).astype(w.dtype)


@belongs_to("regularizers")
class L1L2WithoutL1(HonestLayer):
    """L1L2 is L2."""

    def coefficients(self, part: Part) -> tuple[float, float]:
        l1, l2 = super().coefficients(part)
        return (0.0 if part.name == "L1L2" else l1), l2


@belongs_to("regularizers")
class L1L2ByNameIsNothing(HonestLayer):
    """ "l1_l2" has the defaults of the class."""

    def coefficients(self, part: Part) -> tuple[float, float]:
        l1, l2 = super().coefficients(part)
        return (0.0, 0.0) if l1 == l2 == 0.01 else (l1, l2)


@belongs_to("regularizers")
class RegularizersByMean(HonestLayer):
    """Regularizers take means for sums."""

    def penalty(self, part: Part, w: Array) -> Any:
        return super().penalty(part, w) / w.size

    def slope(self, part: Part, w: Array) -> Array:
        return super().slope(part, w) / w.dtype.type(w.size)


@belongs_to("regularizers")
class ActivityBeforeActivation(HonestLayer):
    """The activity regularizer sees the output before the activation."""

    def watch(self, x: Array, y: Array) -> Array:
        linear = {**self.operation(), "activation": None}
        inputs, weights = self.cast(x)
        return self.adapter.forward(self.construct(linear), inputs, weights["kernel"], weights.get("bias"))


@belongs_to("regularizers")
class ActivityOfInput(HonestLayer):
    """The activity regularizer sees the input."""

    def watch(self, x: Array, y: Array) -> Array:
        return x


@belongs_to("regularizers")
class ActivityIgnored(HonestLayer):
    """The activity regularizer is ignored."""

    def part(self, argument: str, given: Any) -> Part | None:
        found = super().part(argument, given)
        return None if argument == "activity_regularizer" else found


@belongs_to("regularizers")
class ActivityWithoutGradient(HonestLayer):
    """The activity regularizer's loss has no gradient."""

    def activity_slope(self, y: Array) -> Any:
        return 0


@belongs_to("regularizers")
class ActivityDividedBySize(HonestLayer):
    """The activity regularizer's loss is divided by the size of the output."""

    def images(self, y: Array) -> int:
        return y.size


@belongs_to("regularizers")
class ActivityDividedByChannels(HonestLayer):
    """The activity regularizer's loss is divided by the last dimension."""

    def images(self, y: Array) -> int:
        return y.shape[-1]


@belongs_to("regularizers")
class BiasRegularizerOnKernel(HonestLayer):
    """The bias regularizer is the kernel's."""

    def part(self, argument: str, given: Any) -> Part | None:
        taken = {"depthwise_regularizer": "bias_regularizer", "bias_regularizer": "depthwise_regularizer"}
        return super().part(argument, self.given[taken[argument]] if argument in taken else given)


@belongs_to("regularizers")
class BiasRegularizerIgnored(HonestLayer):
    """The bias regularizer is ignored."""

    def weight_penalty(self, name: str) -> Any:
        return 0.0 if name == "bias" else super().weight_penalty(name)

    def weight_slope(self, name: str) -> Any:
        return 0 if name == "bias" else super().weight_slope(name)


@belongs_to("regularizers")
class RegularizersWithoutGradient(HonestLayer):
    """What regularizers add to the loss has no gradient."""

    def weight_slope(self, name: str) -> Any:
        return 0


@belongs_to("regularizers")
class RegularizersWithoutLoss(HonestLayer):
    """Regularizers have a gradient, and no loss."""

    def weight_penalty(self, name: str) -> Any:
        return 0.0


@belongs_to("regularizers")
class RegularizerGradientElsewhere(HonestLayer):
    """The bias regularizer's gradient reaches the kernel."""

    def weight_slope(self, name: str) -> Any:
        if name == "bias" or "bias" not in self.variables:
            return 0 if name == "bias" else super().weight_slope(name)
        kernel = self.variables["kernel"].shape
        return super().weight_slope("kernel") + np.reshape(
            super().weight_slope("bias") + np.zeros(kernel[2] * kernel[3]), kernel[2:]
        )


@belongs_to("regularizers")
class RegularizerGradientTwice(HonestLayer):
    """The gradients of regularizers count twice."""

    def weight_slope(self, name: str) -> Any:
        return 2 * super().weight_slope(name)


@belongs_to("regularizers")
class WeightLossPerImage(HonestLayer):
    """The losses of weights are divided by the batch size, as those of activities are."""

    def weight_penalty(self, name: str) -> Any:
        return super().weight_penalty(name) / self.images(self.watched)


@belongs_to("regularizers")
class LossesAddUp(HonestLayer):
    """The loss has what the activity regularizer added in earlier calls."""

    calls = 0

    def watch(self, x: Array, y: Array) -> Array:
        self.calls += 1
        return super().watch(x, y)

    def loss(self) -> Array:
        part = self.parts["activity_regularizer"]
        before = 0 if part is None else self.penalty(part, self.watched.astype(self.wide)) * (self.calls - 1)
        return np.asarray(super().loss() + before, self.wide)
