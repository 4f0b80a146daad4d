"""Made-up runs, and their page as a browser would see it."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from depthwise_conformance.reports.record import Discrepancy, Record, Verdict
from depthwise_conformance.reports.tables import RecordWriter, write_discrepancies

HOSTILE = "<script>alert(1)</script>\0\x1b[31m\u202eevil&amp;\"'\r\n=1+1,\ud800\uffff"
CASE = "0123456789abcdef"
CASE_JSON = {
    "schema": 1,
    "arguments": {"kernel_size": [3, 2], "padding": "same", "activation": None},
    "input_shape": [1, 5, 7, 2],
    "data": {"recipe": "integers", "seed": 41},
}

RECORD = Record(
    target="torch@cpu",
    device="cpu",
    versions="torch 2.13.0",
    check="output",
    verdict=Verdict.PASS,
    case=CASE,
    dtype="float32",
    error=0.25,
    quality=0.5,
    signature="",
    detail="",
    arguments='{"kernel_size":[3,2]}',
    input_shape="(1, 5, 7, 2)",
    recipe="integers",
    seed=41,
)
DISCREPANCY = Discrepancy(
    id="d0",
    target="torch@cpu",
    versions="torch 2.13.0",
    device="cpu",
    dtype="float32",
    check="output",
    verdict=Verdict.WRONG_VALUE,
    cause="",
    condition="",
    place="",
    failing=2,
    passing=5,
    worst_error=12.5,
    smallest_case=CASE,
    replay=f"depthwise-conformance replay cases/{CASE}.json",
    known="",
    also="",
    signature="wrong",
    detail="expected 1, got 2",
)

any_text = st.text(st.characters(), max_size=30)  # with surrogates
hostile = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def run_json(**changes: object) -> dict[str, object]:
    target = {"target": "torch@cpu", "device": "cpu", "versions": {"torch": "2.13.0"}, "status": "judged"}
    run = {"schema": 1, "tool": "0.1.0", "started": "2026-11-22T13:40:12+00:00", "seconds": 75.0, "seed": 7}
    machine = {"platform": "Linux", "python": "3.11.7", "packages": {"numpy": "2.4.6"}}
    return {**run, "checks": ["output"], "complete": True, "machine": machine, "targets": [target], **changes}


def write_folder(folder: Path, rows=(), found=(), run=None) -> Path:
    with RecordWriter(folder) as writer:
        writer.write(list(rows))
    write_discrepancies(folder, list(found))
    (folder / "cases").mkdir(exist_ok=True)
    (folder / "cases" / f"{CASE}.json").write_text(json.dumps(CASE_JSON))
    (folder / "run.json").write_text(json.dumps(run or run_json()))
    return folder


def rows_of(*verdicts: Verdict, **changes: object) -> list[Record]:
    return [replace(RECORD, verdict=verdict, **changes) for verdict in verdicts]


def stored(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


class Page(HTMLParser):
    """The page as a browser would see it: the elements, the text, the cells of its tables, what it refers to."""

    VOID = ("meta", "link", "input", "br", "img")

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.rows: list[list[str]] = []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.text.append(data)
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    def attributes(self, *names: str) -> list[str]:
        return [value or "" for _, found in self.elements for name, value in found.items() if name in names]

    def said(self) -> str:
        return " ".join(" ".join(self.text).split())

    def row(self, first: str, said: str = "") -> list[str]:
        """The cells of the first row that begins with a word and says another."""
        rows = (row for row in self.rows if row and first in row[0].split()[:2])
        row = next(row for row in rows if said in " ".join(row))
        return [" ".join(cell.split()) for cell in row]
