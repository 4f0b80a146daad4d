"""Run folders that were damaged at random: each is read, or refused by what is wrong, and nothing is written of it."""

from __future__ import annotations

import copy
import json
import random
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from reported import DISCREPANCY, RECORD, rows_of, run_json, write_folder

from depthwise_conformance.reports.actions import annotate, step_summary
from depthwise_conformance.reports.badge import write_badge
from depthwise_conformance.reports.changes import compare_folders
from depthwise_conformance.reports.digest import read_digest
from depthwise_conformance.reports.frames import load
from depthwise_conformance.reports.history import read_history
from depthwise_conformance.reports.page import write_page
from depthwise_conformance.reports.record import Verdict
from depthwise_conformance.reports.rows import RESULTS
from depthwise_conformance.reports.runs import read_runs
from depthwise_conformance.reports.schema import departure
from depthwise_conformance.reports.tables import DISCREPANCIES, merge
from depthwise_conformance.running.verifying import verify_folder

ENTRY = {"entry": "entry 1 of known.toml", "target": ["torch@*"], "check": "output", "told": "use_bias"}
TARGET = {
    **{"target": "torch@cpu", "device": "cpu", "versions": {"torch": "2.13.0"}, "status": "judged", "message": ""},
    **{"claims": "", "cases": 7, "judged": 7, "declined": {"no bias": 2}, "seconds": 3.5, "unsupported": {"a": "b"}},
    "arithmetic": {"float32": {"explained_by": "float32 sums", "cases": 3, "refuted": {"a": 1}, "quality": 0.5}},
    "choices": {"a sum of zeros": {"zero": 12}},
    "coverage": {"strength": 2, "allowed": 9, "covered": 8, "missing": ["strides 2 with batch 0"]},
}
WHOLE = run_json(
    targets=[TARGET],
    known=[
        {**ENTRY, "reason": "r", "url": "u", "expires": "2027-05-31", "unstable": False, "on": {"torch@cpu": "stale"}}
    ],
    models=[{"file": "net.onnx", "layers": 1, "skipped": [["a", "why"]], "notes": []}],
    thin=["too few"],
    cut_short=[],
    options={"targets": ["torch"], "timeout": 20.0},
    sessions=[{"pid": 7, "since": "2026-11-22T13:40:12+00:00"}],
)
VALUES = [
    *(None, True, -1, 2**70, 1e300, "", "x", "\ud800\x1b[31m", "2026-13-45", "9" * 5000),
    *([], [[]], {}, {"a": {}}, [None], ["x"], {"target": 1}),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    rows = rows_of(Verdict.PASS, Verdict.WRONG_VALUE, Verdict.UNSUPPORTED)
    return write_folder(folder, rows, [DISCREPANCY], WHOLE)


def places(value, place=()):
    """Of all that is in a JSON value, but the whole."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inside:
        yield (*place, key)
        yield from places(one, (*place, key))


def damaged(value, draw: random.Random):
    """The value with one thing in it gone, or another; mostly near the top, where all depends on it."""
    made = copy.deepcopy(value)
    found = list(places(made))
    (*above, last) = draw.choices(found, [len(place) ** -2 for place in found])[0]
    inside = made
    for key in above:
        inside = inside[key]
    if draw.random() < 0.25:
        del inside[last]
    else:
        inside[last] = draw.choice(VALUES)
    return made


def digested(folder):
    digest = read_digest(folder)
    return step_summary(digest), list(annotate(digest)), json.dumps(digest.figures)


def read_all(folder, other, out):
    """Everything that reads a run folder."""
    for read in readers(other, out):
        read(folder)


def readers(other, out):
    """Each reads what it shows, and no more: what is damaged may be of no concern to it."""
    yield from (write_page, write_badge, digested, lambda folder: read_history([folder]))
    yield from (lambda folder: compare_folders(other, folder), load, verify_folder)
    yield lambda folder: merge([folder], out)


def refused(folder, other, out) -> bool:
    """Whether any refuses it, by name, and wrote nothing; anything but ValueError is an error of this tool."""
    return sum(refused_by(read, folder) for read in readers(other, out)) > 0


def refused_by(read, folder) -> bool:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    try:
        read(folder)
    except ValueError as error:
        assert type(error) is ValueError
        assert str(folder) in str(error)
        assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
        return True
    return False


def test_what_run_json_says_is_read_by_its_schema(whole, tmp_path):
    assert read_runs(whole) == [WHOLE]
    draw = random.Random(0)
    path = tmp_path / "run.json"
    for _ in range(150):
        content = damaged(WHOLE, draw)
        path.write_text(json.dumps(content))
        try:
            read_runs(tmp_path)
        except ValueError as error:
            assert type(error) is ValueError
            assert f"{tmp_path}: run.json is not" in str(error)


def test_what_the_schema_allows_can_be_shown(whole, tmp_path):
    draw = random.Random(1)
    allowed = [one for one in (damaged(WHOLE, draw) for _ in range(60)) if not departure(one) and one != WHOLE]
    folder = write_folder(tmp_path / "run", rows_of(Verdict.PASS, Verdict.WRONG_VALUE), [DISCREPANCY])
    assert len(allowed) > 4
    for number, content in enumerate(allowed[:5]):
        (folder / "run.json").write_text(json.dumps(content))
        assert not refused(folder, whole, tmp_path / str(number))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seconds": float("nan")}, "NaN is no number of JSON"),
        ({"targets": [{**TARGET, "versions": True}]}, 'targets[0].versions: True; accepted is {"type": "object"}'),
        ({"started": "yesterday"}, 'started: \'yesterday\'; accepted is {"format": "ISO 8601"}'),
        ({"known": [ENTRY]}, "known[0]: 'expires' is a required property"),
    ],
)
def test_what_is_wrong_is_told_by_its_place(whole, tmp_path, change, told):
    folder = write_folder(tmp_path / "run", run={**WHOLE, **change})
    with pytest.raises(ValueError) as caught:
        merge([whole, folder], tmp_path / "out")
    assert f"{folder}: run.json is not" in str(caught.value)
    assert told in str(caught.value)
    assert not (tmp_path / "out").exists()


def with_cell(table, name, value, kind=None):
    place = table.schema.get_field_index(name)
    cells = [value, *table.column(name).to_pylist()[1:]]
    return table.set_column(place, pa.field(name, kind or table.schema.field(name).type), [cells])


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda table: with_cell(table, "verdict", "fine"), "row 1, verdict: 'fine'"),
        (lambda table: with_cell(table, "case", None), "row 1, case: None"),
        (lambda table: with_cell(table, "signature", b"\xff", pa.binary()), "has the columns"),
        (lambda table: table.drop_columns(["versions"]), "has the columns"),
    ],
)
def test_rows_of_results_are_refused_by_row_and_field(whole, tmp_path, damage, told):
    folder = write_folder(tmp_path / "run", rows_of(Verdict.PASS, Verdict.WRONG_VALUE), run=WHOLE)
    pq.write_table(damage(pq.read_table(folder / RESULTS)), folder / RESULTS)
    for read in (load, lambda run: merge([whole, run], tmp_path / "out")):
        with pytest.raises(ValueError) as caught:
            read(folder)
        assert type(caught.value) is ValueError
        assert f"{folder}: {RESULTS} " in str(caught.value)
        assert told in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", [RESULTS, DISCREPANCIES, "run.json"])
def test_bytes_that_are_others_are_no_error_of_this_tool(whole, tmp_path, name):
    draw = random.Random(name)
    for number in range(8):
        folder = write_folder(tmp_path / str(number), [RECORD, replace(RECORD, case="b")], [DISCREPANCY], WHOLE)
        content = bytearray((folder / name).read_bytes())
        for _ in range(draw.randint(1, 8)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        (folder / name).write_bytes(content[: draw.choice([len(content), draw.randrange(len(content))])])
        refused(folder, whole, tmp_path / "out" / str(number))
