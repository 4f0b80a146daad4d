"""What is known does not fail a run; what is new, stale or expired does, each in its own words."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from command_line import FLIPPED, HONEST, PYTEST, SUITE, as_pytest, call, run

from depthwise_conformance.casebook.claims import Claim
from depthwise_conformance.casebook.facts import facts
from depthwise_conformance.reports.page import write_page
from depthwise_conformance.reports.record import Discrepancy
from depthwise_conformance.reports.runs import read_runs
from depthwise_conformance.reports.tables import merge, read_discrepancies
from depthwise_conformance.running.casefiles import read_folder

URL = "https://example.org/issues/7"
QUICK = ("--check", "output", "--check", "shape", "--examples", 5, "--strength", 1)
KNOWN = {
    "target": '"kernel-flipped"',
    "check": '"output"',
    "family": '"output value"',
    "reason": '"convolves as mathematicians do"',
    "url": f'"{URL}"',
    "versions": "{}",
    "expires": "9999-12-31",
}


def entry(**changes: str | None) -> str:
    fields = {name: value for name, value in {**KNOWN, **changes}.items() if value is not None}
    return "[[known]]\n" + "".join(f"{name} = {value}\n" for name, value in fields.items())


def conditioned(condition: str, **changes: str | None) -> str:
    return entry(family=None, condition=f"'{condition}'", **changes)


def judged(folder: Path, *entries: str, adapters=(FLIPPED,), more=QUICK):
    """The run's words, its discrepancies and what became of the entries."""
    (folder / "known.toml").write_text("\n".join(entries))
    words = [word for adapter in adapters for word in ("--adapter", adapter)]
    done = run(folder, *words, *more, "--known", "known.toml", "--out", "out")
    assert "Traceback" not in done.stderr
    (told,) = read_runs(folder / "out")
    return done, read_discrepancies(folder / "out"), [one["on"] for one in told["known"]]


def holds(claim: str, found: Discrepancy, folder: Path) -> bool:
    (case,) = (case for case in read_folder(folder / "out") if case.id == found.smallest_case)
    return Claim(claim).truth(facts(case)) is True


@pytest.fixture(scope="module")
def all_known(tmp_path_factory):
    """A run of which everything is known, by a family."""
    folder = tmp_path_factory.mktemp("all_known")
    return folder, *judged(folder, entry())


def test_what_is_known_does_not_fail_the_run(all_known):
    _, done, (found,), (state,) = all_known
    assert done.returncode == 0, done.stdout + done.stderr
    assert found.known == URL
    assert "known: convolves as mathematicians do" in found.detail
    assert state == {"kernel-flipped@cpu": "known"}
    assert "1 distinct discrepancy (0 new, 1 known). Report: " in done.stdout
    assert found.id not in done.stderr


def test_what_is_known_is_skipped_in_junit_with_its_reason(all_known):
    folder, _, (found,), _ = all_known
    items = {item.get("name"): item for item in ET.parse(folder / "out" / "junit.xml").getroot().iter("testcase")}
    (skipped,) = items["output"].findall("skipped")
    assert skipped.get("type") == "pytest.xfail"
    assert f"convolves as mathematicians do ({URL}; entry 1 of known.toml, until 9999-12-31)" in skipped.get("message")
    properties = {one.get("name"): one.get("value") for one in items["output"].iter("property")}
    assert properties["known"] == f"{found.id} {URL}"
    assert items["shape"].find("skipped") is None


def test_the_page_says_what_is_known(all_known):
    page = (all_known[0] / "out" / "report.html").read_text(encoding="utf-8")
    assert "Nothing new: 1 known fault on 1 of 1 target." in page
    assert f'<a href="{URL}" rel="noreferrer">known</a>' in page


def test_a_condition_covers_its_cases_and_the_rest_is_new(tmp_path):
    done, found, _ = judged(tmp_path, conditioned('padding == "same"'))
    assert done.returncode == 1
    known, new = sorted(found, key=lambda one: not one.known)
    assert (known.known, new.known) == (URL, "")
    assert holds('padding == "same"', known, tmp_path)
    assert holds('padding == "valid"', new, tmp_path)  # though a plainer case would fail there too, it is known
    assert new.id in done.stderr and known.id not in done.stderr
    assert "2 distinct discrepancies (1 new, 1 known). Report: " in done.stdout


