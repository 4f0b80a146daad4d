"""Cases to ask for: known ones with facts altered, and what is known of a case before it is asked."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from depthwise_conformance.casebook.case import Case
from depthwise_conformance.casebook.facts import Fact, altered, facts
from depthwise_conformance.diagnosis.conditions import ARGUMENTS, CHOICES, SIZES, Atom
from depthwise_conformance.reference.activations import FLAT, NORMALISING, OVER_LAST_AXIS

HIDING = frozenset(FLAT) | OVER_LAST_AXIS  # activations that can make a wrong sum a right result
SHOWING = ("uniform", "normal")  # recipes that seldom can
VALUES: Mapping[str, tuple[Fact, ...]] = {
    **dict.fromkeys(("kernel_height", "kernel_width"), (1, 2, 3, 4, 5)),
    **dict.fromkeys(("stride_height", "stride_width", "dilation_height", "dilation_width", "kernel"), (1, 2, 3)),
    **dict.fromkeys(("stride", "dilation"), (1, 2)),
    "padding": ("valid", "same"),
    "data_format": ("channels_last", "channels_first"),
    "activation": ("linear", "relu", "tanh"),
    "use_bias": (False, True),
    "dtype": ("float32", "float64", "float16", "bfloat16"),
    **dict.fromkeys(("depth_multiplier", "batch"), (1, 2, 3)),
    "channels": (1, 2, 3, 4, 8, 9, 17),
    **dict.fromkeys(("output_height", "output_width"), (1, 2, 5)),
}
VARIED = (*CHOICES[:-1], "use_bias", *ARGUMENTS, *SIZES, "odd_zeros", "even_kernel", "remainder", "zeros")
PAIRED = (*CHOICES[:-1], *ARGUMENTS, "channels", "output_height", "output_width", "odd_zeros", "remainder")
# What is changed in so many failing cases to tell causes apart.
TELLING: tuple[tuple[str, Fact], ...] = (
    *(("recipe", "uniform"), ("activation", "linear"), ("activation", "softmax"), ("use_bias", True), ("batch", 3)),
    *(("channels", 3), ("depth_multiplier", 2), ("output_width", 5), ("output_height", 5)),
)
TOLD = 12  # failing cases that are altered so
Feature = tuple[object, object]


def targeted(case: Case, atoms: Iterable[Atom]) -> list[Case]:
    """The case on either side of each atom, as close to its limit as one change brings it."""
    known = facts(case)
    wanted: list[tuple[str, Fact]] = []
    for atom in atoms:
        right = known[str(atom.right)] if atom.crossed else atom.right
        if atom.modulus:
            wanted += [(atom.left, value) for value in _around(int(known[atom.left]), atom.modulus)]
        elif isinstance(right, tuple):
            wanted += [(atom.left, value) for value in right]
        elif isinstance(right, str | bool):
            wanted.append((atom.left, right))
        else:
            wanted += [(atom.left, right + step) for step in (0, 1, -1)]
        if atom.crossed:
            wanted += [(str(atom.right), int(known[atom.left]) + step) for step in (0, 1, -1)]
    return all_altered(case, wanted)


def _around(value: int, modulus: int) -> tuple[int, ...]:
    """Neighbours, the next multiple, and what only half of the modulus divides."""
    multiple = (value // modulus + 1) * modulus
    return value - 1, value + 1, value + 2, multiple, multiple - modulus // 2, multiple + modulus // 2


def all_altered(case: Case, wanted: Iterable[tuple[str, Fact]]) -> list[Case]:
    """The case with each of the facts changed in turn, where that is possible and a change."""
    found = []
    for name, value in dict.fromkeys(wanted):
        if facts(case)[name] != value:
            try:
                found.append(altered(case, name, value))
            except ValueError:
                continue
    return found


@functools.lru_cache(maxsize=1 << 13)
def values_of(case: Case) -> int:
    """The values of its facts, sizes above three taken together, as the bits of a number."""
    known = facts(case)
    return _bits((name, _rough(known[name])) for name in VARIED)


@functools.lru_cache(maxsize=1 << 13)
def pairs_of(case: Case) -> int:
    """The pairs of values of its facts, in the same way."""
    known = facts(case)
    return _bits(itertools.combinations(((name, _rough(known[name])) for name in PAIRED), 2))


_PLACES: dict[Feature, int] = {}
_FREE = itertools.count()


def _bits(features: Iterable[Feature]) -> int:
    return functools.reduce(operator.or_, (1 << _place(feature) for feature in features))


def _place(feature: Feature) -> int:
    """The bit that stands for a feature in all numbers, whichever thread asks first."""
    known = _PLACES.get(feature)
    return _PLACES.setdefault(feature, next(_FREE)) if known is None else known


def _rough(value: Fact) -> Fact:
    return min(value, 4) if isinstance(value, int) else value


def choices_of(case: Case) -> set[tuple[str, Fact]]:
    """What a target may decline a case for: its choices, and strides with dilation."""
    known = facts(case)
    both = int(known["stride"]) > 1 and int(known["dilation"]) > 1
    return {("strides with dilation", both), *((name, known[name]) for name in (*CHOICES[:-1], "use_bias"))}


def could_show(case: Case, known: Mapping[str, Fact]) -> bool:
    """Whether the output could be wrong: softmax of one element is one whatever comes, zeros are zeros."""
    last = known["output_channels"] if case.config.channels_last else known["output_width"]
    hidden = case.config.activation in NORMALISING and last == 1
    return known["elements"] != 0 and known["taps_reaching_input"] != 0 and case.data.recipe != "zeros" and not hidden


def work_of(case: Case) -> int:
    """The multiplications of a forward pass."""
    known = facts(case)
    return int(known["elements"]) * int(known["taps"])


def telling_alterations(cases: Sequence[Case]) -> Iterator[Case]:
    """Failing cases with one thing changed that lets causes show that otherwise look alike."""
    for case in cases[:TOLD]:
        for fact, value in TELLING:
            with suppress(ValueError):
                yield altered(case, fact, value)
