"""A script for a discrepancy: NumPy and that software alone, the smallest case in literal numbers.

It exits with 1 where it shows the fault, and with 0 where not. What is expected is the reference's, for the elements
that are wrong; what is allowed beside it is the bound.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.adapters.base import Unsupported
from depthwise_conformance.adapters.sources import Source, keras_call, keras_imports, keras_versions, source
from depthwise_conformance.casebook.case import AnyCase, Case, LayerCase, Refusal, partly_unknown
from depthwise_conformance.judging.checks import GRADIENT_CHECKS, INFERENCE_CHECK, OUTPUT_CHECK, PARTS, SPECIAL_CHECK
from depthwise_conformance.judging.memory import MEMORY_CHECK
from depthwise_conformance.judging.tally import Examined
from depthwise_conformance.judging.values import Expectation, in_units, special_errors
from depthwise_conformance.layers.telling import written
from depthwise_conformance.reference import output_shape
from depthwise_conformance.reports.record import Discrepancy, Verdict
from depthwise_conformance.running.telling import tell_case

NUMBERS = 600  # literal ones at most
ELEMENTS = 6  # compared, the most wrong
WIDTH = 110
NEAR = "abs(g - e) <= a or g == e"
NAN_TOO = f"{NEAR} or g != g and e != e"
BACKENDS = {"keras-tensorflow": "tensorflow", "keras-torch": "torch", "keras-jax": "jax"}


@dataclass(frozen=True)
class Asked:
    """What is to be shown: a discrepancy of the target `name` (without its device), and its smallest case.

    `examined` is how the case came out when it was asked once more; None for a whole layer.
    """

    told: Discrepancy
    name: str
    case: AnyCase
    examined: Examined | None = None


def write_script(asked: Asked) -> str:
    """The text of the script. Raises Unsupported, with the reason, where none is known that shows it."""
    if asked.told.device != "cpu":
        raise Unsupported("scripts are for the CPU")
    if isinstance(asked.case, Case):
        return _operation(asked, asked.case)
    return _layer(asked, asked.case)


def _operation(asked: Asked, case: Case) -> str:
    told, lines = asked.told, source(asked.name, case.config, case.input_shape)
    expectation = asked.examined.expectation if asked.examined else None
    if expectation is None:
        raise Unsupported("its smallest case could not be asked once more")
    if told.check == MEMORY_CHECK:
        raise Unsupported("no script is known whose arrays are not contiguous")
    arrays = _arrays(expectation, told.check in GRADIENT_CHECKS)
    calls = lines.gradients if told.check in GRADIENT_CHECKS else lines.output
    if told.verdict in (Verdict.REFUSED, Verdict.CRASHED):
        return _script(asked, lines, [*arrays, *_tried(calls), 'print("it is computed")', "raise SystemExit(0)"])
    if not calls:
        raise Unsupported(f"no lines are known that call {asked.name} for {told.check}")
    if told.check == INFERENCE_CHECK:
        return _script(asked, lines, [*arrays, *calls, *_inferred(lines, case)])
    result = f'found["{PARTS[told.check]}"]' if told.check in GRADIENT_CHECKS else "y"
    return _script(asked, lines, [*arrays, *calls, *_compared(asked, lines, expectation, result)])


def _compared(asked: Asked, lines: Source, expectation: Expectation, result: str) -> list[str]:
    told, part = asked.told, PARTS.get(asked.told.check, OUTPUT_CHECK)
    if told.verdict is Verdict.WRONG_DTYPE:
        name = f'getattr({result}.dtype, "name", str({result}.dtype)).removeprefix("torch.")'
        return _judged(f'"{expectation.case.dtype}"', name, "got != expected")
    if told.verdict is Verdict.WRONG_SHAPE:
        return _judged(f"{expectation.part(part).value.shape}", f"tuple({result}.shape)", "got != expected")
    special = told.check == SPECIAL_CHECK
    if not special and (told.check not in PARTS or told.check == "shape"):
        raise Unsupported(f"no script is known that shows {told.check}")
    assert asked.examined is not None
    observed = asked.examined.arrays.get(part)
    expected = expectation.special.expected if special else expectation.part(part)
    places = [] if observed is None else _most_wrong(observed, expectation, part, special)
    if not places:
        raise Unsupported("asked once more, its smallest case did not fail: it comes and goes")
    allowed = [_number(float(expected.bound[place])) for place in places]
    return [
        f"places = [{', '.join(map(str, places))}]",
        f"allowed = [{', '.join(allowed)}]  # what {told.dtype} allows beside the expected, at most",
        *_judged(
            f"[{', '.join(_number(float(expected.value[place])) for place in places)}]",
            "[float(got[place]) for place in places]",
            f"not all({NAN_TOO if special else NEAR} for g, e, a in zip(got, expected, allowed))",
            f"got = {lines.to_numpy.format(result)}",
        ),
    ]


def _judged(expected: str, got: str, wrong: str, *before: str) -> list[str]:
    return [
        *before,
        f"expected = {expected}",
        f"got = {got}",
        'print("expected", expected)',
        'print("got     ", got)',
        f"raise SystemExit(int({wrong}))",
    ]


def _inferred(lines: Source, case: Case) -> list[str]:
    if not lines.infers:
        raise Unsupported("no line is known that infers a shape")
    return [
        f"expected = {output_shape(case.config, case.input_shape)}",
        "wrong = False",
        f"for given in {list(partly_unknown(case.config, case.input_shape))}:",
        f"    got = tuple({lines.infers})",
        "    wrong |= len(got) != 4 or any(g not in (None, e) for g, e in zip(got, expected))",
        '    print("given", given, "expected", expected, "or None where unknown, got", got)',
        "raise SystemExit(int(wrong))",
    ]


def _layer(asked: Asked, case: LayerCase | Refusal) -> str:
    backend = BACKENDS.get(asked.name)
    if backend is None:
        raise Unsupported(f"no lines are known that make a layer of {asked.name}")
    arguments = {name: written(value) for name, value in json.loads(case.arguments).items()}
    positional = [written(value) for value in json.loads(case.positional)] if isinstance(case, LayerCase) else []
    imports, environment = keras_imports(backend)
    lines = Source(imports, (), "", keras_versions(backend), environment=environment)
    steps = [f"layer = {keras_call(arguments, positional)}"]
    if isinstance(case, Refusal):
        steps += [f"layer.build({case.input_shape})"] if "build" in case.steps else []
        steps += [f'layer(np.ones({case.input_shape}, "float32"))'] if None not in case.input_shape else []
        if asked.told.verdict is Verdict.ERROR_MISSING:
            ends = [f'print("no error, though {case.wrong}")', "raise SystemExit(1)"]
            return _script(asked, lines, [*_tried(steps, status=0), *ends])
    if asked.told.verdict is Verdict.REFUSED and isinstance(case, LayerCase) and not case.home:
        steps += [f"layer.build({case.input_shape})", f"layer(np.ones({case.input_shape}, layer.compute_dtype))"]
        return _script(asked, lines, [*_tried(steps), 'print("it is computed")', "raise SystemExit(0)"])
    raise Unsupported(f"no script is known that shows {asked.told.check} as {asked.told.verdict.value}")


def _tried(calls: Sequence[str], status: int = 1) -> list[str]:
    return [
        "try:",
        *(f"    {line}" for line in calls),
        "except Exception as error:",
        '    print("refused:", type(error).__name__, str(error)[:300])',
        f"    raise SystemExit({status})",
    ]


def _script(asked: Asked, lines: Source, body: Sequence[str]) -> str:
    told = asked.told
    says = "; ".join(part for part in (told.cause, told.condition) if part and part != "all")
    title = f"{told.target.partition('@')[0]} ({told.versions}): {told.check} is {told.verdict.value}."
    about = [title, *([f"{says[0].upper()}{says[1:]}."] if says else []), tell_case(asked.case)]
    about.append("Expected is what the documentation says, computed exactly. Exits 1 where it shows the fault.")
    environment = [f'os.environ["{name}"] = "{value}"' for name, value in lines.environment.items()]
    numbers = any("inf" in line or "nan" in line for line in body)
    text = [
        '"""' + "\n".join(line for one in about for line in textwrap.wrap(one.replace("\\", "/"), WIDTH)),
        '"""',
        *(["import os", "", *environment, ""] if environment else []),
        *lines.imports,
        "",
        *(['inf, nan = float("inf"), float("nan")'] if numbers else []),
        f"print({lines.versions})",
        *body,
    ]
    return "\n".join(text) + "\n"


