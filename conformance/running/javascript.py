"""Targets in JavaScript: npm installs their packages in the user's cache folder, when one is first asked for."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path

from depthwise_conformance.casebook.kept import cache_folder
from depthwise_conformance.running.usage import UsageError

MANIFEST, LOCK = "package.json", "package-lock.json"
INSTALLING = ("ci", "--ignore-scripts", "--no-audit", "--no-fund")
LAST_WORDS = 2000  # characters of what npm says


def node_command(script: str) -> tuple[str, ...]:
    """The command that starts a worker of `adapters/javascript`, its packages installed. Raises UsageError."""
    if absent := [program for program in ("node", "npm") if shutil.which(program) is None]:
        raise UsageError(f"{script}: {' and '.join(absent)} not found on PATH; install Node.js, with npm")
    kept = cache_folder() / "javascript"
    try:
        return "node", str(_prepared(kept) / script)
    except OSError as error:
        raise UsageError(f"{script}: its packages could not be kept in {kept}: {error}") from None


def _prepared(kept: Path) -> Path:
    """The folder of the workers, below that of the packages which the lock file names; both made if need be."""
    folder = files("depthwise_conformance.adapters") / "javascript"
    sources = {one.name: one.read_bytes() for one in folder.iterdir() if one.is_file()}
    workers = {name: content for name, content in sources.items() if name.endswith(".mjs")}
    packages = kept / _digest({name: sources[name] for name in (MANIFEST, LOCK)})
    place = packages / _digest(workers)
    if place.is_dir():
        return place
    kept.mkdir(mode=0o700, parents=True, exist_ok=True)  # who may write there, runs code here
    with _locked(kept / "lock"):
        if not packages.is_dir():
            _install({name: sources[name] for name in (MANIFEST, LOCK)}, packages)
        if not place.is_dir():
            _write(workers, unfinished := place.with_suffix(".unfinished"))
            unfinished.rename(place)
    return place


def _install(manifest: Mapping[str, bytes], packages: Path) -> None:
    print(f"npm installs the JavaScript targets' packages (450 MB) into {packages}", file=sys.stderr, flush=True)
    unfinished = packages.with_suffix(".unfinished")
    _write(manifest, unfinished)
    command = (shutil.which("npm") or "npm", *INSTALLING)
    done = subprocess.run(command, cwd=unfinished, stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode:
        words = (done.stdout + done.stderr).decode(errors="replace").strip()[-LAST_WORDS:]
        raise UsageError(
            f"`npm {' '.join(INSTALLING)}` failed in {unfinished}, exit status {done.returncode}:\n{words}"
        )
    unfinished.rename(packages)


def _write(contents: Mapping[str, bytes], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)


def _digest(contents: Mapping[str, bytes]) -> str:
    told = hashlib.sha256()
    for name in sorted(contents):
        told.update(f"{name} {len(contents[name])}\n".encode() + contents[name])
    return told.hexdigest()[:16]


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process at a time; the others wait."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
