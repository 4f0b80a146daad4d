"""The options that a project keeps: the table `[tool.depthwise_conformance]` of its pyproject.toml."""

from __future__ import annotations

import argparse
import shlex
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from depthwise_conformance.running.options import OPTIONS
from depthwise_conformance.running.usage import UsageError

FILE = "pyproject.toml"
TABLE = "tool.depthwise_conformance"


class Kind(NamedTuple):
    """What a key may hold, in words, and whether a value is such."""

    told: str
    fits: Callable[[Any], bool]


KINDS: Mapping[object, Kind] = {
    "append": Kind(
        'a list of strings, as in ["torch"]',
        lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value),
    ),
    argparse.BooleanOptionalAction: Kind("true or false", lambda value: isinstance(value, bool)),
    int: Kind("a whole number", lambda value: type(value) is int),
    float: Kind("a number", lambda value: type(value) in (int, float)),
    Path: Kind("a path, as a string", lambda value: isinstance(value, str)),
    str: Kind("a string", lambda value: isinstance(value, str)),
}


def kind_of(option: Mapping[str, Any]) -> Kind:
    """What an option may hold."""
    return KINDS[option.get("action", option.get("type", str))]


def nearest(folder: Path) -> Path:
    """The first pyproject.toml from a folder upwards; where there is none, the one that the folder might have."""
    files = [one / FILE for one in (folder, *folder.parents)]
    return next((file for file in files if file.is_file()), files[0])


def read_settings(file: Path) -> dict[str, Any]:
    """The options that the file has, each by its name on the command line; none where there is no file or no table.

    Relative paths are relative to the file. Raises UsageError for a file that is no TOML, a key that there is not and
    a value that it may not have.
    """
    if not file.is_file():
        return {}
    try:
        content: Any = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from None
    for name in TABLE.split("."):
        content = content.get(name, {}) if isinstance(content, dict) else content
    if not isinstance(content, dict):
        raise UsageError(f"{file}: {TABLE} = {content!r}: accepted is a table, [{TABLE}]")
    return {f"--{key}": _read(file, key, value) for key, value in content.items()}


def _read(file: Path, key: str, value: Any) -> Any:
    where = f"{file}: [{TABLE}]"
    if (option := OPTIONS.get(f"--{key}")) is None:
        accepted = ", ".join(name.removeprefix("--") for name in OPTIONS)
        raise UsageError(f"{where} has a key {key!r}: accepted are {accepted}")
    kind = kind_of(option)
    if not kind.fits(value):
        raise UsageError(f"{where} {key} = {value!r}: accepted is {kind.told}")
    if value not in option.get("choices", (value,)):
        raise UsageError(f"{where} {key} = {value!r}: accepted are {', '.join(map(str, option['choices']))}")
    return _located(file.parent, key, value)


def _located(folder: Path, key: str, value: Any) -> Any:
    """With its paths no longer relative to the file, but to nothing."""
    match key:
        case "out" | "input" | "update-known":
            return folder / value
        case "targets" | "adapter" | "case" | "model" | "known":
            return [str(folder / location) for location in value]
        case "worker":
            return [located_command(folder, command) for command in value]
        case _:
            return value


def located_command(folder: Path, command: str) -> str:
    """The command with every argument that names a file of the folder, or a program by its path, told in full."""
    try:
        words = shlex.split(command)
    except ValueError:
        return command  # which is told where it is started
    named = [("/" in word or number > 0) and (folder / word).is_file() for number, word in enumerate(words)]
    return shlex.join(str(folder / word) if here else word for word, here in zip(words, named, strict=True))
