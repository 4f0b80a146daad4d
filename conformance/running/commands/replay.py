"""`replay`: judges cases again, and tells the results in full."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from depthwise_conformance.casebook.case import AnyCase, Case
from depthwise_conformance.reports.record import CHECKS, LAYER_CHECKS
from depthwise_conformance.running.casefiles import read_cases
from depthwise_conformance.running.examining import Examiner
from depthwise_conformance.running.options import OPTIONS, add_options, attribute, read_options
from depthwise_conformance.running.status import FAILED, UNDONE
from depthwise_conformance.running.targets import Target, open_targets, requests
from depthwise_conformance.running.telling import tell_case
from depthwise_conformance.running.terminal import shown
from depthwise_conformance.running.usage import UsageError
from depthwise_conformance.workers.worker import WorkerBrokenError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The cases, and who is asked what of them."""
    told = "case files, folders of them, ids of cases or discrepancies, or - for standard input"
    parser.add_argument("case", nargs="+", metavar="CASE", help=told)
    parser.add_argument("--run", type=Path, default=Path("conformance-run"), help="the run folder that ids belong to")
    add_options(parser, ("--target", "--targets", "--adapter", "--worker", "--check", "--device", "--timeout"))


def run(options: argparse.Namespace) -> int:
    """Judges the cases on every target asked for."""
    cases = [case for named in options.case for case in read_cases(named, options.run)]
    given = {name: getattr(options, attribute(name), None) for name in OPTIONS}
    asked = read_options({**given, "--seed": 0, "--strength": 2}, Path())
    planned = [(case, applicable(case, asked.checks)) for case in dict.fromkeys(cases)]
    opened = open_targets(
        requests(asked.targets, asked.adapters, asked.workers, asked.files), asked.timeout, asked.device
    )
    try:
        failed = [_replay(Examiner(asked.checks), opened, case, checks) for case, checks in planned]
    finally:
        for target in opened:
            target.worker.close()
    if any(target.status == "broken" for target in opened):
        return UNDONE
    return FAILED if any(failed) else 0


def applicable(case: AnyCase, asked: Sequence[str]) -> list[str]:
    """Those of the checks asked for that a case has. Raises UsageError where it has none."""
    others = tuple(check for check in CHECKS if check not in LAYER_CHECKS)
    applicable = others if isinstance(case, Case) else (case.check,)
    checks = [check for check in asked if check in applicable]
    if not checks:
        raise UsageError(f"check {', '.join(asked)}: accepted for case {case.id} are {', '.join(applicable)}")
    return checks


def _replay(examiner: Examiner, targets: Sequence[Target], case: AnyCase, checks: Sequence[str]) -> bool:
    print(shown(tell_case(case)))
    failed = [_judge(examiner, target, case, checks) for target in targets]
    print()
    return any(failed)


def _judge(examiner: Examiner, target: Target, case: AnyCase, checks: Sequence[str]) -> bool:
    print(shown(f"\n{target.name} ({target.version_text})"))
    if target.status == "broken":
        print(shown(f"  broken: {target.message}"))
        return False
    failed = False
    for check in checks:
        try:
            judgement = examiner.judge(target, case, check)
        except WorkerBrokenError as error:
            target.status = "broken"
            print(shown(f"  broken: {error}"))
            return False
        if judgement is None:
            continue
        failed = failed or judgement.verdict.is_discrepancy
        figure = "" if judgement.error != judgement.error else f"  {judgement.error:.3g} times the bound"
        print(shown(f"  {check:<16} {judgement.verdict.value}{figure}  {judgement.signature}".rstrip()))
        for line in shown(judgement.detail).splitlines():
            print(shown(f"      {line}"))
    return failed
