"""Cases as reports show them, whatever is in their files."""

from __future__ import annotations

import json

import pytest
from reported import CASE, CASE_JSON, DISCREPANCY, Page, write_folder

from depthwise_conformance.reports.cases import read_case
from depthwise_conformance.reports.page import write_page


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
