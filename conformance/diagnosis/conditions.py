"""When a target fails: a condition on the case that the failing ones fulfil and the passing ones do not.

A condition is a conjunction of at most three atoms, plain statements on the facts of a case.
"""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.casebook.case import Case
from depthwise_conformance.casebook.facts import AXES, Fact, facts

Columns = Mapping[str, NDArray[Any]]
CHOICES = ("padding", "data_format", "activation", "dtype", "recipe")
TWOFOLD = ("padding", "data_format")
SAYINGS = ("use_bias", "half_precision", "odd_zeros", "even_kernel", "gaps_between_windows", "kernel_exceeds_input")
ARGUMENTS = (
    *("kernel_height", "kernel_width", "stride_height", "stride_width", "dilation_height", "dilation_width"),
    *("kernel", "stride", "dilation", "depth_multiplier", "batch"),
)
SIZES = ("channels", "output_channels", "input_height", "input_width", "output_height", "output_width")
COUNTS = ("taps", "taps_reaching_input", "input_pixels", "output_pixels", "elements")
DERIVED = (
    *("zeros_above", "zeros_below", "zeros_left", "zeros_right", "zeros_before", "zeros_after"),
    *("zeros", "zeros_height", "zeros_width", "extent_height", "extent_width"),
    *("remainder", "remainder_height", "remainder_width", "leftover", "leftover_height", "leftover_width"),
    *COUNTS,
)
FROM_ZERO = ("batch", *(name for name in DERIVED if name.startswith(("zeros", "remainder", "leftover"))))
PARITIES = (
    *SIZES,
    "batch",
    "depth_multiplier",
    *(f"{name}_{axis}" for name in ("kernel", "zeros") for axis in AXES),
    "elements",
)
MULTIPLES = (*SIZES, "elements")
OF_ONE_KIND = tuple((f"{name}_height", f"{name}_width") for name in ("kernel", "stride", "dilation", "input", "output"))
BROADCAST = ("batch", "channels", "output_channels", "depth_multiplier", *(f"kernel_{axis}" for axis in AXES))
CROSSED = tuple(itertools.combinations((*BROADCAST, *SIZES[2:]), 2))
EXCEEDING = tuple(
    (f"{one}_{axis}", f"{other}_{axis}")
    for one, other in (("kernel", "input"), ("extent", "input"), ("stride", "kernel"))
    for axis in AXES
)
NUMBERS = (*SAYINGS, *ARGUMENTS, *SIZES, *DERIVED)
TOLD = (*CHOICES, *NUMBERS)  # what conditions are made of
NATURAL = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<=": operator.le,
    "in": np.isin,
}


