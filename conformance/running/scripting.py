"""A script for a discrepancy: NumPy and that software alone, the smallest case in literal numbers.

It exits with 1 where it shows the fault, and with 0 where not. What is expected is the reference's, for the elements
that are wrong; what is allowed beside it is the bound.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.adapters.base import Unsupported
from depthwise_conformance.adapters.sources import Source, keras_call, keras_imports, keras_versions, source
from depthwise_conformance.casebook.case import Case, LayerCase, Refusal, partly_unknown
from depthwise_conformance.judging.checks import (
    GRADIENT_CHECKS,
    INFERENCE_CHECK,
    METAMORPHIC_CHECK,
    OUTPUT_CHECK,
    PARTS,
    PURITY_CHECK,
    SPECIAL_CHECK,
)
from depthwise_conformance.judging.memory import MEMORY_CHECK
from depthwise_conformance.judging.values import Expectation, expect, in_units, special_errors
from depthwise_conformance.layers.rehearsal import reference_layer
from depthwise_conformance.layers.telling import written
from depthwise_conformance.reference import FORMATS, output_shape
from depthwise_conformance.reference.initializers import Fixed, Independent
from depthwise_conformance.reports.record import Verdict
from depthwise_conformance.running.scriptcalls import several_calls
from depthwise_conformance.running.scripttext import Asked, conclusion, literals, number, script

ELEMENTS = 6  # compared, the most wrong
NEAR = "abs(g - e) <= a or g == e"
NAN_TOO = f"{NEAR} or g != g and e != e"
LOST = (Verdict.REFUSED, Verdict.CRASHED)  # there is no result
WRONG = (*LOST, Verdict.WRONG_VALUE, Verdict.IMPRECISE, Verdict.WRONG_SHAPE, Verdict.WRONG_DTYPE)
SEVERAL = {
    "determinism": (Verdict.NOT_DETERMINISTIC,),
    PURITY_CHECK: (Verdict.IMPURE,),
    **dict.fromkeys((MEMORY_CHECK, METAMORPHIC_CHECK), (Verdict.WRONG_VALUE, Verdict.IMPRECISE)),
}
SHOWN = {  # which verdicts a script shows, by check
    **dict.fromkeys((OUTPUT_CHECK, *GRADIENT_CHECKS), WRONG),
    SPECIAL_CHECK: (*WRONG, Verdict.WRONG_SPECIAL),
    "shape": (Verdict.WRONG_SHAPE,),
    "dtype": (Verdict.WRONG_DTYPE,),
    INFERENCE_CHECK: (Verdict.WRONG_SHAPE,),
    **SEVERAL,
}
BUILT = 5  # layers, where chance decides what their weights are
BACKENDS = {"keras-tensorflow": "tensorflow", "keras-torch": "torch", "keras-jax": "jax"}


def write_script(asked: Asked) -> str:
    """The text of the script. Raises Unsupported, with the reason, where none is known that shows it."""
    if asked.told.device != "cpu":
        raise Unsupported("scripts are for the CPU")
    if isinstance(asked.case, Case):
        return _operation(asked, asked.case)
    return _layer(asked, asked.case)


def _operation(asked: Asked, case: Case) -> str:
    told, lines = asked.told, source(asked.name, case.config, case.input_shape)
    if told.check not in SHOWN or told.verdict not in SHOWN[told.check]:
        raise Unsupported(f"no script is known that shows {told.check} as {told.verdict.value}")
    if told.check in SEVERAL:
        return several_calls(asked, case)
    calls = lines.gradients if told.check in GRADIENT_CHECKS else lines.output
    if not calls:
        raise Unsupported(f"no lines are known that call {asked.name} for {told.check}")
    expectation = expect(case)
    arrays = literals(expectation, told.check in GRADIENT_CHECKS)
    if told.verdict in LOST:
        return script(asked, lines, [*arrays, *_tried(calls), 'print("it is computed")', "raise SystemExit(0)"])
    if told.check == INFERENCE_CHECK:
        return script(asked, lines, [*arrays, *calls, *_inferred(lines, case)])
    result = f'found["{PARTS[told.check]}"]' if told.check in GRADIENT_CHECKS else "y"
    if told.verdict is Verdict.WRONG_DTYPE:
        name = f'getattr({result}.dtype, "name", str({result}.dtype)).removeprefix("torch.")'
        judged = conclusion(f'"{case.dtype}"', name, "got != expected")
    elif told.verdict is Verdict.WRONG_SHAPE:
        shape = expectation.part(PARTS.get(told.check, OUTPUT_CHECK)).value.shape
        judged = conclusion(f"{shape}", f"tuple({result}.shape)", "got != expected")
    else:
        judged = _compared(asked, lines, result)
    return script(asked, lines, [*arrays, *calls, *judged])


def _compared(asked: Asked, lines: Source, result: str) -> list[str]:
    told, part, special = asked.told, PARTS.get(asked.told.check, OUTPUT_CHECK), asked.told.check == SPECIAL_CHECK
    if (examined := asked.again()) is None:
        raise Unsupported("its smallest case could not be asked once more")
    observed, expectation = examined.arrays.get(part), examined.expectation
    expected = expectation.special.expected if special else expectation.part(part)
    places = [] if observed is None else _most_wrong(observed, expectation, part, special)
    if not places:
        raise Unsupported("asked once more, no element of its smallest case is outside its bound")
    allowed = [number(float(expected.bound[place])) for place in places]
    return [
        f"places = [{', '.join(map(str, places))}]",
        f"allowed = [{', '.join(allowed)}]  # what {told.dtype} allows beside the expected, at most",
        *conclusion(
            f"[{', '.join(number(float(expected.value[place])) for place in places)}]",
            "[float(got[place]) for place in places]",
            f"not all({NAN_TOO if special else NEAR} for g, e, a in zip(got, expected, allowed))",
            f"got = {lines.to_numpy.format(result)}",
        ),
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
    given = json.loads(case.arguments)
    others = json.loads(case.positional) if isinstance(case, LayerCase) else []
    if not all(name.isidentifier() for name in given) or any(map(_is_function, (*given.values(), *others))):
        raise Unsupported("its arguments cannot be written in a script")
    arguments = {name: written(value) for name, value in given.items()}
    positional = [written(value) for value in others]
    imports, environment = keras_imports(backend)
    lines = Source(imports, (), "", keras_versions(backend), environment=environment)
    steps = [f"layer = {keras_call(arguments, positional)}"]
    if isinstance(case, Refusal):
        steps += [f"layer.build({case.input_shape})"] if "build" in case.steps else []
        steps += [f'layer(np.ones({case.input_shape}, "float32"))'] if None not in case.input_shape else []
        if asked.told.verdict is Verdict.ERROR_MISSING:
            ends = [f"print({f'no error, though {case.wrong}'!r})", "raise SystemExit(1)"]
            return script(asked, lines, [*_tried(steps, status=0), *ends])
    if asked.told.verdict is Verdict.REFUSED and isinstance(case, LayerCase) and not case.home:
        steps += [f"layer.build({case.input_shape})", f"layer(np.ones({case.input_shape}, layer.compute_dtype))"]
        return script(asked, lines, [*_tried(steps), 'print("it is computed")', "raise SystemExit(0)"])
    if asked.told.check == "initializers" and asked.told.verdict is Verdict.WRONG_VALUE and isinstance(case, LayerCase):
        return script(asked, lines, _initial(case, steps[0]))
    raise Unsupported(f"no script is known that shows {asked.told.check} as {asked.told.verdict.value}")


def _initial(case: LayerCase, made: str) -> list[str]:
    """Weights as a layer begins with them: those that are documented, or how far any may be drawn."""
    layer = reference_layer(case)
    shapes = layer.weight_shapes(case.input_shape)
    starts = {"kernel": layer.depthwise_initializer, "bias": layer.bias_initializer}
    roundoff = FORMATS[layer.variable_dtype].roundoff
    limits: dict[str, tuple[float, float]] = {}
    for name, shape in shapes.items():
        start = starts[name]
        if isinstance(start, Fixed):
            limits[name] = start.value, roundoff * abs(start.value)
        elif isinstance(start, Independent) and math.isfinite(reach := start.drawn(shape).reach):
            limits[name] = start.drawn(shape).centre, reach * (1.0 + 8.0 * roundoff)
    if not limits:
        raise Unsupported("no value or limit is documented for its weights, only how they are distributed")
    told = {name: f"{centre:g}, give or take {spread:g}" for name, (centre, spread) in limits.items()}
    return [
        "wrong = False",
        f"for _ in range({BUILT}):",
        f"    {made}",
        f"    layer.build({case.input_shape})",
        f"    weights = dict(zip({list(shapes)}, layer.get_weights()))",
        f"    for name, (centre, spread) in {limits}.items():",
        '        away = np.abs(weights[name].astype("float64") - centre)',
        "        wrong |= bool(not (away <= spread).all())",
        f'        print(name, "expected", {told}[name], "got", weights[name].ravel()[away.argmax()])',
        "raise SystemExit(int(wrong))",
    ]


def _is_function(value: object) -> bool:
    """Whether an argument is a function of the suite's own, which a script that stands alone does not have."""
    return isinstance(value, dict) and "function" in value


def _tried(calls: Sequence[str], status: int = 1) -> list[str]:
    return [
        "try:",
        *(f"    {line}" for line in calls),
        "except Exception as error:",
        '    print("refused:", type(error).__name__, str(error)[:300])',
        f"    raise SystemExit({status})",
    ]


def _most_wrong(observed: NDArray[Any], expectation: Expectation, part: str, special: bool) -> list[tuple[int, ...]]:
    if observed.shape != (expectation.output if special else expectation.part(part)).value.shape:
        return []
    values = observed.astype(np.float64)
    expected = expectation.special.expected if special else expectation.part(part)
    errors = special_errors(values, expected, expectation.special.nan_too) if special else in_units(values, expected)
    order = np.argsort(-errors, axis=None, kind="stable")[:ELEMENTS]
    places = [tuple(int(n) for n in np.unravel_index(flat, errors.shape)) for flat in order]
    return [place for place in places if errors[place] > 1.0]
