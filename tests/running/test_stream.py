"""A seed's cases, of which a run takes the first: so many, as many as a clock lets it, or one part of several."""

from __future__ import annotations

import itertools
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from by_name import location

from depthwise_conformance.casebook.claims import EVERYTHING, Claim
from depthwise_conformance.reports import unfinished
from depthwise_conformance.reports.files import place_text
from depthwise_conformance.reports.page import PAGE
from depthwise_conformance.reports.runs import read_runs
from depthwise_conformance.reports.shards import join_shards
from depthwise_conformance.reports.unfinished import merge_into
from depthwise_conformance.running import drawing
from depthwise_conformance.running.agenda import ENDLESS, Agenda, Options, layers
from depthwise_conformance.running.options import OPTIONS, read_options
from depthwise_conformance.running.resuming import read_resumed
from depthwise_conformance.running.run import ConformanceRun
from depthwise_conformance.running.runoptions import RunOptions
from depthwise_conformance.running.usage import UsageError

NAME = "honest@cpu"
NARROW = Claim("dtype == 'float32' and channels == 8")


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    """Small blocks, drawn anew, and no page."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    drawing.draw_block.cache_clear()
    monkeypatch.setattr("depthwise_conformance.running.agenda.BLOCK", 20)
    monkeypatch.setattr(drawing, "BLOCK", 20)
    monkeypatch.setattr(unfinished, "write_page", lambda folder: place_text(folder / PAGE, "page"))
    yield
    drawing.draw_block.cache_clear()


def asked(claims=(EVERYTHING,), **options) -> list[str]:
    agenda = Agenda(Options(strength=1, **options), claims)
    return [case.id for _, cases in agenda.blocks() for case in cases]


@pytest.mark.parametrize("claims", [(EVERYTHING,), (EVERYTHING, NARROW), (NARROW, EVERYTHING)])
def test_more_examples_continue_what_fewer_began(claims):
    first, second, third = (asked(claims, examples=examples) for examples in (10, 30, 50))
    assert set(first) < set(second) < set(third)
    assert len(third) == len(set(third))
    assert set(layers(Options(examples=50))) < set(layers(Options(examples=250)))


@pytest.mark.parametrize("claims", [(EVERYTHING,), (EVERYTHING, NARROW)])
def test_shards_are_the_run_in_parts(claims):
    parts = [asked(claims, examples=30, shard=(number, 3)) for number in (1, 2, 3)]
    assert all(parts)
    assert sorted(itertools.chain(*parts)) == sorted(asked(claims, examples=30))
    parted = [layers(Options(examples=30, shard=(number, 3))) for number in (1, 2, 3)]
    assert {*itertools.chain(*parted)} == {*layers(Options(examples=30))}


def test_a_clock_ends_the_draws_and_the_number_reached_asks_for_the_same():
    left = iter(range(28))
    agenda = Agenda(Options(strength=1, examples=ENDLESS), [EVERYTHING], over=lambda: next(left, None) is None)
    reached = [case.id for _, cases in agenda.blocks() for case in cases]
    assert 20 < agenda.reached < 28
    assert reached == asked(examples=agenda.reached)


def options(out: Path, **given: object) -> RunOptions:
    by_default = {name: option.get("default") for name, option in OPTIONS.items()}
    words = {"--adapter": [location("Honest")], "--check": ["shape"], "--in-process": True, "--strength": 1}
    return read_options({**by_default, **words, **given}, out)


def perform(run: ConformanceRun) -> dict[str, Any]:
    run.selected = {NAME: {"shape"}}
    with suppress(KeyboardInterrupt):
        run.verify(NAME, "shape")
    run.close()
    told: dict[str, Any] = json.loads((run.options.out / "run.json").read_text())
    return told


def test_a_run_that_is_resumed_may_be_asked_for_more(tmp_path):
    interrupted = ConformanceRun(options(tmp_path / "out", **{"--examples": 10}))
    counts = []

    def interrupt(target, done):
        counts.append(done)
        if sum(counts) > 20:
            raise KeyboardInterrupt

    interrupted.progress = interrupt
    assert perform(interrupted)["state"] == "interrupted"
    resumed = read_resumed(tmp_path / "out")
    with pytest.raises(UsageError, match="--examples 5: accepted is 10 or more, which the run has"):
        resumed.given({"--examples": 5})
    told = perform(ConformanceRun(resumed.options(resumed.given({"--examples": 30, "--jobs": 1}))))
    assert (told["state"], told["examples"], len(told["sessions"])) == ("complete", 30, 2)
    perform(ConformanceRun(options(tmp_path / "whole", **{"--examples": 30})))
    rows, others = ((tmp_path / name / "results.csv").read_text().splitlines() for name in ("out", "whole"))
    assert sorted(rows) == sorted(others)  # in the order in which they were asked


def test_the_shards_of_a_run_are_merged_to_what_it_would_have_been(tmp_path):
    whole = perform(ConformanceRun(options(tmp_path / "whole", **{"--examples": 10})))
    folders = [tmp_path / "first", tmp_path / "second"]
    for number, folder in enumerate(folders, 1):
        perform(ConformanceRun(options(folder, **{"--examples": 10, "--shard": f"{number}/2"})))
    merge_into(tmp_path / "both", folders, join_shards)
    rows, others = ((tmp_path / name / "results.csv").read_text().splitlines() for name in ("both", "whole"))
    assert sorted(rows) == sorted(others)
    (told,) = read_runs(tmp_path / "both")
    assert (told["state"], told["shard"]) == ("complete", [1, 1])
    for run in (told, whole):
        del run["targets"][0]["seconds"], run["targets"][0]["coverage"]
    assert told["targets"] == whole["targets"]
    (part,) = join_shards(read_runs(folders[1]))
    assert (part["complete"], part["thin"]) == (
        False,
        ["Of 2 shards, these are missing: 1; what they would have judged is unknown."],
    )
    with pytest.raises(ValueError, match="shard 2/2 is given more than once"):
        join_shards([*read_runs(folders[1]), *read_runs(folders[1])])


def test_a_run_by_the_clock_says_how_many_cases_it_reached(tmp_path):
    told = perform(ConformanceRun(options(tmp_path / "out", **{"--minutes": 1e-9})))
    assert (told["state"], told["examples"], told["options"]["minutes"]) == ("complete", 0, 1e-9)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"--minutes": 1.0, "--examples": 5}, "--examples and --minutes: accepted is one of them"),
        ({"--minutes": 0.0}, "minutes 0.0: accepted are more than 0"),
        ({"--shard": "3"}, "shard '3': accepted are I/N, with I from 1 to N, as in 3/8"),
        ({"--shard": "3/2"}, "shard (3, 2): accepted are I/N, with I from 1 to N"),
    ],
)
def test_what_cannot_be_asked_for_is_told(tmp_path, given, told):
    with pytest.raises(UsageError) as error:
        options(tmp_path, **given)
    assert str(error.value) == told