def test_two_conditions_may_cover_all_of_it(tmp_path):
    done, found, states = judged(
        tmp_path, conditioned('padding == "same"'), conditioned('padding == "valid"', url='"none"', why='"not yet"')
    )
    assert done.returncode == 0
    assert {one.known for one in found} == {URL, "none: not yet"}
    assert len(found) == sum(one.failing > 0 for one in found) == 2
    assert states == [{"kernel-flipped@cpu": "known"}] * 2


def test_of_another_verdict_nothing_is_known(tmp_path):
    done, (found,), (state,) = judged(tmp_path, conditioned("kernel >= 1", verdict='"imprecise"'))
    assert (done.returncode, found.known) == (1, "")
    assert state == {"kernel-flipped@cpu": "told otherwise"}  # it fails, so that it is not stale
    assert "1 known entry whose cases fail, but are told by another check or with another verdict" in done.stdout


def test_an_entry_that_is_asked_for_and_not_found_is_stale(tmp_path):
    stale = conditioned("stride > 1", target='"honest"')
    family = entry(target='"honest"', check='"shape"', family='"shape value dtype=float64"')
    done, found, states = judged(tmp_path, stale, family, adapters=(HONEST,))
    assert (done.returncode, found) == (1, [])
    assert states == [{"honest@cpu": "stale"}] * 2
    assert "stale: entry 1 of known.toml (honest; output): " in done.stderr
    assert "judged cases of honest@cpu asked for it, and none of them fails; if that is mended" in done.stderr
    assert "asked for it, and no discrepancy is of its family" in done.stderr
    assert "stale: entry 1 of known.toml (honest; output: stride > 1) was asked for, and not found" in done.stdout
    assert len(ET.parse(tmp_path / "out" / "junit.xml").getroot().findall(".//failure")) == 2
    assert "Known list:</strong> stale: entry 1" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_what_was_not_asked_for_is_not_stale_but_said(tmp_path):
    unjudged = entry(target='"torch"')
    unselected = entry(target='"honest"', check='"purity"', family='"purity impure"')
    unreached = conditioned("kernel > 900", target='"honest"')
    done, _, states = judged(tmp_path, unjudged, unselected, unreached, adapters=(HONEST,))
    assert (done.returncode, states) == (0, [{}] * 3)
    assert "3 known entries never exercised: no case was judged that asks for it" in done.stdout


def test_in_haste_nothing_is_stale_and_a_family_covers_what_may_be_of_it(tmp_path):
    stale = conditioned("stride > 1", check='"shape"')
    done, (found,), states = judged(tmp_path, entry(), stale, more=(*QUICK, "--fast"))
    assert (done.returncode, found.known) == (0, URL)
    assert states == [{"kernel-flipped@cpu": "known"}, {}]


def test_an_expired_entry_covers_nothing_and_is_told(tmp_path):
    done, (found,), (state,) = judged(tmp_path, entry(expires="2001-01-01"))
    assert (done.returncode, found.known, state) == (1, "", {"kernel-flipped@cpu": "expired"})
    ended = "held until 2001-01-01, and covers nothing any more: look again, renew it or remove it"
    assert f"expired: entry 1 of known.toml (kernel-flipped; output) {ended}" in done.stderr
    assert found.id in done.stderr
    assert "held until 2001-01-01, for kernel-flipped@cpu" in done.stdout


def test_an_entry_for_other_versions_covers_nothing(tmp_path):
    done, (found,), (state,) = judged(tmp_path, entry(versions='{numpy = "<1"}'))
    assert (done.returncode, found.known, state) == (1, "", {"kernel-flipped@cpu": "other version"})
    assert "1 known entry for other versions than those judged" in done.stdout


