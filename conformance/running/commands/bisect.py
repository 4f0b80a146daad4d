"""`bisect`: the first release that fails on a case and the last that passes, or the other way."""

from __future__ import annotations

import argparse
import shlex
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from depthwise_conformance.casebook.case import AnyCase
from depthwise_conformance.judging.values import Judgement
from depthwise_conformance.reports.record import CHECKS, Verdict
from depthwise_conformance.running.bisecting import Bisection, Result, releases_of
from depthwise_conformance.running.casefiles import read_cases
from depthwise_conformance.running.commands.replay import applicable
from depthwise_conformance.running.examining import Examiner
from depthwise_conformance.running.options import add_options
from depthwise_conformance.running.spelling import Spelling, with_release
from depthwise_conformance.running.status import FAILED, UNDONE
from depthwise_conformance.running.targets import Target, open_targets, requests
from depthwise_conformance.running.telling import tell_case
from depthwise_conformance.running.terminal import shown
from depthwise_conformance.running.usage import UsageError
from depthwise_conformance.workers.worker import WorkerBrokenError

WIDTH = 160  # of what is told of a release
WORDS = {True: "fails", False: "passes", None: "not judged"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The case, who is asked about it, and of what there are releases."""
    parser.add_argument("case", metavar="CASE", help="a case file, or the id of a case or discrepancy of --run")
    parser.add_argument("--run", type=Path, default=Path("conformance-run"), help="the run folder that ids belong to")
    parser.add_argument("--target", required=True, help="the target, name[requirement,...][:mode][@device]")
    parser.add_argument("--package", required=True, metavar="NAME", help="the distribution whose releases are judged")
    parser.add_argument("--from", dest="first", default="", metavar="RELEASE", help="the first of them")
    parser.add_argument("--to", dest="last", default="", metavar="RELEASE", help="the last of them")
    add_options(parser, ("--targets", "--check", "--timeout"))


def run(options: argparse.Namespace) -> int:
    """Judges releases; 0 where it changes from one to another, FAILED where it does not. Raises UsageError."""
    cases = read_cases(options.case, options.run)
    if len(cases) != 1:
        raise UsageError(f"case {options.case!r}: has {len(cases)} cases; accepted is one")
    trial = Trial(options.target, options.package, cases[0], options.check or CHECKS, options.timeout, options.targets)
    found = Bisection(releases_of(options.package, options.first, options.last), trial.judge)
    found.search()
    print(shown("\n".join(tell(trial, found))))
    if all(one.fails is None for one in found.results.values()):
        return UNDONE
    return FAILED if found.change is None else 0


@dataclass
class Trial:
    """What each release is asked: one case, of a target with that release of a package."""

    target: str
    package: str
    case: AnyCase
    checks: Sequence[str]
    timeout: float
    files: Sequence[str] = ()
    lived: str = ""  # in what, beside the release

    def asked(self, release: str) -> Spelling:
        """The target with a release, on one device."""
        spelling = with_release(self.target, self.package, release)
        return replace(spelling, device=spelling.device or "cpu")

    def judge(self, release: str) -> Result:
        """What comes of a release."""
        opened = open_targets(requests([str(self.asked(release))], [], files=self.files), self.timeout)
        try:
            result = self._judge(opened[0])
        finally:
            for target in opened:
                target.worker.close()
        print(shown(f"{self.package} {release}: {_line(result)}"), file=sys.stderr, flush=True)
        return result

    def _judge(self, target: Target) -> Result:
        if target.environment is not None:
            self.lived = ", ".join((*target.environment.beside, f"Python {target.environment.python}"))
        try:
            if target.status == "broken":
                raise WorkerBrokenError(target.message)
            examiner, wanted = Examiner(self.checks), applicable(self.case, self.checks)
            judged = {check: examiner.judge(target, self.case, check) for check in wanted}
        except WorkerBrokenError as error:
            return Result(None, _last(str(error)))
        return _result({check: one for check, one in judged.items() if one is not None})


def _result(judged: dict[str, Judgement]) -> Result:
    failing = {check: one for check, one in judged.items() if one.verdict.is_discrepancy}
    if failing:
        check, worst = next(iter(failing.items()))
        return Result(True, f"{', '.join(failing)}; {check} is {worst.verdict.value}: {_reason(worst)}")
    if all(one.verdict is Verdict.UNSUPPORTED for one in judged.values()):
        return Result(None, "declined: " + next((one.signature for one in judged.values()), "nothing to judge"))
    return Result(False)


def _reason(one: Judgement) -> str:
    return one.signature or f"{one.error:.3g} times the bound"


def _last(text: str) -> str:
    """The line that says most of why something could not be: the last of a traceback, or of what uv said."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else text


def _line(one: Result) -> str:
    told = f"{WORDS[one.fails]}: {one.told}" if one.told else WORDS[one.fails]
    return textwrap.shorten(told, WIDTH, placeholder=" ...")


def tell(trial: Trial, found: Bisection) -> Iterator[str]:
    """A few lines, fit for an issue."""
    first, last = found.releases[0], found.releases[-1]
    yield f"{tell_case(trial.case)}"
    yield (
        f"{trial.target}, {len(found.releases)} releases of {trial.package} from {first} to {last}, "
        f"{len(found.results)} of them judged; beside {trial.lived or 'nothing that could be made'}:"
    )
    yield from (f"  {one:<10} {_line(found.results[one])}" for one in found.releases if one in found.results)
    if found.change is None:
        yield "It does not change: all that were judged are alike."
    else:
        before, after = found.change
        was, became = ("passes", "fails") if found.results[after].fails else ("fails", "passes")
        package = trial.package
        yield f"The last release that {was}: {package} {before}. The first that {became}: {package} {after}."
        between = found.releases[found.releases.index(before) + 1 : found.releases.index(after)]
        if between:
            yield f"Between them, not to be judged: {', '.join(between)}."
        if found.contradicting:
            yield f"It changes more than once: otherwise than that says {', '.join(found.contradicting)}."
    command = ["depthwise-conformance", "replay", "CASE.json", "--target", str(trial.asked(last))]
    yield f"With the case's file: {shlex.join(command)}"
