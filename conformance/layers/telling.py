"""What tells failing layers from those that pass, and what makes a failing one plainer."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from depthwise_conformance.casebook.case import STRIDED_DILATION, LayerCase, Refusal, canonical

KEPT = ("kernel_size", "data_format")  # arguments that no case goes without
VALUES_AT_MOST = 6  # that a condition names
Fact = tuple[str, str]


def condition(failing: Sequence[LayerCase], passing: Sequence[LayerCase]) -> str:
    """What all failing cases have and no passing one has: an argument's value, two or three together, one of a few.

    "" where there is nothing of the kind, or more than one thing.
    """
    if not failing or not passing:
        return ""
    known, others = [given(case) for case in failing], [given(case) for case in passing]
    shared = sorted(set.intersection(*(set(facts.items()) for facts in known)))
    for count in (1, 2, 3):
        chosen = [facts for facts in itertools.combinations(shared, count) if not any(_hold(facts, o) for o in others)]
        if chosen:
            return " and ".join(f"{name} == {value}" for name, value in chosen[0]) if len(chosen) == 1 else ""
    names = [name for name in known[0] if all(name in facts for facts in known)]
    values = {name: dict.fromkeys(facts[name] for facts in known) for name in names}
    apart = [name for name in names if not any(facts.get(name) in values[name] for facts in others)]
    if len(apart) == 1 and len(values[apart[0]]) <= VALUES_AT_MOST:
        return f"{apart[0]} in ({', '.join(values[apart[0]])})"
    return _anywhere(known, others)


def _anywhere(failing: Sequence[Mapping[str, str]], passing: Sequence[Mapping[str, str]]) -> str:
    """The one value that all failing cases have, for whichever argument, and no passing one has."""
    common = set.intersection(*(set(facts.values()) for facts in failing))
    apart = [value for value in sorted(common) if not any(value in facts.values() for facts in passing)]
    if len(apart) != 1:
        return ""
    names = dict.fromkeys(name for facts in failing for name, value in facts.items() if value == apart[0])
    return f"{' or '.join(names)} == {apart[0]}"


def refused_arguments(failing: Sequence[Refusal]) -> str:
    """What is wrong with the arguments, where it is the same with all of them."""
    wrongs = {case.wrong or STRIDED_DILATION for case in failing}
    return wrongs.pop() if len(wrongs) == 1 else ""


def needed(case: LayerCase, failing: Sequence[LayerCase]) -> str:
    """The arguments of a case that could be made no plainer, where all failing ones have them, as a condition."""
    facts = [(name, value) for name, value in given(case).items() if name not in KEPT]
    told = facts and all(_hold(facts, given(other)) for other in failing)
    return " and ".join(f"{name} == {value}" for name, value in facts) if told else ""


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


def given(case: LayerCase) -> dict[str, str]:
    """The arguments of a layer, as a user would write them."""
    arguments = json.loads(case.arguments)
    return {name: f'"{value}"' if isinstance(value, str) else written(value) for name, value in arguments.items()}


def _hold(facts: Sequence[Fact], case: Mapping[str, str]) -> bool:
    return all(case.get(name) == value for name, value in facts)
