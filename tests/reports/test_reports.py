from __future__ import annotations

import csv
import json
import math
import re
import threading
from dataclasses import astuple, fields, replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from depthwise_conformance.reports import page, tables, words
from depthwise_conformance.reports.cases import read_case
from depthwise_conformance.reports.page import write_page
from depthwise_conformance.reports.record import CHECKS, Discrepancy, Record, Verdict
from depthwise_conformance.reports.runs import read_runs
from depthwise_conformance.reports.tables import (
    RecordWriter,
    merge,
    read_discrepancies,
    read_results,
    summarise,
    write_discrepancies,
)

HOSTILE = "<script>alert(1)</script>\0\x1b[31m\u202eevil&amp;\"'\r\n=1+1,\ud800\uffff"
BOUND = "\N{MULTIPLICATION SIGN} bound"
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
storable_text = any_text.map(lambda text: text.encode("utf-8", "backslashreplace").decode())
records = st.builds(
    Record,
    **{field.name: any_text for field in fields(Record) if field.type == "str"},
    verdict=st.sampled_from(Verdict),
    error=st.floats(),
    seed=st.integers(0, 2**64 - 1),
)
discrepancies = st.builds(
    Discrepancy,
    **{field.name: any_text for field in fields(Discrepancy) if field.type == "str"},
    verdict=st.sampled_from([verdict for verdict in Verdict if verdict.is_discrepancy]),
    failing=st.integers(0, 10**6),
    passing=st.integers(0, 10**6),
    worst_error=st.floats(),
)
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


def same(one: object, other: object) -> bool:
    return one == other or (isinstance(one, float) and math.isnan(one) and math.isnan(other))


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

    def row(self, target: str) -> list[str]:
        row = next(row for row in self.rows if row and row[0].split()[:1] == [target])
        return [" ".join(cell.split()) for cell in row]


# The tables


@hostile
@given(rows=st.lists(records, max_size=8))
def test_records_come_back(tmp_path, rows):
    with RecordWriter(tmp_path) as writer:
        writer.write(rows[:3])
        writer.write(rows[3:])
    frame = read_results(tmp_path)
    back = [tuple(row) for row in frame.itertuples(index=False)]
    for row, values in zip(rows, back, strict=True):
        wanted = [stored(value) if isinstance(value, str) else value for value in astuple(row)]
        assert all(map(same, wanted, values)), (wanted, values)


@hostile
@given(rows=st.lists(records, max_size=8))
def test_the_csv_says_the_same_to_csv_and_pandas(tmp_path, rows):
    with RecordWriter(tmp_path) as writer:
        writer.write(rows)
    with (tmp_path / "results.csv").open(encoding="utf-8", newline="") as file:
        names, *cells = csv.reader(file)
    assert names == [field.name for field in fields(Record)]
    frame = pd.read_csv(tmp_path / "results.csv", dtype=str, keep_default_na=False)
    assert frame.to_numpy().tolist() == cells
    for row, line in zip(rows, cells, strict=True):
        assert line[names.index("error")] == ("" if math.isnan(row.error) else repr(row.error))
        assert line[names.index("seed")] == str(row.seed)
        assert line[names.index("detail")].removeprefix("'") == stored(row.detail)


@hostile
@given(found=st.lists(discrepancies, max_size=5))
def test_discrepancies_come_back(tmp_path, found):
    write_discrepancies(tmp_path, found)
    for one, back in zip(found, read_discrepancies(tmp_path), strict=True):
        assert isinstance(back.verdict, Verdict)
        wanted = [stored(value) if isinstance(value, str) else value for value in astuple(one)]
        assert all(map(same, wanted, astuple(back)))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "'quoted", "'"])
def test_no_cell_of_text_is_a_formula(tmp_path, text):
    write_discrepancies(tmp_path, [replace(DISCREPANCY, detail=text, worst_error=-math.inf)])
    with (tmp_path / "discrepancies.csv").open(encoding="utf-8", newline="") as file:
        cell = list(csv.reader(file))[1]
    assert cell[-1] == "'" + text
    assert cell[12] == "-inf"
    assert read_discrepancies(tmp_path)[0].detail == text


