"""How good is the judgement? Every fake of the tests is judged as a target of its own, and diagnosed.

For every fault: whether its check caught it, after how many cases, and whether the diagnosis is right. A cause is right
if it reproduces every wrong array of cases that the run did not see, a condition if on those it tells failing from
passing cases (where the cause makes a difference, if there is one). Honest variants have to be flagged by nothing.

    python benchmarks/power.py [--examples 250] [--only NAME ...] [--processes 2]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from depthwise_conformance.case import Case
from depthwise_conformance.checks import PARTS
from depthwise_conformance.diagnosis.diagnose import WHEREVER, Distinct, evidence, fails_alike, is_deviation
from depthwise_conformance.diagnosis.explaining import deviates, reproduces
from depthwise_conformance.drawing import draw_block
from depthwise_conformance.engine import Engine, Options
from depthwise_conformance.reports.record import CHECKS, Record
from depthwise_conformance.targets import Target, open_targets, requests

FAKES = Path(__file__).parents[1] / "tests" / "fakes"
HOLDOUT, UNSEEN_SEED = 80, 777_000
QUICK = 20  # cases within which half of the faults should be caught
TOLERATED = 1  # cases of the hold-out on which a right condition may be belied, since data can hide a fault


@dataclass
class Score:
    """What became of one fake."""

    name: str
    honest: bool
    check: str
    cause: str
    caught_by: tuple[str, ...] = ()
    after: int = 0  # cases of its own check until it was caught
    rows: int = 0
    found_cause: str = ""
    found_condition: str = ""
    cause_is: str = ""  # "right", "wrong", "missing" or ""
    condition_is: str = ""
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)


def measure(file: str, name: str, examples: int) -> Score:
    """One fake, judged, diagnosed and asked about cases that the run did not see."""
    sys.path.insert(0, str(FAKES))
    fake: Any = getattr(__import__(file), name)
    score = Score(name, file == "honest", getattr(fake, "check", ""), getattr(fake, "cause", ""))
    start = time.perf_counter()
    (target,) = open_targets(requests([], [f"{FAKES / file}.py:{name}"]), 5.0)
    seen: dict[str, set[str]] = {}

    def record(records: Sequence[Record]) -> None:
        for one in records:
            seen.setdefault(one.check, set()).add(one.case)
            if one.verdict.is_discrepancy and one.check == score.check and not score.after:
                score.after = len(seen[one.check])

    engine = Engine(Options(examples=examples), record)
    try:
        engine.evaluate([target], {target.name: CHECKS})
        score.caught_by = tuple(check for check in CHECKS if engine.tallies[target.name, check].groups)
        if score.caught_by and not score.honest and score.check != "errors":
            engine.diagnose([target])
            _score_diagnosis(engine, target, score)
    finally:
        target.worker.close()
    score.seconds = time.perf_counter() - start
    return score


def _score_diagnosis(engine: Engine, target: Target, score: Score) -> None:
    found = engine.distinct[target.name]
    score.rows = len(found)
    own = [one for one in found if score.check in one.checks]
    if not own:
        return
    main = max(own, key=lambda one: one.group.failing)
    score.found_cause, score.found_condition = main.cause, main.condition
    unseen = [case for case in draw_block(UNSEEN_SEED, HOLDOUT) if main.check in PARTS]
    if is_deviation(main):
        score.cause_is = "right" if main.cause == score.cause or _cause_holds(engine, target, main, unseen) else "wrong"
    elif score.cause:
        score.cause_is = "missing"
    if main.condition:
        score.condition_is = "right" if _condition_holds(engine, target, main, unseen, score) else "wrong"


def _cause_holds(engine: Engine, target: Target, one: Distinct, unseen: Sequence[Case]) -> bool:
    for case in unseen:
        examined = engine.examine(target, case, one.check)
        exhibit = examined.exhibit(one.check)
        judgement = examined.judgement(one.check)
        if exhibit is None or judgement is None or not judgement.verdict.is_discrepancy:
            continue
        if one.holds(case) and not reproduces(one.cause, evidence(one.check, exhibit, failing=True)):
            return False
    return True


def _condition_holds(engine: Engine, target: Target, one: Distinct, unseen: Sequence[Case], score: Score) -> bool:
    belied = 0
    for case in unseen:
        relevant = not is_deviation(one) or deviates(one.cause, case, PARTS[one.check])
        fails = fails_alike(one, engine.examine(target, case, one.check))
        if fails is None or (not relevant and not fails):
            continue
        expected = one.condition == WHEREVER or one.holds(case)
        if fails is not expected:
            belied += 1
            score.notes.append(
                f"{'fails' if fails else 'passes'}: {case.config.to_json()} {case.input_shape} {case.data}"
            )
    return belied <= TOLERATED


def main() -> int:
    """Prints the table and the summary; 1 if a fault was missed or an honest variant flagged."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=Options.examples)
    parser.add_argument("--only", nargs="*", default=[], help="names of fakes")
    parser.add_argument("--processes", type=int, default=min(os.cpu_count() or 1, 8))
    options = parser.parse_args()
    sys.path.insert(0, str(FAKES))
    import faults
    import honest

    jobs = [("faults", fault.__name__) for fault in faults.FAULTS]
    jobs += [("honest", variant.__name__) for variant in honest.HONEST]
    jobs = [job for job in jobs if not options.only or job[1] in options.only]
    scores = []
    with ProcessPoolExecutor(options.processes) as pool:
        futures = [pool.submit(measure, *job, options.examples) for job in jobs]
        for future in futures:
            scores.append(future.result())
            print(_line(scores[-1]), file=sys.stderr, flush=True)
    rare = {fault.__name__ for fault in faults.RARE}
    return _summarise([score for score in scores if not score.honest], [s for s in scores if s.honest], rare)


