"""Faults at every point of a small run: after each, the folder is read, the run completed, and nothing asked twice."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from by_name import location

from depthwise_conformance.casebook.case import AnyCase, Case, Data
from depthwise_conformance.reference import LayerConfig
from depthwise_conformance.reports import journal, unfinished
from depthwise_conformance.reports.files import place_text
from depthwise_conformance.reports.folders import UNFINISHED
from depthwise_conformance.reports.frames import read_results
from depthwise_conformance.reports.journal import JOURNAL, RUN, read_journal
from depthwise_conformance.reports.page import PAGE
from depthwise_conformance.reports.runs import COMPLETE, INTERRUPTED
from depthwise_conformance.reports.tables import DISCREPANCIES, read_discrepancies
from depthwise_conformance.reports.unfinished import NOTHING, recover, state
from depthwise_conformance.running.casefiles import write_case
from depthwise_conformance.running.journal import Journal
from depthwise_conformance.running.resuming import read_resumed
from depthwise_conformance.running.run import ConformanceRun
from depthwise_conformance.running.runoptions import RunOptions
from depthwise_conformance.running.targets import Target
from depthwise_conformance.running.troubles import NothingJudged, RunFailedError

CASES = 4
CHECKS = ("output", "shape")
NAME = "kernel-flipped@cpu"


@pytest.fixture(scope="module")
def asked(tmp_path_factory) -> Path:
    """A folder of cases, half of which the fake fails."""
    folder = tmp_path_factory.mktemp("asked")
    for number in range(CASES):
        write_case(folder, Case(LayerConfig((1 + number % 2, 1)), (1, 3, 3, 1), Data("integers", number)))
    return folder


def options(asked: Path, out: Path, **changes: object) -> RunOptions:
    given = {"cases": (str(asked),), "checks": CHECKS, "in_process": True, "fast": True, **changes}
    return RunOptions(adapters=(location("KernelFlipped"),), out=out, **given)


def perform(chosen: RunOptions) -> ConformanceRun:
    """Judges, tells and closes, as pytest has it done."""
    run = ConformanceRun(chosen)
    run.selected = {NAME: set(CHECKS)}
    for check in CHECKS:
        try:
            run.verify(NAME, check)
        except (NothingJudged, RunFailedError):
            continue
    run.close()
    return run


def resume(out: Path) -> ConformanceRun:
    resumed = read_resumed(out)
    return perform(resumed.options(resumed.given({})))


@pytest.fixture(scope="module", autouse=True)
def page() -> Iterator[None]:
    """No page is made, which is slow and none of the matter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unfinished, "write_page", lambda folder: place_text(folder / PAGE, "page"))
        yield


@pytest.fixture(scope="module")
def whole(asked, tmp_path_factory) -> Path:
    """The folder of a run that nothing happened to."""
    out = tmp_path_factory.mktemp("whole") / "out"
    assert perform(options(asked, out)).complete
    named = set(read_results(out).query("verdict != 'pass'")["discrepancy"])
    assert named == {one.id for one in read_discrepancies(out)}
    return out


def content(out: Path) -> tuple[str, list[tuple[str, ...]]]:
    """What was found, and the rows of the results."""
    rows = read_results(out).drop(columns="seconds").astype(str).itertuples(index=False, name=None)
    return (out / DISCREPANCIES).read_text().replace(str(out), "OUT"), sorted(rows)


# Every step by which a run changes what is on disk

STEPS = [(journal, "write"), *((Path, name) for name in ("replace", "mkdir", "unlink", "rmdir"))]


class Steps:
    """Counts the steps below a folder, and has something happen at one of them, or at all from there on."""

    def __init__(self, out: Path, patch: pytest.MonkeyPatch) -> None:
        self.taken, self.at, self.on = 0, 0, False
        self.happen: Callable[[str], None] = lambda name: None
        for owner, name in STEPS:
            patch.setattr(owner, name, self._counted(out, name, getattr(owner, name)))

    def _counted(self, out: Path, name: str, function: Callable[..., object]) -> Callable[..., object]:
        def step(first: object, *others: object, **named: object) -> object:
            if not isinstance(first, Path) or first.is_relative_to(out):
                self.taken += 1
                if self.at and (self.taken == self.at or (self.on and self.taken > self.at)):
                    self.happen(name)
            return function(first, *others, **named)

        return step


@pytest.fixture(scope="module")
def count(asked, tmp_path_factory) -> int:
    """The steps of the run."""
    out = tmp_path_factory.mktemp("counted") / "out"
    with pytest.MonkeyPatch.context() as patch:
        steps = Steps(out, patch)
        perform(options(asked, out))
        return steps.taken


