"""The tables: what is written comes back, whatever the text; summaries; and folders merged."""

from __future__ import annotations

import csv
import math
import re
import threading
from dataclasses import astuple, fields, replace

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reported import (
    CASE,
    DISCREPANCY,
    HOSTILE,
    RECORD,
    Page,
    any_text,
    hostile,
    rows_of,
    run_json,
    stored,
    write_folder,
)

from depthwise_conformance.reports import tables
from depthwise_conformance.reports.counting import read_columns, summarise_folder
from depthwise_conformance.reports.frames import read_results
from depthwise_conformance.reports.page import write_page
from depthwise_conformance.reports.record import Discrepancy, Record, Verdict
from depthwise_conformance.reports.runs import read_runs
from depthwise_conformance.reports.tables import RecordWriter, merge, read_discrepancies, write_discrepancies

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


def same(one: object, other: object) -> bool:
    return one == other or (isinstance(one, float) and math.isnan(one) and math.isnan(other))


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
    assert names == [field.name for field in fields(Record) if field.name != "seconds"]
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
    assert cell[-2] == "'" + text
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
    assert summarise_folder(tmp_path) == []


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


# Summaries


def test_summary_counts_every_verdict_and_judges_no_unsupported_one(tmp_path):
    verdicts = [Verdict.PASS, Verdict.PASS, Verdict.IMPRECISE, Verdict.UNSUPPORTED, Verdict.UNSUPPORTED, Verdict.BROKEN]
    rows = rows_of(*verdicts) + rows_of(Verdict.UNSUPPORTED, check="errors", error=math.nan)
    rows += rows_of(Verdict.PASS, check="custom") + rows_of(Verdict.PASS, target="a")
    rows += [replace(RECORD, verdict=Verdict.WRONG_VALUE, error=math.inf)]
    summary = summarise_folder(write_folder(tmp_path, rows))
    assert [(one["target"], one["check"]) for one in summary] == [
        ("a", "output"),
        ("torch@cpu", "output"),
        ("torch@cpu", "errors"),
        ("torch@cpu", "custom"),
    ]
    _, output, errors, _ = summary
    assert (output["pass"], output["imprecise"], output["unsupported"], output["broken"]) == (2, 1, 2, 1)
    assert (output["judged"], output["worst_error"]) == (4, math.inf)
    assert (errors["pass"], errors["judged"], errors["unsupported"]) == (0, 0, 1)
    assert math.isnan(errors["worst_error"])
    assert sum(one[verdict] for one in summary for verdict in Verdict) == len(rows)


@hostile
@given(rows=st.lists(records, max_size=12))
def test_every_record_is_summed_up_once(tmp_path, rows):
    write_folder(tmp_path, rows)
    summary = {(one["target"], one["check"]): one for one in summarise_folder(tmp_path)}
    errors: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        key = stored(row.target), stored(row.check)
        summary[key][row.verdict] -= 1
        errors.setdefault(key, []).append(row.error)
    assert not any(one[verdict] for one in summary.values() for verdict in Verdict)
    assert all(same(one["worst_error"], float(np.fmax.reduce(errors[key]))) for key, one in summary.items())


@hostile
@given(rows=st.lists(records, max_size=8))
def test_columns_are_those_of_the_frame(tmp_path, rows):
    write_folder(tmp_path, rows)
    columns, frame = read_columns(tmp_path, ["target", "detail", "error"]), read_results(tmp_path)
    codes, texts = columns.codes("detail")
    assert [texts[code] for code in codes] == frame["detail"].tolist()
    assert all(map(same, columns.numbers("error").tolist(), frame["error"].tolist()))
    groups = dict(columns.groups("target", "detail"))
    for (target, detail), places in groups.items():
        rows_of_both = (frame["target"] == target) & (frame["detail"] == detail)
        assert places.tolist() == np.flatnonzero(rows_of_both).tolist()
    assert sum(map(len, groups.values())) == len(columns) == len(rows)


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


def test_copies_of_one_run_are_not_merged(tmp_path):
    names = {"one": "0" * 32, "copy": "0" * 32, "other": "1" * 32}
    one, copy, other = (write_folder(tmp_path / name, [RECORD], run=run_json(id=held)) for name, held in names.items())
    merge([one, other], tmp_path / "both")
    for folders in ([one, copy], [tmp_path / "both", copy]):
        with pytest.raises(ValueError, match=f"copy: holds the run {'0' * 32} that .* holds, too"):
            merge(folders, tmp_path / "out")
    assert not (tmp_path / "out").exists()


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


def test_results_of_an_earlier_release_are_read(tmp_path):
    folder = write_folder(tmp_path / "run", [RECORD] * 2)
    path = folder / "results.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["discrepancy", "seconds"]), path)
    frame = read_results(folder)
    assert frame["discrepancy"].tolist() == ["", ""]
    assert frame["seconds"].isna().all()
    merge([folder, write_folder(tmp_path / "new", [replace(RECORD, seconds=1.0)])], tmp_path / "both")
    assert read_results(tmp_path / "both")["seconds"].tolist()[2:] == [1.0]
