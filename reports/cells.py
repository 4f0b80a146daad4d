"""Values in, cells of a CSV file out, and back: the same text, and nothing that a spreadsheet would run.

Text that begins with `=`, `+`, `-`, `@`, a tab, a return or a line feed (or the full-width twins of the first four) is
a formula to spreadsheets, and this text comes from frameworks. Such a cell gets a leading apostrophe, as OWASP
advises; so does text that begins with an apostrophe itself, so that `decode` always gives back what was encoded.
Numbers are left alone. Control characters stay as they are: the csv module and pandas both read them back.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import fields
from typing import Any, get_type_hints

GUARDED = tuple("=+-@\t\r\n'\uff1d\uff0b\uff0d\uff20")


def columns(row: type) -> dict[str, type]:
    """The names and types of a row's columns, in the order of its dataclass."""
    hints = get_type_hints(row)
    return {field.name: hints[field.name] for field in fields(row)}


def storable(text: str) -> str:
    """The text with what UTF-8 cannot hold (lone surrogates, of undecodable bytes) written as escapes."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def encode(value: Any) -> str:
    """The cell of a value; NaN is an empty cell."""
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(float(value))
    if not isinstance(value, str):
        return str(value)
    text = storable(str(value))
    return "'" + text if text.startswith(GUARDED) else text


def encode_row(row: Any, names: Iterable[str]) -> list[str]:
    """The cells of a row."""
    return [encode(getattr(row, name)) for name in names]


def decode(cell: str, kind: type) -> Any:
    """The value of a cell, of a column's type. Raises ValueError when the cell has no such value."""
    if kind is float:
        return float(cell or "nan")
    return cell.removeprefix("'") if kind is str else kind(cell)
