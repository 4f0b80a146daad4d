"""The journal of a run: what every case came to, on disk before the next is asked for.

It is a stream of Arrow's IPC format, a row for each case that a target was asked, which any reader of Arrow has up to
its last whole batch, whatever ended the run. The stream's metadata tells of the run, in JSON under `run`. A row is read
again by a run that is resumed, in place of asking; so it has the arrays that came back too.
"""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped]

from depthwise_conformance.reports.cells import storable
from depthwise_conformance.reports.files import private_name
from depthwise_conformance.reports.record import Record, Verdict
from depthwise_conformance.reports.schema import departure

JOURNAL = "journal.arrows"
RUN, CORES = "run", "one core"  # why the cases of a run are asked; others are asked by the diagnosis
RECORDED = (RUN, CORES)
_VERDICTS = pa.array([verdict.value for verdict in Verdict])


@dataclass(frozen=True)
class Judged:
    """One check's judgement, as `Record` has it."""

    check: str
    verdict: str
    error: float
    quality: float
    signature: str
    detail: str
    seconds: float


@dataclass(frozen=True)
class Stored:
    """An array that came back: its bytes, little-endian, in C order."""

    part: str
    dtype: str
    shape: tuple[int, ...]
    data: bytes


@dataclass(frozen=True)
class Answer:
    """What came of one case that a target was asked: a row of the journal.

    `asked` is RUN or CORES, whose judgements are the run's results, or what the diagnosis asked for. `spent` seconds,
    `losses` and `lost_seconds` are those of the target until then; `traits` is what it shows by this case. Other fields
    are as in `Record`.
    """

    asked: str
    target: str
    device: str
    versions: str
    case: str
    dtype: str
    arguments: str
    input_shape: str
    recipe: str
    seed: int
    judged: tuple[Judged, ...]
    arrays: tuple[Stored, ...] = ()
    spent: float = 0.0
    losses: int = 0
    lost_seconds: float = 0.0
    traits: str = ""

    @property
    def records(self) -> list[Record]:
        """Its rows of the results."""
        about = {name: getattr(self, name) for name in _SHARED}
        return [Record(**about, **{**vars(one), "verdict": Verdict(one.verdict)}) for one in self.judged]


_SHARED = [field.name for field in fields(Answer) if field.name in {of_record.name for of_record in fields(Record)}]


def _struct(**named: Any) -> Any:
    return pa.list_(pa.struct(list(named.items())))


_TEXT = ("asked", "target", "device", "versions", "case", "dtype", "arguments", "input_shape", "recipe")
_JUDGED = {name: pa.string() for name in ("check", "verdict", "signature", "detail")}
_FIGURES = {name: pa.float64() for name in ("error", "quality", "seconds")}
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in _TEXT),
        ("seed", pa.uint64()),
        ("judged", _struct(**_JUDGED, **_FIGURES)),
        ("arrays", _struct(part=pa.string(), dtype=pa.string(), shape=pa.list_(pa.int64()), data=pa.binary())),
        ("spent", pa.float64()),
        ("losses", pa.int64()),
        ("lost_seconds", pa.float64()),
        ("traits", pa.string()),
    ]
)


class Batches(Sequence[Any]):
    """The batches of a journal in mapped memory, each read when it is asked for: a million cases have ten thousand."""

    def __init__(self, mapped: Any, schema: Any, places: Sequence[int]) -> None:
        self._mapped, self._schema, self._places = mapped, schema, places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, number: Any) -> Any:
        return pa.ipc.read_record_batch(pa.ipc.read_message(self._mapped.slice(self._places[number])), self._schema)


@dataclass(frozen=True)
class Contents:
    """A journal as far as it is whole: what it says of the run, its batches, and where in the file these lie."""

    about: Mapping[str, Any]
    batches: Sequence[Any]
    start: int
    end: int

    def answer(self, batch: int, row: int) -> Answer:
        """One of its rows."""
        (content,) = self.batches[batch].slice(row, 1).to_pylist()
        return _answer(content)

    def results(self) -> Iterator[list[Record]]:
        """The rows of the run's results, a batch at a time: by target, then in the order in which they were asked."""
        told = [target["target"] for target in self.about.get("told", {}).get("targets", ())]
        names = [batch.column("target")[0].as_py() for batch in self.batches]
        order = {name: place for place, name in enumerate(dict.fromkeys((*told, *names)))}
        for number in sorted(range(len(names)), key=lambda number: order[names[number]]):
            rows = self.batches[number].drop_columns(["arrays"]).to_pylist()
            yield [record for row in rows if row["asked"] in RECORDED for record in _answer(row).records]


def _answer(row: Mapping[str, Any]) -> Answer:
    judged = tuple(Judged(**one) for one in row["judged"])
    arrays = tuple(Stored(**{**one, "shape": tuple(one["shape"])}) for one in row.get("arrays", ()))
    return Answer(**{**row, "judged": judged, "arrays": arrays})


