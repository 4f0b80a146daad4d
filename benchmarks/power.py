"""How good is the judgement? Every fake of the tests is judged as a target of its own, and diagnosed.

For every fault: whether its check caught it, after how many cases, and whether the diagnosis is right. A cause is right
if it reproduces every wrong array of cases that the run did not see, a condition if on those it tells failing from
passing cases (where the cause makes a difference, if there is one). Honest variants have to be flagged by nothing.

    python benchmarks/power.py [--examples 1000] [--only NAME ...] [--processes 2]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.diagnosis.distinct import WHEREVER, Distinct, evidence, is_deviation
from depthwise_conformance.diagnosis.explaining import deviates, reproduces
from depthwise_conformance.diagnosis.seen import SEEN
from depthwise_conformance.judging.checks import PARTS
from depthwise_conformance.reports.record import CHECKS, LAYER_CHECKS, Record, Verdict
from depthwise_conformance.running.agenda import Options
from depthwise_conformance.running.drawing import draw_block
from depthwise_conformance.running.engine import Engine
from depthwise_conformance.running.options import ALONE
from depthwise_conformance.running.targets import Target, open_targets, requests

FAKES = Path(__file__).parents[1] / "tests" / "fakes"
HOLDOUT, UNSEEN_SEED = 80, 777_000
TOGETHER, TIMEOUT = 20, 5.0  # fakes that are judged side by side; seconds for a call
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
    notes: list[str] = field(default_factory=list)


def measure(file: str, names: Sequence[str], examples: int) -> list[Score]:
    """Fakes of a file, judged on the same cases, then diagnosed and asked about cases that the run did not see."""
    sys.path.insert(0, str(FAKES))
    module: Any = __import__(file)
    targets = open_targets(requests([], [f"{FAKES / 'by_name.py'}:{name}" for name in names]), TIMEOUT)
    fakes = {f"{getattr(module, name).name}@cpu": getattr(module, name) for name in names}
    scores = {
        name: Score(fake.__name__, file == "honest", getattr(fake, "check", ""), getattr(fake, "cause", ""))
        for name, fake in fakes.items()
    }
    seen: dict[tuple[str, str], set[str]] = {}

    def record(records: Sequence[Record]) -> None:
        for one in records:
            cases = seen.setdefault((one.target, one.check), set())
            cases.add(one.case)
            score = scores[one.target]
            if one.verdict.is_discrepancy and one.check == score.check and not score.after:
                score.after = len(cases)

    engine = Engine(Options(examples=examples), record)
    try:
        engine.evaluate(targets, {name: _checks(file, score) for name, score in scores.items()})
        engine.diagnose([target for target in targets if not scores[target.name].honest])
        for target in targets:
            score = scores[target.name]
            score.caught_by = tuple(check for check in CHECKS if engine.tallies[target.name, check].groups)
            _score_diagnosis(engine, target, score)
    finally:
        for target in targets:
            target.worker.close()
    return list(scores.values())


def _checks(file: str, score: Score) -> set[str]:
    """Operations and whole layers have faults of their own; honest variants are judged by all checks."""
    layers = set(LAYER_CHECKS)
    asked = {"faults": set(CHECKS) - layers, "layer_faults": layers, "honest": set(CHECKS)}[file]
    return asked | ({score.check} - {""})


def _score_diagnosis(engine: Engine, target: Target, score: Score) -> None:
    found = engine.distinct.get(target.name, [])
    score.rows = len(found)
    own = [one for one in found if score.check in one.checks]
    if not own or target.status != "judged":
        return
    main = max(own, key=lambda one: one.group.failing)
    score.found_cause, score.found_condition = main.cause, main.condition
    if score.cause and not main.cause:
        score.cause_is = "missing"
    if main.cause in SEEN:
        remembered = score.check == "purity" or "Cached" in score.name
        score.cause_is = "right" if main.cause == score.cause or remembered else "wrong"
    if main.check not in PARTS:
        return
    unexplained, belied = _hold_out(engine, target, main, own, score)
    if is_deviation(main):
        score.cause_is = "right" if main.cause == score.cause or not unexplained else "wrong"
    if main.condition:
        score.condition_is = "right" if belied <= TOLERATED else "wrong"


def _hold_out(engine: Engine, target: Target, one: Distinct, rows: Sequence[Distinct], score: Score) -> tuple[int, int]:
    """On how many unseen cases the cause explains not what fails, and the condition not whether it does."""
    unexplained = belied = 0
    for case in draw_block(UNSEEN_SEED, HOLDOUT):
        examined = engine.examiner.examine(target, case, one.check)
        judgement, exhibit = examined.judgement(one.check), examined.exhibit(one.check)
        if judgement is None or exhibit is None or judgement.verdict is Verdict.UNSUPPORTED:
            continue
        fails, expected = judgement.verdict.is_discrepancy, one.condition == WHEREVER or one.holds(case)
        if is_deviation(one):
            explained = reproduces(one.cause, evidence(one.check, exhibit, failing=True))
            unexplained += fails and expected and not explained
            if not (fails or deviates(one.cause, case, PARTS[one.check])):
                continue
        if one.need and not fails:
            continue  # "only if" says nothing of these
        if fails and not expected and any(row.fulfilled and row.holds(case) for row in rows):
            continue  # another row tells it
        if fails is not expected and (fails or _shows(engine, target, one, case)):
            belied += 1
            what = "fails" if fails else "passes"
            score.notes.append(f"{what}: {case.config.to_json()} {case.input_shape} {case.data}")
    return unexplained, belied


def _shows(engine: Engine, target: Target, one: Distinct, case: Case) -> bool:
    """Whether a case that passes does so with data that hide nothing, too."""
    if case.input_shape[0] == 0:
        return False
    plain = replace(case, data=Data("uniform", case.data.seed), config=replace(case.config, activation=None))
    judgement = engine.examiner.examine(target, plain, one.check).judgement(one.check)
    return judgement is not None and judgement.verdict is Verdict.PASS


def main() -> int:
    """Prints the table and the summary; 1 if a fault was missed or an honest variant flagged."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=ALONE)
    parser.add_argument("--only", nargs="*", default=[], help="names of fakes")
    parser.add_argument("--processes", type=int, default=min(os.cpu_count() or 1, 8))
    options = parser.parse_args()
    sys.path.insert(0, str(FAKES))
    import faults
    import honest
    import layer_faults

    wanted = {"faults": faults.FAULTS, "layer_faults": layer_faults.LAYER_FAULTS, "honest": honest.HONEST}
    scores: list[Score] = []
    with ProcessPoolExecutor(options.processes) as pool:
        futures = [
            pool.submit(measure, file, names, options.examples)
            for file, fakes in wanted.items()
            for names in _groups([f.__name__ for f in fakes if not options.only or f.__name__ in options.only])
        ]
        for future in futures:
            scores += future.result()
            print("\n".join(map(_line, scores[-len(future.result()) :])), file=sys.stderr, flush=True)
    rare = {fault.__name__ for fault in faults.RARE}
    return _summarise([score for score in scores if not score.honest], [s for s in scores if s.honest], rare)


def _groups(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[start : start + TOGETHER] for start in range(0, len(names), TOGETHER)]


def _line(score: Score) -> str:
    caught = f"after {score.after}" if score.after else f"MISSED, caught by {', '.join(score.caught_by) or 'nothing'}"
    cause = f"cause {score.cause_is or 'none'} ({score.found_cause or '-'}; true {score.cause or '-'})"
    condition = f"condition {score.condition_is or 'none'} ({score.found_condition or '-'})"
    notes = "".join(f"\n    {note}" for note in score.notes[:3]) if score.condition_is == "wrong" else ""
    return f"{score.name}: {caught}; {score.rows} rows; {cause}; {condition}{notes}"


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
