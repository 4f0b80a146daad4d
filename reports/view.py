"""What the page shows, computed from the files of a run folder; every number comes from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from depthwise_conformance.reports import words
from depthwise_conformance.reports.cases import layer_call
from depthwise_conformance.reports.counting import count_reasons, read_check, summarise_folder
from depthwise_conformance.reports.families import Family, count_facets, gather
from depthwise_conformance.reports.known import join_known, tell_outdated
from depthwise_conformance.reports.layers import read_layers
from depthwise_conformance.reports.matrix import JUDGED, Link, Row, Subject, build_rows, in_order
from depthwise_conformance.reports.outcome import Outcome, conclude
from depthwise_conformance.reports.pairs import Pairs, read_pairs
from depthwise_conformance.reports.plots import Plot, draw_plots
from depthwise_conformance.reports.record import LAYER_CHECKS, NOT_JUDGED, Comparison, Verdict
from depthwise_conformance.reports.runs import ending, read_runs
from depthwise_conformance.reports.sentences import Cause, Sentence, causes, sentences
from depthwise_conformance.reports.tables import read_discrepancies

ERRORS = "errors"


@dataclass(frozen=True)
class Reason:
    """Why cases of a target were not judged, and how many."""

    subject: Subject
    reason: str
    checks: tuple[str, ...]
    count: int


@dataclass(frozen=True)
class Traits:
    """What a target was seen to do where it may choose: `arithmetic` by dtype, how often what by topic in `choices`."""

    target: str
    declared: Mapping[str, str]
    arithmetic: Mapping[str, Mapping[str, Any]]
    choices: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Refused:
    """One kind of wrong arguments: by target, what was raised at which step, or that nothing was, and how often."""

    wrong: str
    answers: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Layer:
    """A layer that somebody brought: its name, its call, and each of its comparisons with what it means."""

    name: str
    call: str
    rows: Sequence[tuple[Comparison, words.Meaning]]


@dataclass(frozen=True)
class View:
    """Everything on the page."""

    runs: Sequence[Mapping[str, Any]]
    checks: Sequence[str]
    rows: Sequence[Row]
    families: Sequence[Family]
    outcome: Outcome
    unsupported: Sequence[Reason]
    broken: Sequence[Reason]
    refused: Sequence[Refused]
    layers: Sequence[Layer]
    pairs: Pairs
    plots: Sequence[Plot]

    @property
    def models(self) -> list[Mapping[str, Any]]:
        """What run.json says of the models whose layers were judged."""
        return [model for run in self.runs for model in run.get("models", [])]

    @property
    def kinds(self) -> list[tuple[str, list[str], list[Row]]]:
        """The tables of targets by checks: a title, checks, and the rows of those that were judged by any of them."""
        whole = [check for check in self.checks if check in LAYER_CHECKS]
        operation = [check for check in self.checks if check not in LAYER_CHECKS]
        rows = list(self.rows)
        if operation:  # raw operations have nothing to show in the other
            layers = [row for row in rows if any(row.cells[check].judged for check in whole if check in row.cells)]
            tables = [("The operation", operation, rows), ("The whole layer", whole, layers)]
        else:
            tables = [("The whole layer", whole, rows)]
        return [(title, checks, shown) for title, checks, shown in tables if shown]

    @property
    def refusing(self) -> list[str]:
        """The targets that were asked to refuse anything."""
        return sorted({target for row in self.refused for target in row.answers})

    @property
    def traits(self) -> list[Traits]:
        """What run.json says that the targets do."""
        listed = [target for run in self.runs for target in run.get("targets", [])]
        found = [
            Traits(str(one["target"]), *(_table(one.get(name)) for name in ("declared", "arithmetic", "choices")))
            for one in listed
        ]
        return [one for one in found if one.arithmetic or one.choices]

    @property
    def topics(self) -> list[str]:
        """All that any target chose."""
        return sorted({topic for one in self.traits for topic in one.choices})

    @property
    def chosen(self) -> list[str]:
        """What any target chose of anything, the most common kinds first."""
        counts = Counter(kind for one in self.traits for kinds in one.choices.values() for kind in kinds)
        return [kind for kind, _ in counts.most_common()]

    @property
    def sentences(self) -> list[Sentence]:
        """The sentences of the documentation that any fault contradicts."""
        named = {sentence.anchor for family in self.families for sentence in family.documented}
        return [sentence for sentence in sentences() if sentence.anchor in named]

    @property
    def causes(self) -> list[Cause]:
        """The causes of any fault, as far as there is something to say of their names."""
        told = {cause.name for family in self.families for cause in family.causes}
        return [causes()[name] for name in sorted(told)]

    @property
    def state(self) -> str:
        """How the runs ended, by a key of `ENDINGS`."""
        return ending(self.runs)

    @property
    def shortfalls(self) -> list[tuple[str, str]]:
        """What run.json says of targets that were judged or diagnosed on too little."""
        kinds = (("Judged on too little", "thin"), ("Not diagnosed in full", "cut_short"))
        return [(title, str(told)) for run in self.runs for title, name in kinds for told in run.get(name) or ()]

    @property
    def outdated(self) -> list[str]:
        """What there is to say of known entries that are stale or have expired."""
        return tell_outdated(join_known(self.runs))

    @property
    def facets(self) -> Mapping[str, Mapping[str, int]]:
        """What the faults may be chosen by."""
        return count_facets(self.families)

    @property
    def troubled(self) -> list[Mapping[str, Any]]:
        """The targets of run.json with which not all went well."""
        return [one for run in self.runs for one in run.get("targets", []) if one.get("status") != JUDGED]


def read_view(folder: Path, runs: Sequence[Mapping[str, Any]] = ()) -> View:
    """Reads a run folder, but for `runs` where they are given.

    Raises ValueError that names it and what is missing or malformed.
    """
    runs = runs or read_runs(folder)
    families = gather(folder, read_discrepancies(folder))
    summary = summarise_folder(folder, by=(*Subject._fields, "check"))
    rows = build_rows(summary, runs, _links(families))
    return View(
        runs=runs,
        checks=in_order(
            {*(row["check"] for row in summary), *(check for run in runs for check in run.get("checks", []))}
        ),
        rows=rows,
        families=families,
        outcome=conclude(families, rows, runs),
        unsupported=_reasons(folder, Verdict.UNSUPPORTED),
        broken=_reasons(folder, Verdict.BROKEN),
        refused=_refused(folder),
        layers=_layers(folder),
        pairs=read_pairs(folder),
        plots=draw_plots(folder, runs),
    )


def _layers(folder: Path) -> list[Layer]:
    grouped: dict[tuple[str, str], list[Comparison]] = {}
    for row in read_layers(folder):
        grouped.setdefault((row.layer, row.case), []).append(row)
    return [
        Layer(
            name,
            layer_call(rows[0].arguments, rows[0].input_shape),
            [(row, words.MEANINGS[row.verdict]) for row in rows],
        )
        for (name, _), rows in grouped.items()
    ]


def _refused(folder: Path) -> list[Refused]:
    """What targets made of arguments that are to be refused; the first line of a record's detail says what is wrong."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for row in read_check(folder, ERRORS, ("target", "verdict", "signature", "detail")):
        if row["verdict"] in NOT_JUDGED:
            continue
        passed = row["verdict"] == Verdict.PASS.value
        answer = row["signature"] if passed else words.MEANINGS[Verdict(row["verdict"])].label
        answers = found.setdefault(row["detail"].partition("\n")[0], {}).setdefault(row["target"], {})
        answers[answer] = answers.get(answer, 0) + 1
    return [Refused(wrong, answers) for wrong, answers in found.items()]


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _links(families: Sequence[Family]) -> dict[tuple[str, ...], Link]:
    """The worst discrepancy of every subject, check and verdict; of every check that shows it, for an empty verdict."""
    links: dict[tuple[str, ...], Link] = {}
    for member in sorted((one for family in families for one in family.members), key=lambda one: one.severity):
        one = member.discrepancy
        link = Link(member.anchor, member.meaning)
        links.setdefault((*member.subject, one.check, one.verdict), link)
        for check in one.checks:
            links.setdefault((*member.subject, check, ""), link)
    return links


def _reasons(folder: Path, verdict: Verdict) -> list[Reason]:
    """Why records have that verdict, by target: the most frequent first."""
    counted: dict[tuple[Subject, str], Counter[str]] = {}
    for (*subject, check, reason), count in count_reasons(folder, verdict, [*Subject._fields, "check"]).items():
        counted.setdefault((Subject(*subject), reason), Counter())[check] += count
    reasons = [Reason(*key, in_order(checks), checks.total()) for key, checks in counted.items()]
    return sorted(reasons, key=lambda one: (one.subject, -one.count, one.reason))
