"""Is each of several faults in one kernel told? Pairs or triples of the tests' fakes are drawn, judged and diagnosed.

A fault counts where it is visible: on cases that the run did not see, the kernel fails the fault's own check where this
fault alone fails it and the others alone pass. It is told if a row of that check, or one that the check is said to show
as well, holds on most of these cases with its condition or its cause, and on no more than one that passes with
ordinary data; a cause that is seen, not computed, holds where the row's own check fails with its verdict, in a process
that was asked nothing before (a few cases are asked so, since what is remembered spoils all that follow). A row is
wrong if its condition holds on more that pass, or if its cause explains nothing that fails where it should. Rows are
counted over all faults that show alone, on large layers or on what failed in the run, too: one that others hide, or
that few cases show, has a row all the same.

    python benchmarks/mixtures.py [--together 2] [--count 200] [--seed 0] [--examples 1000] [--processes 2]
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.casebook.fixed import activation_cases, fixed_cases
from depthwise_conformance.diagnosis.candidates import SHOWING
from depthwise_conformance.diagnosis.distinct import WHEREVER, Distinct, evidence, is_deviation, jointly
from depthwise_conformance.diagnosis.explaining import deviates, reproduces
from depthwise_conformance.judging.checks import PARTS
from depthwise_conformance.judging.tally import Examined
from depthwise_conformance.reports.record import CHECKS, LAYER_CHECKS, Verdict
from depthwise_conformance.running.agenda import Options
from depthwise_conformance.running.drawing import draw_block
from depthwise_conformance.running.engine import Engine
from depthwise_conformance.running.options import ALONE
from depthwise_conformance.running.targets import Target, open_targets, requests

FAKES = Path(__file__).parents[1] / "tests" / "fakes"
HOLDOUT, UNSEEN_SEED = 150, 778_000
TIMEOUT = 10.0
VISIBLE = 3  # unseen cases that a fault alone is to blame for
MOST = 0.8  # of them on which a row has to hold
AFRESH = 5  # of them that are asked of processes of their own
TOLERATED = 1  # passing cases on which it may hold, since activations can hide a fault; data of other recipes often do


@dataclass
class Score:
    """What became of one combination."""

    name: str
    there: int = 0  # faults that show alone
    visible: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    rows: int = 0
    wrong: list[str] = field(default_factory=list)


def measure(names: Sequence[str], examples: int) -> Score:
    """One kernel with these faults, held beside each of them alone."""
    sys.path.insert(0, str(FAKES))
    from combined import JOINT
    from faults import FAULTS

    checks_of = {fault.__name__: fault.check for fault in FAULTS if fault.__name__ in names}
    score = Score(JOINT.join(names))
    both, *alone = open_targets(
        requests([], [f"{FAKES / 'by_name.py'}:{name}" for name in (score.name, *names)]), TIMEOUT
    )
    by_fault = dict(zip(names, alone, strict=True))
    engine = Engine(Options(examples=examples), lambda records: None)
    try:
        engine.evaluate([both], {both.name: set(CHECKS) - set(LAYER_CHECKS)})
        engine.diagnose([both])
        found = engine.distinct.get(both.name, [])
        score.rows = len(found)
        unseen = draw_block(UNSEEN_SEED, HOLDOUT)
        for check in dict.fromkeys(checks_of.values()):
            by_target = {one.name: _examine(engine, one, unseen, check) for one in (both, *alone)}
            mine = [name for name in names if checks_of[name] == check]
            own = {name: by_target[one.name] for name, one in by_fault.items()}
            asked = (*activation_cases(), *fixed_cases(), *_failing(found, check))
            score.there += sum(
                _shows(own[name], check) or _shows_on(asked, engine, by_fault[name], check) for name in mine
            )
            rows = [one for one in found if check in one.checks]
            kernel = Kernel(engine, both, check)
            _score_check(score, kernel, mine, rows, by_target[both.name], own)
    finally:
        for target in (both, *alone):
            target.worker.close()
    return score


Answers = Mapping[Case, Examined]


@dataclass(frozen=True)
class Kernel:
    """The kernel with all the faults, and the check by which some of these are looked for."""

    engine: Engine
    target: Target
    check: str

    def hides(self, case: Case) -> bool:
        """Whether a passing case fails with other numbers: its own hide a fault."""
        others = [replace(case, data=Data("uniform", case.data.seed + step)) for step in (1, 2, 3)]
        answers = _examine(self.engine, self.target, others, self.check)
        return any(_verdict(examined, self.check) for examined in answers.values())

    def fails_afresh(self, one: Distinct, case: Case) -> bool:
        """Whether a process that was asked nothing before fails a row's own check with the row's verdict."""
        judgement = self.engine.examiner.examine_afresh(self.target, case, one.check).judgement(one.check)
        return judgement is not None and judgement.verdict is one.key.verdict


def _examine(engine: Engine, target: Target, cases: Sequence[Case], check: str) -> Answers:
    return {case: engine.examiner.examine(target, case, check) for case in cases}


def _verdict(examined: Examined, check: str) -> bool | None:
    """Whether it fails; None where nothing was judged."""
    judgement = examined.judgement(check)
    if judgement is None or judgement.verdict in (Verdict.UNSUPPORTED, Verdict.BROKEN):
        return None
    return judgement.verdict.is_discrepancy


def _shows(answers: Answers, check: str) -> bool:
    return sum(_verdict(examined, check) is True for examined in answers.values()) >= VISIBLE


def _shows_on(cases: Sequence[Case], engine: Engine, alone: Target, check: str) -> bool:
    """Whether it fails on any of the cases: those that are the same in every run, and those that failed in this one."""
    return any(_verdict(engine.examiner.examine(alone, case, check), check) for case in cases)


def _failing(found: Sequence[Distinct], check: str) -> list[Case]:
    """The run's own cases that failed a check."""
    groups = [one.group if one.check == check else one.shown_by.get(check) for one in found]
    return [case for group in groups if group for case in group.cases]


