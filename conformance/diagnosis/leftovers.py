"""What no cause explains: cases that show what is told already, two causes at once or in narrower arithmetic."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Callable, Sequence

from depthwise_conformance.casebook.case import Case
from depthwise_conformance.diagnosis.again import Answer, recalled
from depthwise_conformance.diagnosis.conditions import Atom, Condition
from depthwise_conformance.diagnosis.distinct import (
    ONLY_IF,
    VALUES,
    Distinct,
    is_deviation,
    jointly,
    place_of,
    predicted,
    reproduced,
)
from depthwise_conformance.diagnosis.program import is_described
from depthwise_conformance.diagnosis.sights import FOLLOWING
from depthwise_conformance.judging.checks import GRADIENT_CHECKS, OUTPUT_CHECK, PARTS
from depthwise_conformance.judging.tally import Group
from depthwise_conformance.reference import Arithmetic, arithmetics
from depthwise_conformance.reports.record import Verdict

MANY = 3  # rules that say one thing in common


def give_away(one: Distinct, found: Sequence[Distinct], ask: Answer) -> None:
    """Takes from what is unexplained the cases that discrepancies told already explain, one or two of them together.

    Arrays that were not kept are asked for again. Where there can be none, a cause has to make a difference.
    """
    told = [other for other in found if is_deviation(other) and _shows(other, one.check)]
    if not told or one.check not in PARTS:
        return
    arrays, narrower = recalled(one.group, one.check, ask), _narrower(found)
    given: dict[str, Distinct] = {}
    for first, second in itertools.combinations_with_replacement(told, 2):
        held = {case.id for case in one.group.cases if first.holds(case) and second.holds(case)}
        for cause in [first.cause] if first is second else jointly(first.cause, second.cause):
            tried = Group(exhibits={name: arrays[name] for name in arrays if name in held and name not in given})
            given |= dict.fromkeys(reproduced(cause, one.check, tried, narrower), first)
    for case in one.group.cases:
        untold = case.id not in arrays or not is_described(case.config)
        for other in told if untold else ():
            if other.condition and predicted(other, case, one.check):
                given.setdefault(case.id, other)
    for other in told:
        other.join(one.check, one.group.only(name for name in given if given[name] is other))
    one.group = one.group.without(given) if given else one.group


def settle(check: str, found: list[Distinct], ask: Answer) -> None:
    """Gives what no cause explains in a check to what was told after it."""
    for place, one in reversed(list(enumerate(found))):
        later = any(is_deviation(other) or other.key.verdict is Verdict.IMPRECISE for other in found[place + 1 :])
        if later and one.check == check and not (one.cause or one.condition or one.shown_by):
            give_away(one, found, ask)
            if not one.group.failures:
                del found[place]


def follow(check: str, found: list[Distinct], follows: Callable[[Distinct, Case], bool]) -> None:
    """Gives what nothing tells of a gradient to discrepancies of the output that its cases have: these come first."""
    for one in [one for one in found if _is_untold_gradient(one, check)]:
        for other in [other for other in found if other.check == OUTPUT_CHECK and other.key.verdict in VALUES]:
            own = one.group.only(case.id for case in one.group.cases if follows(other, case))
            if own.failures:
                other.join(check, own)
                one.group = one.group.without(failure.case.id for failure in own.failures)
        if not one.group.failures:
            found.remove(one)


def _is_untold_gradient(one: Distinct, check: str) -> bool:
    untold = not (one.cause or one.condition or one.shown_by)
    return untold and one.check == check and check in GRADIENT_CHECKS and one.key.verdict in VALUES


def gather(rules: Sequence[Distinct]) -> list[Distinct]:
    """What rules tell, those as one discrepancy that say one thing in common, if these are many."""
    uncaused = [one for one in rules if not one.cause and one.fulfilled]
    counts = collections.Counter(atom for one in uncaused for atom in _atoms(one))
    atom, count = next(iter(counts.most_common(1)), (None, 0))
    if atom is None or count < MANY:
        return list(rules)
    several = [one for one in uncaused if atom in _atoms(one)]
    group = Group()
    for one in several:
        group.extend(one.group)
    need, (first, *_) = Condition((atom,)), several
    note = f"always where {'; where '.join(one.condition for one in several)}"
    place, condition = place_of(first.check, group), f"{ONLY_IF}{need}"
    whole = Distinct(first.check, first.key, group, "", condition, place, need, need=True, notes=[note])
    return [whole, *(one for one in rules if one not in several)]


def _atoms(one: Distinct) -> tuple[Atom, ...]:
    return one.fulfilled.atoms if one.fulfilled else ()


def _shows(other: Distinct, check: str) -> bool:
    return check in other.checks or check in FOLLOWING.get(other.check, ())


def _narrower(found: Sequence[Distinct]) -> dict[str, Arithmetic]:
    """The arithmetic by which results are told to be inaccurate, by their dtype."""
    told = [other.key.signature.partition(": ") for other in found if other.key.verdict is Verdict.IMPRECISE]
    known = {(dtype, name): by for dtype, _, name in told for by in arithmetics(dtype) if by.name == name}
    return {dtype: by for (dtype, _), by in known.items()}
