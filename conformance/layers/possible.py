"""Whether a case from elsewhere can be judged: what its file may say, and still nobody can ask or expect."""

from __future__ import annotations

import json
import reprlib
from typing import Any

from depthwise_conformance.casebook.case import AnyCase, Case, LayerCase, check_size
from depthwise_conformance.casebook.recipes import RECIPES
from depthwise_conformance.layers.catalogue import EXAMPLE
from depthwise_conformance.layers.judging import layer_requests
from depthwise_conformance.layers.rehearsal import Rehearsal, operation_case
from depthwise_conformance.reference.functions import FUNCTIONS

ELEMENTS = 1 << 22  # of the largest array of a whole layer, whose every step is gone through here


def check_possible(case: AnyCase) -> None:
    """Raises ValueError that says why a case cannot be judged."""
    if case.data.recipe not in RECIPES:
        raise ValueError(f"recipe={reprlib.repr(case.data.recipe)}: accepted are {', '.join(RECIPES)}")
    if isinstance(case, Case):
        return
    for name, value in json.loads(case.arguments).items():
        _check_words(name, value)
    if isinstance(case, LayerCase):
        for value in json.loads(case.positional):
            _check_words("layer.positional", value)
        _rehearse(case)


def _check_words(name: str, value: Any) -> None:
    """What JSON has no words for: tuples and functions."""
    if not isinstance(value, dict):
        return
    if set(value) == {"tuple"} and not isinstance(value["tuple"], list):
        raise ValueError(f'{name}={reprlib.repr(value)}: accepted is {{"tuple": [...]}}')
    if set(value) == {"function"} and str(value["function"]) not in FUNCTIONS:
        raise ValueError(f"{name}={reprlib.repr(value)}: accepted are the functions {', '.join(FUNCTIONS)}")


def _rehearse(case: LayerCase) -> None:
    """Goes through the steps as a judgement will: whatever the reference raises there is the case's fault."""
    step = "construct"
    try:
        check_size(operation_case(case), ELEMENTS)
        rehearsal = Rehearsal(case)
        if case.about == EXAMPLE and case.steps != ("call",):
            raise ValueError(f"accepted for {EXAMPLE} is one step, call")
        for step in () if case.about == EXAMPLE else case.steps:
            rehearsal.expect(step)
        layer_requests(case)
    except Exception as error:
        told = f"{error}" if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise ValueError(f"the layer cannot be used so (at {step}): {told[:500]}") from None
