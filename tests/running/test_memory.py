"""A run by the check `memory`: what is found names the layout, and what is declined is told as that."""

from __future__ import annotations

import pytest
from by_name import location
from command_line import FAKES, records, run

from depthwise_conformance.reports.tables import read_discrepancies

SILENT = f"""
import sys
sys.path.append({str(FAKES)!r})
from honest import Honest

class Silent(Honest):
    layouts = ()
"""


@pytest.mark.parametrize(
    ("fake", "told"),
    [
        ("GapsIgnored", "not with arrays that are sliced, every_second; with transposed"),
        ("FormatByStrides", "not with arrays that are new_axes; with transposed"),
        ("NegativeStridesRefused", "not with arrays that are reversed; with transposed, sliced, every_second"),
    ],
)
def test_what_is_found_names_the_layout(tmp_path, fake, told):
    done = run(tmp_path, "--adapter", location(fake), "--check", "memory", "--examples", 5, "--out", "out")
    assert done.returncode == 1, done.stderr
    (found,) = read_discrepancies(tmp_path / "out")
    assert found.check == "memory"
    assert f"\n{told}" in found.detail


def test_an_adapter_that_passes_nothing_on_has_not_passed(tmp_path):
    (tmp_path / "silent.py").write_text(SILENT)
    checks = ("--check", "memory", "--check", "shape")
    done = run(tmp_path, "--adapter", "silent.py:Silent", *checks, "--fast", "--out", "out")
    assert done.returncode == 0, done.stderr
    rows = records(tmp_path / "out")
    assert set(rows[rows["check"] == "memory"]["verdict"]) == {"unsupported"}
    assert "unsupported: arrays that are not contiguous: the adapter passes on none" in (
        tmp_path / "out" / "junit.xml"
    ).read_text("utf-8")
    alone = run(tmp_path, "--adapter", "silent.py:Silent", "--check", "memory", "--fast", "--out", "alone")
    assert alone.returncode == 2
    assert "was judged on none of" in alone.stdout + alone.stderr
