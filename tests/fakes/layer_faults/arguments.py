"""Arguments that are read in another way, and weights that are told in another way."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from honest import Honest
from layers import Array, HonestLayer, numpy_dtype

from layer_faults.base import SIZES, belongs_to


@belongs_to("arguments")
class PaddingInLowerCaseOnly(HonestLayer):
    """padding in capitals is valid."""

    def operation(self) -> dict[str, Any]:
        found = super().operation()
        return {**found, "padding": "valid" if found["padding"] in ("SAME", "Same", "sAmE") else found["padding"]}


@belongs_to("arguments")
class PaddingInCapitalsRefused(HonestLayer):
    """padding in capitals is refused."""

    def operation(self) -> dict[str, Any]:
        found = super().operation()
        if found["padding"] in ("SAME", "VALID"):
            raise ValueError("padding")
        return found


@belongs_to("arguments")
class PaddingInMixedCaseRefused(HonestLayer):
    """padding with some letters in capitals is refused."""

    def operation(self) -> dict[str, Any]:
        found = super().operation()
        if isinstance(found["padding"], str) and found["padding"] not in ("same", "valid", "SAME", "VALID"):
            raise ValueError("padding")
        return found


@belongs_to("arguments")
class ListsRefused(HonestLayer):
    """kernel_size is refused as a list."""

    def operation(self) -> dict[str, Any]:
        found = super().operation()
        if isinstance(found["kernel_size"], list):
            raise TypeError("kernel_size is a list")
        return found


@belongs_to("arguments")
class TuplesRefused(HonestLayer):
    """dilation_rate is refused as a tuple."""

    def operation(self) -> dict[str, Any]:
        if isinstance(self.given["dilation_rate"], tuple) and self.given["dilation_rate"] != (1, 1):
            raise TypeError("dilation_rate is a tuple")
        return super().operation()


@belongs_to("arguments")
class ListsReversed(HonestLayer):
    """Lists are read as width and height."""

    def operation(self) -> dict[str, Any]:
        found = super().operation()
        return {**found, **{n: found[n][::-1] for n in SIZES if isinstance(found[n], list)}}


@belongs_to("arguments")
class TuplesReversed(HonestLayer):
    """Tuples are read as width and height."""

    def operation(self) -> dict[str, Any]:
        found = super().operation()
        return {**found, **{n: found[n][::-1] for n in SIZES if isinstance(found[n], tuple)}}


@belongs_to("arguments")
class DilationOfHeightOnly(HonestLayer):
    """dilation_rate as one integer is for the height."""

    def operation(self) -> dict[str, Any]:
        found = super().operation()
        rate = found["dilation_rate"]
        return {**found, "dilation_rate": (rate, 1) if isinstance(rate, int) else rate}


@belongs_to("arguments")
class StridesOfHeightOnly(HonestLayer):
    """strides as one integer are for the height."""

    def operation(self) -> dict[str, Any]:
        found = super().operation()
        return {**found, "strides": (found["strides"], 1) if isinstance(found["strides"], int) else found["strides"]}


@belongs_to("arguments")
class TrainableIgnored(HonestLayer):
    """trainable=False is ignored."""

    def trained(self) -> tuple[str, ...]:
        return tuple(self.variables)


@belongs_to("arguments")
class TrainableForgotten(HonestLayer):
    """trainable=False is honoured, but the attribute is True."""

    def attributes(self) -> dict[str, Any]:
        return {**super().attributes(), "trainable": True}


@belongs_to("arguments")
class FrozenBiasTrained(HonestLayer):
    """trainable=False freezes the kernel only."""

    def trained(self) -> tuple[str, ...]:
        return super().trained() or tuple(self.variables)[1:]


@belongs_to("arguments")
class NameIgnored(HonestLayer):
    """The name is ignored."""

    def attributes(self) -> dict[str, Any]:
        return {**super().attributes(), "name": "depthwise_conv2d"}


@belongs_to("arguments")
class PoliciesIgnored(HonestLayer):
    """Mixed policies are float32."""

    def compute_dtype(self) -> str:
        return self.variable_dtype()


@belongs_to("arguments")
class PoliciesInHalfPrecision(HonestLayer):
    """Mixed policies have weights in half precision."""

    def variable_dtype(self) -> str:
        return self.compute_dtype()


@belongs_to("arguments")
class PolicyOutputInSingle(HonestLayer):
    """mixed_float16: the output is float32."""

    def finish(self, y: Array) -> Array:
        return super().finish(y).astype(np.float32 if self.policy == "mixed_float16" else y.dtype)


@belongs_to("arguments")
class PolicyComputesInSingle(HonestLayer):
    """mixed_bfloat16: computes in float32, and returns bfloat16 numbers in an array of float32."""

    def finish(self, y: Array) -> Array:
        return super().finish(y).astype(np.float32 if self.policy == "mixed_bfloat16" else y.dtype)


@belongs_to("arguments")
class DoubleInSingle(HonestLayer):
    """dtype="float64" is float32."""

    def __init__(self, adapter: Honest, positional: Sequence[Any] = (), arguments: Mapping[str, Any] | None = None):
        given = dict(arguments or {})
        super().__init__(adapter, positional, {**given, "dtype": None} if given.get("dtype") == "float64" else given)


@belongs_to("arguments")
class WeightsInOtherOrder(HonestLayer):
    """The bias is before the kernel."""

    def weights(self) -> dict[str, Array]:
        return dict(reversed(super().weights().items()))


@belongs_to("arguments")
class WeightsNamedOtherwise(HonestLayer):
    """The kernel is called depthwise_kernel."""

    def weights(self) -> dict[str, Array]:
        return {{"kernel": "depthwise_kernel"}.get(name, name): weight for name, weight in super().weights().items()}


@belongs_to("arguments")
class BiasOfOneRow(HonestLayer):
    """The bias has two dimensions."""

    def weights(self) -> dict[str, Array]:
        return {name: w[None] if name == "bias" else w for name, w in super().weights().items()}


@belongs_to("arguments")
class KernelInGroupedLayout(HonestLayer):
    """The kernel is (height, width, 1, channels * depth_multiplier)."""

    def weights(self) -> dict[str, Array]:
        return {n: w.reshape(*w.shape[:2], 1, -1) if n == "kernel" else w for n, w in super().weights().items()}


@belongs_to("arguments")
class BiasAlways(HonestLayer):
    """use_bias=False: there is a bias, which is not used."""

    def weights(self) -> dict[str, Array]:
        found = super().weights()
        kernel = found["kernel"]
        return {"bias": np.zeros(math.prod(kernel.shape[2:]), kernel.dtype), **found} if len(found) == 1 else found


@belongs_to("arguments")
class BiasAlwaysInUse(HonestLayer):
    """use_bias=False is ignored."""

    def operation(self) -> dict[str, Any]:
        return {**super().operation(), "use_bias": True}


@belongs_to("arguments")
class FunctionAppliedTwice(HonestLayer):
    """An activation that is a function is applied twice."""

    def finish(self, y: Array) -> Array:
        return super().finish(super().finish(y))


@belongs_to("arguments")
class FunctionIgnored(HonestLayer):
    """An activation that is a function is ignored."""

    def finish(self, y: Array) -> Array:
        return y


@belongs_to("arguments")
class FunctionRefused(HonestLayer):
    """An activation that is a function is refused."""

    def given_function(self) -> Callable[[Array], Array] | None:
        if super().given_function() is not None:
            raise TypeError("activation must be a name")
        return None


@belongs_to("arguments")
class AssignedWeightsIgnored(HonestLayer):
    """Weights that are assigned are used, but the old ones are told."""

    def assign(self, weights: Mapping[str, Array]) -> None:
        if not hasattr(self, "first"):
            self.first = super().weights()
        super().assign(weights)

    def weights(self) -> dict[str, Array]:
        return getattr(self, "first", super().weights())


@belongs_to("arguments")
class PoliciesRoundWeights(HonestLayer):
    """Mixed policies: the weights are float32, of numbers rounded to half precision."""

    def assign(self, weights: Mapping[str, Array]) -> None:
        dtype = numpy_dtype(self.compute_dtype())
        super().assign({name: weight.astype(dtype) for name, weight in weights.items()})
