"""The file of known discrepancies: what an entry may say, and entries for what is new."""

from __future__ import annotations

import datetime
import json
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from reported import DISCREPANCY

from depthwise_conformance.adapters.builtin import BUILTIN, GROUPS
from depthwise_conformance.reports.record import Verdict
from depthwise_conformance.running.knownfile import add_new, check_update, read_known
from depthwise_conformance.running.settings import read_settings
from depthwise_conformance.running.usage import UsageError

ENTRY = """
[[known]]
target = "keras-*"
check = "output"
condition = 'dtype == "float64"'
reason = "rounds to float32"
url = "https://example.org/1"
versions = {keras = ">=3.8,<3.16"}
expires = 2031-12-31
"""
ROOT = Path(__file__).parents[2]
TODAY = datetime.date(2026, 1, 1)


def written(folder: Path, text: str) -> str:
    file = folder / "known.toml"
    file.write_text(text)
    return str(file)


def test_an_entry_is_read(tmp_path):
    (entry,) = read_known([written(tmp_path, ENTRY)])
    assert (entry.name, entry.targets, entry.check) == ("entry 1 of known.toml", ("keras-*",), "output")
    assert (entry.condition.text, entry.family, entry.verdict) == ('dtype == "float64"', "", None)
    assert (entry.link, entry.expires, entry.unstable) == ("https://example.org/1", datetime.date(2031, 12, 31), False)


def test_an_empty_file_is_an_empty_list(tmp_path):
    assert read_known([written(tmp_path, "")]) == ()


@pytest.mark.parametrize(
    ("pattern", "name", "about"),
    [
        ("keras-*", "keras-torch@cpu", True),
        ("keras-*", "torch@cpu", False),
        ("torch", "torch@cuda:0", True),
        ("torch@cpu", "torch@cuda:0", False),
        ("torch@cuda:*", "torch@cuda:0", True),
        ("torch", "torch:channels_last@cpu", False),
        ("torch*", "torch:channels_last@cpu", True),
        ("keras[x]", "keras[x]@cpu", True),
    ],
)
def test_a_pattern_without_a_device_is_about_every_device(tmp_path, pattern, name, about):
    (entry,) = read_known([written(tmp_path, ENTRY.replace("keras-*", pattern))])
    assert entry.is_about(name, "output") is about
    assert not entry.is_about(name, "shape")


def test_several_targets_may_be_named(tmp_path):
    (entry,) = read_known([written(tmp_path, ENTRY.replace('"keras-*"', '["torch", "jax@cpu"]'))])
    assert [entry.is_about(name, "output") for name in ("torch@cpu", "jax@cpu", "jax@tpu")] == [True, True, False]


@pytest.mark.parametrize(
    ("versions", "inside"),
    [
        ({"keras": "3.8"}, True),
        ({"keras": "3.15.1+local", "torch": "2.0"}, True),
        ({"keras": "3.9.0rc1"}, True),
        ({"keras": "3.16.0"}, False),
        ({"keras": "nightly"}, False),
        ({"torch": "3.8"}, False),
        ({}, False),
    ],
)
def test_versions_are_ranges_by_distribution(tmp_path, versions, inside):
    (entry,) = read_known([written(tmp_path, ENTRY)])
    assert entry.is_for(versions) is inside


def test_no_range_is_any_version(tmp_path):
    (entry,) = read_known([written(tmp_path, ENTRY.replace('{keras = ">=3.8,<3.16"}', "{}"))])
    assert entry.is_for({})


