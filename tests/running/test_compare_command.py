"""`compare` as it is typed: what it prints, its exit status, and what it replays."""

from dataclasses import replace

from command_line import COMMAND, FLIPPED, HONEST, call, run
from reported import Page

from depthwise_conformance.reports.changes import Change
from depthwise_conformance.reports.sheets import read_sheet
from depthwise_conformance.running.replaying import settle

ONLY = 'dtype == "float64" and activation == "linear" and channels < 4 and kernel_size == 2'


def compare(folder, *words):
    return call(folder, *COMMAND, "compare", *words)


def test_two_runs(tmp_path, bad):
    """The same target, asked for less: its discrepancy is not gone, and cannot be asked for by name."""
    old, _ = bad
    assert run(tmp_path, "--adapter", FLIPPED, "--examples", 20, "--check", "shape", "--out", "new").returncode == 0
    done = compare(tmp_path, old, "new", "--markdown", "--csv", "changes.csv", "--page", "changes.html")
    assert done.returncode == 0, done.stderr
    assert "0 of them for the worse" in done.stdout
    kinds = {one.kind: one for one in read_sheet(tmp_path / "changes.csv", Change)}
    assert set(kinds) == {"no longer judged", "not asked"}
    assert "cannot be asked for by name" in kinds["not asked"].new
    assert "| not asked |" in done.stdout
    page = Page(tmp_path / "changes.html")
    assert "1 no longer judged, 1 not asked" in page.said()
    assert page.attributes("src", "action") == []
    assert not {"script", "link"} & {tag for tag, _ in page.elements}


def test_a_page_that_cannot_be_written_is_told(tmp_path, bad):
    done = compare(tmp_path, bad[0], bad[0], "--page", "nowhere/changes.html")
    assert done.returncode == 2
    assert "nowhere" in done.stderr
    assert "Traceback" not in done.stderr


def test_one_that_regressed(tmp_path, bad):
    """A folder is compared with itself, as if an earlier run had passed."""
    old, _ = bad
    assert compare(tmp_path, old, old).stdout == "0 changes, 0 of them for the worse.\n"
    honest = run(tmp_path, "--adapter", HONEST, "--examples", 20, "--check", "output", "--out", "honest")
    assert honest.returncode == 0
    done = compare(tmp_path, "honest", old)
    assert done.returncode == 2  # other targets
    assert "no target in common" in done.stderr
    assert "Traceback" not in done.stderr


def test_smallest_cases_are_replayed_where_the_target_is_installed(tmp_path):
    """A departure of JAX that no processor decides, by a check of which the new run asked for another."""
    words = ("--target", "jax", "--known", "/dev/null", "--only", ONLY, "--examples", 5)
    assert run(tmp_path, *words, "--check", "dtype", "--out", "old").returncode == 1
    run(tmp_path, *words, "--check", "shape", "--out", "new")
    done = compare(tmp_path, "old", "new")
    assert done.returncode == 0
    assert "not asked" not in done.stdout  # it is still there
    assert "not asked" in compare(tmp_path, "old", "new", "--no-replay").stdout
    what = next((tmp_path / "old" / "cases").iterdir()).stem
    failing = Change("regressed", "jax@cpu", "dtype", "", "pass", "wrong_dtype", 1, what)
    by_chance = replace(failing, check="shape")  # which passes when it is asked once more
    many = replace(by_chance, cases=2)  # of which one was asked: the other may have regressed
    settled = settle([failing, by_chance, many], tmp_path / "new", tmp_path / "old")
    assert [one.kind for one in settled] == ["regressed", "comes and goes", "regressed"]
