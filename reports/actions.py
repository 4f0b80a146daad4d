"""A run as GitHub Actions shows it: a summary of the step, and annotations of what is new."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from depthwise_conformance.reports.digest import Digest
from depthwise_conformance.reports.known import join_known, tell_counts
from depthwise_conformance.reports.markdown import cell, table
from depthwise_conformance.reports.record import Discrepancy, Verdict
from depthwise_conformance.reports.runs import ENDINGS
from depthwise_conformance.reports.words import counted, duration, visible

LIMIT = 1 << 20  # bytes that all summaries of a step may have together; of a larger one nothing is shown
OWN = LIMIT // 2  # of them that one run takes
ROOM = 100  # of them, for the sentence that says what is left out
TARGETS = ("target", "status", "passed", "failed", "declined", "new", "known", "time")
FOUND = ("id", "target", "check", "verdict", "cases", "", "what")
ANNOTATED = 10  # of each kind, in a step; more are not shown


def step_summary(digest: Digest, limit: int = OWN) -> str:
    """What a run found, in Markdown: targets by counts, then the discrepancies, as many as go into the limit (bytes).

    What is new comes first.
    """
    told = tell_counts(digest.found, bool(join_known(digest.runs)))
    state = "" if digest.complete else f" **{ENDINGS[digest.state]}**"
    head = f"## Conformance of DepthwiseConv2D\n\n{told}, in {duration(digest.seconds)}.{state}\n\n"
    head += "".join(f"- {cell(one)}\n" for one in digest.outdated) + "\n" * bool(digest.outdated)
    text = head[: limit // 4] + _within(
        TARGETS, [_target(digest, name) for name in digest.targets], limit // 4, "target"
    )
    rows = [_row(one) for one in digest.worst_first]
    return text + _within(FOUND, rows, limit - len(text.encode()), "discrepancy", "discrepancies")


def annotate(digest: Digest) -> Iterator[str]:
    """The workflow commands that annotate a step with what is new, worst first, and known entries that are outdated."""
    errors = [("known discrepancies", told) for told in digest.outdated]
    errors += [_told(one) for one in digest.new if one.verdict is not Verdict.IMPRECISE]
    warnings = [_told(one) for one in digest.new if one.verdict is Verdict.IMPRECISE]
    for kind, told in (("error", errors), ("warning", warnings)):
        shown = told if len(told) <= ANNOTATED else told[: ANNOTATED - 1]
        if more := len(told) - len(shown):
            shown = [*shown, ("and more", f"{more} more are new: see the summary of this step, or report.html")]
        yield from (f"::{kind} title={_property(title)}::{_data(text)}" for title, text in shown)


def _target(digest: Digest, name: str) -> tuple[str, ...]:
    about, counts = digest.described.get(name, {}), digest.of(name)
    new = sum(one.target == name for one in digest.new)
    known = sum(one.target == name for one in digest.found) - new
    figures = (counts.passed, counts.failed, counts.declined, new, known)
    return name, str(about.get("status", "")), *map(str, figures), duration(float(about.get("seconds", 0.0)))


def _row(one: Discrepancy) -> tuple[str, ...]:
    cases = f"{one.failing} of {one.failing + one.passing}"
    says = one.says or one.signature or one.place
    return one.id, one.target, one.check, one.verdict.value, cases, "known" if one.known else "new", says[:1000]


def _within(headings: Sequence[str], rows: Sequence[tuple[str, ...]], limit: int, *noun: str) -> str:
    """A table of as many rows as go into so many bytes, and how many are left."""
    shown = len(rows)
    while shown and len(table(headings, rows[:shown]).encode()) > limit - ROOM:
        shown //= 2
    text = table(headings, rows[:shown]) + "\n\n" if shown else ""
    left = len(rows) - shown
    return text + (f"And {counted(left, *noun)} more: see report.html.\n\n" if left else "")


def _told(one: Discrepancy) -> tuple[str, str]:
    """Title and text."""
    cases = f"{one.failing} of {one.failing + one.passing} cases"
    text = f"{one.check} is {one.verdict.value} on {cases}: {one.says or one.signature or one.place}\n{one.replay}"
    return f"{one.target} {one.id}", visible(text)[:2000]


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
