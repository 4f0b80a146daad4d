"""Whether the files of a run folder agree with each other, and are whole."""

from __future__ import annotations

import collections
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from depthwise_conformance.reports.counting import summarise_folder
from depthwise_conformance.reports.frames import read_results
from depthwise_conformance.reports.record import NOT_JUDGED, Discrepancy, Verdict
from depthwise_conformance.reports.runs import read_runs
from depthwise_conformance.reports.tables import RESULTS_CSV, read_discrepancies
from depthwise_conformance.running.casefiles import read_cases
from depthwise_conformance.running.usage import UsageError

PAGE, JUNIT = "report.html", "junit.xml"


def verify_folder(folder: Path) -> list[str]:
    """What is wrong with a run folder, a line each; nothing where all agrees.

    Raises ValueError that names the folder where it cannot be read at all.
    """
    runs, results, found = read_runs(folder), read_results(folder), read_discrepancies(folder)
    incomplete = [str(run.get("started", "")) for run in runs if run.get("complete") is not True]
    return [
        *(f"run.json: the run of {started} is not complete" for started in incomplete),
        *_tables(folder, results),
        *_discrepancies(results, found),
        *_cases(folder, found),
        *_page(folder, found),
        *(_junit(folder, found) if (folder / JUNIT).exists() else ()),
    ]


def _tables(folder: Path, results: pd.DataFrame) -> Iterator[str]:
    """Both tables of results have the same rows, as far as these are counted."""
    keys = ["target", "check", "verdict"]
    try:
        other = pd.read_csv(folder / RESULTS_CSV, usecols=keys, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        yield f"{RESULTS_CSV}: {error}"
        return
    columns = ([frame[key].astype(str) for key in keys] for frame in (results, other))
    one, two = (collections.Counter(zip(*some, strict=True)) for some in columns)
    for key in sorted({*one, *two}):
        if one[key] != two[key]:
            yield f"{RESULTS_CSV}: {' '.join(key)}: {two[key]} rows, where results.parquet has {one[key]}"


def _discrepancies(results: pd.DataFrame, found: list[Discrepancy]) -> Iterator[str]:
    """Every target and check that fails is told by a discrepancy, and none of one that does not."""
    failing = results[~results.verdict.isin([Verdict.PASS, *NOT_JUDGED])]
    failed = set(zip(failing.target.astype(str), failing.check.astype(str), strict=True))
    told = {(one.target, check) for one in found for check in one.checks}
    yield from (
        f"discrepancies.csv: none is of {target} {check}, which fails" for target, check in sorted(failed - told)
    )
    yield from (f"discrepancies.csv: {target} {check} does not fail" for target, check in sorted(told - failed))
    ids = [one.id for one in found]
    if (failing.discrepancy != "").any():  # an earlier release, or a run that was ended, named none
        for name in sorted(set(failing.discrepancy) - set(ids)):
            yield f"results.parquet: {name or 'no discrepancy'} is named by rows, and not in discrepancies.csv"
    yield from (f"discrepancies.csv: {name} is there twice" for name in sorted({i for i in ids if ids.count(i) > 1}))


def _cases(folder: Path, found: list[Discrepancy]) -> Iterator[str]:
    """Every case file is of the case that it is named after, and every smallest case has one."""
    files = sorted((folder / "cases").glob("*.json"))
    for path in files:
        try:
            names = [case.id for case in read_cases(str(path), folder)]
        except UsageError as error:
            yield f"cases/{path.name}: {error}"
            continue
        if names != [path.stem]:
            yield f"cases/{path.name}: is of the case {', '.join(names)}"
    there = {path.stem for path in files}
    for one in found:
        if one.smallest_case not in there:
            yield f"cases: none is {one.smallest_case}, the smallest of {one.id}"
        if not (folder / "repro" / f"{one.id}.md").is_file():
            yield f"repro: no report of {one.id}"


def _page(folder: Path, found: list[Discrepancy]) -> Iterator[str]:
    try:
        text = (folder / PAGE).read_text("utf-8")
    except OSError as error:
        yield f"{PAGE}: {error.strerror}"
        return
    yield from (f"{PAGE}: {one.id} is not on it" for one in found if one.id not in text)


def _junit(folder: Path, found: list[Discrepancy]) -> Iterator[str]:
    """The counts of each item are those of the results, and its discrepancies those of the table."""
    try:
        items = list(ET.parse(folder / JUNIT).getroot().iter("testcase"))
    except ET.ParseError as error:
        yield f"{JUNIT}: {error}"
        return
    counts = {(row["target"], row["check"]): row for row in summarise_folder(folder)}
    for item in items:
        said = {str(one.get("name")): str(one.get("value")) for one in item.iter("property")}
        key = said.get("target", ""), said.get("check", "")
        row = counts.get(key, {"judged": 0, Verdict.PASS.value: 0, Verdict.UNSUPPORTED.value: 0})
        wanted = {
            "judged": str(row["judged"]),
            "declined": str(row[Verdict.UNSUPPORTED.value]),
            "failed": str(row["judged"] - row[Verdict.PASS.value]),
        }
        for name, value in wanted.items():
            if said.get(name, "") != value:
                yield f"{JUNIT}: {' '.join(key)}: {name} {said.get(name, 'is missing')}, where the results have {value}"
        ids = {one.id for one in found if key[0] == one.target and key[1] in one.checks}
        if missing := ids - set(said.get("discrepancies", "").split()) - set(said.get("known", "").split()):
            yield f"{JUNIT}: {' '.join(key)}: not told are {', '.join(sorted(missing))}"
