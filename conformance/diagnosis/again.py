"""Cases that are asked again: what passed may have been asked less, and what failed may have failed by chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from depthwise_conformance.casebook.case import Case
from depthwise_conformance.judging.checks import DETERMINISM_CHECK, INFERENCE_CHECK, PURITY_CHECK
from depthwise_conformance.judging.tally import Examined, Exhibit, Group, Tally, bare
from depthwise_conformance.reports.record import Verdict

DOUBTED = (INFERENCE_CHECK, DETERMINISM_CHECK, PURITY_CHECK)  # of which most cases were asked less than they can be
SURE = 60  # passing cases that are asked again
SAMPLED, REPEATED = 6, 4  # failing cases, and how often each is asked
RECALLED = 60  # failing cases whose arrays were not kept

Answer = Callable[[Case, str], Examined | None]  # None when nothing may be asked any more


def surely_passed(check: str, tally: Tally, ask: Answer) -> Tally:
    """The tally with those cases that pass again: whichever sizes are unknown, however often the same call is made, and
    others between."""
    return replace(tally, passed=[case for case in tally.passed[:SURE] if _passes(case, check, ask)])


def pass_by_chance(cases: Sequence[Case], check: str, ask: Answer) -> bool:
    """Whether most of these failing cases pass once when they are asked some times."""
    passing = [any(_passes(case, check, ask) for _ in range(REPEATED)) for case in cases[:SAMPLED]]
    return 2 * sum(passing) > len(passing)


def recalled(group: Group, check: str, ask: Answer) -> dict[str, Exhibit]:
    """The arrays of a group by their cases' ids, with those that were not kept, if they come again and are small."""
    exhibits = dict(group.exhibits)
    for case in [case for case in group.cases if case.id not in exhibits][:RECALLED]:
        examined = ask(case, check)
        judgement = examined.judgement(check) if examined else None
        if examined and judgement and judgement.verdict.is_discrepancy and (found := bare(examined.exhibit(check))):
            exhibits[case.id] = found
    return exhibits


def _passes(case: Case, check: str, ask: Answer) -> bool:
    examined = ask(case, check)
    judgement = examined.judgement(check) if examined else None
    return judgement is not None and judgement.verdict is Verdict.PASS
