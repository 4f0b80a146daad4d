"""A run's folder: whose it is, and how files come into it. Nothing is erased before something takes its place.

A folder is a run's when it holds our `run.json`, in a file of its own; in any other, nothing is touched. What is put
there was made in private before, and whatever fails meanwhile leaves what was there.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from depthwise_conformance.reports.files import copy_beside, meant, unfinished
from depthwise_conformance.reports.journal import JOURNAL
from depthwise_conformance.reports.runs import RUN, read_runs, write_runs

FILES = (
    *("results.parquet", "results.csv", "discrepancies.csv", "layers.csv", "report.html"),
    *("junit.xml", "ctrf.json", "badge.json"),
)
UNFINISHED = "unfinished"  # the folder of a run that goes on, or was interrupted
RUNNING = "running.json"  # whose run goes on: held by its process
# the folders in it, and how their files are called: an id, and one of these
PARTS = {"cases": (".json",), "cases/arrays": (".npy",), "repro": (".py", ".md", ".json")}
MARKS = ("tool", "checks", "targets")  # what every run of ours says of itself
_ID = re.compile(r"[0-9a-f]{8}|[0-9a-f]{16}|[0-9a-f]{64}", re.ASCII)


def objection(out: Path) -> str:
    """Why results may not be written to `out`; "" where it is a run's folder, empty, or can be made."""
    try:
        if not out.exists() and not out.is_symlink():
            above = next(folder for folder in out.absolute().parents if folder.exists())
            return "" if above.is_dir() and os.access(above, os.W_OK | os.X_OK) else f"{above} takes no new folder"
        names = sorted(path.name for path in out.iterdir())
    except OSError as error:
        return f"cannot be made a folder ({error.strerror})"
    if names and not (is_run_folder(out) or has_begun(out)):
        return f"holds {names[0]!r} but no run; accepted are a run's and a new folder"
    for part in (*PARTS, UNFINISHED):
        if (out / part).is_symlink() or ((out / part).exists() and not (out / part).is_dir()):
            return f"its {part!r} is not a folder of its own; accepted are a run's and a new folder"
    return "" if os.access(out, os.W_OK | os.X_OK) else "cannot be written to"


def is_run_folder(folder: Path) -> bool:
    """Whether a folder holds a run of ours, or several that were merged."""
    marker = folder / RUN
    if marker.is_symlink() or not marker.is_file():
        return False
    with suppress(ValueError, OSError):
        return all(mark in run for run in read_runs(folder) for mark in MARKS)
    return False


def has_begun(folder: Path) -> bool:
    """Whether a run has begun in a folder that may hold none yet: then it is ours too."""
    marks = (folder / RUNNING, folder / UNFINISHED / JOURNAL)
    if any(path.is_file() and not path.is_symlink() for path in marks):
        return True
    return all(path.is_dir() and path.is_relative_to(folder / UNFINISHED) for path in folder.rglob("*"))


def clear(out: Path, kept: frozenset[str] = frozenset()) -> None:
    """Removes what an earlier run wrote, but for files that are `kept`, by their paths in the folder."""
    ours = [out / name for name in FILES] + [left for name in (*FILES, RUN) for left in unfinished(out / name)]
    for part, suffixes in PARTS.items():
        found = () if (out / part).is_symlink() else (out / part).glob("*")
        names = [(path, Path(meant(path) or path.name)) for path in found]
        ours += [path for path, name in names if name.suffix in suffixes and _ID.fullmatch(name.stem)]
    for path in ours:
        if str(path.relative_to(out)) not in kept:
            path.unlink(missing_ok=True)


def install(made: Path, out: Path) -> None:
    """Puts the files of a folder that was made in private in the place of an earlier run's, `run.json` last.

    Raises ValueError unless `out` is a run's folder, empty, or can be made.
    """
    if why := objection(out):
        raise ValueError(f"{out}: {why}")
    out.mkdir(parents=True, exist_ok=True)
    files = [path for path in sorted(made.rglob("*")) if path.is_file() and not path.name.startswith((".", JOURNAL))]
    names = [path.relative_to(made) for path in files]
    (out / "cases").mkdir(exist_ok=True)
    copies: dict[Path, Path] = {}
    try:
        for name in sorted(names, key=lambda name: str(name) == RUN):
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            copies[name] = copy_beside(made / name, out / name)
        if is_run_folder(out):  # of two runs, until all is there
            write_runs(out, [{**run, "complete": False} for run in read_runs(out)])
        for name in list(copies):
            copies.pop(name).replace(out / name)
    finally:
        for copy in copies.values():
            copy.unlink(missing_ok=True)
    clear(out, frozenset(map(str, names)))
