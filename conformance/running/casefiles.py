"""Case files: one, those of a folder, those that a discrepancy or a case is named by, or what standard input has."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from depthwise_conformance.casebook.case import AnyCase, case_from_json
from depthwise_conformance.reports.runs import RUN
from depthwise_conformance.reports.tables import DISCREPANCIES, read_discrepancies
from depthwise_conformance.running.usage import UsageError

STANDARD_INPUT = "-"


def read_cases(named: str, run: Path) -> list[AnyCase]:
    """The cases of a file, of a folder, of an id in the run folder `run`, or of standard input ("-").

    An id is that of a case or of a discrepancy, or how it begins. Raises UsageError that says what is accepted.
    """
    if named == STANDARD_INPUT:
        return _read("standard input", sys.stdin.read())
    path = Path(named)
    if path.is_dir():
        return read_folder(path)
    if path.is_file() or path.suffix == ".json":
        return _read(f"case file {named!r}", _text(path))
    found = dict.fromkeys(_named(named, run))
    if not found:
        accepted = f"a case file, a folder of them, - for standard input, and an id of the run in {str(run)!r} (--run)"
        raise UsageError(f"case {named!r}: accepted are {accepted}")
    return [case for file in found for case in _read(f"case file {str(file)!r}", _text(file))]


def read_folder(folder: Path) -> list[AnyCase]:
    """The cases of a run folder, or of any folder with case files. Raises UsageError where there is none."""
    own = [file for file in sorted(folder.glob("*.json")) if file.name != RUN]
    files = sorted((folder / "cases").glob("*.json")) or own
    if not files:
        raise UsageError(f"case folder {str(folder)!r}: holds no case files, neither itself nor in a folder `cases`")
    return [case for file in files for case in _read(f"case file {str(file)!r}", _text(file))]


def has_cases(folder: Path) -> bool:
    """Whether a run folder holds case files."""
    return any((folder / "cases").glob("*.json"))


def _named(name: str, run: Path) -> Iterator[Path]:
    if not name.isalnum():
        return
    yield from sorted((run / "cases").glob(f"{name}*.json"))
    if (run / DISCREPANCIES).is_file():
        smallest = (one.smallest_case for one in read_discrepancies(run) if one.id.startswith(name))
        yield from (path for case in smallest if (path := run / "cases" / f"{case}.json").is_file())


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"case file {str(path)!r}: {getattr(error, 'strerror', None) or error}") from None


def _read(where: str, text: str) -> list[AnyCase]:
    try:
        content = json.loads(text)
        return [case_from_json(one) for one in (content if content and isinstance(content, list) else [content])]
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where}: {error}") from None