def test_an_unstable_one_is_asked_again_and_never_stale(tmp_path):
    passes = conditioned("stride > 1", target='"honest"', unstable="true")
    both = (FLIPPED, HONEST)
    done, (found,), states = judged(tmp_path, entry(unstable="true"), passes, adapters=both)
    assert (done.returncode, found.known) == (0, URL)
    assert "its smallest case, asked 5 times more in a process of its own, failed 5 times" in found.detail
    assert states == [{"kernel-flipped@cpu": "known"}, {"honest@cpu": "passed"}]
    assert "1 known entry unstable and not found this time" in done.stdout


def test_a_run_stops_at_the_first_failure_that_is_not_known(tmp_path):
    (tmp_path / "known.toml").write_text(conditioned("kernel >= 1"))  # and so what gradients show of it
    words = ("--adapter", FLIPPED, *QUICK, "--check", "gradient_bias", "-x", "--known", "known.toml")
    done = run(tmp_path, *words, "--out", "all")
    assert done.returncode == 0, done.stdout
    assert "is wrong_value" not in done.stderr
    assert read_runs(tmp_path / "all")[0]["stopped"] is False
    (tmp_path / "known.toml").write_text(conditioned("kernel == 1"))
    assert run(tmp_path, *words, "--out", "some").returncode == 1
    assert read_runs(tmp_path / "some")[0]["stopped"] is True


def test_what_is_malformed_starts_nothing(tmp_path):
    (tmp_path / "known.toml").write_text(entry() + entry(reason='""'))
    done = run(tmp_path, "--adapter", FLIPPED, *QUICK, "--known", "known.toml", "--out", "out")
    assert done.returncode == 2
    told = "known.toml, entry 2: reason = '': accepted is text that says what is known, to be filled in by a person"
    assert f"depthwise-conformance: {told}" in done.stderr
    assert not (tmp_path / "out").exists()
    beside = call(tmp_path, *PYTEST, *SUITE, *as_pytest("--adapter", FLIPPED), "--dwc-known=known.toml", "-n2")
    assert beside.returncode != 0 and told in beside.stdout + beside.stderr
    assert not (tmp_path / "conformance-run").exists()


def test_what_is_new_is_added_to_be_filled_in_and_is_known_then(tmp_path):
    words = ("--adapter", FLIPPED, *QUICK, "--out", "out")
    done = run(tmp_path, *words, "--update-known", "known.toml")
    assert done.returncode == 1
    assert "known.toml: 1 entry added, to be filled in by a person: reason and url." in done.stdout
    written = (tmp_path / "known.toml").read_text()
    refused = run(tmp_path, *words, "--known", "known.toml")
    assert refused.returncode == 2 and "entry 1: url = ''" in refused.stderr
    filled = written.replace('reason = ""', 'reason = "x"').replace('url = ""', f'url = "{URL}"')
    (tmp_path / "known.toml").write_text(filled)
    assert run(tmp_path, *words, "--known", "known.toml", "--update-known", "known.toml").returncode == 0
    assert (tmp_path / "known.toml").read_text() == filled


def test_processes_of_xdist_and_merged_runs_tell_the_same(tmp_path):
    (tmp_path / "known.toml").write_text(entry() + conditioned("stride > 1", target='"honest"'))
    both = ("--adapter", FLIPPED, "--adapter", HONEST, *QUICK, "--known", "known.toml", "--out", "out")
    done = run(tmp_path, *both, "--update-known", "new.toml", "--", "-n", "2")
    assert done.returncode == 1
    (told,) = read_runs(tmp_path / "out")
    assert [one["on"] for one in told["known"]] == [{"kernel-flipped@cpu": "known"}, {"honest@cpu": "stale"}]
    assert "1 distinct discrepancy (0 new, 1 known)" in done.stdout
    assert not (tmp_path / "new.toml").exists()
    merge([tmp_path / "out"], tmp_path / "merged")
    page = write_page(tmp_path / "merged").read_text(encoding="utf-8")
    assert "Nothing new: 1 known fault" in page and "stale: entry 2 of known.toml" in page
