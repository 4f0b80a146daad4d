"""Every fake by its name, whichever module it is in: `tests/fakes/by_name.py:KernelFlipped` is what a worker loads."""

from combined import JOINT, TwoFaults, combined
from faults import FAULTS
from honest import HONEST, HONEST_LAYERS
from layer_faults import LAYER_FAULTS

from depthwise_conformance.adapters.base import Adapter

globals().update({fake.__name__: fake for fake in (*HONEST, *HONEST_LAYERS, *FAULTS, *LAYER_FAULTS, TwoFaults)})


def __getattr__(name: str) -> type[Adapter]:
    """Several faults in one, by names that are joined: `KernelFlipped_and_BiasMissing`."""
    if JOINT in name:
        return combined(name)
    raise AttributeError(name)


def location(name: str) -> str:
    """Where a worker finds the fake of this name."""
    return f"{__file__}:{name}"