def test_huge_messages_come_back(tmp_path):
    long = "x" * 2_000_000
    write_folder(tmp_path, [replace(RECORD, detail=long)], [replace(DISCREPANCY, detail=long)])
    assert read_discrepancies(tmp_path)[0].detail == long
    assert read_results(tmp_path)["detail"][0] == long


def test_files_are_complete_when_the_run_is_interrupted(tmp_path):
    with pytest.raises(KeyboardInterrupt), RecordWriter(tmp_path) as writer:
        writer.write([RECORD] * 3)
        raise KeyboardInterrupt
    assert len(read_results(tmp_path)) == len(pd.read_csv(tmp_path / "results.csv")) == 3
    with pytest.raises(ValueError, match="not open"):
        writer.write([RECORD])


def test_a_run_without_records_is_readable(tmp_path):
    with RecordWriter(tmp_path):
        pass
    results = read_results(tmp_path)
    assert list(results.columns) == [field.name for field in fields(Record)]
    assert summarise(results).empty


def test_threads_write_every_record_once(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "GROUP_ROWS", 64)
    with RecordWriter(tmp_path) as writer:

        def work(number):
            for index in range(100):
                writer.write([replace(RECORD, case=f"{number}-{index}")] * 3)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    counts = read_results(tmp_path)["case"].value_counts()
    assert len(counts) == 600
    assert set(counts) == {3}


def test_memory_stays_flat(tmp_path):
    process = psutil.Process()
    batch = [replace(RECORD, case=f"{index:016x}", seed=index, detail=f"story {index}") for index in range(1000)]
    used = []
    with RecordWriter(tmp_path) as writer:
        for _ in range(4):
            for _ in range(50):
                writer.write(batch)
            used.append(process.memory_info().rss)
            assert pa.total_allocated_bytes() < 50e6
    assert used[-1] - used[0] < 32e6
    assert pq.read_metadata(tmp_path / "results.parquet").num_rows == 200_000
    assert pq.read_metadata(tmp_path / "results.parquet").num_row_groups == 20


def test_long_messages_do_not_wait_for_a_full_group(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "GROUP_CHARACTERS", 1000)
    with RecordWriter(tmp_path) as writer:
        writer.write([replace(RECORD, detail="x" * 600)] * 5)
    assert pq.read_metadata(tmp_path / "results.parquet").num_row_groups == 3


def test_summary_counts_every_verdict_and_judges_no_unsupported_one(tmp_path):
    verdicts = [Verdict.PASS, Verdict.PASS, Verdict.IMPRECISE, Verdict.UNSUPPORTED, Verdict.UNSUPPORTED, Verdict.BROKEN]
    rows = rows_of(*verdicts) + rows_of(Verdict.UNSUPPORTED, check="errors", error=math.nan)
    rows += rows_of(Verdict.PASS, check="custom") + rows_of(Verdict.PASS, target="a")
    rows += [replace(RECORD, verdict=Verdict.WRONG_VALUE, error=math.inf)]
    summary = summarise(read_results(write_folder(tmp_path, rows)))
    assert list(zip(summary["target"], summary["check"], strict=True)) == [
        ("a", "output"),
        ("torch@cpu", "output"),
        ("torch@cpu", "errors"),
        ("torch@cpu", "custom"),
    ]
    output, errors = summary.iloc[1], summary.iloc[2]
    assert (output["pass"], output["imprecise"], output["unsupported"], output["broken"]) == (2, 1, 2, 1)
    assert (output["judged"], output["worst_error"]) == (4, math.inf)
    assert (errors["pass"], errors["judged"], errors["unsupported"]) == (0, 0, 1)
    assert math.isnan(errors["worst_error"])
    assert int(summary[[verdict.value for verdict in Verdict]].sum().sum()) == len(rows)


def test_summary_of_the_csv_is_that_of_the_parquet(tmp_path):
    write_folder(tmp_path, rows_of(*Verdict) + rows_of(Verdict.PASS, error=math.nan))
    from_csv = pd.read_csv(tmp_path / "results.csv")
    pd.testing.assert_frame_equal(summarise(from_csv), summarise(read_results(tmp_path)))


# Merging


