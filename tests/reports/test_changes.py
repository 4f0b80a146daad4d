"""What changed between two run folders, case by case and family by family; nothing is gone that was not asked."""

from dataclasses import replace

import pytest
from reported import CASE, DISCREPANCY, HOSTILE, RECORD, Page, run_json, write_folder

from depthwise_conformance.reports.changes import compare_folders
from depthwise_conformance.reports.changespage import write_changes
from depthwise_conformance.reports.record import Verdict

PASS, WRONG, IMPRECISE = Verdict.PASS, Verdict.WRONG_VALUE, Verdict.IMPRECISE
OTHER = "f" * 16


def folder(path, rows, found=(), run=None):
    path.mkdir()
    return write_folder(path, rows, found, run)


def rows(verdicts, **changes):
    return [replace(RECORD, case=f"{n:016x}", verdict=verdict, **changes) for n, verdict in enumerate(verdicts)]


def told(tmp_path, old, new):
    changes = compare_folders(folder(tmp_path / "old", *old), folder(tmp_path / "new", *new))
    return [(one.kind, one.target, one.check, one.what, one.old, one.new, one.cases) for one in changes]


def test_cases_that_both_judged(tmp_path):
    old, new = rows([PASS, PASS, WRONG, WRONG, IMPRECISE]), rows([PASS, WRONG, PASS, WRONG, WRONG])
    assert told(tmp_path, (old,), (new,)) == [
        ("regressed", "torch@cpu", "output", "", "pass", "wrong_value", 1),
        ("fixed", "torch@cpu", "output", "", "wrong_value", "pass", 1),
        ("changed verdict", "torch@cpu", "output", "", "imprecise", "wrong_value", 1),
    ]


def test_what_was_declined_or_not_asked_has_not_changed(tmp_path):
    declined = rows([Verdict.UNSUPPORTED, Verdict.BROKEN, PASS])
    assert told(tmp_path, (rows([WRONG, PASS]),), (declined[:2] + rows([PASS] * 3)[2:],)) == []


@pytest.mark.parametrize(
    ("before", "after", "kinds"),
    [
        ([], [WRONG], ["new"]),
        ([PASS], [WRONG], ["regressed", "regressed"]),  # the case, and the family
    ],
)
def test_a_family_that_was_not_told_before(tmp_path, before, after, kinds):
    one = replace(DISCREPANCY, family="output value", smallest_case=CASE, cause="bias missing")
    old = [replace(RECORD, case=OTHER), *(replace(RECORD, case=CASE, verdict=verdict) for verdict in before)]
    new = [replace(RECORD, case=OTHER), *(replace(RECORD, case=CASE, verdict=verdict) for verdict in after)]
    found = told(tmp_path, (old,), (new, [one]))
    assert [kind for kind, *_ in found] == kinds
    assert found[-1][3:6] == ("output value", before[0] if before else "not asked", "bias missing")


@pytest.mark.parametrize(
    ("became", "kinds"), [(PASS, ["fixed", "fixed"]), (None, ["not asked"]), (IMPRECISE, ["changed verdict"])]
)
def test_a_family_that_is_told_no_more(tmp_path, became, kinds):
    one = replace(DISCREPANCY, family="output value", smallest_case=CASE)
    old = [replace(RECORD, case=OTHER), replace(RECORD, case=CASE, verdict=WRONG)]
    new = [replace(RECORD, case=OTHER), *([replace(RECORD, case=CASE, verdict=became)] if became else [])]
    assert [kind for kind, *_ in told(tmp_path, (old, [one]), (new,))] == kinds


def test_the_cause_of_a_family(tmp_path):
    one = replace(DISCREPANCY, family="output value", condition="stride > 1")
    other = replace(one, cause="kernel flipped", id="other words")
    ((kind, *_, what, old, new, _),) = told(tmp_path, (rows([WRONG]), [one]), (rows([WRONG]), [other]))
    assert (kind, what, old, new) == ("changed cause", "output value", "stride > 1", "kernel flipped; stride > 1")


