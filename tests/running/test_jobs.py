"""Several workers of a target: what is judged and told does not depend on their number, nor on one that is lost."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from by_name import location

from depthwise_conformance.casebook.case import Case
from depthwise_conformance.judging.values import Judgement
from depthwise_conformance.reference import LayerConfig
from depthwise_conformance.reports import unfinished
from depthwise_conformance.reports.files import place_text
from depthwise_conformance.reports.page import PAGE
from depthwise_conformance.reports.record import Verdict
from depthwise_conformance.running import lanes
from depthwise_conformance.running.answering import Question, Reply, answer, asked, in_turn, place_of
from depthwise_conformance.running.cluster import Cluster, connected
from depthwise_conformance.running.drawing import draw_block
from depthwise_conformance.running.journal import Journal
from depthwise_conformance.running.lanes import Lane, affordable, lanes_wanted
from depthwise_conformance.running.run import ConformanceRun
from depthwise_conformance.running.runoptions import RunOptions
from depthwise_conformance.running.targets import Target, open_targets, requests
from depthwise_conformance.running.troubles import NothingJudged
from depthwise_conformance.workers.worker import WorkerBrokenError

EXAMPLES = 30
FAKES = (location("KernelFlipped"), location("Honest"))
CHECKS = ("output", "config_roundtrip")


def perform(out: Path, jobs: int, client: Any = None) -> dict[str, bytes]:
    """A run of two targets, on the workers of a client if there is one, of which one is lost: its tables."""
    run = ConformanceRun(RunOptions(adapters=FAKES, checks=CHECKS, out=out, examples=EXAMPLES, strength=1, jobs=jobs))
    run.selected = {target.name: set(CHECKS) for target in run.targets}
    if client is not None:
        run.elsewhere = Cluster(client, run.options.checks, run.options.strength)
        victims = iter(client.run(os.getpid).values())
        run.progress = lambda target, done: done > 10 and (pid := next(victims, None)) and os.kill(pid, signal.SIGKILL)
    for target in run.targets:
        for check in CHECKS:
            with suppress(NothingJudged):
                run.verify(target.name, check)
    run.close()
    tables = {name: (out / name).read_bytes() for name in ("results.csv", "discrepancies.csv")}
    return {name: table.replace(str(out).encode(), b"out") for name, table in tables.items()}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The folder and the tables of a run with one job."""
    folder = tmp_path_factory.mktemp("alone")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unfinished, "write_page", write_page)
        return folder, perform(folder, 1)


def write_page(folder: Path) -> None:
    """No page, which is slow and none of the matter."""
    place_text(folder / PAGE, "page")


def test_results_do_not_depend_on_the_number_of_jobs(alone, tmp_path, monkeypatch):
    monkeypatch.setattr(unfinished, "write_page", write_page)
    monkeypatch.setattr(lanes, "WORTH", 10)
    folder, tables = alone
    assert tables["discrepancies.csv"].count(b"kernel-flipped@cpu") > 0
    assert perform(tmp_path, 4) == tables
    told = [json.loads((place / "run.json").read_text()) for place in (folder, tmp_path)]
    workers = [(run["jobs"], [target["workers"] for target in run["targets"]]) for run in told]
    assert workers == [(1, [1, 1]), (4, [2, 2])]
    for run in told:
        for one in run["targets"]:
            del one["seconds"], one["workers"]
    assert told[0]["targets"] == told[1]["targets"]


def test_results_are_the_same_on_a_cluster_of_which_a_worker_is_lost(alone, tmp_path, monkeypatch):
    monkeypatch.setattr(unfinished, "write_page", write_page)
    with connected("", 2) as client:
        assert perform(tmp_path, 1, client) == alone[1]


@pytest.fixture
def target():
    (one,) = open_targets(requests([], [location("Honest")]), 20.0)
    yield one
    one.worker.close()


def question(target: Target, count: int) -> Question:
    return Question(asked(target), draw_block(0, count), frozenset({"output"}), ("output",), 2)


def test_a_process_that_dies_is_replaced_and_asked_again(target):
    lane = Lane(threading.Semaphore(1))
    try:
        first = lane.submit(answer, question(target, 3)).result()
        lane._process.kill()
        second = lane.submit(answer, question(target, 3)).result()
        assert [one.judged[0].verdict for one in second.answers] == [Verdict.PASS] * 3
        assert [one.case for one in second.answers] == [one.case for one in first.answers]
    finally:
        lane.close()


def test_answers_come_in_the_order_of_the_cases_up_to_the_first_that_is_missing(target):
    """Losses count over all lanes."""
    cases = draw_block(0, 4)
    replies = {0: Reply(), 1: Reply(broken="it does not start")}
    journals = {lane: Journal() for lane in replies}
    for lane, number in ((0, 0), (1, 1), (0, 3)):
        journals[lane].writer = replies[lane]
        target.worker.losses = lane + number
        journals[lane].keep(target, "run", cases[number], [("output", Judgement(Verdict.PASS))])
        journals[lane].commit(target)
    answers = in_turn(cases, replies, [0, 1, 1, 0])
    assert [(one.case, one.losses) for one in (next(answers), next(answers))] == [(cases[0].id, 0), (cases[1].id, 2)]
    with pytest.raises(WorkerBrokenError, match="it does not start"):
        next(answers)


def test_cases_are_spread_over_lanes_by_their_ids():
    cases = draw_block(0, 250)
    places = Counter(place_of(case, 3) for case in cases)
    assert len(places) == 3
    assert max(places.values()) < 120
    again = [place_of(Case(LayerConfig((1, 1)), (1, 3, 3, 1)), 5) for _ in range(2)]
    assert again[0] == again[1]


@pytest.mark.parametrize(
    ("jobs", "targets", "examples", "wanted"),
    [(2, 7, 250, 1), (16, 7, 1000, 3), (8, 1, 1000, 8), (8, 1, 250, 2), (8, 1, 20, 1), (4, 0, 1000, 4)],
)
def test_workers_for_each_target(jobs, targets, examples, wanted):
    assert lanes_wanted(jobs, targets, examples) == wanted


def test_memory_bounds_the_number_of_workers(target, monkeypatch):
    each = target.worker.memory + lanes.OWN_BYTES
    assert target.worker.memory > 1 << 20

    class Memory:
        available = int(3.5 * each / lanes.USED)

    monkeypatch.setattr(lanes.psutil, "virtual_memory", Memory)
    assert [affordable(wanted, [target]) for wanted in (2, 3, 8)] == [2, 3, 3]
