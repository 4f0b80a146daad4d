"""`docs/results.md`: what it shows works on a run, and it has every column."""

import os
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from reported import RECORD, run_json, write_folder

from depthwise_conformance import LayerConfig
from depthwise_conformance.reports import load
from depthwise_conformance.reports.frames import CHOICES
from depthwise_conformance.reports.record import NOT_JUDGED

PAGE = (Path(__file__).parents[2] / "docs" / "results.md").read_text("utf-8")


@pytest.fixture(scope="module")
def answers(bad, good, tmp_path_factory):
    """What the page's code leaves behind, run from top to bottom beside a run of a faulty target and two of others."""
    folder, before, names = tmp_path_factory.mktemp("page"), Path.cwd(), {}
    for name, (run, _) in {"conformance-run": bad, "old-run": good, "new-run": bad}.items():
        (folder / name).symlink_to(run)
    os.chdir(folder)
    try:
        exec(compile("\n".join(re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)), "results.md", "exec"), names)
    finally:
        os.chdir(before)
    return names


def test_which_dtypes(answers):
    dtypes, results = answers["dtypes"], answers["run"].results
    wrong = results[~results["verdict"].isin(["pass", *NOT_JUDGED])]
    assert dtypes["failing"].sum() == wrong["case"].nunique() > 0
    assert set(dtypes.index.get_level_values("dtype")) == set(results["dtype"])


def test_which_release(answers):
    assert list(answers["releases"].columns) == ["new-run"]  # nothing was found in the old one
    assert answers["releases"]["new-run"].sum() > 0


def test_which_sizes(answers):
    assert answers["sizes"].loc[1, 1] == 0  # a kernel of one tap is the same when it is flipped
    assert answers["sizes"].loc[3, 3] > 0.5


def test_every_failing_row_has_a_discrepancy_that_is_there(answers):
    run = answers["run"]
    failing = run.results[~run.results["verdict"].isin(["pass", *NOT_JUDGED])]
    assert failing["discrepancy"].isin(run.discrepancies["id"]).all()
    assert run.results["discrepancy"].notna().sum() == len(failing)
    assert answers["shown"].sum() == failing["case"].nunique()


def test_seconds_are_those_of_the_cases(answers):
    run = answers["run"]
    assert (run.cases["seconds"] >= 0).all()
    assert run.cases["seconds"].sum() == pytest.approx(run.results["seconds"].sum()) != 0
    assert len(answers["slowest"]) == 5


def test_the_page_has_every_column_and_its_type(answers):
    run, rows = answers["run"], re.findall(r"^\| (`[^|]+) \| ([^|]*) \|", PAGE, re.M)
    told = {name: kind for names, kind in rows for name in re.findall(r"`(\w+)`", names)}
    assert set(told) == {*run.results.columns, "judged", "failing", "worst_error"}
    kinds = {"category": "category", "float": "float64", "Int64": "Int64", "boolean": "boolean"}
    for name in run.results:
        if told[name] in kinds:
            assert str(run.results[name].dtype) == kinds[told[name]], name
    assert {*run.cases.columns} < set(told)
    assert all(f"`{name}`" in PAGE for name in run.targets)


@pytest.mark.parametrize(
    ("arguments", "shape", "expected"),
    [
        ('{"kernel_size":3}', "[2,5,6,7]", {"kernel_height": 3, "kernel_width": 3, "stride_height": 1, "channels": 7}),
        ('{"kernel_size":{"tuple":[3,2]}}', "[2,5,6,7]", {"kernel_height": 3, "kernel_width": 2, "input_width": 6}),
        ('{"data_format":"channels_first"}', "[2,5,6,7]", {"channels": 5, "input_height": 6, "kernel_height": None}),
        ('{"kernel_size":[1,1.5],"strides":"2"}', "[2,5]", {"kernel_width": None, "stride_width": None, "batch": None}),
        ('{"use_bias":"no","activation":null}', "[]", {"use_bias": None, "activation": "linear"}),
        ("=1+1", "(1, 2)", {"kernel_height": None, "padding": "valid", "channels": None}),
    ],
)
def test_arguments_become_columns(tmp_path, arguments, shape, expected):
    row = load(write_folder(tmp_path, [replace(RECORD, arguments=arguments, input_shape=shape)])).results.iloc[0]
    for name, value in expected.items():
        assert pd.isna(row[name]) if value is None else row[name] == value, name


def test_a_folder_without_targets_or_rows_is_read(tmp_path):
    run = load(write_folder(tmp_path, run=run_json(targets=[])))
    assert [len(frame) for frame in (run.results, run.cases, run.discrepancies, run.targets)] == [0, 0, 0, 0]
    with pytest.raises(ValueError, match=r"nowhere: results.parquet is missing|nowhere: discrepancies.csv is missing"):
        load(tmp_path / "nowhere")


def test_defaults_are_those_of_the_layer():
    plain = LayerConfig((1, 1))
    assert {name: getattr(plain, name) for name in CHOICES} == {**CHOICES, "activation": None}
