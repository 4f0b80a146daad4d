"""What tells failing layers from those that pass, and what makes a failing one plainer."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from depthwise_conformance.case import LayerCase, canonical

KEPT = ("kernel_size", "data_format")  # arguments that no case goes without
Fact = tuple[str, str]


def condition(failing: Sequence[LayerCase], passing: Sequence[LayerCase]) -> str:
    """The one argument's value, or the only two together, that all failing cases have and no passing one has.

    "" where there is no such value, or more than one.
    """
    if not failing or not passing:
        return ""
    shared = set.intersection(*(_facts(case) for case in failing))
    for count in (1, 2):
        fitting = [
            facts
            for facts in itertools.combinations(sorted(shared), count)
            if not any(_facts(case) >= set(facts) for case in passing)
        ]
        if len(fitting) == 1:
            return " and ".join(f"{name} == {value}" for name, value in fitting[0])
        if fitting:
            return ""
    return ""


def plainer(case: LayerCase) -> Iterator[LayerCase]:
    """The case with one argument less."""
    arguments = json.loads(case.arguments)
    for name in arguments:
        if name not in KEPT:
            yield replace(case, arguments=canonical({key: arguments[key] for key in arguments if key != name}))


def written(value: Any) -> str:
    """An argument as a user would write it."""
    if isinstance(value, dict) and set(value) == {"tuple"}:
        return repr(tuple(value["tuple"]))
    if isinstance(value, dict) and set(value) == {"function"}:
        return str(value["function"])
    return repr(value)


def _facts(case: LayerCase) -> set[Fact]:
    arguments = json.loads(case.arguments)
    return {(name, f'"{value}"' if isinstance(value, str) else written(value)) for name, value in arguments.items()}