def read_journal(path: Path) -> Contents:
    """The journal, mapped into memory. Raises ValueError that names the file and what is wrong."""
    try:
        if path.is_symlink() or not path.is_file():
            raise ValueError("is no plain file")
        source = pa.memory_map(str(path))
        stream = pa.ipc.open_stream(source)
        start = end = source.tell()
        places: list[int] = []
        about = json.loads((stream.schema.metadata or {}).get(b"run", b"null"))
        if stream.schema.remove_metadata() != SCHEMA:
            raise ValueError("is no journal of this version")
        if why := departure(about, "journal"):
            raise ValueError(f"is not what a run writes: {why}")
    except (ValueError, OSError, RecursionError, pa.ArrowException) as error:
        raise ValueError(f"{path}: {error}") from None
    with suppress(StopIteration, OSError, pa.ArrowException):  # what is not whole ends it
        while _is_whole(stream.read_next_batch()):
            places.append(end)
            end = source.tell()
    source.seek(0)
    return Contents(about, Batches(source.read_buffer(), stream.schema, places), start, end)


def _is_whole(batch: Any) -> bool:
    """Whether all that a row has is there. Raises ArrowInvalid where it is damaged."""
    batch.validate(full=True)
    if any(map(_has_gaps, batch.columns)):
        return False
    verdicts = pc.struct_field(batch.column("judged").flatten(), "verdict")
    return pc.all(pc.is_in(verdicts, value_set=_VERDICTS)).as_py() is not False  # of none, it is None


def _has_gaps(array: Any) -> bool:
    if array.null_count:
        return True
    if pa.types.is_list(array.type):
        return _has_gaps(array.flatten())
    return pa.types.is_struct(array.type) and any(map(_has_gaps, array.flatten()))


class JournalWriter:
    """Appends to a journal, from any thread. It takes the place of an earlier one with its first batch.

    What a journal has that is `resumed` comes first. Whatever fails, the file ends with a whole batch, and nothing is
    appended any more. `placed` says whether it is in its place.
    """

    def __init__(self, path: Path, about: Mapping[str, Any], resumed: Contents | None = None) -> None:
        self._path, self._made = path, private_name(path)
        self._lock = threading.Lock()
        self._error: OSError | None = None
        self.placed, self._size = False, 0
        schema = SCHEMA.with_metadata({"run": json.dumps(about)})
        self._file = os.open(self._made, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            self._write(schema.serialize())
            if resumed is not None:
                with path.open("rb") as earlier:
                    earlier.seek(resumed.start)
                    left = resumed.end - resumed.start
                    while left and (piece := earlier.read(min(left, 1 << 24))):
                        self._write(piece)
                        left -= len(piece)
                self._place()
        except BaseException:
            self._made.unlink(missing_ok=True)
            os.close(self._file)
            raise

    def append(self, answers: Sequence[Answer]) -> None:
        """Puts a batch on disk. Raises OSError, and again for whatever comes after that."""
        if not answers:
            return
        batch = pa.RecordBatch.from_pylist([_row(answer) for answer in answers], schema=SCHEMA).serialize()
        with self._lock:
            if self._error is not None:
                raise self._error
            try:
                self._write(batch)
                if not self.placed:
                    self._place()
                if self._is_gone():
                    raise FileNotFoundError(errno.ENOENT, "was removed while the run wrote to it", str(self._path))
            except OSError as error:
                self._error = error
                raise

    def close(self) -> None:
        """Nothing more is appended. A journal that was removed with its folder meanwhile is put there again."""
        with self._lock:
            if self._file < 0:
                return
            try:
                if self.placed and self._is_gone():
                    self._put_again()
                if not self.placed:
                    self._made.unlink(missing_ok=True)
            finally:
                os.close(self._file)
                self._file = -1
                self._error = self._error or OSError(errno.EBADF, "the journal is closed", str(self._path))

    def _place(self) -> None:
        self._made.replace(self._path)
        self.placed = True

    def _is_gone(self) -> bool:
        with suppress(FileNotFoundError, NotADirectoryError):
            return self._path.stat().st_ino != os.fstat(self._file).st_ino
        return True

    def _put_again(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("xb") as file:
            for place in range(0, self._size, 1 << 24):
                file.write(os.pread(self._file, min(1 << 24, self._size - place), place))

    def _write(self, data: Any) -> None:
        """All of it, on disk, or nothing."""
        try:
            left = memoryview(data).cast("B")
            while left:
                left = left[write(self._file, left) :]
            os.fsync(self._file)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._file, self._size)
                os.lseek(self._file, self._size, os.SEEK_SET)
            raise
        self._size += memoryview(data).nbytes


write = os.write  # where tests have it fail


def _row(answer: Answer) -> dict[str, Any]:
    judged = [{name: _text(value) for name, value in vars(one).items()} for one in answer.judged]
    row = {name: _text(value) for name, value in vars(answer).items()}
    return {**row, "judged": judged, "arrays": [vars(array) for array in answer.arrays]}


def _text(value: Any) -> Any:
    return storable(str(value)) if isinstance(value, str) else value
