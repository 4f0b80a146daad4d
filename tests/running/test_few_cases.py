"""A target whose every new shape costs seconds says how many cases it is asked: those that cover most come first."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from command_line import FAKES, run

from depthwise_conformance import read_discrepancies, read_runs
from depthwise_conformance.casebook.claims import EVERYTHING
from depthwise_conformance.casebook.covering import catalogue, coverage
from depthwise_conformance.running.agenda import Agenda, Few, Options, layers, planned

SLOW = f"{FAKES / 'narrow.py'}:Slow"


def taken(most: int, **options: object) -> list[str]:
    asked = Options(**options)
    few = Few(asked, EVERYTHING, most)
    blocks = Agenda(asked, [EVERYTHING]).blocks()
    return [case.id for block, cases in blocks for case in few.take(cases, block is not None)]


def test_the_first_of_the_catalogue_are_asked_then_draws():
    whole = [case.id for case in catalogue()]
    assert len(taken(20, examples=30)) == 20
    assert {*taken(20, examples=30)} <= {*whole}
    assert {*taken(20, examples=30)} < {*taken(40, examples=50)}
    more = taken(len(whole) + 10, examples=100)
    assert {*whole} < {*more} and len(more) == len(whole) + 10
    assert len(taken(40, examples=20)) == 20  # fewer examples are fewer cases


def test_shards_share_the_few_cases():
    parts = [taken(20, examples=30, shard=(number, 3)) for number in (1, 2, 3)]
    assert sorted(itertools.chain(*parts)) == sorted(taken(20, examples=30))


def test_few_cases_of_the_catalogue_cover_more_than_their_share():
    chosen = {*taken(20, examples=30)}
    covered = coverage([case for case in catalogue() if case.id in chosen], 2)
    assert covered.covered / covered.allowed > 1.5 * 20 / len(catalogue())


def test_as_many_layers_are_asked():
    few = Few(Options(examples=30), EVERYTHING, 20)
    asked = layers(Options(examples=30))
    assert [*few.take_layers(asked[:15]), *few.take_layers(asked[15:])] == [*asked[:20]]
    assert planned(Options(examples=30), ("output", "errors"), EVERYTHING, 20) == 40


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("slow")
    ended = run(folder, "--adapter", SLOW, "--check", "output", "--out", "out", "--known", "/dev/null")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    return folder / "out", ended.stdout


def test_a_run_asks_so_many_and_says_how_far_they_go(done):
    folder, said = done
    ((target,),) = [one["targets"] for one in read_runs(folder)]
    assert target["most"] == target["cases"] == target["judged"] == 30
    covered = target["coverage"]
    assert 0 < covered["covered"] < covered["allowed"]
    assert f"30 cases at most: those judged cover {covered['covered']:,} of {covered['allowed']:,} pairs" in said


def test_a_fault_of_it_is_told_with_its_condition(done):
    (found,) = read_discrepancies(done[0])
    assert 'padding == "same" and stride > 1' in str(found)  # as far as so few questions tell


@pytest.mark.parametrize("wrong", [-1, "30", True])
def test_a_number_that_is_none_is_refused(tmp_path, wrong):
    (tmp_path / "wrong.py").write_text(
        f"import sys\nsys.path.append({str(FAKES)!r})\nfrom honest import Honest\n\n\n"
        f"class Wrong(Honest):\n    name = 'wrong'\n    cases = {wrong!r}\n"
    )
    ended = run(tmp_path, "--adapter", "wrong.py:Wrong", "--out", "out")
    assert ended.returncode == 2
    assert "description of itself is malformed" in ended.stdout + ended.stderr
