"""Faulty implementations: each is honest but for one thing, which its docstring tells, and which a check has to find.

`check` is the check that the fault belongs to. A case that shows the fault may show it under other checks as well
(a padding that is wrong forwards is wrong backwards). LETHAL are those that kill, hang or starve their process,
RARE those that random cases may miss.
"""

from types import ModuleType

from depthwise_conformance.adapters.base import Adapter
from faults import (
    accuracy,
    activation_gradient,
    activations,
    arguments,
    bias,
    bias_gradient,
    caches,
    death,
    determinism,
    extents,
    input_gradient,
    kernel_gradient,
    kernels,
    layouts,
    loops,
    memory,
    padding,
    purity,
    refusals,
    returned,
    rounding,
    shapes,
    sizes,
    special_values,
    starts,
    strides,
    sums,
    threads,
)
from faults.activations import ReluIsMagnitude, SigmoidInSinglePrecision, SoftplusThreshold
from faults.base import Fault

FAMILIES = (
    padding,
    starts,
    sizes,
    extents,
    strides,
    kernels,
    sums,
    layouts,
    loops,
    caches,
    bias,
    activations,
    accuracy,
    refusals,
    returned,
    shapes,
    special_values,
    rounding,
    threads,
    purity,
    memory,
    determinism,
    input_gradient,
    activation_gradient,
    kernel_gradient,
    bias_gradient,
    death,
    arguments,
)


def faults_of(family: ModuleType) -> list[type[Adapter]]:
    """The faults of a module, in its order, without the bases that several of them share."""
    classes = [value for value in vars(family).values() if isinstance(value, type) and issubclass(value, Fault)]
    return [value for value in classes if value.__module__ == family.__name__ and not value.__subclasses__()]


FAULTS = tuple(fault for family in FAMILIES for fault in faults_of(family))
LETHAL = tuple(faults_of(death))
# Conjunctions of a dtype and an activation that some runs of a few hundred random cases miss.
RARE: tuple[type[Adapter], ...] = (ReluIsMagnitude, SigmoidInSinglePrecision, SoftplusThreshold)
globals().update({fault.__name__: fault for fault in FAULTS})  # whichever module a fault is in
