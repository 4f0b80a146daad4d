"""What `run.json` and a journal may say of a run: `run.schema.json`, and how a value departs from it, in words."""

from __future__ import annotations

import datetime
import functools
import json
import reprlib
from collections.abc import Iterable
from importlib import resources
from typing import Any


def departure(content: Any, part: str = "") -> str:
    """What the schema, or a part of its definitions, does not allow, with its place; "" where all is well."""
    from jsonschema.exceptions import best_match  # type: ignore[import-untyped]  # slow to load, as is the other

    found = best_match(_validator(part).iter_errors(content))
    if found is None:
        return ""
    accepted = json.dumps({found.validator: found.validator_value})
    absent = found.validator == "required"
    told = found.message if absent else f"{reprlib.repr(found.instance)}; accepted is {accepted}"
    place = _place(found.absolute_path)
    return f"{place}: {told}" if place else told


@functools.cache
def _validator(part: str) -> Any:
    from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]  # ships no types

    formats = FormatChecker(formats=())
    formats.checks("ISO 8601", raises=(ValueError, OverflowError))(_is_moment)
    text = resources.files("depthwise_conformance.reports").joinpath("run.schema.json").read_text("utf-8")
    schema = json.loads(text)
    chosen = {"$ref": f"#/$defs/{part}", "$defs": schema["$defs"]} if part else schema
    return Draft202012Validator(chosen, format_checker=formats)


def _place(path: Iterable[str | int]) -> str:
    """As one would write it: `targets[0].versions`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def _is_moment(value: object) -> bool:
    return isinstance(value, str) and datetime.datetime.fromisoformat(value).timestamp() >= 0
