"""Python environments in which targets live with other releases, made once by uv, in the user's cache folder.

One is named by a hash of what was asked for. It is made in a folder beside its place, and renamed when it is whole,
while a lock is held: an interrupted making leaves nothing that is taken for an environment.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from uv import find_uv_bin

from depthwise_conformance.casebook.kept import cache_folder
from depthwise_conformance.reports.files import place_text
from depthwise_conformance.running.pipsettings import uv_variables
from depthwise_conformance.running.usage import UsageError

ABOUT = "environment.json"
MAKING = ".making"
NEEDED = ("numpy", "ml_dtypes")  # by the worker
UNDECLARED = ("packaging",)  # by Keras up to 3.3, which imports it and does not ask for it
LENDERS = 2  # environments, the last used, from which compiled modules are taken
UNSOLVED = "No solution found"  # how uv says that requirements do not go together
LAST_LINES = 12
Tell = Callable[[str], None]


class UnmadeError(Exception):
    """An environment could not be made; the message says what uv said last."""


@dataclass(frozen=True)
class Environment:
    """One that was made: its name, what the target asked for, what was asked for beside that, and what is in it."""

    name: str
    requirements: tuple[str, ...]
    beside: tuple[str, ...]
    packages: tuple[str, ...]
    python: str = platform.python_version()

    @property
    def folder(self) -> Path:
        """Where it is."""
        return kept() / self.name

    @property
    def interpreter(self) -> Path:
        """Its Python."""
        return self.folder / "bin" / "python"

    @property
    def site(self) -> Path:
        """Where its packages are."""
        return _site(self.folder)


def kept() -> Path:
    """The folder that has all of them."""
    return cache_folder() / "environments"


def environment(requirements: Sequence[str], others: Sequence[str], tell: Tell) -> Environment:
    """The environment with these requirements, made where there is none yet. Raises UnmadeError.

    `others` are distributions that the target needs besides; they come, with those that the worker needs, at the
    versions installed here as far as that can be.
    """
    asked = _attempts(requirements, [*others, *NEEDED, *UNDECLARED])
    name = _name(asked[0])
    kept().mkdir(mode=0o700, parents=True, exist_ok=True)  # who may write there, runs code here
    with _locked(name, tell):
        if (found := _read(kept() / name)) is None:
            _make(name, tuple(requirements), asked, tell)
            found = _read(kept() / name)
    if found is None:
        raise UnmadeError(f"{kept() / name}: it was removed while it was made")
    os.utime(found.folder / ABOUT)
    return found


def all_kept() -> list[Environment]:
    """Those that there are, the one used last first."""
    found = [one for folder in kept().glob("*") if (one := _read(folder)) is not None]
    return sorted(found, key=last_used, reverse=True)


def last_used(one: Environment) -> float:
    """When it was, as seconds since the epoch."""
    return (one.folder / ABOUT).stat().st_mtime


def size(one: Environment) -> tuple[int, int]:
    """Its bytes on disk, and how many of them it shares with uv's cache or other environments, by hard links."""
    own = shared = 0
    for path in one.folder.rglob("*"):
        status = path.lstat()
        own += status.st_blocks * 512
        shared += status.st_blocks * 512 * (path.is_file() and status.st_nlink > 1)
    return own, shared


def remove(name: str) -> None:
    """Removes one, and what an interrupted making left. Raises UsageError where it is being made."""
    with _locked(name, None):
        with suppress(FileNotFoundError):
            (kept() / name / ABOUT).unlink()  # first: what is left of it is no environment
        for folder in (kept() / name, kept() / f"{name}{MAKING}"):
            shutil.rmtree(folder, ignore_errors=True)


def _attempts(requirements: Sequence[str], others: Sequence[str]) -> list[list[str]]:
    """What is asked of the resolver in turn: the others at the versions here, then without NumPy's, then without any.

    A build that no index has (`+cpu`) is kept in each: its release may be another thing there, with gigabytes of CUDA.
    """
    named = {canonicalize_name(Requirement(one).name) for one in requirements}
    beside = {canonicalize_name(Requirement(one).name): Requirement(one) for one in others}
    free = [one for name, one in beside.items() if name not in named]
    attempts = []
    for loose in ((), (*NEEDED, *UNDECLARED), tuple(one.name for one in free)):
        asked = [*requirements, *(str(one) if one.name in loose and not _build(one) else _pinned(one) for one in free)]
        attempts += [] if asked in attempts else [asked]
    return attempts


