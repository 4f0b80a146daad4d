"""The plots of the page: accuracy, refusals, special values, coverage and time, by target."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from depthwise_conformance.reports.counting import Columns, read_columns
from depthwise_conformance.reports.drawing import Bar, Spread, draw_bars, draw_curve, draw_spreads, shorten
from depthwise_conformance.reports.record import NOT_JUDGED, Verdict
from depthwise_conformance.reports.words import counted, duration, figure, visible

MEASURED = ("output", "gradient_input", "gradient_kernel", "gradient_bias")
ROWS, PANELS = 80, 24  # of which a plot shows no more
WIDTH, HEIGHT = 150, 90  # of a panel
SHADES = 6  # of what is chosen; what else there is has none of its own
STEPS = ("construct", "build", "call")
COVERED = {1: "values", 2: "pairs", 3: "triples"}


@dataclass(frozen=True)
class Plot:
    """A plot with its title, and how to read it; `key` names the shades: class and meaning."""

    title: str
    svg: Markup
    reading: str
    key: Sequence[tuple[str, str]] = ()


def draw_plots(folder: Path, runs: Sequence[Mapping[str, Any]]) -> list[Plot]:
    """All plots for which a run folder has data. Raises ValueError as `read_results` does."""
    rows = read_columns(folder, ("target", "check", "verdict", "dtype", "error", "signature", "arguments"))
    judged = rows.chosen(~rows.among("verdict", NOT_JUDGED))
    measured = judged.chosen(judged.among("check", MEASURED) & ~np.isnan(judged.numbers("error")))
    targets = [one for run in runs for one in run.get("targets", [])]
    plots = (_errors(measured), _terms(measured), _refusals(judged), _coverage(targets), _times(targets))
    return [plot for plot in plots if plot is not None]


def _errors(measured: Columns) -> Plot | None:
    """How much of the bound errors take, by target and dtype."""
    rows, errors = [], measured.numbers("error")
    for (target, dtype), places in measured.groups("target", "dtype"):
        low, median, high = np.quantile(errors[places], (0.25, 0.5, 0.75), method="nearest")
        largest = float(errors[places].max())
        note = f"worst {figure(largest)}, of {counted(len(places), 'result')}"
        rows.append(Spread(f"{shorten(target, 18)} {dtype}", low, median, high, largest, note))
    if not rows:
        return None
    words = "Errors in units of the bound, by target and dtype. " + "; ".join(
        f"{row.label}: median {figure(row.median)}, {row.note}" for row in rows[:ROWS]
    )
    reading = (
        "Outputs and gradients. The box is the middle half of the errors, its line the median, the dot the worst. The "
        "strong line is the bound: what is left of it is rounding. What is exact, or beyond the axis, lies at its end."
    )
    return Plot("Error in units of the bound, by target and dtype", draw_spreads(rows[:ROWS], words), reading)


def _terms(measured: Columns) -> Plot | None:
    """How accurate outputs are by the number of products in a sum: the taps of the window."""
    among = measured.among("check", ["output"]) & measured.among("verdict", [Verdict.PASS, Verdict.IMPRECISE])
    outputs = measured.chosen(among)
    asked, texts = outputs.codes("arguments")
    taps = np.array([_taps(text) for text in texts], np.float64)[asked]
    outputs, taps = outputs.chosen(taps > 0), taps[taps > 0]
    if not taps.size:
        return None
    bins, errors = 2.0 ** np.floor(np.log2(taps)), outputs.numbers("error")
    most = float(bins.max())
    panels, told = [], []
    for (target,), places in itertools.islice(outputs.groups("target"), PANELS):
        by = [(terms, errors[places[bins[places] == terms]]) for terms in np.unique(bins[places])]
        median, worst = ([(terms, float(of(some))) for terms, some in by] for of in (np.median, np.max))
        panels.append(
            (
                target,
                draw_curve(worst, "worst", WIDTH, HEIGHT, most) + draw_curve(median, "mid", WIDTH, HEIGHT, most),
            )
        )
        told.append(
            f"{shorten(target)}: " + ", ".join(f"{terms:g} and more terms {figure(error)}" for terms, error in worst)
        )
    words = "Worst error of outputs in units of the bound, by number of terms. " + "; ".join(told)
    reading = (
        f"Outputs that passed, or were imprecise. Across: the products in a sum, from 1 to {most:g} and more; up: "
        "the error in units of the bound, from 0.0001 to 10,000, both logarithmic. The bound grows with the number of "
        "terms as errors may; those of careful sums grow with its root, and so fall here."
    )
    key = (("worst", "the worst"), ("mid", "the median"), ("boundkey", "the bound"))
    return Plot("Accuracy by number of terms", _grid(panels, words), reading, key)


def _taps(arguments: str) -> int:
    """The taps of a window, from the JSON of a layer's arguments; 0 where it says nothing of it."""
    try:
        size = json.loads(arguments).get("kernel_size")
        sizes = [int(one) for one in (size if isinstance(size, list) else [size, size])]
    except (ValueError, TypeError, AttributeError, RecursionError):
        return 0
    return math.prod(sizes) if len(sizes) == 2 and min(sizes) > 0 else 0


