"""A script for a discrepancy: NumPy and that software alone, the smallest case in literal numbers.

It exits with 1 where it shows the fault, and with 0 where not. What is expected is the reference's, for the elements
that are wrong; what is allowed beside it is the bound.
"""

from __future__ import annotations

import json
import math
import re
import textwrap
from collections.abc import Callable, Sequence
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
from depthwise_conformance.judging.values import Expectation, expect, in_units, special_errors
from depthwise_conformance.layers.rehearsal import reference_layer
from depthwise_conformance.layers.telling import written
from depthwise_conformance.reference import FORMATS, output_shape
from depthwise_conformance.reference.initializers import Fixed, Independent
from depthwise_conformance.reports.record import Discrepancy, Verdict
from depthwise_conformance.reports.words import visible
from depthwise_conformance.running.telling import tell_case

NUMBERS = 600  # literal ones at most
ELEMENTS = 6  # compared, the most wrong
WIDTH = 110
NEAR = "abs(g - e) <= a or g == e"
NAN_TOO = f"{NEAR} or g != g and e != e"
LOST = (Verdict.REFUSED, Verdict.CRASHED)  # there is no result
WRONG = (*LOST, Verdict.WRONG_VALUE, Verdict.IMPRECISE, Verdict.WRONG_SHAPE, Verdict.WRONG_DTYPE)
SHOWN = {  # which verdicts a script shows, by check
    **dict.fromkeys((OUTPUT_CHECK, *GRADIENT_CHECKS), WRONG),
    SPECIAL_CHECK: (*WRONG, Verdict.WRONG_SPECIAL),
    "shape": (Verdict.WRONG_SHAPE,),
    "dtype": (Verdict.WRONG_DTYPE,),
    INFERENCE_CHECK: (Verdict.WRONG_SHAPE,),
    "determinism": (Verdict.NOT_DETERMINISTIC,),
    MEMORY_CHECK: (Verdict.WRONG_VALUE, Verdict.IMPRECISE),
}
REPEATED = 20  # equal calls
BUILT = 5  # layers, where chance decides what their weights are
BACKENDS = {"keras-tensorflow": "tensorflow", "keras-torch": "torch", "keras-jax": "jax"}


@dataclass(frozen=True)
class Asked:
    """What is to be shown: a discrepancy of the target `name` (without its device), and its smallest case.

    `again` asks the target for the case of an operation once more; None where that could not be done.
    """

    told: Discrepancy
    name: str
    case: AnyCase
    again: Callable[[], Examined | None] = lambda: None


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
    if told.check in (MEMORY_CHECK, "determinism"):
        return _laid_out(asked, case) if told.check == MEMORY_CHECK else _repeated(asked, case)
    calls = lines.gradients if told.check in GRADIENT_CHECKS else lines.output
    if not calls:
        raise Unsupported(f"no lines are known that call {asked.name} for {told.check}")
    expectation = expect(case)
    arrays = _arrays(expectation, told.check in GRADIENT_CHECKS)
    if told.verdict in LOST:
        return _script(asked, lines, [*arrays, *_tried(calls), 'print("it is computed")', "raise SystemExit(0)"])
    if told.check == INFERENCE_CHECK:
        return _script(asked, lines, [*arrays, *calls, *_inferred(lines, case)])
    result = f'found["{PARTS[told.check]}"]' if told.check in GRADIENT_CHECKS else "y"
    if told.verdict is Verdict.WRONG_DTYPE:
        name = f'getattr({result}.dtype, "name", str({result}.dtype)).removeprefix("torch.")'
        judged = _judged(f'"{case.dtype}"', name, "got != expected")
    elif told.verdict is Verdict.WRONG_SHAPE:
        shape = expectation.part(PARTS.get(told.check, OUTPUT_CHECK)).value.shape
        judged = _judged(f"{shape}", f"tuple({result}.shape)", "got != expected")
    else:
        judged = _compared(asked, lines, result)
    return _script(asked, lines, [*arrays, *calls, *judged])


def _compared(asked: Asked, lines: Source, result: str) -> list[str]:
    told, part, special = asked.told, PARTS.get(asked.told.check, OUTPUT_CHECK), asked.told.check == SPECIAL_CHECK
    if (examined := asked.again()) is None:
        raise Unsupported("its smallest case could not be asked once more")
    observed, expectation = examined.arrays.get(part), examined.expectation
    expected = expectation.special.expected if special else expectation.part(part)
    places = [] if observed is None else _most_wrong(observed, expectation, part, special)
    if not places:
        raise Unsupported("asked once more, no element of its smallest case is outside its bound")
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


