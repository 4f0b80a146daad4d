"""Drawn cases, kept in the user's cache folder: to draw them anew takes a hundred times as long as to read them.

What is kept stands under a digest of all that it depends on: the sources of what draws, the versions of Hypothesis and
Python, the arguments. A file that cannot be read, or is not what was written, is drawn again.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import inspect
import json
import platform
import secrets
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import ParamSpec, TypeVar, cast

import platformdirs

from depthwise_conformance.casebook.case import AnyCase, case_from_json

LIMIT_BYTES = 64 << 20  # on disk, of all releases together
ROOMS = ("casebook", "layers", "reference")  # what draws depend on, besides the module that makes them

P = ParamSpec("P")
C = TypeVar("C", bound=AnyCase)


def kept(draws: Callable[P, tuple[C, ...]]) -> Callable[P, tuple[C, ...]]:
    """A function that draws cases, the same for the same arguments (which say in their `repr` all that they are)."""

    @functools.wraps(draws)
    def read_or_drawn(*arguments: P.args, **named: P.kwargs) -> tuple[C, ...]:
        bound = inspect.signature(draws).bind(*arguments, **named)
        bound.apply_defaults()
        key = hashlib.sha256(f"{draws.__qualname__}{tuple(bound.arguments.values())!r}".encode()).hexdigest()
        file = _folder(inspect.getfile(draws)) / f"{key}.json"
        if (found := _read(file)) is not None:
            return cast("tuple[C, ...]", found)
        drawn = draws(*arguments, **named)
        with contextlib.suppress(OSError):
            _write(file, drawn)
            prune(file.parents[1].glob("*/*.json"), LIMIT_BYTES)
        return drawn

    return read_or_drawn


def prune(found: Iterable[Path], limit: int) -> None:
    """Where files take more than the limit, in bytes, the oldest go until half is left. Raises OSError."""
    files = []
    for path in found:
        with contextlib.suppress(FileNotFoundError):  # another run may be pruning
            status = path.stat()
            files.append((status.st_mtime, status.st_blocks * 512, path))
    total = sum(size for _, size, _ in files)
    if total <= limit:
        return
    for _, size, path in sorted(files):
        if total <= limit // 2:
            return
        path.unlink(missing_ok=True)
        total -= size


def cache_folder() -> Path:
    """The user's cache folder for all that is kept from run to run; it may not be there."""
    return platformdirs.user_cache_path("depthwise-conformance", appauthor=False)


def _folder(module: str) -> Path:
    """Where what this module draws is kept."""
    return cache_folder() / "draws" / _digest(module)


@functools.cache
def _digest(module: str) -> str:
    """A digest of all that its draws depend on, but their arguments."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256(f"{version('hypothesis')} {version('numpy')} {platform.python_version()}".encode())
    for source in (Path(module), *sorted(file for room in ROOMS for file in (package / room).glob("*.py"))):
        digest.update(hashlib.sha256(source.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _read(file: Path) -> tuple[AnyCase, ...] | None:
    """The cases; None where there is no such file, or another than was written."""
    try:
        digest, _, text = file.read_bytes().partition(b"\n")
        if hashlib.sha256(text).hexdigest().encode() == digest:
            return tuple(map(case_from_json, json.loads(text)))
    except (OSError, ValueError):
        pass
    return None


def _write(file: Path, cases: tuple[AnyCase, ...]) -> None:
    """In the place of what is there: another run may be reading, or writing the same. Raises OSError."""
    text = json.dumps([case.to_json() for case in cases]).encode()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = file.with_suffix(f".{secrets.token_hex(6)}")
    try:
        made.write_bytes(hashlib.sha256(text).hexdigest().encode() + b"\n" + text)
        made.replace(file)
    finally:
        made.unlink(missing_ok=True)