def _grid(panels: Sequence[tuple[str, Markup]], words: str) -> Markup:
    across, step, height = 4, WIDTH + 34, HEIGHT + 34
    frame = Markup('<rect class="frame" width="{}" height="{}"/><path class="bound" d="M0 {}H{}"/>').format(
        WIDTH, HEIGHT, HEIGHT / 2, WIDTH
    )
    drawn = [
        Markup('<g transform="translate({} {})"><text y="-5">{}</text>{}{}</g>').format(
            number % across * step + 2, number // across * height + 18, shorten(label, 24), frame, curves
        )
        for number, (label, curves) in enumerate(panels)
    ]
    w, h = min(across, len(panels)) * step, math.ceil(len(panels) / across) * height
    return Markup(
        '<svg class="plot" role="img" aria-label="{}" viewBox="0 0 {w} {h}" width="{w}" height="{h}">{}</svg>'
    ).format(visible(words), Markup("").join(drawn), w=w, h=h)


def _refusals(judged: Columns) -> Plot | None:
    """When targets refuse what is to be refused."""
    asked = judged.chosen(judged.among("check", ["errors"]))
    bars = []
    for (target,), places in asked.groups("target"):
        counts = dict.fromkeys((*STEPS, "later", "otherwise"), 0)
        for row in asked.rows(places, ("verdict", "signature")):
            step = row["signature"].rpartition(" at ")[2]
            told = step if step in STEPS else "later"
            counts[told if row["verdict"] == Verdict.PASS.value else "otherwise"] += 1
        said = ", ".join(f"{name} {count}" for name, count in counts.items() if count and name != "otherwise")
        note = f"not as documented {counts['otherwise']}" if counts["otherwise"] else "all as documented"
        parts = [(f"k{number}", float(count)) for number, count in enumerate(counts.values(), start=1)]
        bars.append((Bar(target, parts, note), f"{shorten(target)}: {said}, {note}"))
    if not bars:
        return None
    words = "Wrong arguments by the step that refuses them. " + "; ".join(told for _, told in bars)
    key = (*((f"k{number}", f"at {step}") for number, step in enumerate(STEPS, start=1)), ("k4", "later"))
    reading = (
        "Arguments that the documentation excludes, by the step that raised. Which class, and for what: see below."
    )
    svg = draw_bars([bar for bar, _ in bars[:ROWS]], words)
    return Plot("Who refuses, and when", svg, reading, (*key, ("k5", "not, or otherwise than documented")))


def _coverage(targets: Sequence[Mapping[str, Any]]) -> Plot | None:
    """How much of the catalogue's combinations each target was judged on."""
    bars = []
    for one in targets:
        found = one.get("coverage")
        if not isinstance(found, Mapping) or not _whole(found, "covered", "allowed"):
            continue
        covered, allowed = found["covered"], found["allowed"]
        note = f"{covered:,} of {allowed:,} {COVERED.get(found.get('strength', 0), 'tuples')}"
        bars.append(Bar(str(one["target"]), [("k1", covered), ("k0", max(allowed - covered, 0))], note))
    if not bars:
        return None
    words = "Combinations of argument values covered. " + "; ".join(
        f"{shorten(bar.label)}: {bar.note}" for bar in bars[:ROWS]
    )
    reading = (
        "Combinations of argument values and boundary classes that the documentation allows, and cases judged had."
    )
    return Plot("Coverage", draw_bars(bars[:ROWS], words, whole=True), reading)


def _times(targets: Sequence[Mapping[str, Any]]) -> Plot | None:
    """How long each target took."""
    bars = list(_time_bars(targets))
    if not bars:
        return None
    words = "Seconds by target. " + "; ".join(f"{shorten(bar.label)}: {bar.note}" for bar in bars[:ROWS])
    reading = "From question to answer, judging included; targets run side by side, so that sums mean little."
    return Plot("Time", draw_bars(bars[:ROWS], words), reading)


def _time_bars(targets: Sequence[Mapping[str, Any]]) -> Iterator[Bar]:
    for one in targets:
        seconds = one.get("seconds")
        if not isinstance(seconds, int | float) or not 0.0 <= seconds < math.inf:
            continue
        each = f", {1000 * seconds / one['judged']:.1f} ms a case" if _whole(one, "judged") and one["judged"] else ""
        yield Bar(str(one["target"]), [("k1", float(seconds))], f"{duration(seconds)}{each}")


def _whole(table: Mapping[str, Any], *names: str) -> bool:
    return all(isinstance(table.get(name), int) for name in names)


def draw_shares(counts: Mapping[str, Any], kinds: Sequence[str]) -> Markup:
    """A bar of what a target chose, each kind in a shade of its own."""
    whole = [(kind, count) for kind, count in counts.items() if isinstance(count, int) and count > 0]
    total, x, parts = sum(count for _, count in whole), 0.0, []
    for kind, count in whole:
        shade = kinds.index(kind) + 1 if kind in kinds[:SHADES] else 0
        parts.append(
            Markup('<rect class="k{}" x="{:.5g}" width="{:.5g}" height="7"/>').format(shade, x, 110 * count / total)
        )
        x += 110 * count / total
    return Markup('<svg class="share" aria-hidden="true" viewBox="0 0 110 7" width="110" height="7">{}</svg>').format(
        Markup("").join(parts)
    )