def _repeated(asked: Asked, case: Case) -> str:
    """A script that makes the same call again and again."""
    lines, (_, part) = source(asked.name, case.config, case.input_shape), _told_of(asked, REPEATS)
    arrays = _arrays(expect(case), part != OUTPUT_CHECK)
    names = ", ".join(line.partition(" = ")[0] for line in arrays)
    calls, result = _calls(asked, lines, part)
    return _script(
        asked,
        lines,
        [
            *arrays,
            f"def call({names}):",
            *(f"    {line}" for line in calls),
            f"    return {lines.to_numpy.format(result)}",
            f"results = {{call({names}).tobytes() for _ in range({REPEATED})}}",
            f'print(len(results), "different results of {REPEATED} equal calls")',
            "raise SystemExit(int(len(results) > 1))",
        ],
    )


def _laid_out(asked: Asked, case: Case) -> str:
    """A script whose arrays lie otherwise in memory."""
    layout, part = _told_of(asked, LIES)
    lines, expectation = source(asked.name, case.config, case.input_shape, layout), expect(case)
    calls, result = _calls(asked, lines, part)
    expected = expectation.part(part)
    if expected.value.size > NUMBERS:
        raise Unsupported(f"its result has {expected.value.size} numbers; {NUMBERS} are the most for a script")
    return _script(
        asked,
        lines,
        [
            *_arrays(expectation, part != OUTPUT_CHECK),
            *calls,
            f"expected = {_literal(expected.value)}",
            f"allowed = {_literal(expected.bound)}  # what {asked.told.dtype} allows beside the expected, at most",
            f"got = {lines.to_numpy.format(result)}",
            "wrong = ~((np.abs(got - expected) <= allowed) | (got == expected))",
            'print("expected", expected[wrong][:6])',
            'print("got     ", got[wrong][:6])',
            "raise SystemExit(int(wrong.any()))",
        ],
    )


# What of a discrepancy's story says which call it was, and which of its results
REPEATS = re.compile(r"^(forward|gradients): (output|input|kernel|bias): ", re.MULTILINE)
LIES = re.compile(r"^(?:forward|gradients) with arrays that are (\w+) \(.*\), (\w+):$", re.MULTILINE)


def _told_of(asked: Asked, story: re.Pattern[str]) -> tuple[str, str]:
    found = story.search(asked.told.detail)
    if found is None:
        raise Unsupported(f"no script is known that shows {asked.told.check} where one of the calls gives nothing")
    return found[1], found[2]


def _calls(asked: Asked, lines: Source, part: str) -> tuple[tuple[str, ...], str]:
    """The lines that compute a result, and what it is called then."""
    if part == OUTPUT_CHECK:
        return lines.output, "y"
    if not lines.gradients:
        raise Unsupported(f"no lines are known that call {asked.name} for the gradient of the {part}")
    return lines.gradients, f'found["{part}"]'


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
            return _script(asked, lines, [*_tried(steps, status=0), *ends])
    if asked.told.verdict is Verdict.REFUSED and isinstance(case, LayerCase) and not case.home:
        steps += [f"layer.build({case.input_shape})", f"layer(np.ones({case.input_shape}, layer.compute_dtype))"]
        return _script(asked, lines, [*_tried(steps), 'print("it is computed")', "raise SystemExit(0)"])
    if asked.told.check == "initializers" and asked.told.verdict is Verdict.WRONG_VALUE and isinstance(case, LayerCase):
        return _script(asked, lines, _initial(case, steps[0]))
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


def _script(asked: Asked, lines: Source, body: Sequence[str]) -> str:
    told = asked.told
    title = f"{told.target.partition('@')[0]} ({told.versions}): {told.check} is {told.verdict.value}."
    about = [title, *([f"{told.says[0].upper()}{told.says[1:]}."] if told.says else []), tell_case(asked.case)]
    about.append("Expected is what the documentation says, computed exactly. Exits 1 where it shows the fault.")
    environment = [f'os.environ["{name}"] = "{value}"' for name, value in lines.environment.items()]
    numbers = any("inf" in line or "nan" in line for line in body)
    text = [
        '"""' + "\n".join(line for one in about for line in textwrap.wrap(_plain(one), WIDTH)),
        '"""',
        *(["import os", "", *environment, ""] if environment else []),
        *lines.imports,
        "",
        *(['inf, nan = float("inf"), float("nan")'] if numbers else []),
        f"print({lines.versions})",
        *body,
    ]
    return "\n".join(text) + "\n"


def _plain(text: str) -> str:
    """Text that may hold anything, as it may stand in a docstring."""
    return visible(text).replace("\\", "/").replace('"' * 3, "'" * 3)


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
