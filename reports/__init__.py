"""Results in, tables and pages out. `load` reads a run folder into data frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from depthwise_conformance.reports.frames import Frames, load

__all__ = ["Frames", "load"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from depthwise_conformance.reports import frames  # which imports pandas: where it is asked for, not before

    return getattr(frames, name)
