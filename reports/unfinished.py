"""A run that goes on, or was interrupted: who holds its folder, what the folder says, and how it is closed.

The run writes to `unfinished` in its folder: the journal, and what it tells of discrepancies. Its process holds
`running.json`, which no other can hold meanwhile, and which is free when it has died. What an earlier run wrote stays
in place until the folder is closed.
"""

from __future__ import annotations

import collections
import datetime
import fcntl
import json
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from depthwise_conformance.reports.badge import write_badge
from depthwise_conformance.reports.folders import RUNNING, UNFINISHED, install, is_run_folder, objection
from depthwise_conformance.reports.journal import JOURNAL, RUN, Contents, read_journal
from depthwise_conformance.reports.page import PAGE, write_page
from depthwise_conformance.reports.record import Record, Verdict
from depthwise_conformance.reports.runs import INTERRUPTED, ending, read_runs, write_runs
from depthwise_conformance.reports.tables import DISCREPANCIES, Join, RecordWriter, merge, write_discrepancies

Name = Callable[[Record], str]
NOTHING = "holds no run"


def _no_name(record: Record) -> str:
    """Nothing is told yet."""
    return ""


class Hold:
    """A folder that no other process of ours writes to, until it is released."""

    def __init__(self, path: Path, file: int) -> None:
        self._path, self._file = path, file

    def release(self) -> None:
        """Lets the folder go; once is enough."""
        if self._file >= 0:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = -1


def hold(out: Path) -> Hold:
    """Takes hold of a folder that there is. Raises ValueError that says which process has it, and since when."""
    path = out / RUNNING
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise ValueError(f"{path}: is no plain file")
        if not _lock(file):
            os.close(file)
            raise ValueError(f"{out}: {holder(out) or 'another process writes to it'}; one run at a time")
        with suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(file).st_ino:
                break
        os.close(file)  # it was released meanwhile
    os.ftruncate(file, 0)
    os.write(file, (json.dumps({"pid": os.getpid(), "since": moment(time.time())}) + "\n").encode())
    return Hold(path, file)


@contextmanager
def held(out: Path) -> Iterator[None]:
    """Meanwhile no other process of ours writes to the folder, which is made. Raises ValueError."""
    if why := objection(out):
        raise ValueError(f"{out}: {why}")
    out.mkdir(parents=True, exist_ok=True)
    taken = hold(out)
    try:
        yield
    finally:
        taken.release()
        with suppress(OSError):  # something came into it
            out.rmdir()


def holder(out: Path) -> str:
    """Who writes to a folder, in words; "" where nobody does."""
    with suppress(OSError):
        file = os.open(out / RUNNING, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode) or _lock(file, fcntl.LOCK_SH):
                return ""
            content: Any = {}
            with suppress(ValueError):
                content = json.loads(os.read(file, 4096))
            told = content if isinstance(content, dict) else {}
            return f"process {told.get('pid', 'unknown')} writes to it, since {told.get('since', 'just now')}"
        finally:
            os.close(file)
    return ""


def state(out: Path) -> str:
    """What a folder is, in words: running (by which process, since when), interrupted, incomplete, complete."""
    if told := holder(out):
        return f"running: {told}"
    if is_open(out):
        return INTERRUPTED
    if not is_run_folder(out):
        return NOTHING
    return ending(read_runs(out))


def is_open(out: Path) -> bool:
    """Whether there is a journal of which the folder does not tell yet."""
    journal = out / UNFINISHED / JOURNAL
    if journal.is_symlink() or not journal.is_file():
        return False
    sessions = read_journal(journal).about.get("sessions")
    return not is_run_folder(out) or all(run.get("sessions") != sessions for run in read_runs(out))


