"""Which named deviation computes what a target returned instead of the documented result."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.casebook.case import Case
from depthwise_conformance.casebook.recipes import Arrays, format_name, make_arrays
from depthwise_conformance.diagnosis.deviations.deviation import Deviation
from depthwise_conformance.diagnosis.deviations.library import BY_NAME, DEVIATIONS
from depthwise_conformance.diagnosis.predicting import estimate, predict
from depthwise_conformance.diagnosis.program import PARTS, Program, honest, is_described
from depthwise_conformance.judging.values import expect
from depthwise_conformance.reference import FORMATS, Arithmetic, Bounded, LayerConfig

SEARCHED = 8  # failing samples on which every deviation is tried, unless one explains all
EVIDENCE = (0, 6, 12)  # distinct wrong numbers that one deviation, or a pair, has to predict: as many may be chance
PAIRS = 4000  # tried of two deviations together
SUBSET = 3  # failing samples that make a partial cause
ROUGHLY = 0.1  # of the largest number observed: who is further off need not be looked at closely
COMBINED = (
    "argument",
    "windows",
    "padding",
    "border",
    "shift",
    "size",
    "input",
    "kernel",
    "order",
    "bias",
    "activation",
)


@dataclass(frozen=True)
class Sample:
    """What a target returned for one part ("output", "input", "kernel" or "bias") of one case, and what it should."""

    config: LayerConfig
    arrays: Arrays
    part: str
    observed: NDArray[Any]
    failing: bool
    expected: Bounded


@dataclass(frozen=True)
class Cause:
    """A deviation, or two of them together, and the samples, by their position, that it `explains` or `contradicts`.

    It contradicts a passing sample where it would have changed the result. `evidence` counts the wrong numbers that
    it predicts, each value once a sample.
    """

    names: tuple[str, ...]
    explains: tuple[int, ...]
    contradicts: tuple[int, ...]
    evidence: int

    @property
    def text(self) -> str:
        """One name, or two joined by " + "."""
        return " + ".join(self.names)


@dataclass(frozen=True)
class Explanation:
    """The `causes` that explain every failing sample: those that contradict the fewest passing ones first, then those
    that change the fewest parts.

    These samples do not separate them. Where none does so alone, `partial` has those that explain some of the failing
    samples, the most first. `complete` says whether all was tried.
    """

    causes: tuple[Cause, ...]
    partial: tuple[Cause, ...]
    complete: bool


def explain(samples: Sequence[Sample], pairs: int = PAIRS) -> Explanation | None:
    """What explains the failing samples; None where nothing of the library does, or the data cannot tell.

    Left out are samples whose arguments are not all finite, and failing ones that no single element shows. At most so
    many `pairs` of deviations are tried.
    """
    views = [_View(i, sample) for i, sample in enumerate(samples) if _usable(sample) and _shows(sample)]
    failing = sorted((view for view in views if view.sample.failing), key=lambda view: view.work)
    passing = sorted((view for view in views if not view.sample.failing), key=lambda view: view.work)
    if not failing:
        return None
    search = _Search(failing)
    search.singles()
    found = search.covering(1)
    if not found:
        search.pairs(pairs)
        found = search.covering(2)
    causes = [_contradicted(names, search.table[names], passing) for names in found]
    partial: list[Cause] = []
    if not search.covering(1):
        partial = [_contradicted(names, search.table[names], passing) for names in search.subsets()]
    if not causes and not partial:
        return None
    causes.sort(key=_doubt)
    partial.sort(key=lambda cause: (-len(cause.explains), *_doubt(cause)))
    return Explanation(tuple(causes), tuple(partial), search.complete)


def reproduces(name: str, sample: Sample, by: Arithmetic | None = None) -> bool:
    """Whether a deviation ("a", or "a + b") gives this wrong result, in the layer's own arithmetic or `by` another."""
    return _usable(sample) and _View(0, sample, by).evidence(_named(name)) >= (1 if by else 0)


@functools.lru_cache(maxsize=1 << 13)
def deviates(name: str, case: Case, part: str = "output") -> bool:
    """Whether a deviation ("a", or "a + b") changes a part of this case by more than rounding may; False if untold."""
    if not is_described(case.config) or (part == "bias" and not case.config.use_bias):
        return False
    program = _changed(honest(case.config, case.input_shape), _named(name))
    if program is None:
        return False
    expectation = expect(case)
    found = _prediction(program, expectation.arrays, part, case.dtype)
    return found is not None and _differ(found, expectation.part(part))