def test_merge_joins_everything(tmp_path):
    one = write_folder(tmp_path / "one", rows_of(Verdict.PASS, Verdict.WRONG_VALUE), [DISCREPANCY])
    other = write_folder(
        tmp_path / "other",
        rows_of(*[Verdict.PASS] * 9),
        [
            replace(DISCREPANCY, failing=3, passing=1, worst_error=math.nan),
            replace(DISCREPANCY, id="d1", detail=HOSTILE),
        ],
        run_json(complete=False),
    )
    (other / "cases" / "feed.json").write_text("{}")
    (other / "repro").mkdir()
    (other / "repro" / "d1.py").write_text("print()")
    out = tmp_path / "out"
    merge([one, other], out)
    assert len(read_results(out)) == len(pd.read_csv(out / "results.csv")) == 11
    first, second = read_discrepancies(out)
    assert (first.failing, first.passing, first.worst_error) == (5, 10, 12.5)
    assert (second.id, second.detail) == ("d1", stored(HOSTILE))
    assert sorted(path.name for path in out.glob("*/*")) == [f"{CASE}.json", "d1.py", "feed.json"]
    assert [run["complete"] for run in read_runs(out)] == [True, False]
    merge([out, one], tmp_path / "again")
    assert len(read_runs(tmp_path / "again")) == 3
    said = Page(write_page(out)).said()
    assert "Merged from 2 runs, 1 of them complete." in said
    assert "Run 2 of 2: incomplete" in said
    assert "The run is incomplete" in said


@pytest.mark.parametrize("name", ["results.parquet", "discrepancies.csv", "run.json"])
@pytest.mark.parametrize("content", [None, b"", b"nonsense", b"\xff\xfe{"])
def test_a_bad_folder_is_named_before_anything_is_written(tmp_path, name, content):
    good, bad = write_folder(tmp_path / "good", [RECORD]), write_folder(tmp_path / "bad", [RECORD])
    (bad / name).unlink() if content is None else (bad / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"bad: {re.escape(name)}"):
        merge([good, bad], tmp_path / "out")
    with pytest.raises(ValueError, match=rf"bad: {re.escape(name)}"):
        write_page(bad)
    assert not (tmp_path / "out").exists()
    with pytest.raises(ValueError, match="nowhere"):
        merge([tmp_path / "nowhere"], tmp_path / "out")
    with pytest.raises(ValueError, match="one of the folders"):
        merge([good], good)


