"""Faults, not rows: the discrepancies of one family together, the worst first."""

from __future__ import annotations

import math
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from depthwise_conformance.reports import words
from depthwise_conformance.reports.cases import CaseText, file_of, read_case
from depthwise_conformance.reports.evidence import Evidence, read_evidence
from depthwise_conformance.reports.matrix import Subject, subject_of
from depthwise_conformance.reports.numbers import Shown, as_keras, show_given, show_results
from depthwise_conformance.reports.pictures import Picture, draw_error
from depthwise_conformance.reports.record import Discrepancy, Verdict, rank
from depthwise_conformance.reports.sentences import Cause, Sentence, documented, explained

# The worst first: what is wrong without a word, what gives nothing, what is refused amiss, what is inexact.
SEVERITY = (
    *(Verdict.WRONG_VALUE, Verdict.WRONG_SPECIAL, Verdict.WRONG_SHAPE, Verdict.WRONG_DTYPE, Verdict.BAD_RETURN),
    *(Verdict.NOT_DETERMINISTIC, Verdict.IMPURE, Verdict.CRASHED, Verdict.TIMED_OUT, Verdict.REFUSED),
    *(Verdict.ERROR_MISSING, Verdict.ERROR_WRONG, Verdict.IMPRECISE),
)
FINDINGS = ("cause", "condition", "place")
_PLAIN = re.compile(r"[\w-]{1,100}", re.ASCII)


@dataclass(frozen=True)
class Member:
    """One discrepancy with all that is told of it.

    `anchor` is its place on the page; `evidence`, `script` and `issue` are what its files in `repro/` hold, None or
    empty where there is none, and `replay` the command that repeats it in the run's folder.
    """

    anchor: str
    discrepancy: Discrepancy
    meaning: words.Meaning
    case: CaseText | None
    evidence: Evidence | None
    replay: str
    script: str
    issue: str

    @property
    def title(self) -> str:
        """What is wrong, in words that follow the target's name."""
        return words.phrase(self.discrepancy.check, self.meaning)

    @property
    def subject(self) -> Subject:
        """The target, where it ran, in which versions."""
        return subject_of(self.discrepancy)

    @property
    def severity(self) -> int:
        """Its place among verdicts, the worst first; garbage is a wrong value, whatever explains it."""
        return 0 if self.meaning is words.GARBAGE else SEVERITY.index(self.discrepancy.verdict)

    @property
    def picture(self) -> Picture | None:
        """Where the smallest case is off; None where nothing was measured."""
        error = self.evidence.arrays.get("error") if self.evidence else None
        return draw_error(error) if error else None

    @property
    def given(self) -> list[Shown]:
        """The numbers that go in."""
        return show_given(self.evidence) if self.evidence else []

    @property
    def results(self) -> list[Shown]:
        """What was expected and what came back."""
        return show_results(self.evidence) if self.evidence else []

    @property
    def code(self) -> str:
        """The smallest case in Keras, numbers and all; "" where these are too many, or are not there."""
        return as_keras(self.case.call, self.evidence) if self.case and self.evidence else ""


@dataclass(frozen=True)
class Family:
    """One fault on all the targets and releases that have it; the worst of its `members` first."""

    anchor: str
    members: Sequence[Member]

    @property
    def first(self) -> Member:
        """The member that stands for all."""
        return self.members[0]

    @property
    def title(self) -> str:
        """What is wrong, and why or when where all members agree on it, or else what it takes to show it."""
        one, told = self.first.discrepancy, self.first.title
        when = one.condition if "condition" in self.agreed else ""
        if one.cause and "cause" in self.agreed:
            rest = f": {one.cause}"
        elif when:
            rest = f", {'' if when.startswith(('only if ', 'wherever ')) else 'when '}{words.plain(when)}"
        else:
            rest = f" ({self.trigger})" if self.trigger else ""
        return f"{told[:1].upper()}{told[1:]}{rest}"

    @property
    def agreed(self) -> frozenset[str]:
        """Which of cause, condition and place are the same for all members."""
        told = {name: {getattr(one.discrepancy, name) for one in self.members} for name in FINDINGS}
        return frozenset(name for name, values in told.items() if len(values) == 1)

    @property
    def trigger(self) -> str:
        """What it takes to show it, as far as its name says it."""
        return " ".join(self.first.discrepancy.family.split(" ")[2:])

    @property
    def documented(self) -> list[Sentence]:
        """The sentences of the documentation that it contradicts."""
        return documented(self.first.discrepancy)

    @property
    def causes(self) -> list[Cause]:
        """What its causes mean, each once."""
        found = [cause for member in self.members for cause in explained(member.discrepancy.cause)]
        return list(dict.fromkeys(found))

    @property
    def new(self) -> bool:
        """Whether it is known of some target or release, but not of all."""
        return not all(member.discrepancy.known for member in self.members)

    @property
    def targets(self) -> list[str]:
        """The targets that have it."""
        return list(dict.fromkeys(member.discrepancy.target for member in self.members))

    @property
    def failing(self) -> int:
        """How many judged cases show it, on all targets together."""
        return sum(member.discrepancy.failing for member in self.members)

    @property
    def worst(self) -> float:
        """The worst error of all, in units of its bound; NaN where none was measured."""
        errors = [member.discrepancy.worst_error for member in self.members]
        return max((error for error in errors if not math.isnan(error)), default=math.nan)

    @property
    def tone(self) -> str:
        """That of its worst member."""
        return self.first.meaning.tone


