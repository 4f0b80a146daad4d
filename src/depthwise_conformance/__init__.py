"""The front door: what users of the suite write against.

An adapter's author needs `Adapter`, `LayerHandle`, `Gradients`, `Description`, `Unsupported` and `LayerConfig`; who
writes tests of their own, `check`, `assert_conforms`, `cases` and the fixture's `Conformance`, with `Case` and
`make_arrays`; who reads a run, `read_runs`, `read_results` and `read_discrepancies`, with `Record`, `Discrepancy` and
`Verdict`. A name is imported when it is first asked for, so that importing the package costs nothing; no framework is
imported by any.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from depthwise_conformance.adapters.base import Adapter, Description, Gradients, LayerHandle, Unsupported
    from depthwise_conformance.casebook.case import Case
    from depthwise_conformance.casebook.recipes import make_arrays
    from depthwise_conformance.reference.config import LayerConfig
    from depthwise_conformance.reports.frames import read_results
    from depthwise_conformance.reports.record import Discrepancy, Record, Verdict
    from depthwise_conformance.reports.runs import read_runs
    from depthwise_conformance.reports.tables import read_discrepancies
    from depthwise_conformance.running.fixture import Conformance
    from depthwise_conformance.running.library import assert_conforms, cases, check

__all__ = [
    "Adapter",
    "Case",
    "Conformance",
    "Description",
    "Discrepancy",
    "Gradients",
    "LayerConfig",
    "LayerHandle",
    "Record",
    "Unsupported",
    "Verdict",
    "assert_conforms",
    "cases",
    "check",
    "make_arrays",
    "read_discrepancies",
    "read_results",
    "read_runs",
]
_HOMES = {
    **dict.fromkeys(("Adapter", "Description", "Gradients", "LayerHandle", "Unsupported"), "adapters.base"),
    "Case": "casebook.case",
    "make_arrays": "casebook.recipes",
    "LayerConfig": "reference.config",
    **dict.fromkeys(("Discrepancy", "Record", "Verdict"), "reports.record"),
    "read_runs": "reports.runs",
    "Conformance": "running.fixture",
    **dict.fromkeys(("assert_conforms", "cases", "check"), "running.library"),
    "read_results": "reports.frames",
    "read_discrepancies": "reports.tables",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
