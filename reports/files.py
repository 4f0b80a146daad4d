"""How a file takes the place of another: written beside it, under a name of its own. No link is followed."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

TOKEN = 6  # bytes


@contextmanager
def beside(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """A new file that takes the place of `path` when everything is written; where that fails, there was none."""
    made, file = _new(path, mode)
    try:
        with file:
            yield file
        made.replace(path)
    except BaseException:
        made.unlink(missing_ok=True)
        raise


def at_once(path: Path, mode: str = "w") -> IO[Any]:
    """A new file that takes the place of `path` right away, to be written to for as long as it is open."""
    made, file = _new(path, mode)
    made.replace(path)
    return file


def unfinished(path: Path) -> Iterator[Path]:
    """What is left of files that were to take a path's place when their process was killed."""
    yield from (left for left in path.parent.iterdir() if meant(left) == path.name)


def meant(left: Path) -> str:
    """The name that a file was to have; "" where it is none that was left."""
    found = re.fullmatch(rf"\.(.+)\.[0-9a-f]{{{2 * TOKEN}}}", left.name, re.ASCII)
    return found[1] if found else ""


def place_text(path: Path, text: str) -> None:
    """Writes a file in place of another."""
    with beside(path) as file:
        file.write(text)


def place_copy(source: Path, path: Path) -> None:
    """Copies a file in place of another."""
    with source.open("rb") as content, beside(path, "wb") as file:
        shutil.copyfileobj(content, file)


def private_name(path: Path) -> Path:
    """A path beside another, of a name that no other has."""
    return path.with_name(f".{path.name}.{secrets.token_hex(TOKEN)}")


def _new(path: Path, mode: str) -> tuple[Path, IO[Any]]:
    """A file beside a path, of a name that no other has; not even a link is there."""
    made = private_name(path)
    mode = mode.replace("w", "x")
    return made, made.open(mode) if "b" in mode else made.open(mode, encoding="utf-8", newline="")
