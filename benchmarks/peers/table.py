"""The table: a row for each suite."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from peers.trying import Trial

HEADER = ("suite", "cases", "padded outside", "caught", "could be seen", "of", "more where strides meet dilation")
UNION = "all of these together"


class Row(NamedTuple):
    """The cells of one row."""

    suite: str
    cases: str
    padded: str
    caught: str
    seen: str
    total: str
    more: str


def span(numbers: Iterable[int]) -> str:
    """A number, or the range of several."""
    found = sorted(set(numbers))
    return str(found[0]) if len(found) == 1 else f"{found[0]}-{found[-1]}"


def suite_row(trials: Sequence[Trial]) -> Row:
    """The row of one suite, over its seeds."""

    def over(count: Callable[[Trial], int]) -> str:
        return span(count(trial) for trial in trials)

    more = over(lambda t: len(t.caught_more())) if any(trial.combined for trial in trials) else ""
    return Row(
        trials[0].suite,
        over(lambda t: t.cases),
        over(lambda t: t.padded_outside),
        over(lambda t: len(t.caught())),
        over(lambda t: len(t.seen())),
        str(len(trials[0].outcomes)),
        more,
    )


def union_row(by_suite: Sequence[Sequence[Trial]]) -> Row:
    """What no suite alone has to catch: by each seed, or the only one that a suite has."""
    seeds = range(max(len(trials) for trials in by_suite))
    runs = [[trials[min(seed, len(trials) - 1)] for trials in by_suite] for seed in seeds]
    caught = [len(set().union(*(trial.caught() for trial in run))) for run in runs]
    seen = [len(set().union(*(trial.seen() for trial in run))) for run in runs]
    return Row(UNION, "", "", span(caught), span(seen), str(len(by_suite[0][0].outcomes)), "")


def print_table(rows: Sequence[Row], markdown: bool) -> None:
    """As Markdown, or for a terminal."""
    if markdown:
        print("| " + " | ".join(HEADER) + " |")
        print("|---|" + "---:|" * (len(HEADER) - 2) + "---|")
        for row in rows:
            print("| " + " | ".join(row) + " |")
        return
    table = Table(title="Faulty kernels by the suites that catch them")
    for column in HEADER:
        table.add_column(column, justify="left" if column == HEADER[0] else "right")
    for row in rows:
        table.add_row(*row)
    Console(width=140).print(table)


def print_each(by_suite: Sequence[Sequence[Trial]]) -> None:
    """For each fault, the suites that catch it with any seed, and those that could see it."""
    for name in by_suite[0][0].outcomes:
        caught = [trials[0].suite for trials in by_suite if any(name in trial.caught() for trial in trials)]
        seen = [trials[0].suite for trials in by_suite if any(name in trial.seen() for trial in trials)]
        print(f"{name}: caught by {caught or 'none'}; seen only by {[s for s in seen if s not in caught] or 'none'}")