def _installed(one: Requirement) -> Version | None:
    try:
        return Version(version(one.name))
    except PackageNotFoundError:
        return None


def _build(one: Requirement) -> bool:
    here = _installed(one)
    return here is not None and here.local is not None


def _pinned(one: Requirement) -> str:
    here = _installed(one)
    extras = f"[{','.join(sorted(one.extras))}]" if one.extras else ""
    return str(one) if here is None else f"{one.name}{extras}=={here}"


def _name(asked: Sequence[str]) -> str:
    about = [*sorted(asked), platform.python_implementation(), platform.python_version(), sysconfig.get_platform()]
    return hashlib.sha256("\n".join(about).encode()).hexdigest()[:12]


@contextmanager
def _locked(name: str, tell: Tell | None) -> Iterator[None]:
    """While no other process makes or removes it; waits, and tells that. Raises UsageError where nothing is told."""
    with (kept() / f"{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if tell is None:
                raise UsageError(
                    f"environment {name} is being made by another run; remove it when that is done"
                ) from None
            tell("another run is making it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make(name: str, requirements: tuple[str, ...], attempts: Sequence[Sequence[str]], tell: Tell) -> None:
    making = kept() / f"{name}{MAKING}"
    shutil.rmtree(making, ignore_errors=True)
    try:
        _uv(["venv", "--relocatable", "--python", sys.executable, str(making)], lambda line: None)
        asked = _install(making, attempts, tell)
        about = Environment(name, requirements, tuple(asked[len(requirements) :]), _packages(making))
        _share_compiled(making)
        place_text(making / ABOUT, json.dumps(asdict(about), indent=1) + "\n")
        making.rename(kept() / name)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _site(folder: Path) -> Path:
    return folder / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"


def _packages(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(f"{one.name}=={one.version}" for one in distributions(path=[str(_site(folder))])))


def _share_compiled(making: Path) -> None:
    """Takes what Python has compiled of the same files from other environments: that is most of a framework's start."""
    for lender in all_kept()[:LENDERS]:
        for folder, _, names in os.walk(lender.site):
            if folder.endswith("__pycache__"):
                _take_compiled(Path(folder), names, _site(making) / Path(folder).relative_to(lender.site))


def _take_compiled(folder: Path, names: Sequence[str], own: Path) -> None:
    """Those of one folder, as far as the files that they were compiled from are the same there."""
    if not own.parent.is_dir():
        return
    own.mkdir(exist_ok=True)
    for name in names:
        source = f"{name.partition('.')[0]}.py"
        with suppress(OSError):  # there already, or no such file, or another file system
            if (folder.parent / source).samefile(own.parent / source):
                (own / name).hardlink_to(folder / name)


def _install(making: Path, attempts: Sequence[Sequence[str]], tell: Tell) -> Sequence[str]:
    """Installs the first of what can be resolved, and says what that is. Raises UnmadeError."""
    *before, last = attempts
    for asked in before:
        with suppress(UnresolvedError):
            _uv(["pip", "install", "--python", str(making / "bin" / "python"), *asked], tell)
            return asked
        tell("not with the versions of all else that are installed here; trying others")
    _uv(["pip", "install", "--python", str(making / "bin" / "python"), *last], tell)
    return last


class UnresolvedError(UnmadeError):
    """The requirements do not go together."""


def _uv(arguments: Sequence[str], tell: Tell) -> list[str]:
    """Runs uv; its output by lines. Raises UnmadeError with the last of what it said."""
    mine = {
        name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")
    }
    variables = {
        "UV_LINK_MODE": "hardlink",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_PROGRESS": "1",
        **uv_variables(),
        **mine,
    }
    command = [find_uv_bin(), "--color", "never", *arguments]
    said = []
    with subprocess.Popen(
        command,
        cwd=kept(),  # where no project has settings of its own
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if not line.startswith("Using "):  # which interpreter
                    said.append(line.rstrip())
                    tell(said[-1])
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        text = "\n".join(said[-LAST_LINES:]) or f"uv ended with exit status {process.returncode}"
        raise UnresolvedError(text) if UNSOLVED in text else UnmadeError(text)
    return said


def _read(folder: Path) -> Environment | None:
    """The environment in a folder; None where it is none."""
    try:
        about = json.loads((folder / ABOUT).read_text("utf-8"))
        requirements, beside, packages = (tuple(about[name]) for name in ("requirements", "beside", "packages"))
        found = Environment(folder.name, requirements, beside, packages, about["python"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if found.interpreter.exists() and not folder.name.endswith(MAKING) else None
