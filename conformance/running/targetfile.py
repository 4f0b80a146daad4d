"""The file of named targets: what each is, where it lives, what holds for it alone. docs/targets.md describes it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from depthwise_conformance.adapters.builtin import GROUPS
from depthwise_conformance.adapters.loading import adapter_names
from depthwise_conformance.casebook.claims import EVERYTHING, Claim, ClaimError
from depthwise_conformance.reference import FORMATS, arithmetics
from depthwise_conformance.reports.record import CHECKS
from depthwise_conformance.running.settings import Kind, located_command
from depthwise_conformance.running.spelling import Spelling, read_requirements, spelled
from depthwise_conformance.running.usage import UsageError

TABLE = "targets"  # [targets.NAME]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
JUDGED = ("target", "adapter", "command")  # one of these says what is judged
TEXT = Kind("text", lambda value: isinstance(value, str) and bool(value.strip()))
TEXTS = Kind('a list of texts, as in ["output"]', lambda value: _are_texts(value, list))
TABLE_OF_TEXTS = Kind('a table of texts, as in {NAME = "value"}', lambda value: _are_texts(value, dict))
NUMBER = Kind("a number above 0", lambda value: type(value) in (int, float) and value > 0)
COUNT = Kind("a whole number above 0", lambda value: type(value) is int and value > 0)
KEYS: Mapping[str, Kind] = {
    **dict.fromkeys((*JUDGED, "mode", "device", "claims"), TEXT),
    **dict.fromkeys(("requirements", "checks"), TEXTS),
    **dict.fromkeys(("environment", "arithmetic"), TABLE_OF_TEXTS),
    **{"timeout": NUMBER, "memory": COUNT, "examples": COUNT},
}


@dataclass(frozen=True)
class Named:
    """A target of a file: one of those that there are (`target`), an adapter in a file, or a command.

    `variables` are added to its worker's environment; `claim`, `arithmetic`, `checks`, `timeout` in seconds, `memory`
    in MiB and `examples` hold for it alone, where they are given.
    """

    name: str
    file: str
    target: Spelling | None = None
    adapter: str = ""
    command: str = ""
    mode: str = ""
    device: str = ""
    requirements: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    claim: Claim = EVERYTHING
    arithmetic: tuple[tuple[str, str], ...] = ()
    checks: tuple[str, ...] = ()
    timeout: float = 0.0
    memory: int = 0
    examples: int = 0


def read_targets(files: Sequence[str]) -> dict[str, Named]:
    """The targets of the files, by their names. Raises UsageError that says where what is given, what is accepted."""
    found: dict[str, Named] = {}
    for file in files:
        for name, given in _load(Path(file)).items():
            where = f"{file}: [{TABLE}.{name}]"
            if name in found:
                raise UsageError(f"{where}: {found[name].file} has a target of that name")
            _check_name(where, name)
            found[name] = _read(where, Path(file), name, given)
    return found


def _load(file: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"targets {file}: cannot be read: {error}") from None
    tables = content.pop(TABLE, {})
    if content or not isinstance(tables, dict) or not all(isinstance(one, dict) for one in tables.values()):
        raise UsageError(f"targets {file}: accepted are tables [{TABLE}.NAME] alone")
    return tables


def _check_name(where: str, name: str) -> None:
    if NAME.fullmatch(name) is None:
        raise UsageError(f"{where}: accepted is a name of letters, digits and _.- that begins with one of the former")
    if name in (*adapter_names(), *GROUPS, "all"):
        raise UsageError(f"{where}: there is a target or a group {name!r} already; accepted is another name")


def _read(where: str, file: Path, name: str, given: Mapping[str, Any]) -> Named:
    for key, value in given.items():
        if key not in KEYS:
            raise UsageError(f"{where} has a key {key!r}: accepted are {', '.join(KEYS)}")
        if not KEYS[key].fits(value):
            raise UsageError(f"{where} {key} = {value!r}: accepted is {KEYS[key].told}")
    if sum(key in given for key in JUDGED) != 1:
        raise UsageError(f"{where}: accepted is one of {', '.join(JUDGED)}")
    if "command" in given and "requirements" in given:
        raise UsageError(f"{where}: requirements: accepted beside target and adapter, whose worker is a Python of ours")
    adapter = given.get("adapter", "")
    return Named(
        name,
        str(file.absolute()),
        _target(where, given),
        str(file.parent.absolute() / adapter) if adapter else "",
        located_command(file.parent.absolute(), given.get("command", "")),
        given.get("mode", ""),
        given.get("device", ""),
        read_requirements(f"{where} requirements", given.get("requirements", [])),
        tuple(given.get("environment", {}).items()),
        _claim(where, given),
        _arithmetic(where, given),
        _checks(where, given),
        float(given.get("timeout", 0)),
        given.get("memory", 0),
        given.get("examples", 0),
    )


def _target(where: str, given: Mapping[str, Any]) -> Spelling | None:
    if "target" not in given:
        return None
    found = spelled(given["target"])
    if found is None or found.name not in adapter_names():
        told = f"name[requirement,...][:mode][@device] of {', '.join(adapter_names())}"
        raise UsageError(f"{where} target = {given['target']!r}: accepted is {told}")
    return found


def _claim(where: str, given: Mapping[str, Any]) -> Claim:
    try:
        return Claim(given.get("claims", ""))
    except ClaimError as error:
        raise UsageError(f"{where} claims: {error}") from None


def _arithmetic(where: str, given: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    for dtype, name in given.get("arithmetic", {}).items():
        known = [one.name for one in arithmetics(dtype)] if dtype in FORMATS else []
        if name not in known:
            accepted = f"one of {', '.join(map(repr, known))}" if known else f"a dtype of {', '.join(FORMATS)}"
            raise UsageError(f"{where} arithmetic: {dtype} = {name!r}: accepted is {accepted}")
    return tuple(given.get("arithmetic", {}).items())


def _checks(where: str, given: Mapping[str, Any]) -> tuple[str, ...]:
    for check in given.get("checks", ()):
        if check not in CHECKS:
            raise UsageError(f"{where} checks: {check!r}: accepted are {', '.join(CHECKS)}")
    return tuple(given.get("checks", ()))


def _are_texts(value: Any, kind: type[list[Any]] | type[dict[str, Any]]) -> bool:
    parts = value.values() if isinstance(value, dict) else value
    return isinstance(value, kind) and all(isinstance(one, str) for one in parts)