@dataclass(frozen=True)
class Atom:
    """A fact compared with a constant, or with another fact if `crossed`; `modulus` compares its remainder.

    A choice may be one of several: "in" a tuple of them.
    """

    left: str
    relation: str
    right: Fact | tuple[str, ...]
    crossed: bool = False
    modulus: int = 0

    def holds(self, known: Mapping[str, Any]) -> Any:
        """Whether it holds on the facts of a case; on columns of facts, a boolean for each row."""
        left = known[self.left] % self.modulus if self.modulus else known[self.left]
        return OPERATORS[self.relation](left, known[str(self.right)] if self.crossed else self.right)

    def __hash__(self) -> int:
        return self._hash

    @functools.cached_property
    def _hash(self) -> int:
        return hash((self.left, self.relation, self.right, self.crossed, self.modulus))  # asked for again and again

    @functools.cached_property
    def cost(self) -> float:
        """How much it says: a choice is cheapest, then an argument of one or above, and odd constants are dearest."""
        extra = 0.0 if self.left in ARGUMENTS else 0.3 if self.left in SIZES else 0.6 if self.left in DERIVED else 0.0
        if isinstance(self.right, bool):
            return 1.0 if self.left in ("use_bias", "half_precision") else 1.5
        if self.crossed:
            kin = (self.left, self.right) in OF_ONE_KIND or (self.right, self.left) in OF_ONE_KIND
            return (1.6 if kin else 2.6) + 0.4 * (self.relation == ">")
        if isinstance(self.right, tuple):
            return 2.5 + 0.25 * len(self.right)
        if isinstance(self.right, str):
            return 1.0 + (self.relation == "!=") + 2.0 * (self.left == "recipe")
        if self.modulus:
            return extra + (2.0 if self.modulus == 2 else 2.4)
        if self.right == smallest_value(self.left):
            return extra + 1.2
        if self.relation == "==":
            return extra + (1.8 if self.right <= 2 else 2.4 if self.right <= 9 else 3.2)
        return extra + (2.2 if self.right in NATURAL else 2.6 if self.right <= 5 else 3.0)

    def __str__(self) -> str:
        if isinstance(self.right, bool):
            return self.left if self.right else f"not {self.left}"
        left = f"{self.left} % {self.modulus}" if self.modulus else self.left
        if isinstance(self.right, tuple):
            return f"{left} {self.relation} ({', '.join(map(_quoted, self.right))})"
        right = _quoted(self.right) if isinstance(self.right, str) and not self.crossed else self.right
        return f"{left} {self.relation} {right}"


def _quoted(text: str) -> str:
    return f'"{text}"'


@dataclass(frozen=True)
class Condition:
    """A conjunction of atoms; without any, it always holds."""

    atoms: tuple[Atom, ...] = ()

    def holds(self, case: Case) -> bool:
        """Whether every atom holds on the case."""
        known = facts(case)
        return all(atom.holds(known) for atom in self.atoms)

    @functools.cached_property
    def cost(self) -> float:
        """That of its atoms, and a little for each."""
        return sum(atom.cost + 0.5 for atom in self.atoms)

    def __str__(self) -> str:
        return " and ".join(map(str, self.atoms)) or "always"


def tabulate(cases: Sequence[Case], names: Iterable[str] = TOLD) -> Columns:
    """Facts of cases in columns."""
    rows = [_row(case) for case in cases]
    numbers = np.array([row for row, _ in rows], np.int64).reshape(len(rows), len(NUMBERS)).T.copy()
    known = dict(zip(NUMBERS, numbers, strict=True))
    return {name: known[name] if name in known else np.array([row[name] for _, row in rows]) for name in names}


@functools.lru_cache(maxsize=1 << 13)
def _row(case: Case) -> tuple[NDArray[np.int64], Mapping[str, Fact]]:
    """The facts of a case that are numbers, and all of them."""
    known = facts(case)
    return np.array([known[name] for name in NUMBERS], np.int64), known


def smallest_value(name: str) -> int:
    """The least that a fact can be."""
    return 0 if name in FROM_ZERO else 1


def names_in(conditions: Iterable[Condition]) -> set[str]:
    """The facts that conditions speak of."""
    atoms = {atom for condition in conditions for atom in condition.atoms}
    return {atom.left for atom in atoms} | {str(atom.right) for atom in atoms if atom.crossed}


def bits_of(atoms: Sequence[Atom], columns: Columns, count: int) -> list[int]:
    """For each atom the cases on which it holds, of `count`, as the bits of a number."""
    return as_bits(np.array([atom.holds(columns) for atom in atoms], np.bool_).reshape(len(atoms), count))


def as_bits(rows: NDArray[np.bool_]) -> list[int]:
    """Each row as the bits of a number, the first one lowest."""
    packed = np.packbits(rows, axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in packed]


def near_misses(condition: Condition, missed: Atom, passing: Iterable[Case]) -> list[Case]:
    """The cases on which one atom does not hold, and all others do."""
    rest = replace(condition, atoms=tuple(atom for atom in condition.atoms if atom != missed))
    return [case for case in passing if rest.holds(case) and not missed.holds(facts(case))]
