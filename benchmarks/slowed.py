"""Adapters whose every call takes longer: `benchmarks/slowed.py:torch` is the target torch, later.

A built-in target by its name with `_` for `-`, a fake of the tests by its own. `SLOWED_BY` in the environment says by
how many seconds.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from depthwise_conformance.adapters.base import Adapter
from depthwise_conformance.adapters.builtin import BUILTIN
from depthwise_conformance.adapters.loading import load_adapter

SECONDS = float(os.environ.get("SLOWED_BY", "0"))
FAKES = Path(__file__).parents[1] / "tests" / "fakes"


def __getattr__(name: str) -> type[Adapter]:
    if name.startswith("__"):
        raise AttributeError(name)
    target = name.replace("_", "-")
    if target in BUILTIN:
        return slowed(load_adapter(BUILTIN[target].entry_point))
    sys.path.append(str(FAKES))
    return slowed(load_adapter(f"{FAKES / 'by_name.py'}:{name}"))


def slowed(adapter: type[Adapter]) -> type[Adapter]:
    """The adapter with a pause before whatever the software computes."""

    class Slowed(adapter):
        def forward(self, *arguments: Any) -> Any:
            time.sleep(SECONDS)
            return super().forward(*arguments)

        def gradients(self, *arguments: Any) -> Any:
            time.sleep(SECONDS)
            return super().gradients(*arguments)

        def output_shape(self, *arguments: Any) -> Any:
            time.sleep(SECONDS)
            return super().output_shape(*arguments)

    return Slowed
