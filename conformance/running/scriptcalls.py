"""Scripts of what only several calls show: that they differ, remember, or depend on how arrays lie in memory."""

from __future__ import annotations

import re

from depthwise_conformance.adapters.base import Unsupported
from depthwise_conformance.adapters.sources import Source, source
from depthwise_conformance.casebook.case import Case
from depthwise_conformance.judging.checks import OUTPUT_CHECK, PURITY_CHECK, fresh_request
from depthwise_conformance.judging.memory import MEMORY_CHECK
from depthwise_conformance.judging.repeating import REMEMBERS, STALE
from depthwise_conformance.judging.values import Judgement, expect
from depthwise_conformance.reference import Bounded
from depthwise_conformance.running.scripttext import PACKED, Asked, literal, literals, script

REPEATED = 20  # equal calls
# What of a discrepancy's story says which call it was, and which of its results
REPEATS = re.compile(r"^(forward|gradients): (output|input|kernel|bias): ", re.MULTILINE)
LIES = re.compile(r"^(?:forward|gradients) with arrays that are (\w+) \(.*\), (\w+):$", re.MULTILINE)
STALE_PART = re.compile(r"in its arguments \((altered \w+)\), the (\w+) was wrong:$", re.MULTILINE)


def several_calls(asked: Asked, case: Case) -> str:
    """The script of a check that judges several calls. Raises Unsupported, with the reason, where there is none."""
    if asked.told.check == MEMORY_CHECK:
        return _laid_out(asked, case)
    if asked.told.check == PURITY_CHECK:
        return _remembered(asked, case)
    return _repeated(asked, case) if asked.told.check == "determinism" else _related(asked)


def _repeated(asked: Asked, case: Case) -> str:
    """The same call again and again."""
    lines, (_, part) = source(asked.name, case.config, case.input_shape), _told_of(asked, REPEATS)
    arrays = literals(expect(case), part != OUTPUT_CHECK)
    call = f"call({_names(arrays)})"
    judged = [
        f"results = {{{call}.tobytes() for _ in range({REPEATED})}}",
        f'print(len(results), "different results of {REPEATED} equal calls")',
        "raise SystemExit(int(len(results) > 1))",
    ]
    return script(asked, lines, [*arrays, *_defined(asked, lines, part, call), *judged])


def _laid_out(asked: Asked, case: Case) -> str:
    """A call with arrays that lie otherwise in memory."""
    layout, part = _told_of(asked, LIES)
    lines, expectation = source(asked.name, case.config, case.input_shape, layout), expect(case)
    calls, result = _calls(asked, lines, part)
    judged = _against(asked, expectation.part(part), lines.to_numpy.format(result))
    return script(asked, lines, [*literals(expectation, part != OUTPUT_CHECK), *calls, *judged])


def _related(asked: Asked) -> str:
    """The related call that is wrong by itself."""
    examined = asked.related()
    if examined is None:
        raise Unsupported("none of the related calls is wrong by itself")
    case = examined.expectation.case
    lines, expected = source(asked.name, case.config, case.input_shape), examined.expectation.output
    judged = _against(asked, expected, lines.to_numpy.format("y"))
    return script(asked, lines, [*literals(examined.expectation, False), *lines.output, *judged])


def _remembered(asked: Asked, case: Case) -> str:
    """A call, and others with other values in their arguments."""
    stale = asked.told.signature.startswith(STALE)
    if not stale and asked.told.signature != REMEMBERS:
        raise Unsupported("a script does not see what a call does to its arguments")
    role, part = _told_of(asked, STALE_PART) if stale else ("altered bias", OUTPUT_CHECK)
    before, step = expect(case), fresh_request(expect(case), Judgement(asked.told.verdict, signature=STALE + role))
    assert step is not None and step.expectation is not None
    lines, gradients = source(asked.name, case.config, case.input_shape), part != OUTPUT_CHECK
    arrays, others = literals(before, gradients), literals(step.expectation, gradients)
    call = f"call({_names(arrays)})"
    changed = [line for line in others if line not in arrays]
    if stale:
        judged = [call, *changed, *_against(asked, step.expectation.part(part), call)]
    else:
        judged = [
            *(f"first = {call}", *changed, call, *(line for line in arrays if line not in others)),
            f"again = {call}  # as at first",
            'print("first", first.ravel()[:6], "again", again.ravel()[:6])',
            "raise SystemExit(int(first.tobytes() != again.tobytes()))",
        ]
    return script(asked, lines, [*arrays, *_defined(asked, lines, part, call), *judged])


def _against(asked: Asked, expected: Bounded, got: str) -> list[str]:
    """All of a result against the reference's."""
    if expected.value.size > PACKED:
        raise Unsupported(f"its result has {expected.value.size} numbers; {PACKED} are the most for a script")
    return [
        f"expected = {literal(expected.value)}",
        f"allowed = {literal(expected.bound)}  # what {asked.told.dtype} allows beside the expected, at most",
        f"got = {got}",
        "wrong = ~((np.abs(got - expected) <= allowed) | (got == expected))",
        'print("expected", expected[wrong][:6], "got", got[wrong][:6])',
        "raise SystemExit(int(wrong.any()))",
    ]


def _told_of(asked: Asked, story: re.Pattern[str]) -> tuple[str, str]:
    found = story.search(asked.told.detail)
    if found is None:
        raise Unsupported(f"no script is known that shows {asked.told.check} where one of the calls gives nothing")
    return found[1], found[2]


def _names(arrays: list[str]) -> str:
    return ", ".join(line.partition(" = ")[0] for line in arrays)


def _defined(asked: Asked, lines: Source, part: str, call: str) -> list[str]:
    """The definition of `call`."""
    calls, result = _calls(asked, lines, part)
    return [f"def {call}:", *(f"    {line}" for line in calls), f"    return {lines.to_numpy.format(result)}"]


def _calls(asked: Asked, lines: Source, part: str) -> tuple[tuple[str, ...], str]:
    """The lines that compute a result, and what it is called then."""
    if part == OUTPUT_CHECK:
        return lines.output, "y"
    if not lines.gradients:
        raise Unsupported(f"no lines are known that call {asked.name} for the gradient of the {part}")
    return lines.gradients, f'found["{part}"]'
