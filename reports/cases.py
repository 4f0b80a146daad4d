"""A case's file as text for people: the layer's call, the facts, the JSON. It knows nothing of what a case means."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from depthwise_conformance.reports.files import is_plain

_NAME = re.compile(r"[\w-]{1,100}", re.ASCII)
_LIST_OF_NUMBERS = re.compile(r"\[\s+([^\[\]{}\"]*?)\s+\]")


@dataclass(frozen=True)
class CaseText:
    """A case in readable form, and as its file has it; `call` is empty where the file is not a case."""

    call: str
    facts: Mapping[str, str]
    text: str


def file_of(folder: Path, part: str, name: str, suffix: str) -> Path | None:
    """A file of a run folder, None where there is none; a name that is not a plain id names no file."""
    path = folder / part / f"{name}{suffix}"
    return path if _NAME.fullmatch(name) and is_plain(path) else None


def read_case(folder: Path, name: str) -> CaseText | None:
    """The case of that id, None where the folder has none; whatever is in its file is shown."""
    if not (path := file_of(folder, "cases", name, ".json")):
        return None
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        content = json.loads(text)
        pretty = json.dumps(content, indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return CaseText("", {}, text)
    pretty = _LIST_OF_NUMBERS.sub(lambda match: f"[{' '.join(match[1].split())}]", pretty)
    if not isinstance(content, dict) or not isinstance(arguments := content.get("arguments"), dict):
        return CaseText("", {}, pretty)
    layer = content.get("layer")
    positional = layer.get("positional") if isinstance(layer, dict) else None
    call = [_literal(value) for value in positional or ()] if isinstance(positional, list) else []
    call += [f"{name}={_literal(value)}" for name, value in arguments.items()]
    return CaseText(f"keras.layers.DepthwiseConv2D({', '.join(call)})", _facts(content), pretty)


def layer_call(arguments: str, input_shape: str) -> str:
    """A layer and its input as one writes them, from the JSON that tables have; as it is where it is none."""
    try:
        given, shape = json.loads(arguments), json.loads(input_shape)
        call = ", ".join(f"{name}={_literal(value)}" for name, value in given.items())
    except (ValueError, AttributeError, RecursionError):
        return f"{arguments} on {input_shape}"
    return f"DepthwiseConv2D({call}) on {_literal(shape)}"


def _facts(case: Mapping[str, Any]) -> dict[str, str]:
    facts = {"input": _literal(case.get("input_shape"))}
    for name in ("data", "refused", "layer"):
        if isinstance(part := case.get(name), dict):
            told = {
                key: " > ".join(map(str, value)) if isinstance(value, list | dict) else value
                for key, value in part.items()
            }
            facts[name] = ", ".join(f"{key} {value}" for key, value in told.items() if value not in ("", None))
    return facts


def _literal(value: Any) -> str:
    """A JSON value as one writes it in Python, lists as tuples, functions by their names."""
    if isinstance(value, dict) and len(value) == 1 and (inside := value.get("tuple", value.get("function"))):
        value = inside
        if isinstance(value, str):
            return value
    return repr(tuple(value)) if isinstance(value, list) else repr(value)
