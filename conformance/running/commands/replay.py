"""`replay`: judges one case again, and tells the result in full."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from depthwise_conformance.casebook.case import AnyCase, Case, case_from_json
from depthwise_conformance.reports.record import CHECKS, LAYER_CHECKS
from depthwise_conformance.reports.words import visible
from depthwise_conformance.running.examining import Examiner
from depthwise_conformance.running.options import OPTIONS, add_options, read_options
from depthwise_conformance.running.status import FAILED, UNDONE
from depthwise_conformance.running.targets import Target, open_targets, requests
from depthwise_conformance.running.telling import tell_case
from depthwise_conformance.running.usage import UsageError
from depthwise_conformance.workers.worker import WorkerBrokenError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The case, and who is asked what of it."""
    parser.add_argument("case", type=Path, metavar="CASE.json", help="a case file of a run folder")
    add_options(parser, ("--target", "--adapter", "--worker", "--check", "--device", "--timeout"))


def run(options: argparse.Namespace) -> int:
    """Judges the case on every target asked for."""
    case = _read_case(options.case)
    given = {name: getattr(options, name.removeprefix("--"), None) for name in OPTIONS}
    asked = read_options({**given, "--seed": 0, "--strength": 2}, Path())
    others = tuple(check for check in CHECKS if check not in LAYER_CHECKS)
    applicable = others if isinstance(case, Case) else (case.check,)
    checks = [check for check in asked.checks if check in applicable]
    if not checks:
        raise UsageError(f"check {', '.join(asked.checks)}: accepted for this case are {', '.join(applicable)}")
    opened = open_targets(requests(asked.targets, asked.adapters, asked.workers), asked.timeout, asked.device)
    try:
        print(tell_case(case))
        examiner = Examiner(asked.checks)
        failed = [_judge(examiner, target, case, checks) for target in opened]
    finally:
        for target in opened:
            target.worker.close()
    if any(target.status == "broken" for target in opened):
        return UNDONE
    return FAILED if any(failed) else 0


def _judge(examiner: Examiner, target: Target, case: AnyCase, checks: Sequence[str]) -> bool:
    print(f"\n{target.name} ({target.version_text})")
    if target.status == "broken":
        print(f"  broken: {target.message}")
        return False
    failed = False
    for check in checks:
        try:
            judgement = examiner.judge(target, case, check)
        except WorkerBrokenError as error:
            target.status = "broken"
            print(f"  broken: {error}")
            return False
        if judgement is None:
            continue
        failed = failed or judgement.verdict.is_discrepancy
        figure = "" if judgement.error != judgement.error else f"  {judgement.error:.3g} times the bound"
        print(visible(f"  {check:<16} {judgement.verdict.value}{figure}  {judgement.signature}".rstrip()))
        for line in visible(judgement.detail).splitlines():
            print(f"      {line}")
    return failed


def _read_case(path: Path) -> AnyCase:
    try:
        return case_from_json(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"case file {str(path)!r}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"case file {str(path)!r}: {error}") from None