@pytest.mark.parametrize(
    "content", ["[]", "3", '{"schema": 2}', '{"schema": 1, "runs": []}', '{"schema": 1, "targets": [3]}']
)
def test_a_run_of_another_kind_is_refused(tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(ValueError, match=r"run\.json"):
        read_runs(tmp_path)


# The page


def full_folder(folder: Path) -> Path:
    rows = rows_of(*[Verdict.PASS] * 5, *[Verdict.WRONG_VALUE] * 2, Verdict.UNSUPPORTED, error=0.5)
    rows += rows_of(*[Verdict.UNSUPPORTED] * 3, check="errors", error=math.nan, signature="no <layer>")
    rows += rows_of(Verdict.PASS, Verdict.PASS, target="jax:jit", versions="jax 0.10.2")
    rows += rows_of(Verdict.BROKEN, target="onnx", versions="", device="", error=math.nan, signature="ImportError")
    targets = [
        {"target": "torch@cpu", "device": "cpu", "versions": {"torch": "2.13.0"}, "status": "judged"},
        {"target": "jax:jit", "device": "cpu", "versions": {"jax": "0.10.2"}, "status": "judged"},
        {"target": "onnx", "device": "cpu", "versions": {"onnx": "1"}, "status": "broken", "message": HOSTILE},
        {"target": "gone", "device": "cpu", "versions": {}, "status": "abandoned", "message": "crashed too often"},
    ]
    return write_folder(folder, rows, [replace(DISCREPANCY, detail=HOSTILE)], run_json(targets=targets))


def test_the_page_counts_what_the_files_say(tmp_path):
    seen = Page(write_page(full_folder(tmp_path)))
    said = seen.said()
    assert "1 of 2 targets departs from the documentation: 1 distinct discrepancy in 9 judgements." in said
    assert "2 targets were not judged. The run is complete." in said
    assert seen.row("torch@cpu")[1] == "✓ 5 pass ✗ 2 wrong value ○ 1 unsupported 0.50 " + BOUND
    assert seen.row("jax:jit")[1:] == ["✓ 2 pass 0.25 " + BOUND]
    assert seen.row("onnx") == ["onnx ! broken", "! 1 broken"]
    assert seen.row("gone")[0] == "gone cpu ! abandoned"
    assert "torch@cpu computes a wrong output" in said
    assert "2 failing, 5 passing" in said
    assert "12 " + BOUND.replace("bound", "its bound") in said
    assert "DepthwiseConv2D(kernel_size=(3, 2), padding='same', activation=None)" in said
    assert "no <layer>" in said
    assert "crashed too often" in said
    assert DISCREPANCY.replay in said


def test_unsupported_is_never_a_pass(tmp_path):
    rows = rows_of(*[Verdict.UNSUPPORTED] * 4, error=math.nan, detail="no such kernel")
    seen = Page(write_page(write_folder(tmp_path, rows)))
    assert "Nothing was judged." in seen.said()
    assert "1 target was not judged." in seen.said()
    assert seen.row("torch@cpu")[1] == "○ 4 unsupported"
    assert ("td", {"class": "none"}) in seen.elements
    assert "no such kernel" in seen.said()


def test_a_clean_run_says_so(tmp_path):
    seen = Page(write_page(write_folder(tmp_path, [RECORD])))
    assert "None of 1 target departs from the documentation: 0 distinct discrepancies in 1 judgement." in seen.said()
    assert "Discrepancies None was found." in seen.said()


def test_failures_that_nobody_explained_are_told(tmp_path):
    rows = rows_of(Verdict.CRASHED, Verdict.PASS)
    seen = Page(write_page(write_folder(tmp_path, rows, run=run_json(complete=False))))
    assert "1 of 1 target departs" in seen.said()
    assert "1 failing case of checks without an entry below" in seen.said()


def test_links_lead_somewhere_in_the_page(tmp_path):
    seen = Page(write_page(full_folder(tmp_path)))
    ids = seen.attributes("id")
    assert len(ids) == len(set(ids))
    assert "#d1" in seen.attributes("href")
    assert all(link[1:] in ids for link in seen.attributes("href"))
    assert all(place in ids for place in seen.attributes("aria-labelledby", "for"))


def test_the_page_needs_nothing_from_outside(tmp_path):
    folder = full_folder(tmp_path)
    (folder / "repro").mkdir()
    (folder / "repro" / "d0.py").write_text("print()")
    seen = Page(write_page(folder))
    links = seen.attributes("src", "href", "action", "srcset", "data")
    assert "repro/d0.py" in links
    assert not [link for link in links if re.search(r"^\w+:|//", link)]
    assert not {"link", "img", "iframe", "object", "form"} & {tag for tag, _ in seen.elements}
    assert "@import" not in seen.source
    assert "url(" not in seen.source


def test_only_our_script_may_run(tmp_path):
    seen = Page(write_page(full_folder(tmp_path)))
    policy = next(found["content"] for tag, found in seen.elements if "http-equiv" in found)
    script = re.search(r"<script>(.*?)</script>", seen.source, re.DOTALL)[1]
    assert f"'sha256-{page._hash(script)}'" in policy
    assert seen.source.count("<script") == 1


def test_tables_name_their_rows_and_columns(tmp_path):
    seen = Page(write_page(full_folder(tmp_path)))
    scopes = [found.get("scope") for tag, found in seen.elements if tag == "th"]
    assert scopes
    assert set(scopes) == {"row", "col"}


@hostile
@given(text=any_text.map(lambda text: f"{text}<b>&\0\x1b\u202e"))
def test_hostile_text_is_text(tmp_path, text):
    rows = rows_of(
        Verdict.REFUSED, Verdict.UNSUPPORTED, target=text, check=text, versions=text, signature=text, device=text
    )
    plain = dict.fromkeys(("id", "target", "versions", "device", "dtype", "check", "cause", "condition"), text)
    found = [replace(DISCREPANCY, **plain, known=text, replay=text, detail=text, smallest_case=text)]
    target = {"target": text, "versions": {text: text}, "status": text, "message": text, "unsupported": {text: text}}
    run = run_json(targets=[target], options={text: [text]}, machine={"platform": text}, started=text)
    seen = Page(write_page(write_folder(tmp_path, rows, found, run)))
    assert "b" not in {tag for tag, _ in seen.elements}
    assert "<b>&\\x00\\x1b\\u202e" in seen.said()
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", seen.source)


def test_long_messages_are_cut_with_a_note(tmp_path):
    long = "x" * 1_000_000
    rows = [replace(RECORD, verdict=Verdict.UNSUPPORTED, signature=long)]
    found = [replace(DISCREPANCY, **dict.fromkeys(("detail", "signature", "target", "id", "replay", "known"), long))]
    target = {"target": long, "message": long, "status": "broken"}
    seen = Page(write_page(write_folder(tmp_path, rows, found, run_json(targets=[target]))))
    assert len(seen.source) < 100_000
    assert "[992,000 more characters: see discrepancies.csv]" in seen.said()


def test_many_reasons_are_cut_with_a_note(tmp_path):
    rows = [replace(RECORD, verdict=Verdict.UNSUPPORTED, signature=f"reason {index}") for index in range(203)]
    assert "And 3 reasons more: see results.csv." in Page(write_page(write_folder(tmp_path, rows))).said()


def test_the_same_files_give_the_same_page(tmp_path):
    first = write_page(full_folder(tmp_path)).read_bytes()
    assert write_page(tmp_path).read_bytes() == first


@pytest.mark.parametrize("name", ["../run", "/etc/hostname", "", "missing", "a/b", "x" * 5000])
def test_a_case_is_a_file_of_its_folder(tmp_path, name):
    assert read_case(write_folder(tmp_path), name) is None


@pytest.mark.parametrize("content", ["nonsense", "[1]", "[" * 100_000, '{"arguments": 3}', "\udcff"])
def test_any_case_file_is_shown(tmp_path, content):
    write_folder(tmp_path, [], [DISCREPANCY])
    (tmp_path / "cases" / f"{CASE}.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    assert read_case(tmp_path, CASE).call == ""
    Page(write_page(tmp_path))


def test_a_case_reads_as_a_call(tmp_path):
    case = read_case(write_folder(tmp_path), CASE)
    assert case.facts == {"input": "(1, 5, 7, 2)", "data": "recipe integers, seed 41"}
    assert '"kernel_size": [3, 2]' in case.text
    assert json.loads(case.text) == CASE_JSON


def test_every_verdict_and_check_has_its_words():
    assert set(words.MEANINGS) == set(Verdict)
    assert set(words.CHECKS) == set(CHECKS)
    for verdict in Verdict:
        assert bool(words.MEANINGS[verdict].phrase) == verdict.is_discrepancy
    assert words.title("save_load", Verdict.REFUSED) == "refuses a valid case (loaded layer)"


def test_figures_are_short():
    assert [words.figure(error) for error in (math.nan, math.inf, 0.3149, 9.5, 18000, 3e9)] == [
        *("", "∞", "0.31", "9.50", "18,000", "3.0e+09")
    ]
    assert [words.duration(seconds) for seconds in (4.21, 75, 3725)] == ["4.2 s", "1 min 15 s", "1 h 2 min"]
    assert [words.share(error) for error in (math.nan, 0.314, 7.0, math.inf)] == [0, 31, 100, 100]


def test_colours_contrast():
    style = page._source("style.css.jinja")
    light, dark = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2]
    for theme in (light, dark):
        colour = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", theme))
        on_paper = [
            (name, ground) for name in ("ink", "muted", "link", "none", "pass") for ground in ("paper", "panel")
        ]
        on_tint = [
            (name, f"{tint}-tint") for tint in ("fail", "warn", "broken") for name in (tint, "ink", "none", "pass")
        ]
        for name, ground in on_paper + on_tint:
            assert contrast(colour[name], colour[ground]) >= 4.5, (name, ground)


def contrast(one: str, other: str) -> float:
    dark, light = sorted(map(luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