def killed(name: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def full(name: str) -> None:
    if name not in ("unlink", "rmdir"):
        raise OSError(errno.ENOSPC, "No space left on device")


def forbidden(name: str) -> None:
    raise PermissionError(errno.EACCES, "Permission denied")


def in_a_process(perform: Callable[[], object]) -> int:
    """How a process of its own ended that did so."""
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        perform()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def on_disk(out: Path) -> set[str]:
    """The run's own cases of which the journal has an answer."""
    path = out / UNFINISHED / JOURNAL
    batches = read_journal(path).batches if path.exists() else ()
    tables = [batch.select(["asked", "case"]).to_pylist() for batch in batches]
    return {row["case"] for rows in tables for row in rows if row["asked"] == RUN}


def complete_afterwards(asked: Path, out: Path, whole: Path, patch: pytest.MonkeyPatch) -> None:
    """Reads the folder, completes the run, and holds it against one that was never interrupted."""
    known = on_disk(out)
    what = state(out) if out.exists() else NOTHING
    recover(out) if out.exists() else None
    if what == INTERRUPTED:
        assert set(read_results(out)["case"]) == known
    asked_now: list[str] = []
    keep = Journal.keep

    def note(self: Journal, target: Target, why: str, case: AnyCase, *others: object) -> None:
        asked_now.extend([case.id] if why == RUN else [])
        keep(self, target, why, case, *others)

    patch.setattr(Journal, "keep", note)
    if what != COMPLETE:
        assert bool(known) == (what == INTERRUPTED)
        assert (resume(out) if known else perform(options(asked, out))).complete
    assert state(out) == COMPLETE
    assert known.isdisjoint(asked_now)
    assert content(out) == content(whole)
    assert not (out / UNFINISHED).exists()


def test_the_steps_are_those_of_a_run(count):
    assert count > 3 * CASES


def test_a_run_that_is_killed_at_any_step_is_completed(asked, whole, count, tmp_path):
    for number in range(1, count + 1):
        out = tmp_path / str(number)
        with pytest.MonkeyPatch.context() as patch:
            steps = Steps(out, patch)
            steps.at, steps.happen = number, killed
            assert in_a_process(lambda out=out: perform(options(asked, out))) == -signal.SIGKILL, number
        with pytest.MonkeyPatch.context() as patch:
            complete_afterwards(asked, out, whole, patch)


def test_a_run_that_is_killed_in_its_diagnosis_comes_to_the_same(asked, tmp_path):
    told = perform(options(asked, tmp_path / "whole", fast=False))
    assert told.discrepancies[0].cause
    with pytest.MonkeyPatch.context() as patch:
        steps = Steps(tmp_path / "counted", patch)
        perform(options(asked, tmp_path / "counted", fast=False))
    questions = steps.taken - CASES
    for number in (questions // 3, questions // 2):
        out = tmp_path / str(number)
        with pytest.MonkeyPatch.context() as patch:
            steps = Steps(out, patch)
            steps.at, steps.happen = number, killed
            assert in_a_process(lambda out=out: perform(options(asked, out, fast=False))) == -signal.SIGKILL
        known = read_journal(out / UNFINISHED / JOURNAL)
        assert any(set(batch.column("asked").to_pylist()) - {RUN} for batch in known.batches)
        assert resume(out).complete
        assert content(out) == content(tmp_path / "whole")


def test_a_folder_that_is_removed_is_there_again_with_what_was_judged(asked, whole, tmp_path):
    out, removed = tmp_path / "out", list[str]()

    def remove(name: str) -> None:
        if name == "write" and (out / UNFINISHED / JOURNAL).exists() and not removed:
            removed.append(name)
            shutil.rmtree(out)

    with pytest.MonkeyPatch.context() as patch:
        steps = Steps(out, patch)
        steps.at, steps.on, steps.happen = 1, True, remove
        run = perform(options(asked, out))
    assert removed
    assert run.failed
    assert "run --resume" in run.trouble
    with pytest.MonkeyPatch.context() as patch:
        complete_afterwards(asked, out, whole, patch)


@pytest.mark.parametrize(("happen", "on", "first"), [(full, True, 1), (forbidden, False, 2)])
def test_a_run_whose_writing_fails_at_a_step_is_completed(asked, whole, count, tmp_path, happen, on, first):
    """A disk that is full from then on, at one step in two; a permission that is lost once, at the others."""
    for number in range(first, count + 1, 2):
        out = tmp_path / str(number)
        with pytest.MonkeyPatch.context() as patch:
            steps = Steps(out, patch)
            steps.at, steps.on, steps.happen = number, on, happen
            run = perform(options(asked, out))
            assert run.complete or run.failed or run.trouble, number
        with pytest.MonkeyPatch.context() as patch:
            complete_afterwards(asked, out, whole, patch)


def test_a_journal_that_was_damaged_is_read_as_far_as_it_is_whole(asked, count, tmp_path):
    out = tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        steps = Steps(out, patch)
        steps.at, steps.happen = count // 2, killed
        in_a_process(lambda: perform(options(asked, out)))
    path, draw = out / UNFINISHED / JOURNAL, random.Random(0)
    sound = path.read_bytes()
    for _ in range(100):
        damaged = bytearray(sound)
        for _ in range(draw.randint(1, 6)):
            damaged[draw.randrange(draw.choice([2000, len(sound)]))] = draw.randrange(256)
        path.write_bytes(damaged)
        try:
            found = read_journal(path)
        except ValueError as error:
            assert type(error) is ValueError
            assert str(error).startswith(f"{path}: ")
        else:
            list(found.results())
    path.write_bytes(sound.replace(b'"today": "', b'"to_ay": "'))
    with pytest.raises(ValueError, match="is not what a run writes: 'today' is a required property"):
        recover(out)