def test_a_url_may_be_none_with_a_reason(tmp_path):
    (entry,) = read_known([written(tmp_path, ENTRY.replace('"https://example.org/1"', '"none"\nwhy = "not reported"'))])
    assert entry.link == "none: not reported"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('reason = "rounds to float32"', 'reason = ""', "reason = ''.*to be filled in by a person"),
        ('url = "https://example.org/1"', 'url = ""', "url = ''.*to be filled in by a person"),
        ('url = "https://example.org/1"', 'url = "issue 4"', "url = 'issue 4'.*begins with https"),
        ('url = "https://example.org/1"', 'url = "none"', "why is missing"),
        ("expires", 'why = "x"\nexpires', "why = 'x'.*nowhere else"),
        ("expires = 2031-12-31", "", "has no expires: required are target, check"),
        ("expires = 2031-12-31", 'expires = "2031-12-31"', "expires = '2031-12-31': accepted is a date without quotes"),
        ("expires = 2031-12-31", "expires = 2031-12-31T00:00:00", "expires = 2031-12-31 00:00:00: accepted is a date"),
        ('check = "output"', 'check = "outputs"', "check = 'outputs': accepted is one of output, shape"),
        ('target = "keras-*"', "target = []", r"target = \[\]: accepted is a pattern"),
        ('target = "keras-*"', "target = 3", "target = 3: accepted is a pattern"),
        ('">=3.8,<3.16"', '"3.8"', "versions = .*accepted is a range for each distribution"),
        ('{keras = ">=3.8,<3.16"}', '"keras>=3.8"', "versions = 'keras>=3.8': accepted is a range"),
        ("condition = 'dtype == \"float64\"'", "", "accepted is one of family = ... and condition"),
        ("condition =", 'family = "output value"\ncondition =', "accepted is one of family = ... and condition"),
        ("condition = 'dtype == \"float64\"'", "condition = 'dtype == \"int8\"'", "condition: dtype is compared with"),
        ("condition = 'dtype == \"float64\"'", "condition = ' '", "condition = ' '.*claims language"),
        ("condition = 'dtype == \"float64\"'", 'family = "shape value"', 'which begins "output "'),
        ("expires", 'verdict = "pass"\nexpires', "verdict = 'pass': accepted is one of imprecise"),
        ("expires", 'unstable = "yes"\nexpires', "unstable = 'yes': accepted is true or false"),
        ("expires", "since = 3\nexpires", "has a key 'since': accepted are target, check"),
        ("[[known]]", "[known]", r"known = .*: accepted are tables \[\[known\]\]"),
        ("[[known]]", "[[entry]]", r"has a key 'entry': accepted are tables \[\[known\]\]"),
        ("[[known]]", "[[known", "cannot be read"),
    ],
)
def test_what_is_malformed_is_told_with_what_is_accepted(tmp_path, old, new, told):
    assert ENTRY.count(old) == 1
    file = written(tmp_path, ENTRY + ENTRY.replace(old, new) if old != "[[known]]" else ENTRY.replace(old, new))
    with pytest.raises(UsageError, match=told) as raised:
        read_known([file])
    assert file in str(raised.value)
    assert old == "[[known]]" or f"{file}, entry 2: " in str(raised.value)


def test_a_file_that_is_missing_is_told(tmp_path):
    with pytest.raises(UsageError, match=r"known .*absent.toml: cannot be read"):
        read_known([str(tmp_path / "absent.toml")])


def test_new_ones_are_added_to_be_filled_in(tmp_path):
    file = Path(written(tmp_path, "# mine\n" + ENTRY))
    new = replace(DISCREPANCY, target="torch@cpu", check="output", family='output value dtype="a\\b"', known="")
    new = replace(new, versions="torch 2.13.0+cpu, My Kernel 3", cause="two\nlines")
    told = add_new(file, [new, new, replace(new, target="jax@cpu", known="https://example.org/2")], TODAY)
    assert told == f"{file}: 1 entry added, to be filled in by a person: reason and url.\n"
    assert file.read_text().startswith("# mine\n" + ENTRY)
    entry = tomllib.loads(file.read_text())["known"][1]
    assert entry.items() >= {"target": "torch@cpu", "family": new.family, "reason": "", "url": ""}.items()
    assert (entry["versions"], entry["expires"]) == ({"torch": "==2.13.0"}, datetime.date(2026, 6, 30))
    with pytest.raises(UsageError, match=r"entry 2: url = ''.*to be filled in by a person"):
        read_known([str(file)])
    assert add_new(file, [new], TODAY) == ""  # it is there


def test_what_is_added_is_read_once_it_is_filled_in(tmp_path):
    file = tmp_path / "new.toml"
    check_update(file)
    add_new(file, [replace(DISCREPANCY, check="output", family="output value", known="")], TODAY)
    filled = file.read_text().replace('reason = ""', 'reason = "x"').replace('url = ""', 'url = "none"\nwhy = "x"')
    file.write_text(filled)
    (entry,) = read_known([str(file)])
    assert (entry.family, entry.verdict, entry.targets) == ("output value", None, (DISCREPANCY.target,))


def test_a_verdict_may_be_named(tmp_path):
    (entry,) = read_known([written(tmp_path, ENTRY.replace("expires", 'verdict = "imprecise"\nexpires'))])
    assert entry.verdict is Verdict.IMPRECISE


@pytest.mark.parametrize("text", ["[[known", "known = 3"])
def test_nothing_is_added_to_what_cannot_be_read(tmp_path, text):
    with pytest.raises(UsageError):
        check_update(Path(written(tmp_path, text)))


def test_a_file_is_made_only_where_there_is_a_folder(tmp_path):
    with pytest.raises(UsageError, match="its folder is missing"):
        check_update(tmp_path / "absent" / "known.toml")


def test_the_projects_own_list_is_about_its_targets_at_the_versions_that_it_pins():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    pinned |= json.loads((ROOT / "adapters/javascript/package.json").read_text())["dependencies"]
    entries = read_known([str(ROOT / "known.toml")])
    assert entries
    names = {*BUILTIN, *(spelling for group in GROUPS.values() for spelling in group)}
    for entry in entries:
        assert entry.versions and entry.is_for(pinned), entry.name
        for pattern in entry.targets:
            alone = replace(entry, targets=(pattern,))
            assert any(alone.is_about(f"{name}@cpu", entry.check) for name in names), f"{entry.name}: {pattern}"


def test_a_run_in_a_clone_is_judged_by_the_projects_own_list():
    assert read_settings(ROOT / "pyproject.toml")["--known"] == [str(ROOT / "known.toml")]