def _score_check(
    score: Score,
    kernel: Kernel,
    mine: Sequence[str],
    rows: Sequence[Distinct],
    both: Answers,
    own: Mapping[str, Answers],
) -> None:
    check = kernel.check
    passing = [case for case in both if _verdict(both[case], check) is False and case.data.recipe in SHOWING]
    for name in mine:
        others = [answers for other, answers in own.items() if other != name]
        blamed = [
            case
            for case in both
            if _verdict(own[name][case], check)
            and _verdict(both[case], check)
            and not any(_verdict(answers[case], check) for answers in others)
        ]
        if len(blamed) < VISIBLE:
            continue
        score.visible.append(name)
        if any(_tells(one, kernel, blamed, passing, both, rows) for one in rows):
            score.told.append(name)
    for one in rows:
        if one.check == check and _is_wrong(one, kernel, passing, both):
            score.wrong.append(f"{one.cause} | {one.condition}")


def _tells(
    one: Distinct,
    kernel: Kernel,
    blamed: Sequence[Case],
    passing: Sequence[Case],
    both: Answers,
    rows: Sequence[Distinct],
) -> bool:
    if not (one.cause or one.condition):
        return False
    if is_deviation(one) or one.fulfilled or one.condition == WHEREVER:
        held = sum(_covers(one, kernel.check, case, both[case], rows) for case in blamed)
        return held >= MOST * len(blamed) and not _is_wrong(one, kernel, passing, both)
    some = blamed[:AFRESH]
    return sum(kernel.fails_afresh(one, case) for case in some) >= MOST * len(some)


def _covers(one: Distinct, check: str, case: Case, examined: Examined, rows: Sequence[Distinct] = ()) -> bool:
    """Whether a row tells why a case fails; a wrong shape may have the cause of another row in its values."""
    exhibit = examined.exhibit(check)
    if not (is_deviation(one) and check in PARTS and exhibit):
        return one.holds(case)
    others = [other.cause for other in rows if check == "shape" and other is not one and is_deviation(other)]
    causes = [one.cause, *(both for other in others for both in jointly(one.cause, other))]
    return any(reproduces(cause, evidence(check, exhibit, True)) for cause in causes)


def _is_wrong(one: Distinct, kernel: Kernel, passing: Sequence[Case], both: Answers) -> bool:
    if not (one.cause or one.condition):
        return False
    check = kernel.check
    if is_deviation(one) and check in PARTS:
        inside = [case for case in both if _verdict(both[case], check) and one.holds(case) and one.fulfilled]
        claimed = one.holds if one.condition else lambda case: False  # a cause alone does not say where it is
        belied = [case for case in passing if claimed(case) and deviates(one.cause, case, PARTS[check])]
        unexplained = len(inside) > VISIBLE and not any(_covers(one, check, case, both[case]) for case in inside)
        return unexplained or _are_many(belied, kernel)
    belied = [case for case in passing if one.holds(case)] if one.fulfilled and not one.need else []
    return _are_many(belied, kernel)


def _are_many(belied: Sequence[Case], kernel: Kernel) -> bool:
    return len(belied) > TOLERATED and sum(not kernel.hides(case) for case in belied) > TOLERATED


def drawn(together: int, count: int, seed: int) -> list[tuple[str, ...]]:
    """So many combinations of faults that fit into one kernel, and neither kill nor starve their process."""
    sys.path.insert(0, str(FAKES))
    from combined import together as join
    from faults import FAMILIES, FAULTS, arguments, death, memory, threads

    left_out = {family.__name__ for family in FAMILIES if family in (arguments, death, memory, threads)}
    fit = [fault for fault in FAULTS if fault.__module__ not in left_out]
    choose, found = random.Random(seed), dict[tuple[str, ...], None]()
    while len(found) < count:
        some = choose.sample(fit, together)
        if join(*some) is not None:
            found[tuple(fault.__name__ for fault in some)] = None
    return list(found)


def main() -> int:
    """Prints a line for each combination, and the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--together", type=int, default=2, help="faults in one kernel (default: %(default)s)")
    parser.add_argument("--count", type=int, default=200, help="kernels (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--examples", type=int, default=ALONE)
    parser.add_argument("--processes", type=int, default=min(os.cpu_count() or 1, 8))
    options = parser.parse_args()
    scores: list[Score] = []
    with ProcessPoolExecutor(options.processes) as pool:
        names = drawn(options.together, options.count, options.seed)
        for future in [pool.submit(measure, some, options.examples) for some in names]:
            scores.append(one := future.result())
            missed = [name for name in one.visible if name not in one.told]
            print(
                f"{one.name}: {len(one.visible)} visible, missed {missed}, {one.rows} rows, wrong {one.wrong}",
                flush=True,
            )
    visible, told = sum(len(s.visible) for s in scores), sum(len(s.told) for s in scores)
    rows, there = sum(s.rows for s in scores if s.there), sum(s.there for s in scores)
    wrong = sum(len(s.wrong) for s in scores)
    print(f"{told} of {visible} visible faults told; {rows} rows for {there} faults; {wrong} rows say something wrong")
    return 0


if __name__ == "__main__":
    sys.exit(main())
