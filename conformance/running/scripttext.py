"""What the texts of all scripts are made of: arrays in literal numbers, what is compared, what stands above."""

from __future__ import annotations

import base64
import textwrap
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.adapters.base import Unsupported
from depthwise_conformance.adapters.sources import Source
from depthwise_conformance.casebook.case import AnyCase
from depthwise_conformance.judging.tally import Examined
from depthwise_conformance.judging.values import Expectation
from depthwise_conformance.reports.record import Discrepancy
from depthwise_conformance.reports.words import visible
from depthwise_conformance.running.telling import tell_case

NUMBERS, PACKED = 600, 20_000  # literal ones at most; more are packed, up to so many
UNPACKED = (
    "def unpacked(text, dtype, shape):  # many numbers, compressed",
    '    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype).astype("float64").reshape(shape)',
)
WIDTH = 110


@dataclass(frozen=True)
class Asked:
    """What is to be shown: a discrepancy of the target `name` (without its device), and its smallest case.

    `again` asks the target for the case of an operation once more, `related` for the first of its related calls that is
    wrong by itself; None where that could not be done, or none is. `installing` is the command that installs what an
    environment of the target's own has.
    """

    told: Discrepancy
    name: str
    case: AnyCase
    again: Callable[[], Examined | None] = lambda: None
    related: Callable[[], Examined | None] = lambda: None
    installing: str = ""


def script(asked: Asked, lines: Source, body: Sequence[str]) -> str:
    """The text of a script."""
    told = asked.told
    title = f"{told.target.partition('@')[0]} ({told.versions}): {told.check} is {told.verdict.value}."
    about = [title, *([f"{told.says[0].upper()}{told.says[1:]}."] if told.says else []), tell_case(asked.case)]
    about += [f"Needs: {asked.installing}"] if asked.installing else []
    about.append("Expected is what the documentation says, computed exactly. Exits 1 where it shows the fault.")
    environment = [f'os.environ["{name}"] = "{value}"' for name, value in lines.environment.items()]
    numbers = any("inf" in line or "nan" in line for line in body)
    packed = any("unpacked(" in line for line in body)
    text = [
        '"""' + "\n".join(line for one in about for line in textwrap.wrap(_plain(one), WIDTH)),
        '"""',
        *(["import os", "", *environment, ""] if environment else []),
        *(["import base64", "import zlib", ""] if packed else []),
        *lines.imports,
        "",
        *([*UNPACKED, ""] if packed else []),
        *(['inf, nan = float("inf"), float("nan")'] if numbers else []),
        f"print({lines.versions})",
        *body,
    ]
    return "\n".join(text) + "\n"


def conclusion(expected: str, got: str, wrong: str, *before: str) -> list[str]:
    """The lines that compare, print, and end with 1 where it is wrong."""
    return [
        *before,
        f"expected = {expected}",
        f"got = {got}",
        'print("expected", expected)',
        'print("got     ", got)',
        f"raise SystemExit(int({wrong}))",
    ]


def literals(expectation: Expectation, gradients: bool) -> list[str]:
    """The lines that make the arrays of a case, by the names that sources find them by."""
    a = expectation.arrays
    named = {"x": a.x, "kernel": a.kernel, "bias": a.bias, "cotangent": a.cotangent if gradients else None}
    if (size := sum(array.size for array in named.values() if array is not None)) > PACKED:
        raise Unsupported(f"its smallest case has {size} numbers; {PACKED} are the most for a script")
    return [f"{name} = {literal(array)}" for name, array in named.items() if array is not None]


def literal(array: NDArray[Any]) -> str:
    """An array of float64 as it is written."""
    values = array.astype(np.float64).ravel()
    if values.size > 1 and np.unique(values).size == 1:
        return f"np.full({array.shape}, {number(float(values[0]))})"
    if values.size > NUMBERS:
        with np.errstate(over="ignore"):
            single = values.astype("<f4")
        kept = single if np.array_equal(single.astype("<f8"), values, equal_nan=True) else values.astype("<f8")
        text = base64.b64encode(zlib.compress(kept.tobytes(), 9)).decode("ascii")
        return f'unpacked("{text}", "{kept.dtype.str}", {array.shape})'
    return f'np.array([{", ".join(number(float(v)) for v in values)}], "float64").reshape{array.shape}'


def number(value: float) -> str:
    """A number as it is written."""
    return str(int(value)) if value.is_integer() and abs(value) < 2.0**53 and str(value) != "-0.0" else repr(value)


def _plain(text: str) -> str:
    """Text that may hold anything, as it may stand in a docstring."""
    return visible(text).replace("\\", "/").replace('"' * 3, "'" * 3)