def test_accuracy_beyond_noise(tmp_path):
    old, new = rows([PASS] * 12, error=0.2), rows([PASS] * 12, error=0.25)
    assert told(tmp_path, (old,), (new,)) == []
    worse = [*new[:-1], replace(new[-1], error=0.9)]
    more = tmp_path / "more"
    more.mkdir()
    ((kind, _, check, what, before, after, cases),) = told(more, (old,), (worse,))
    assert (kind, check, what, cases) == ("changed accuracy", "output", "float32", 12)
    assert (before, after) == ("worst 0.2, median 0.2", "worst 0.9, median 0.25")


def test_what_one_of_the_two_did_not_judge(tmp_path):
    jax = [one for check in ("output", "dtype") for one in rows([PASS], target="jax@cpu", check=check)]
    more = rows([PASS, PASS], check="shape") + jax
    assert told(tmp_path, (rows([PASS]),), (rows([PASS]) + more,)) == [
        ("newly judged", "jax@cpu", "", "", "not judged", "judged", 2),
        ("newly judged", "torch@cpu", "shape", "", "not judged", "judged", 2),
    ]


def test_a_target_that_broke(tmp_path):
    broken = [{**run_json()["targets"][0], "status": "abandoned"}]
    ((kind, target, *_),) = told(tmp_path, (rows([PASS]),), (rows([PASS]), (), run_json(targets=broken)))
    assert (kind, target) == ("broken", "torch@cpu")


def test_devices_are_compared_where_no_target_has_the_same_name(tmp_path):
    new = rows([WRONG], target="torch@cuda:0", device="cuda:0")
    found = replace(DISCREPANCY, target="torch@cuda:0", family="output value", smallest_case=f"{0:016x}")
    assert [one[:2] for one in told(tmp_path, (rows([PASS]),), (new, [found]))] == [("regressed", "torch")] * 2


def test_nothing_in_common(tmp_path):
    one, other = folder(tmp_path / "one", rows([PASS])), folder(tmp_path / "other", rows([PASS], target="jax@cpu"))
    with pytest.raises(ValueError, match="no target in common that was judged: torch; jax"):
        compare_folders(one, other)


def test_the_page_shows_every_target_and_check_and_nothing_that_runs(tmp_path):
    hostile = replace(DISCREPANCY, family=HOSTILE, smallest_case=CASE, cause=HOSTILE)
    judged = [*rows([PASS, WRONG]), *rows([PASS], check="shape"), *rows([PASS], target="jax@cpu")]
    old = folder(tmp_path / "old", judged)
    new = folder(
        tmp_path / "new",
        [*rows([WRONG, PASS]), *rows([PASS], check="shape"), *rows([PASS], target="jax@cpu")],
        [hostile],
    )
    write_changes(tmp_path / "page.html", old, new, compare_folders(old, new))
    page = Page(tmp_path / "page.html")
    assert "1 regressed, 1 new, 1 fixed" in page.said()
    assert page.row("output")[1:] == ["·", "1 regressed 1 new 1 fixed"]
    assert page.row("shape")[1:] == ["", "·"]
    assert not {"script", "link", "img"} & {tag for tag, _ in page.elements}
    assert not any(name.startswith("on") for _, found in page.elements for name in found)
    assert set(page.attributes("href")) == {"#regressed", "#new", "#fixed"}


def test_the_page_of_two_devices_names_targets_without_them(tmp_path):
    old = folder(tmp_path / "old", rows([PASS]))
    new = folder(
        tmp_path / "new", rows([WRONG], target="torch@cuda:0"), run=run_json(targets=[{"target": "torch@cuda:0"}])
    )
    write_changes(tmp_path / "page.html", old, new, compare_folders(old, new))
    assert Page(tmp_path / "page.html").row("output")[1:] == ["1 regressed"]
