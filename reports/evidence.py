"""`repro/ID.json`: the numbers of a discrepancy's smallest case, what went in, what was expected, what came back.

Plain JSON: every array has its axes, its shape, and its values in C order, those that are not finite as text ("nan",
"inf", "-inf"). `error` is in units of the bound. An array of more than `KEPT` numbers is left out, an error of more
than `ERRORS_KEPT`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.reports.cases import file_of
from depthwise_conformance.reports.files import place_text

GIVEN = ("x", "kernel", "bias", "cotangent")
RESULTS = ("expected", "got", "error")
KEPT, ERRORS_KEPT = 4096, 1 << 17
DIGITS = 4  # of an error
FAR = 1000.0  # times the largest number


@dataclass(frozen=True)
class Numbers:
    """An array as float64, and what its axes are: "image", "row", "column", "channel", ..."""

    axes: tuple[str, ...]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Evidence:
    """The numbers of one smallest case by name, those of `GIVEN` and `RESULTS` that there are."""

    arrays: Mapping[str, Numbers]

    @property
    def garbage(self) -> bool:
        """Whether what came back is no number that anything here could give, however its errors are explained.

        It is not finite where that was expected, or far beyond all that was expected and all that went in.
        """
        if not {"expected", "got"} <= self.arrays.keys():
            return False
        expected, got = self.arrays["expected"].values, self.arrays["got"].values
        if expected.shape != got.shape:
            return False
        others = [one.values for name, one in self.arrays.items() if name in (*GIVEN, "expected")]
        largest = max(float(np.abs(one[np.isfinite(one)]).max(initial=0.0)) for one in others)
        stray = got[np.isfinite(expected)]
        return not np.isfinite(stray).all() or bool(np.abs(stray).max(initial=0.0) > FAR * largest)


def write_evidence(folder: Path, name: str, arrays: Mapping[str, Numbers]) -> None:
    """Writes `repro/NAME.json` into a run's folder."""
    content = {key: _stored(key, one) for key, one in arrays.items() if one.values.size <= _limit(key)}
    place_text(folder / "repro" / f"{name}.json", json.dumps(content) + "\n")


def read_evidence(folder: Path, name: str) -> Evidence | None:
    """The numbers of that discrepancy; None where there is no such file, or it is not what a run writes."""
    if not (path := file_of(folder, "repro", name, ".json")):
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Evidence({key: _read(key, content[key]) for key in (*GIVEN, *RESULTS) if key in content})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _limit(key: str) -> int:
    return ERRORS_KEPT if key == "error" else KEPT


def _stored(key: str, one: Numbers) -> dict[str, Any]:
    values = [float(value) for value in one.values.ravel()]
    if key == "error":
        values = [float(f"{value:.{DIGITS}g}") for value in values]
    shown = [value if math.isfinite(value) else str(value) for value in values]
    return {"axes": list(one.axes), "shape": list(one.values.shape), "values": shown}


def _read(key: str, stored: Any) -> Numbers:
    axes, shape = tuple(map(str, stored["axes"])), tuple(map(int, stored["shape"]))
    values = np.array([float(value) for value in stored["values"]], np.float64)
    if len(axes) != len(shape) or values.size > _limit(key) or min(shape, default=0) < 0:
        raise ValueError("malformed")
    return Numbers(axes, values.reshape(shape))