def _arrays(expectation: Expectation, gradients: bool) -> list[str]:
    a = expectation.arrays
    named = {"x": a.x, "kernel": a.kernel, "bias": a.bias, "cotangent": a.cotangent if gradients else None}
    if (size := sum(array.size for array in named.values() if array is not None)) > NUMBERS:
        raise Unsupported(f"its smallest case has {size} numbers; {NUMBERS} are the most for a script")
    return [f"{name} = {_literal(array)}" for name, array in named.items() if array is not None]


def _literal(array: NDArray[Any]) -> str:
    values = array.astype(np.float64).ravel()
    if values.size > 1 and np.unique(values).size == 1:
        return f"np.full({array.shape}, {_number(float(values[0]))})"
    return f'np.array([{", ".join(_number(float(v)) for v in values)}], "float64").reshape{array.shape}'


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 2.0**53 and str(value) != "-0.0" else repr(value)


def _most_wrong(observed: NDArray[Any], expectation: Expectation, part: str, special: bool) -> list[tuple[int, ...]]:
    if observed.shape != (expectation.output if special else expectation.part(part)).value.shape:
        return []
    values = observed.astype(np.float64)
    expected = expectation.special.expected if special else expectation.part(part)
    errors = special_errors(values, expected, expectation.special.nan_too) if special else in_units(values, expected)
    order = np.argsort(-errors, axis=None, kind="stable")[:ELEMENTS]
    places = [tuple(int(n) for n in np.unravel_index(flat, errors.shape)) for flat in order]
    return [place for place in places if errors[place] > 1.0]
