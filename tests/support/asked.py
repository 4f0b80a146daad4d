"""A case to judge by, and outcomes that are no values."""

from __future__ import annotations

from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.reference import LayerConfig
from depthwise_conformance.workers.outcomes import Outcome

DTYPES = ("float16", "bfloat16", "float32", "float64")
PARTS = ("output", "input", "kernel", "bias")
ERROR = Outcome("error", "ValueError: cannot do it", classes=("ValueError", "Exception"))
UNSUPPORTED = Outcome("unsupported", "not on this device")
CRASHED = Outcome("crashed", "the worker died (killed by SIGSEGV)")


def case(dtype: str = "float32", recipe: str = "uniform", batch: int = 2, **arguments: object) -> Case:
    config = LayerConfig((3, 2), dtype=dtype, **{"padding": "same", "depth_multiplier": 2, **arguments})
    return Case(config, (batch, 5, 4, 3), Data(recipe, 1))
