"""What a run is, so that one that was interrupted is completed by the same run and no other."""

from __future__ import annotations

import datetime
import functools
import hashlib
import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from depthwise_conformance.casebook.case import AnyCase, case_from_json
from depthwise_conformance.reports.folders import UNFINISHED
from depthwise_conformance.reports.journal import JOURNAL, Contents, read_journal
from depthwise_conformance.reports.runs import INTERRUPTED
from depthwise_conformance.reports.unfinished import seconds, state
from depthwise_conformance.running.describing import describe_machine
from depthwise_conformance.running.options import OPTIONS, read_options
from depthwise_conformance.running.settings import kind_of
from depthwise_conformance.running.targets import Target
from depthwise_conformance.running.usage import UsageError

if TYPE_CHECKING:
    from depthwise_conformance.running.runoptions import RunOptions

PATHS = ("--input", "--update-known")
JOBS, MORE = "--jobs", "--examples"  # what a run that is resumed may have otherwise
FREE = ("--out", JOBS)  # options on which no result depends


@dataclass(frozen=True)
class Resumed:
    """A run that was interrupted: its journal, and the seconds that it took until then."""

    out: Path
    journal: Contents
    seconds: float

    @property
    def about(self) -> Mapping[str, Any]:
        """What the journal says of the run."""
        return self.journal.about

    @property
    def selected(self) -> set[tuple[str, str]]:
        """The targets and checks that it was asked for."""
        return {(target, check) for target, checks in self.about["selected"].items() for check in checks}

    def given(self, typed: Mapping[str, Any]) -> dict[str, Any]:
        """Its options by their names. Raises UsageError where others were typed."""
        then = self.about["identity"]["options"]
        given: dict[str, Any] = {name: option.get("default") for name, option in OPTIONS.items()}
        given |= {**then, "--out": self.out}
        for name, option in OPTIONS.items():
            kind, value = kind_of(option), given[name]
            if value is not None and name != "--out" and not kind.fits(value):
                raise UsageError(f"resume {self.out}: its {name} is {value!r}: accepted is {kind.told}")
        given |= {name: Path(given[name]) for name in PATHS if given[name] is not None}
        for name, value in typed.items():
            more = name == MORE and given[name] is not None
            if value is None:
                continue
            if name != JOBS and value != given[name] and not (more and value > given[name]):
                accepted = f"{given[name]}{' or more' if more else ''}"
                raise UsageError(f"resume {self.out}: {name} {value}: accepted is {accepted}, which the run has")
            given[name] = value  # of more examples, those of then are the first
        return given

    def options(self, given: Mapping[str, Any]) -> RunOptions:
        """Its options, given by their names, on the day on which it began."""
        today = datetime.date.fromisoformat(self.about["today"])
        return replace(read_options(given, self.out), today=today, resumed=self)

    def first(self) -> tuple[AnyCase, ...]:
        """The cases that it asked before all others. Raises UsageError where one has arrays of its own."""
        try:
            return tuple(case_from_json(one, None) for one in self.about["first"])
        except ValueError as error:
            raise UsageError(f"cannot be resumed: a case that was asked first is not kept: {error}") from None


def read_resumed(out: Path) -> Resumed:
    """The interrupted run of a folder. Raises UsageError where it has none."""
    try:
        if not out.is_dir() or (what := state(out)) != INTERRUPTED:
            told = what if out.is_dir() else "is no folder"
            raise UsageError(f"resume {out}: {told}; accepted is a folder whose run was interrupted")
        journal = read_journal(out / UNFINISHED / JOURNAL)
        return Resumed(out, journal, seconds(journal, out))
    except ValueError as error:
        raise UsageError(f"resume: {error}") from None


def identity(options: RunOptions, given: Mapping[str, Any], targets: Iterable[Target]) -> dict[str, Any]:
    """All that a run's results follow from, in JSON: what was asked, of what, and by what."""
    machine = {name: value for name, value in describe_machine().items() if name != "memory_gib"}
    return {
        "suite": {"version": version("depthwise-conformance"), "sources": _fingerprint()},
        "options": {name: _plain(value) for name, value in given.items() if name not in FREE},
        "folder": str(Path.cwd()),
        "machine": machine,
        "targets": {
            target.name: {
                "versions": target.version_text,
                "status": target.status,
                "claims": target.claim.text,
                "environment": None if target.environment is None else " ".join(target.environment.packages),
            }
            for target in targets
        },
        "files": {str(path): _digest(path) for path in _files(options)},
    }


def check_same(out: Path, then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raises UsageError that says what has changed since a run was interrupted."""
    options = {**then["options"], MORE: now["options"][MORE]}  # there may be more than then
    changed = list(_differences("", {**then, "options": options}, now))
    if changed:
        told = "\n".join(f"  {line}" for line in changed)
        raise UsageError(f"resume {out}: another run than was interrupted, which only the same can complete:\n{told}")


def _differences(name: str, then: Any, now: Any) -> Iterator[str]:
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys((*then, *now)):
            yield from _differences(f"{name} {key}".strip(), then.get(key), now.get(key))
    elif then != now:
        yield f"{name}: {_told(then)} then, {_told(now)} now"


def _told(value: Any) -> str:
    return "nothing" if value is None else str(value)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _files(options: RunOptions) -> list[Path]:
    """What was given in files, by its names."""
    named: Sequence[str] = (*options.files, *options.cases, *options.models, *options.known)
    named = (*named, *(location.rpartition(":")[0] for location in options.adapters))
    named = (*named, *(word for command in options.workers for word in shlex.split(command)))
    found = [Path(name) for name in named] + ([] if options.input is None else [options.input])
    return sorted({path for path in found if path.is_file()})


@functools.cache
def _fingerprint() -> str:
    """A hash of the suite's own sources."""
    root = Path(__file__).parents[1]
    found = hashlib.sha256()
    for folder, parts, files in sorted(os.walk(root, followlinks=True)):
        parts[:] = [part for part in parts if part != "__pycache__"]
        for name in sorted(name for name in files if name.endswith(".py")):
            path = Path(folder, name)
            found.update(f"{path.relative_to(root)} {_digest(path)}\n".encode())
    return found.hexdigest()[:16]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