def separates(first: str, second: str, case: Case, part: str = "output") -> bool:
    """Whether two deviations (each "a", or "a + b") predict different results for a part of this case."""
    if not is_described(case.config):
        return False
    arrays = make_arrays(case)
    one, other = (_prediction(_program(name, case), arrays, part, case.dtype) for name in (first, second))
    return one is not None and other is not None and _differ(one, other)


def _doubt(cause: Cause) -> tuple[int, int]:
    return len(cause.contradicts), sum(len(BY_NAME[name].parts) for name in cause.names)


@np.errstate(all="ignore")
def _differ(one: Bounded, other: Bounded) -> bool:
    if one.value.shape != other.value.shape:
        return True
    return bool((np.abs(one.value - other.value) > one.bound + other.bound).any())


def _program(name: str, case: Case) -> Program:
    program = honest(case.config, case.input_shape)
    return _changed(program, _named(name)) or program


def _named(name: str) -> list[Deviation]:
    return [BY_NAME[part] for part in name.split(" + ")]


def _changed(program: Program, deviations: Iterable[Deviation]) -> Program | None:
    """The program with these deviations; None where none of them makes a difference."""
    result = program
    for deviation in deviations:
        result = deviation.change(result) or result
    return None if result is program else result


def _prediction(program: Program, arrays: Arrays, part: str, dtype: str) -> Bounded | None:
    try:
        return predict(program, arrays, part, dtype)
    except (ValueError, IndexError):  # two deviations that do not fit together
        return None


def _usable(sample: Sample) -> bool:
    a = sample.arrays
    arguments = (a.x, a.kernel, a.cotangent) if a.bias is None else (a.x, a.kernel, a.cotangent, a.bias)
    known = is_described(sample.config) and sample.part in PARTS and format_name(sample.observed.dtype) in FORMATS
    return known and all(bool(np.isfinite(np.asarray(array, np.float64)).all()) for array in arguments)


def _shows(sample: Sample) -> bool:
    expected = sample.expected
    if not sample.failing or sample.observed.shape != expected.value.shape:
        return True
    with np.errstate(invalid="ignore"):
        within = np.abs(np.asarray(sample.observed, np.float64) - expected.value) <= expected.bound
    return not bool((within | np.isinf(expected.bound)).all())


class _View:
    """A sample, made ready."""

    def __init__(self, position: int, sample: Sample, by: Arithmetic | None = None) -> None:
        self.position, self.sample, self._by = position, sample, by
        self.observed = np.asarray(sample.observed, np.float64)
        self.dtype = format_name(sample.observed.dtype)
        self.work = sample.expected.value.size + sample.arrays.x.size + sample.arrays.cotangent.size

    @functools.cached_property
    def honest(self) -> Program:
        return honest(self.sample.config, self.sample.arrays.x.shape)

    @functools.cached_property
    def roughly(self) -> float:
        """How far a deviation may be off at a first look."""
        seen = np.abs(self.observed[np.isfinite(self.observed)])
        bound = self.sample.expected.bound
        return float(ROUGHLY * seen.max(initial=0.0) + 64.0 * bound[np.isfinite(bound)].max(initial=0.0))

    def evidence(self, deviations: Sequence[Deviation]) -> int:
        """How many distinct wrong numbers these deviations explain; -1 where they do not reproduce the result."""
        program = _changed(self.honest, deviations)
        return -1 if program is None else self.told_by(program)

    def told_by(self, program: Program) -> int:
        """The same of a deviating program."""
        sample, seen, expected = self.sample, self.observed, self.sample.expected
        try:
            rough = estimate(program, sample.arrays, sample.part)
        except (ValueError, IndexError):
            return -1
        if rough is None or rough.shape != seen.shape:
            return -1
        finite = np.isfinite(seen)
        with np.errstate(all="ignore"):
            if (np.abs(rough - seen)[finite] > self.roughly).any():
                return -1
            found = predict(program, sample.arrays, sample.part, self.dtype, self._by)
            assert found is not None
            open_to_all = np.isinf(found.bound)
            if seen.shape == expected.value.shape:
                open_to_all |= np.isinf(expected.bound)
            if not ((np.abs(found.value - seen) <= found.bound) | open_to_all).all():
                return -1
            if seen.shape != expected.value.shape:
                return _distinct(found.value[np.abs(found.value) > found.bound])
            off = np.abs(found.value - expected.value)
            if not (off + found.bound > expected.bound).any():
                return -1
            if not (np.abs(found.value) > found.bound).any() and not _leaves_zeros(program, sample.part):
                return 0  # nothing but zeros, which many a fault may give
            telling = off > expected.bound + found.bound
            return _distinct(found.value[telling] + 1j * expected.value[telling])

    def contradicts(self, deviations: Sequence[Deviation]) -> bool:
        """Whether these deviations would have changed this result."""
        program = _changed(self.honest, deviations)
        if program is None or not self.sample.expected.value.size:
            return False
        found = _prediction(program, self.sample.arrays, self.sample.part, self.dtype)
        return found is not None and _differ(found, self.sample.expected)


