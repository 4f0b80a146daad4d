"""Several faults in one implementation."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from faults import FAULTS, BiasMissingWithMultiplier
from faults.base import Fault
from honest import Array

from depthwise_conformance.adapters.base import Adapter
from depthwise_conformance.reference import LayerConfig

JOINT = "_and_"  # between the names of faults that are combined


class TwoFaults(BiasMissingWithMultiplier):
    """depth_multiplier above one: no bias. Otherwise, channels_first: the kernel is mirrored."""

    def read_kernel(self, config: LayerConfig, kernel: Array) -> Array:
        mirrored = config.depth_multiplier == 1 and not config.channels_last
        return super().read_kernel(config, kernel[:, ::-1] if mirrored else kernel)


def together(*faults: type[Adapter]) -> type[Adapter] | None:
    """A class that has all these faults; None where one would take the place of another's hook."""
    if any(issubclass(one, other) for one in faults for other in faults if one is not other):
        return None
    order = sorted(faults, key=lambda fault: not _passes_on(fault))
    taken: set[str] = set()
    for fault in reversed(order):  # from the one behind to the one in front, which has to pass on
        hooks = dict(_hooks(fault))
        if any(not hooks[name] for name in taken & set(hooks)):
            return None
        taken |= set(hooks)
    return type(JOINT.join(fault.__name__ for fault in faults), tuple(order), {"__module__": __name__})


@functools.cache
def combined(name: str) -> type[Adapter]:
    """The combination of that name; its parts are of `faults`."""
    known = {fault.__name__: fault for fault in FAULTS}
    found = together(*(known[part] for part in name.split(JOINT)))
    if found is None:
        raise ValueError(f"{name}: these faults are not to be combined")
    return found


def _hooks(fault: type[Adapter]) -> Iterator[tuple[str, bool]]:
    """What a fault has of its own, by name, each with whether it calls what it takes the place of."""
    own = [base for base in fault.__mro__ if issubclass(base, Fault) and base is not Fault]
    for name in dict.fromkeys(name for base in own for name in vars(base)):
        value = next(vars(base)[name] for base in own if name in vars(base))
        if callable(value):
            yield name, "super" in value.__code__.co_names


def _passes_on(fault: type[Adapter]) -> bool:
    return all(passes for _, passes in _hooks(fault))