def close(out: Path, told: Mapping[str, Any], journal: Contents | None, resumable: bool, name: Name = _no_name) -> Path:
    """Puts what a run has written in place of an earlier run's: the page. Its journal stays where it is `resumable`.

    `told` is its `run.json`; `name` says which discrepancy tells of a failing record. Raises OSError; then the journal
    is there, and so is the earlier run or a part of it.
    """
    work = out / UNFINISHED
    work.mkdir(exist_ok=True)
    with RecordWriter(work) as writer:
        for records in journal.results() if journal else ():
            failing = (one.verdict.is_discrepancy for one in records)
            pairs = zip(records, failing, strict=True)
            writer.write([replace(one, discrepancy=name(one)) if fails else one for one, fails in pairs])
    if not (work / DISCREPANCIES).exists():
        write_discrepancies(work, [])
    write_runs(work, [dict(told)])
    write_page(work)
    write_badge(work)
    install(work, out)
    tidy(work, journal=not resumable)
    return out / PAGE


def tidy(work: Path, journal: bool) -> None:
    """Removes what a run wrote before it was closed; its `journal` too, or not."""
    for path in list(work.iterdir()) if work.is_dir() else ():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif journal or path.name != JOURNAL:
            path.unlink()
    with suppress(OSError):  # the journal is in it
        work.rmdir()


def recover(out: Path) -> Path | None:
    """Closes the folder of a run that could not do so itself: the page; None where there is nothing to close.

    Raises ValueError where a process writes to it, or its journal cannot be read.
    """
    if told := holder(out):
        raise ValueError(f"{out}: {told}; accepted is a folder that no run writes to")
    if not is_open(out):
        if state(out) != INTERRUPTED and (out / UNFINISHED).exists():  # what a closed run could not remove
            with held(out):
                tidy(out / UNFINISHED, journal=True)
        return None
    with held(out):
        journal = read_journal(out / UNFINISHED / JOURNAL)
        return close(out, _tell(journal, out), journal, resumable=True)


def merge_into(out: Path, folders: Sequence[Path], join: Join = list) -> None:
    """`merge`, while no run writes to the folder; what was unfinished there is gone then. Raises ValueError."""
    for folder in folders:
        if (told := holder(folder)) or (folder.is_dir() and is_open(folder)):
            raise ValueError(f"{folder}: {told or INTERRUPTED}; accepted are folders that are closed (see `report`)")
    with held(out):
        merge(folders, out, join)
        tidy(out / UNFINISHED, journal=True)


def _tell(journal: Contents, out: Path) -> dict[str, Any]:
    """The `run.json` of a run that was interrupted, as far as its journal says."""
    about, counts = journal.about["told"], _count(journal)
    return {
        **about,
        "complete": False,
        "state": INTERRUPTED,
        "seconds": round(seconds(journal, out), 3),
        "targets": [{**target, **counts.get(target["target"], {})} for target in about["targets"]],
    }


def seconds(journal: Contents, out: Path) -> float:
    """The seconds that an interrupted run took, up to its last answer."""
    ended = (out / UNFINISHED / JOURNAL).stat().st_mtime
    begun = datetime.datetime.fromisoformat(journal.about["sessions"][-1]["since"]).timestamp()
    return float(journal.about["told"]["seconds"]) + max(ended - begun, 0.0)


def _count(journal: Contents) -> dict[str, dict[str, Any]]:
    """By target, how many cases were asked, judged and declined."""
    counts: dict[str, dict[str, Any]] = {}
    for batch in journal.batches:
        columns = (batch.column(name).to_pylist() for name in ("asked", "target", "judged", "spent"))
        for asked, target, judged, spent in zip(*columns, strict=True):
            if asked == RUN:
                told = counts.setdefault(target, {"cases": 0, "judged": 0, "declined": collections.Counter()})
                declined = all(one["verdict"] == Verdict.UNSUPPORTED for one in judged)
                told["cases"] += 1
                told["judged"] += bool(judged) and not declined
                told["declined"].update(one["signature"] for one in judged[:1] if declined)
                told["seconds"] = round(spent, 3)
    return counts


def _lock(file: int, kind: int = fcntl.LOCK_EX) -> bool:
    """Whether a file could be had; where a file system knows no locks, it can."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def moment(seconds: float) -> str:
    """A time as run folders have it."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds")
