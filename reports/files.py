"""How a file takes the place of another: written beside it, under a name of its own. No link is followed."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
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


def open_plain(path: Path) -> IO[bytes]:
    """A file of a run folder, to be read. Raises OSError where it is a link, a pipe or whatever else is no file."""
    if path.is_symlink():
        raise OSError(errno.ELOOP, "is a link; accepted is a file", str(path))
    file = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(errno.EINVAL, "is no plain file", str(path))
    return os.fdopen(file, "rb")


def is_plain(path: Path) -> bool:
    """Whether there is a file, itself and in a folder that is none by a link."""
    return path.is_file() and not path.is_symlink() and not path.parent.is_symlink()


def place_text(path: Path, text: str) -> None:
    """Writes a file in place of another."""
    with beside(path) as file:
        file.write(text)


def place_copy(source: Path, path: Path) -> None:
    """Copies a file in place of another."""
    copy_beside(source, path).replace(path)


def copy_beside(source: Path, path: Path) -> Path:
    """Copies a file beside where it is to be: the copy."""
    made, file = _new(path, "wb")
    try:
        with source.open("rb") as content, file:
            shutil.copyfileobj(content, file)
    except BaseException:
        made.unlink(missing_ok=True)
        raise
    return made


def private_name(path: Path) -> Path:
    """A path beside another, of a name that no other has."""
    return path.with_name(f".{path.name}.{secrets.token_hex(TOKEN)}")


def _new(path: Path, mode: str) -> tuple[Path, IO[Any]]:
    """A file beside a path, of a name that no other has; not even a link is there."""
    made = private_name(path)
    mode = mode.replace("w", "x")
    return made, made.open(mode) if "b" in mode else made.open(mode, encoding="utf-8", newline="")
