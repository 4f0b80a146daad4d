"""Faulty layers: each is honest but for one thing, which its docstring tells, and which a check has to find.

`@belongs_to(check)` makes the adapter that has such layers; the check is the one that the fault belongs to.
"""

from types import ModuleType

from honest import Honest

from depthwise_conformance.adapters.base import Adapter
from layer_faults import (
    arguments,
    configurations,
    constraints,
    defaults,
    files,
    initializers,
    refusals,
    regularizers,
    shapes,
    training,
)

FAMILIES = (
    initializers,
    regularizers,
    constraints,
    configurations,
    files,
    arguments,
    defaults,
    shapes,
    training,
    refusals,
)


def faults_of(family: ModuleType) -> list[type[Adapter]]:
    """The adapters that a module makes, in its order."""
    classes = [value for value in vars(family).values() if isinstance(value, type) and issubclass(value, Honest)]
    return [value for value in classes if value.__module__ == family.__name__]


LAYER_FAULTS = tuple(fault for family in FAMILIES for fault in faults_of(family))
globals().update({fault.__name__: fault for fault in LAYER_FAULTS})  # whichever module a fault is in
