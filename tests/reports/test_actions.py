"""What CI shows of a run: the summary of a step, annotations, a badge, and the report in the common format."""

import json
from dataclasses import replace

import pytest
from reported import DISCREPANCY, HOSTILE, RECORD, rows_of, run_json, write_folder

from depthwise_conformance.reports.actions import ANNOTATED, annotate, step_summary
from depthwise_conformance.reports.badge import write_badge
from depthwise_conformance.reports.ctrf import write_ctrf
from depthwise_conformance.reports.digest import read_digest
from depthwise_conformance.reports.record import Verdict
from depthwise_conformance.running.actions import add_summary

KNOWN = replace(DISCREPANCY, id="d1", known="https://example.org/1")
STALE = {
    **{"entry": "entry 1", "target": ["torch"], "check": "output", "told": "stride > 1", "expires": "2027-01-01"},
    "on": {"torch@cpu": "stale"},
}
JUNIT = """<testsuites><testsuite name="pytest" tests="4" time="2.5" timestamp="2026-11-22T13:40:12+00:00">
<testcase classname="depthwise_conformance.torch@cpu" name="output" time="1.25">
<properties><property name="target" value="torch@cpu"/></properties><failure message="d0&#10;more">all of it</failure>
</testcase>
<testcase classname="depthwise_conformance.torch@cpu" name="shape" time="0.5"/>
<testcase classname="depthwise_conformance.torch@cpu" name="dtype" time="0"><skipped type="pytest.skip"/></testcase>
<testcase classname="depthwise_conformance.torch@cpu" name="memory" time="0"><skipped type="pytest.xfail"/></testcase>
</testsuite></testsuites>"""


def digest(folder, found=(), run=None):
    rows = [*rows_of(Verdict.PASS, Verdict.PASS, Verdict.WRONG_VALUE, Verdict.UNSUPPORTED)]
    return read_digest(write_folder(folder, rows, found, run))


def test_the_summary_counts_and_tells_what_is_new_first(tmp_path):
    text = step_summary(digest(tmp_path, [KNOWN, DISCREPANCY]))
    lines = text.splitlines()
    assert "| torch@cpu | judged | 2 | 1 | 1 | 1 | 1 | 0.0 s |" in lines
    told = [line.split(" | ")[0] for line in lines if line.startswith("| d")]
    assert told == ["| d0", "| d1"]


def test_the_summary_of_any_run_stays_within_its_limit(tmp_path):
    many = [replace(DISCREPANCY, id=f"{number:08x}", cause=HOSTILE * 20) for number in range(2000)]
    run = run_json(targets=[{"target": f"target-{number}@cpu", "status": "judged"} for number in range(3000)])
    found = digest(tmp_path, many, run)
    for limit in (1 << 19, 20_000):
        text = step_summary(found, limit)
        assert len(text.encode()) <= limit
        assert "more: see report.html" in text


def test_nothing_in_the_summary_is_markup(tmp_path):
    text = step_summary(digest(tmp_path, [replace(DISCREPANCY, cause=HOSTILE, signature="`a|b`")]))
    assert "<script>" not in text
    assert len({line.replace("\\|", "").count("|") for line in text.splitlines() if line.startswith("| d")}) == 1


def test_only_what_is_new_is_annotated(tmp_path):
    narrow = replace(DISCREPANCY, id="d2", verdict=Verdict.IMPRECISE)
    kinds = [line.partition(" ")[0] for line in annotate(digest(tmp_path, [KNOWN, narrow, DISCREPANCY]))]
    assert kinds == ["::error", "::warning"]
    assert list(annotate(digest(tmp_path, [KNOWN]))) == []


def test_known_entries_that_are_outdated_are_annotated(tmp_path):
    (line,) = annotate(digest(tmp_path, [KNOWN], run_json(known=[STALE])))
    assert line.startswith("::error title=known discrepancies::stale: entry 1")


def test_an_annotation_is_one_line_and_no_more_are_made_than_are_shown(tmp_path):
    many = [
        replace(DISCREPANCY, id=f"{number:08x}", target="a:b,c", cause="50%\n::error::mine") for number in range(30)
    ]
    lines = list(annotate(digest(tmp_path, many)))
    assert len(lines) == ANNOTATED
    assert lines[0].startswith("::error title=a%3Ab%2Cc ")
    assert "50%25%0A::error::mine" in lines[0]
    assert "21 more are new" in lines[-1]
    assert not any("\n" in line for line in lines)


@pytest.mark.parametrize(
    ("found", "changes", "message", "colour"),
    [
        ([], {}, "conforms", "brightgreen"),
        ([KNOWN], {}, "1 known", "yellow"),
        ([KNOWN, DISCREPANCY], {}, "1 new, 1 known", "red"),
        ([KNOWN], {"known": [STALE]}, "1 known, 1 outdated", "red"),
        ([], {"complete": False}, "incomplete", "lightgrey"),
    ],
)
def test_the_badge(tmp_path, found, changes, message, colour):
    write_badge(write_folder(tmp_path, [RECORD], found, run_json(**changes)))
    badge = json.loads((tmp_path / "badge.json").read_text())
    assert badge == {"schemaVersion": 1, "label": "DepthwiseConv2D", "message": message, "color": colour}


def test_what_was_not_judged_does_not_conform(tmp_path):
    write_badge(write_folder(tmp_path, rows_of(Verdict.UNSUPPORTED, Verdict.BROKEN)))
    assert json.loads((tmp_path / "badge.json").read_text())["message"] == "nothing judged"


def test_the_common_format_says_what_junit_says(tmp_path):
    (tmp_path / "junit.xml").write_text(JUNIT)
    write_ctrf(tmp_path)
    results = json.loads((tmp_path / "ctrf.json").read_text())["results"]
    counts = {name: results["summary"][name] for name in ("tests", "passed", "failed", "skipped", "other", "pending")}
    assert counts == {"tests": 4, "passed": 1, "failed": 1, "skipped": 1, "other": 1, "pending": 0}
    assert results["summary"]["stop"] - results["summary"]["start"] == 2500
    first, _, _, known = results["tests"]
    assert (first["name"], first["status"], first["duration"]) == ("torch@cpu output", "failed", 1250)
    assert (first["message"], first["trace"]) == ("d0", "all of it")
    assert (known["status"], known["rawStatus"]) == ("other", "known")


def test_summaries_of_one_step_share_its_limit_and_a_bad_path_is_told(tmp_path):
    found, told = digest(tmp_path / "run", [DISCREPANCY]), []
    step = tmp_path / "step.md"
    step.write_bytes(b"x" * ((1 << 20) - 2000))
    add_summary(found, step, told.append)
    assert (1 << 20) - 2000 < step.stat().st_size <= 1 << 20
    assert told == []
    add_summary(found, tmp_path / "none" / "step.md", told.append)
    assert "the summary of the step could not be written" in told[0]
