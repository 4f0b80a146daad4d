"""Empty batches: what fails on them, in whatever check and way, is told as one discrepancy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from depthwise_conformance.casebook.case import AnyCase, Case
from depthwise_conformance.casebook.facts import altered, facts
from depthwise_conformance.diagnosis.conditions import Atom, Condition
from depthwise_conformance.diagnosis.distinct import ONLY_IF, VALUES, Distinct
from depthwise_conformance.diagnosis.inquiry import Ask, Limit, narrow
from depthwise_conformance.diagnosis.sights import Examine
from depthwise_conformance.judging.tally import Group, Key, Tally
from depthwise_conformance.reports.record import CHECKS

MIXED = 2  # checks or verdicts by which empty batches fail, for them to be told together
PLAIN = (("activation", "linear"), ("dtype", "float32"))  # what an image may fail by
FILLED = 24  # failing cases, at most, that are asked with one image instead of none, and told
EMPTY = Condition((Atom("batch", "==", 0),))
Part = tuple[str, Key, Group]


def tell_empties(
    tallies: Mapping[str, Tally], examine: Examine, pool: Sequence[Case], limit: Limit
) -> tuple[Distinct, frozenset[str]] | None:
    """The one discrepancy that failing cases with an empty batch are, and their ids; None where they fail in one way.

    Cases that fail with an image, too, are none of it, unless it is their activation or dtype that fails there.
    """
    parts = list(_empty_parts(tallies))
    failing = list(dict.fromkeys(case for _, _, group in parts for case in group.cases))
    if len(parts) < MIXED:
        return None
    checks = list(dict.fromkeys(check for check, _, _ in parts))
    failed = {case for tally in tallies.values() for group in tally.groups.values() for case in group.cases}
    passed = dict.fromkeys(case for check in checks for case in tallies[check].passed)
    passing = [case for case in passed if case not in failed]

    def fails(case: Case) -> bool | None:
        for check in checks:
            judgement = examine(case, check).judgement(check)
            if judgement is not None and judgement.verdict.is_discrepancy:
                return True if _is_empty(case) else None
        return False

    valued = {case for _, key, group in parts if key.verdict in VALUES for case in group.cases}
    plain = {case: PLAIN if case in valued else () for case in failing[:FILLED]}
    own = [case for case in plain if _fails_for_want_of_images(case, plain[case], fails, limit)]
    told = frozenset(case.id for case in own)
    parts = [(check, key, some) for check, key, group in parts if (some := group.only(told)).failures]
    if len(parts) < MIXED:
        return None
    emptied = [altered(case, "batch", 0) for case in pool[: len(pool) // 2]]
    finding = narrow(own, passing, fails, [*emptied, *pool], limit)
    if finding.confirmed and finding.condition:
        return _told(parts, finding.condition, str(finding.condition)), told
    return _told(parts, EMPTY, f"{ONLY_IF}{EMPTY}"), told


def _fails_for_want_of_images(case: Case, plain: Sequence[tuple[str, str]], fails: Ask, limit: Limit) -> bool:
    """Whether a failing case passes with an image, as it is or in a `plain` form that fails without one, too."""
    for name, value in (("", ""), *plain):
        plainer = altered(case, name, value) if name else case
        image = altered(plainer, "batch", 1)
        if not (limit.claim.covers(plainer) and limit.claim.covers(image)) or not (plainer == case or fails(plainer)):
            continue
        if fails(image) is False:
            return True
        case = plainer
    return False


def _told(parts: Sequence[Part], condition: Condition, told: str) -> Distinct:
    (check, key, group), *others = parts
    need = told.startswith(ONLY_IF)
    one = Distinct(check, key, group, condition=told, fulfilled=condition, total=not need, need=need)
    for other, _, also in others:
        one.join(other, also)
    return one


def _empty_parts(tallies: Mapping[str, Tally]) -> Iterator[Part]:
    """Of every check and verdict, the failing cases with an empty batch: those without a result first."""
    for check in (check for check in CHECKS if check in tallies):
        for key, group in sorted(tallies[check].groups.items(), key=lambda pair: -pair[1].failing):
            empty = group.only(case.id for case in group.cases if _is_empty(case))
            if empty.failures:
                yield check, key, empty


def _is_empty(case: AnyCase) -> bool:
    return isinstance(case, Case) and bool(facts(case)["empty"])
