"""Targets against targets: on how many cases that both were asked they disagree, by how much, on which smallest one.

Everything is from the records: two targets disagree on a case where a check passes for one and fails for the other, or
fails for both in different ways. Where errors were measured, they are apart by at least the difference of these; it is
infinite where whole numbers have to be exact.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.reports.cases import layer_call
from depthwise_conformance.reports.counting import Columns, read_columns
from depthwise_conformance.reports.matrix import Subject
from depthwise_conformance.reports.record import LAYER_CHECKS, NOT_JUDGED, Verdict
from depthwise_conformance.reports.words import MEANINGS, Meaning, counted

SCHEMA = 1  # of case files
_COLUMNS = (*Subject._fields, "check", "verdict", "case", "error", "arguments", "input_shape", "recipe", "seed")
_VERDICTS = [verdict.value for verdict in Verdict]
_PASS = _VERDICTS.index(Verdict.PASS.value)


@dataclass(frozen=True)
class Difference:
    """The smallest case on which two targets disagree: its call, the check, what each verdict means, the errors.

    `text` is the case as `replay -` takes it, empty for a layer's.
    """

    call: str
    check: str
    meanings: tuple[Meaning, Meaning]
    errors: tuple[float, float]
    text: str


@dataclass(frozen=True)
class Pair:
    """Two targets by number: cases both were judged on, those on which they disagree, both alike depart, how far."""

    first: int
    second: int
    shared: int
    apart: int
    alike: int
    distance: float
    smallest: Difference | None


@dataclass(frozen=True)
class Pairs:
    """All targets, and every two of them that were judged on the same cases, by their numbers in order."""

    subjects: Sequence[Subject]
    found: Mapping[tuple[int, int], Pair]

    def of(self, one: int, other: int) -> Pair | None:
        """What there is to say of two targets, whichever is named first."""
        return self.found.get((min(one, other), max(one, other)))

    @property
    def apart(self) -> list[Pair]:
        """Those that disagree anywhere, the most first."""
        return sorted((one for one in self.found.values() if one.apart), key=lambda one: -one.apart)

    @property
    def told(self) -> str:
        """All of it in a sentence."""
        if not self.found:
            return "No two targets were judged on the same cases."
        pairs = counted(len(self.found), "pair")
        return (
            f"{len(self.apart) or 'None'} of {pairs} of targets disagree{'' if len(self.apart) > 1 else 's'} anywhere."
        )


def read_pairs(folder: Path) -> Pairs:
    """Holds the targets of a run folder against each other. Raises ValueError as `read_results` does."""
    names = read_columns(folder, Subject._fields)
    if len(list(names.groups(*Subject._fields))) < 2:  # nothing else of what may be millions of records is needed
        return Pairs([], {})
    rows = read_columns(folder, _COLUMNS)
    rows = rows.chosen(~rows.among("verdict", NOT_JUDGED))
    places = [(_normal(names), places) for names, places in rows.groups(*Subject._fields)]
    subjects = sorted({subject for subject, _ in places})
    if len(subjects) < 2:
        return Pairs(subjects, {})
    asked = _Asked(rows, len(subjects), [(subjects.index(subject), some) for subject, some in places])
    pairs = (asked.compare(*two) for two in itertools.combinations(range(len(subjects)), 2))
    return Pairs(subjects, {(one.first, one.second): one for one in pairs if one.shared})


class _Asked:
    """What was asked, a check on a case in each row, and in a column for each target its verdict, error and record."""

    def __init__(self, rows: Columns, subjects: int, places: Sequence[tuple[int, NDArray[np.int64]]]) -> None:
        self._rows = rows
        cases, _ = rows.codes("case")
        checks, names = rows.codes("check")
        _, first, keys = np.unique(cases * len(names) + checks, return_index=True, return_inverse=True)
        keys = np.argsort(np.argsort(first))[keys]  # by the order in which they were asked
        columns = np.zeros(len(rows), np.int64)
        for number, some in places:
            columns[some] = number
        shape = len(first), subjects
        self._state = np.full(shape, -1, np.int8)
        self._record = np.zeros(shape, np.int64)
        self._state[keys, columns] = _states(rows)
        self._record[keys, columns] = np.arange(len(rows))
        self._error = rows.numbers("error")
        self._case = np.zeros(shape[0], np.int64)
        self._case[keys] = cases

    def compare(self, first: int, second: int) -> Pair:
        one, other = self._state[:, first], self._state[:, second]
        shared = (one >= 0) & (other >= 0)
        apart = np.flatnonzero(shared & (one != other))
        alike = shared & (one == other) & (one != _PASS)
        far = self._distances(apart, first, second)
        smallest = self._smallest(apart, first, second) if apart.size else None
        return Pair(
            first,
            second,
            shared=self._cases(np.flatnonzero(shared)),
            apart=self._cases(apart),
            alike=self._cases(np.flatnonzero(alike)),
            distance=_largest(far),
            smallest=smallest,
        )

    def _cases(self, keys: NDArray[np.intp]) -> int:
        return int(np.unique(self._case[keys]).size)

    def _distances(self, keys: NDArray[np.intp], first: int, second: int) -> NDArray[np.float64]:
        one, other = (self._error[self._record[keys, column]] for column in (first, second))
        with np.errstate(invalid="ignore"):
            far: NDArray[np.float64] = np.abs(one - other)
        return far

    def _smallest(self, keys: NDArray[np.intp], first: int, second: int) -> Difference:
        records = self._record[keys, first]
        shown = self._rows.rows(records, ("input_shape", "arguments"))
        sizes = [(_extent(one["input_shape"]), len(one["arguments"])) for one in shown]
        best = min(range(len(keys)), key=sizes.__getitem__)
        row, rival = self._rows.rows([self._record[keys[best], column] for column in (first, second)])
        meanings = tuple(MEANINGS[Verdict(str(one["verdict"]))] for one in (row, rival))
        return Difference(
            call=layer_call(row["arguments"], row["input_shape"]),
            check=str(row["check"]),
            meanings=(meanings[0], meanings[1]),
            errors=(float(row["error"]), float(rival["error"])),
            text="" if row["check"] in LAYER_CHECKS else _case_text(row),
        )


def _largest(far: NDArray[np.float64]) -> float:
    """The largest that is finite, where there is one; NaN where nothing was measured."""
    finite = far[np.isfinite(far)]
    return float(finite.max()) if finite.size else float(np.fmax.reduce(far, initial=math.nan))


def _states(rows: Columns) -> NDArray[np.int8]:
    """The verdict of each record, by its number."""
    codes, names = rows.codes("verdict")
    return np.array([_VERDICTS.index(name) for name in names], np.int8)[codes]


def _normal(names: Sequence[str]) -> Subject:
    target, device, versions = names
    return Subject(target, device, ", ".join(sorted(versions.split(", "))))


def _extent(shape: str) -> int:
    return math.prod(int(part) if part.isdigit() else 1 for part in shape.strip("[]()").replace(" ", "").split(","))


def _case_text(row: Any) -> str:
    try:
        arguments, shape = json.loads(row["arguments"]), json.loads(row["input_shape"])
    except (ValueError, RecursionError):
        return ""
    data = {"recipe": str(row["recipe"]), "seed": int(row["seed"])}
    return json.dumps({"schema": SCHEMA, "arguments": arguments, "input_shape": shape, "data": data})
