"""Case files: one, those of a folder, those that a discrepancy or a case is named by, or what standard input has.

Arrays of a case's own lie in the folder `arrays` beside its file, each named by its SHA-256; or, in a folder that a
person made, beside `case.json` under plain names: `x.npy`, `kernel.npy`, `bias.npy`, `cotangent.npy`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from depthwise_conformance.casebook.case import SCHEMA, AnyCase, Case, Find, case_from_json
from depthwise_conformance.casebook.own import ROLES, digest
from depthwise_conformance.layers.possible import check_possible
from depthwise_conformance.reports.files import place_text
from depthwise_conformance.reports.runs import RUN
from depthwise_conformance.reports.tables import DISCREPANCIES, read_discrepancies
from depthwise_conformance.running.arrayfiles import AnyArray, read_array, write_array
from depthwise_conformance.running.usage import UsageError

STANDARD_INPUT = "-"
ARRAYS, PERSONAL = "arrays", "case.json"
DEFAULT_DATA = {"recipe": "normal", "seed": 0}  # of a person's case that says nothing of it


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
        return _read_file(path)
    found = dict.fromkeys(_named(named, run))
    if not found:
        accepted = f"a case file, a folder of them, - for standard input, and an id of the run in {str(run)!r} (--run)"
        raise UsageError(f"case {named!r}: accepted are {accepted}")
    return [case for file in found for case in _read_file(file)]


def read_folder(folder: Path) -> list[AnyCase]:
    """The cases of a run folder, of any folder with case files, or the one that a person's folder is.

    Raises UsageError where there is none.
    """
    if (folder / PERSONAL).is_file():
        return [_read_personal(folder)]
    own = [file for file in sorted(folder.glob("*.json")) if file.name != RUN]
    files = sorted((folder / "cases").glob("*.json")) or own
    if not files:
        told = "holds no case files, neither itself nor in a folder `cases`, nor a `case.json` with arrays beside it"
        raise UsageError(f"case folder {str(folder)!r}: {told}")
    return [case for file in files for case in _read_file(file)]


def has_cases(folder: Path) -> bool:
    """Whether a run folder holds case files."""
    return any((folder / "cases").glob("*.json"))


def write_case(folder: Path, case: AnyCase) -> Path:
    """Writes a case's file into a folder, and its own arrays beside it; the file's path."""
    for one in case.data.arrays:
        write_array(folder / ARRAYS / f"{one.digest}.npy", one.array)
    path = folder / f"{case.id}.json"
    place_text(path, json.dumps(case.to_json(), indent=2) + "\n")
    return path


def _read_personal(folder: Path) -> Case:
    """The case of `case.json`, in which all but the arguments may be missing, and of the arrays beside it."""
    path = folder / PERSONAL
    content = _parsed(f"case file {str(path)!r}", _text(path))
    try:
        if not isinstance(content, dict):
            raise ValueError(f"a case must be a JSON object, not {content!r:.80}")
        arrays = {role: read_array(folder / f"{role}.npy") for role in ROLES if _is_there(folder / f"{role}.npy")}
        shape = [*arrays["x"].shape] if "x" in arrays else None
        given = {"schema": SCHEMA, "data": DEFAULT_DATA, "input_shape": shape, "name": folder.resolve().name} | content
        if given["input_shape"] is None:
            raise ValueError("input_shape is missing: accepted are 4 integers, or an x.npy beside the file")
        own = {digest(array): array for array in arrays.values()}
        if arrays and isinstance(given["data"], dict):
            given["data"] = given["data"] | {"arrays": {role: digest(array) for role, array in arrays.items()}}
        case = _read_one(given, lambda wanted, _: own[wanted])
    except (ValueError, RecursionError) as error:
        raise UsageError(f"case folder {str(folder)!r}: {error}") from None
    if not isinstance(case, Case):
        raise UsageError(f"case file {str(path)!r}: has no arrays, and is no operation's; replay the file itself")
    return case


def _is_there(path: Path) -> bool:
    return path.exists() or path.is_symlink()


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


def _read_file(path: Path) -> list[AnyCase]:
    def find(wanted: str, dtype: str) -> AnyArray:
        if (folder := path.parent / ARRAYS).is_symlink():
            raise ValueError(f"{folder}: is a link; accepted is a folder")
        return read_array(folder / f"{wanted}.npy", dtype)

    return _read(f"case file {str(path)!r}", _text(path), find)


def _read(where: str, text: str, find: Find | None = None) -> list[AnyCase]:
    content = _parsed(where, text)
    try:
        return [_read_one(one, find) for one in (content if content and isinstance(content, list) else [content])]
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where}: {error}") from None


def _read_one(content: object, find: Find | None) -> AnyCase:
    """Raises ValueError for what is no case, or none that can be judged."""
    case = case_from_json(content, find)
    check_possible(case)
    return case


def _parsed(where: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where}: {error}") from None