def count_facets(families: Iterable[Family]) -> dict[str, dict[str, int]]:
    """What the families may be chosen by: for every facet, its values, and how many discrepancies have each."""
    members = [member.discrepancy for family in families for member in family.members]
    facets: dict[str, Callable[[Discrepancy], str]] = {
        "target": lambda one: one.target,
        "check": lambda one: one.check,
        "verdict": lambda one: one.verdict.value,
        "dtype": lambda one: one.dtype,
        "known": lambda one: "known" if one.known else "new",
    }
    return {name: dict(sorted(Counter(map(value, members)).items())) for name, value in facets.items()}


def gather(folder: Path, found: Iterable[Discrepancy]) -> list[Family]:
    """The families of a run folder's discrepancies: those with something new first, then the worst."""
    named: dict[str, list[Member]] = {}
    anchors: set[str] = set()
    for number, one in enumerate(sorted(found, key=_order)):
        anchor = _anchor(one, number, anchors)
        named.setdefault(one.family or anchor, []).append(_member(folder, anchor, one))
    families = [Family(f"f-{members[0].anchor}", sorted(members, key=_gravest)) for members in named.values()]
    return sorted(families, key=lambda one: (not one.new, *_badness(one)))


def _badness(family: Family) -> tuple[object, ...]:
    one = family.first
    return one.severity, -len(family.targets), -family.failing, rank(one.discrepancy.check), one.subject


def _gravest(member: Member) -> tuple[object, ...]:
    error = member.discrepancy.worst_error
    return member.severity, 0.0 if math.isnan(error) else -error, member.subject


def _order(one: Discrepancy) -> tuple[object, ...]:
    return subject_of(one), rank(one.check), SEVERITY.index(one.verdict), one.id


def _member(folder: Path, anchor: str, one: Discrepancy) -> Member:
    evidence = read_evidence(folder, one.id)
    garbage = one.verdict is Verdict.IMPRECISE and evidence is not None and evidence.garbage
    return Member(
        anchor=anchor,
        discrepancy=one,
        meaning=words.GARBAGE if garbage else words.MEANINGS[one.verdict],
        case=read_case(folder, one.smallest_case),
        evidence=evidence,
        replay=replay_here(one),
        script=_text(folder, one.id, ".py"),
        issue=_text(folder, one.id, ".md"),
    )


def replay_here(one: Discrepancy) -> str:
    """The command that repeats it in the run's folder, wherever that was written: paths are relative to it.

    A path stays as it is where it leads to elsewhere than what is beside the run's folder, and below that.
    """
    ours = f"cases/{one.smallest_case}.json"
    try:
        words = shlex.split(one.replay)
    except ValueError:  # no command of ours
        return one.replay
    case = next((word for word in words if word == ours or word.endswith(f"/{ours}")), "")
    if not case:
        return one.replay
    around = PurePosixPath(case.removesuffix(ours)).parent
    return shlex.join(ours if word == case else _from_folder(word, around) for word in words)


def _from_folder(word: str, around: PurePosixPath) -> str:
    path = PurePosixPath(word)
    beside = path.is_absolute() and around != around.parent and path.is_relative_to(around)
    return str(PurePosixPath("..", path.relative_to(around))) if beside else word


def _anchor(one: Discrepancy, number: int, taken: set[str]) -> str:
    """Its id, so that links to it last; numbered where that is none, or another release's has the same."""
    anchor = f"d-{one.id}" if _PLAIN.fullmatch(one.id) else f"d-{number}"
    anchor = anchor if anchor not in taken else f"{anchor}-{number}"
    taken.add(anchor)
    return anchor


def _text(folder: Path, name: str, suffix: str) -> str:
    path = file_of(folder, "repro", name, suffix)
    return path.read_text(encoding="utf-8", errors="replace") if path else ""