def _leaves_zeros(program: Program, part: str) -> bool:
    """Whether zeros are what the program deviates by, not what its sums happen to be."""
    indices = [program.forward.sums, program.outputs]
    if part != "output":
        indices.append(program.backs[part].result)
    return any(index is not None and bool((index < 0).any()) for index in indices)


def _distinct(numbers: NDArray[Any]) -> int:
    return len(np.unique(numbers.astype(np.complex64)))


class _Search:
    """Tries deviations on failing samples; `table` has what each explains, by the sample's position."""

    def __init__(self, failing: Sequence[_View]) -> None:
        self.failing = failing
        self.table: dict[tuple[str, ...], dict[int, int]] = {}
        self.complete = True
        self._tried: set[tuple[tuple[str, ...], int]] = set()
        self._unexplained: _View | None = None

    def singles(self) -> None:
        """Every deviation on the smallest sample; where none explains all, every one on some more.

        Those come first that nothing explains yet: several faults have samples of their own.
        """
        searched: list[_View] = []
        while len(searched) < SEARCHED and not self.covering(1):
            left = [view for view in self.failing if view not in searched]
            if not left:
                break
            explained = {position for found in self.table.values() for position in found}
            view = next((view for view in left if view.position not in explained), left[0])
            searched.append(view)
            self._unexplained = self._everything(view) or self._unexplained
            self._follow_up()

    def _everything(self, view: _View) -> _View | None:
        """Tries every deviation alone; gives the sample back where none explains it."""
        explained = [self._try((d,), view) for d in DEVIATIONS if view.sample.part in d.parts]
        return None if any(explained) else view

    def _follow_up(self) -> None:
        """Tries on every sample the deviations that explain one."""
        for (name,) in list(self.table):
            for view in self.failing:
                self._try((BY_NAME[name],), view)

    def pairs(self, at_most: int) -> None:
        """Two deviations of different kinds on a sample that none alone explains; those that do on the others."""
        view = self._unexplained
        if view is None:
            return
        combined = [d for d in DEVIATIONS if d.kind in COMBINED and view.sample.part in d.parts]
        alone = {d.name: program for d in combined if (program := d.change(view.honest)) is not None}
        useful = [d for d in combined if d.name in alone]
        couples = [pair for pair in itertools.combinations(useful, 2) if pair[0].kind != pair[1].kind]
        self.complete = len(couples) <= at_most
        for first, second in couples[:at_most]:
            program = second.change(alone[first.name])
            if program is not None and view.told_by(program) >= 0:
                for other in self.failing:
                    if not self._try((first, second), other):
                        break

    def covering(self, count: int) -> list[tuple[str, ...]]:
        """The causes of so many deviations that explain every failing sample, and enough numbers."""
        found = [names for names in self.table if len(names) == count and len(self.table[names]) == len(self.failing)]
        return [names for names in found if sum(self.table[names].values()) >= EVIDENCE[count]]

    def subsets(self) -> list[tuple[str, ...]]:
        """The single deviations that explain some failing samples, and enough numbers."""
        found = [names for names in self.table if len(names) == 1 and len(self.table[names]) >= SUBSET]
        return [names for names in found if sum(self.table[names].values()) >= EVIDENCE[1]]

    def _try(self, deviations: tuple[Deviation, ...], view: _View) -> bool:
        names = tuple(d.name for d in deviations)
        if (names, view.position) not in self._tried:
            self._tried.add((names, view.position))
            evidence = view.evidence(deviations)
            if evidence >= 0:
                self.table.setdefault(names, {})[view.position] = evidence
        return view.position in self.table.get(names, {})


def _contradicted(names: tuple[str, ...], explained: dict[int, int], passing: Sequence[_View]) -> Cause:
    deviations = [BY_NAME[name] for name in names]
    against = [
        view.position for view in passing if view.sample.part in _parts(deviations) and view.contradicts(deviations)
    ]
    return Cause(names, tuple(sorted(explained)), tuple(sorted(against)), sum(explained.values()))


def _parts(deviations: Iterable[Deviation]) -> set[str]:
    return {part for deviation in deviations for part in deviation.parts}