def _line(score: Score) -> str:
    caught = f"after {score.after}" if score.after else f"MISSED, caught by {', '.join(score.caught_by) or 'nothing'}"
    cause = f"cause {score.cause_is or 'none'} ({score.found_cause or '-'}; true {score.cause or '-'})"
    condition = f"condition {score.condition_is or 'none'} ({score.found_condition or '-'})"
    notes = "".join(f"\n    {note}" for note in score.notes[:3]) if score.condition_is == "wrong" else ""
    return f"{score.name}: {caught}; {score.rows} rows; {cause}; {condition}; {score.seconds:.0f} s{notes}"


def _summarise(guilty: Sequence[Score], innocent: Sequence[Score], rare: set[str]) -> int:
    table = Table(title="Faults by the check that they belong to")
    for column in ("check", "faults", "caught", "median cases", "worst"):
        table.add_column(column, justify="left" if column == "check" else "right")
    for check in [check for check in CHECKS if any(score.check == check for score in guilty)]:
        after = [score.after for score in guilty if score.check == check]
        caught = [count for count in after if count]
        figures = (len(after), len(caught), statistics.median(caught) if caught else "-", max(caught, default="-"))
        table.add_row(check, *map(str, figures))
    console = Console(width=120)
    console.print(table)
    caught_after = sorted(score.after for score in guilty if score.after)
    quick = sum(count <= QUICK for count in caught_after)
    missed = [score.name for score in guilty if not score.after]
    console.print(f"{len(caught_after)} of {len(guilty)} faults caught, {quick} within {QUICK} cases; missed: {missed}")
    flagged = [score.name for score in innocent if score.caught_by]
    console.print(f"{len(flagged)} of {len(innocent)} honest variants flagged: {flagged}")
    for what in ("cause", "condition"):
        verdicts = [getattr(score, f"{what}_is") for score in guilty]
        counts = {verdict: verdicts.count(verdict) for verdict in ("right", "wrong", "missing")}
        console.print(f"{what}s: {counts['right']} right, {counts['wrong']} wrong, {counts['missing']} missing")
    rows = [score.rows for score in guilty if score.rows]
    single = sum(count == 1 for count in rows)
    console.print(f"rows for one fault: one in {single} of {len(rows)}, at most {max(rows, default=0)}")
    return int(bool(flagged or set(missed) - rare))


if __name__ == "__main__":
    sys.exit(main())
