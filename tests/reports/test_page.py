"""The page: what it says of the files, that it is whole by itself, and that all can read it."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from reported import DISCREPANCY, HOSTILE, RECORD, Page, any_text, hostile, rows_of, run_json, write_folder

from depthwise_conformance.reports import page, unfinished, words
from depthwise_conformance.reports.actions import step_summary
from depthwise_conformance.reports.badge import write_badge
from depthwise_conformance.reports.digest import read_digest
from depthwise_conformance.reports.families import replay_here
from depthwise_conformance.reports.page import write_page
from depthwise_conformance.reports.record import Verdict

BOUND = "\N{MULTIPLICATION SIGN} bound"


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
    assert "1 fault on 1 of 2 targets. 2 targets could not be judged." in said
    assert "9 judgements of 2 targets." in said
    assert seen.row("Not")[2] == "gone (abandoned), onnx (broken)"
    assert seen.row("torch@cpu", "2 wrong")[1] == f"✗ 2 wrong value of 7 0.50{BOUND} ○1 unsupported"
    assert seen.row("jax:jit")[1:] == [f"✓ 2 pass 0.25{BOUND}"]
    assert seen.row("onnx") == ["onnx ! broken", "! 1 broken"]
    assert seen.row("gone")[0] == "gone cpu ! abandoned"
    assert "On torch@cpu : 2 failing cases, worst error 12 " + BOUND.replace("bound", "its bound") in said
    assert seen.row("torch@cpu", "float32")[1:5] == ["✗ wrong value float32", "2", "5", "12"]
    assert "keras.layers.DepthwiseConv2D(kernel_size=(3, 2), padding='same', activation=None)" in said
    assert "no <layer>" in said
    assert "crashed too often" in said
    assert DISCREPANCY.replay in said


def test_unsupported_is_never_a_pass(tmp_path):
    rows = rows_of(*[Verdict.UNSUPPORTED] * 4, error=math.nan, detail="no such kernel")
    seen = Page(write_page(write_folder(tmp_path, rows)))
    assert "Nothing was judged." in seen.said()
    assert "1 target could not be judged." in seen.said()
    assert seen.row("Not")[2:] == [
        "torch@cpu (judged)",
        "",
        "4 judgements more declined: the targets do not claim them.",
    ]
    assert seen.row("torch@cpu")[1] == "○ 4 unsupported"
    assert ("td", {"class": "none"}) in seen.elements
    assert ("td", {"class": "pass"}) not in seen.elements
    assert "no such kernel" in seen.said()


@pytest.mark.parametrize(
    ("verdict", "tone"), [("crashed", "fail"), ("timed_out", "fail"), ("broken", "broken"), ("unsupported", "none")]
)
def test_what_gave_nothing_never_looks_as_if_it_had_passed(tmp_path, verdict, tone):
    seen = Page(write_page(write_folder(tmp_path, rows_of(Verdict(verdict), error=math.nan))))
    assert ("td", {"class": tone}) in seen.elements
    assert ("td", {"class": "pass"}) not in seen.elements


def test_a_clean_run_says_so(tmp_path):
    seen = Page(write_page(write_folder(tmp_path, [RECORD])))
    assert "No fault was found on 1 target." in seen.said()
    assert "Faults None was found." in seen.said()
    assert seen.row("Not")[-1] == "All that was asked was judged."


def test_what_was_claimed_judged_and_declined_is_told(tmp_path):
    target = {"target": "torch@cpu", "device": "cpu", "versions": {}, "status": "judged", "claims": "batch == 9"}
    target |= {"judged": 2, "declined": {"too large": 1000, "too odd": 61}}
    thin = ["torch@cpu was judged on 2 of 1063 cases"]
    write_folder(tmp_path, rows_of(Verdict.PASS), run=run_json(targets=[target], thin=thin, only="use_bias"))
    page = Page(write_page(tmp_path))
    assert "Judged on too little: torch@cpu was judged on 2 of 1063 cases" in page.said()
    assert "claims batch == 9" in page.said()
    assert "only use_bias" in page.said()
    assert any(row[4:6] == ["2", "1,061"] for row in page.rows)


def test_failures_that_nobody_explained_are_told(tmp_path):
    rows = rows_of(Verdict.CRASHED, Verdict.PASS)
    seen = Page(write_page(write_folder(tmp_path, rows, run=run_json(complete=False))))
    assert "Cases fail on 1 of 1 target." in seen.said()
    assert "1 failing case of checks that no fault above tells of" in seen.said()


def test_links_lead_somewhere_in_the_page(tmp_path):
    seen = Page(write_page(full_folder(tmp_path)))
    ids = seen.attributes("id")
    assert len(ids) == len(set(ids))
    assert {"#d-d0", "#f-d-d0"} <= set(seen.attributes("href"))
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


def test_a_fault_is_told_once_for_all_targets_the_worst_first(tmp_path):
    family = "output value padding=same"
    mild = replace(DISCREPANCY, id="m", verdict=Verdict.IMPRECISE, family="output value", known="https://example.org/1")
    refused = replace(DISCREPANCY, id="r", verdict=Verdict.REFUSED, worst_error=math.nan, family="output refused")
    both = [replace(DISCREPANCY, id=name, target=f"{name}@cpu", family=family) for name in ("torch", "jax")]
    seen = Page(write_page(write_folder(tmp_path, rows_of(Verdict.WRONG_VALUE), [mild, refused, *both])))
    cards = [found["id"] for tag, found in seen.elements if tag == "article"]
    assert cards == ["f-d-jax", "f-d-r", "f-d-m"]
    assert "On jax@cpu , torch@cpu : 4 failing cases" in seen.said()
    assert seen.row("New")[1] == "2"
    assert seen.row("Known")[1] == "1"


def test_what_is_known_comes_last_however_bad(tmp_path):
    known = replace(DISCREPANCY, id="k", known="https://example.org/1", family="a")
    mild = replace(DISCREPANCY, id="m", verdict=Verdict.IMPRECISE, family="b")
    seen = Page(write_page(write_folder(tmp_path, rows_of(Verdict.WRONG_VALUE), [known, mild])))
    assert [found["id"] for tag, found in seen.elements if tag == "article"] == ["f-d-m", "f-d-k"]


def test_scripts_and_reports_are_on_the_page(tmp_path):
    folder = write_folder(tmp_path, [RECORD], [DISCREPANCY])
    (folder / "repro").mkdir()
    (folder / "repro" / "d0.py").write_text("print('</pre><b>')")
    (folder / "repro" / "d0.md").write_text("# A report")
    seen = Page(write_page(folder))
    assert "print('</pre><b>')" in seen.said()
    assert "# A report" in seen.said()
    assert {"d-d0-script", "d-d0-issue", "d-d0-replay", "d-d0-call"} == set(seen.attributes("data-copy"))
    assert set(seen.attributes("data-copy")) <= set(seen.attributes("id"))


def test_a_condition_is_told_in_words():
    assert words.plain('stride_height > 1 and padding == "same"') == 'stride height above 1 and padding is "same"'
    assert words.plain('activation in ("gelu", "in (x")') == 'activation is one of ("gelu", "in (x")'
    assert words.plain("only if channels % 8 != 0") == "only if channels modulo 8 is not 0"


def test_tables_name_their_rows_and_columns(tmp_path):
    seen = Page(write_page(full_folder(tmp_path)))
    scopes = [found.get("scope") for tag, found in seen.elements if tag == "th"]
    assert scopes
    assert set(scopes) == {"row", "col"}


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("out/cases/c.json", "cases/c.json"),
        ("'/some where/out/cases/c.json'", "cases/c.json"),
        ("cases/c.json", "cases/c.json"),
        ("out/cases/other.json", "out/cases/other.json"),
    ],
)
def test_a_replay_line_is_that_of_its_folder(given, shown):
    told = replace(DISCREPANCY, smallest_case="c", replay=f"depthwise-conformance replay {given} --target 'a b'")
    assert replay_here(told) == f"depthwise-conformance replay {shown} --target 'a b'"


@pytest.mark.parametrize(
    ("adapter", "shown"),
    [
        ("/home/me/project/kernels/mine.py:Mine", "../kernels/mine.py:Mine"),
        ("/elsewhere/mine.py:Mine", "/elsewhere/mine.py:Mine"),
        ("mine.py:Mine", "mine.py:Mine"),
    ],
)
def test_an_adapter_beside_the_folder_is_named_from_it(adapter, shown):
    line = f"depthwise-conformance replay /home/me/project/out/cases/c.json --adapter {adapter}"
    told = replace(DISCREPANCY, smallest_case="c", replay=line)
    assert replay_here(told) == f"depthwise-conformance replay cases/c.json --adapter {shown}"
    assert replay_here(replace(told, replay="'unbalanced")) == "'unbalanced"


@hostile
@given(text=any_text.map(lambda text: f"{text}<b>&\0\x1b\u202e"))
def test_hostile_text_is_text(tmp_path, text):
    rows = rows_of(
        Verdict.REFUSED, Verdict.UNSUPPORTED, target=text, check=text, versions=text, signature=text, device=text
    )
    plain = dict.fromkeys(("id", "target", "versions", "device", "dtype", "check", "cause", "condition"), text)
    found = [replace(DISCREPANCY, **plain, known=text, replay=text, detail=text, smallest_case=text)]
    target = {"target": text, "versions": {text: text}, "status": text, "message": text, "unsupported": {text: text}}
    run = run_json(targets=[target], options={text: [text]}, machine={"platform": text})
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


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("incomplete", "The run is incomplete: what it did not reach is not known."),
        ("interrupted", "The run was interrupted: what it did not reach is not known, until depthwise-conformance run"),
    ],
)
def test_how_a_run_ended_is_the_same_everywhere(tmp_path, state, told):
    runs = [run_json(), run_json(complete=False, state=state)]
    folder = write_folder(tmp_path, rows_of(Verdict.PASS), run={"schema": 1, "runs": runs})
    said = Page(write_page(folder)).said()
    assert told in said
    assert f"Run 2 of 2: {state}" in said
    write_badge(folder)
    assert json.loads((folder / "badge.json").read_text())["message"] == state
    assert (read_digest(folder).figures["state"], unfinished.state(folder)) == (state, state)
    assert told[:20] in step_summary(read_digest(folder))
