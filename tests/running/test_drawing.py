"""Drawing and shrinking: by seed and number alone, and never a case twice."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from depthwise_conformance.casebook.case import Case
from depthwise_conformance.casebook.claims import Claim
from depthwise_conformance.casebook.strategies import Draw
from depthwise_conformance.judging.tally import Failure, Group, extent
from depthwise_conformance.judging.values import Judgement
from depthwise_conformance.reports.record import Verdict
from depthwise_conformance.running.drawing import BLOCK, draw, draw_block, draw_layer_cases, draw_refusals, search


def printed(program: str, cache: Path) -> list[str]:
    """What a process prints that has nothing kept but in this folder."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    command = [sys.executable, "-P", "-c", program]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()


def test_drawing_depends_on_seed_and_count_alone(tmp_path):
    first = [case.id for case in draw_block(5, 60)]
    np.random.default_rng().random()
    draw_block(6, 10)
    assert [case.id for case in inspect.unwrap(draw_block)(5, 60)] == first  # drawn again, not remembered
    assert [case.id for case in draw_block(6, 60)] != first
    program = "from depthwise_conformance.running.drawing import draw_block; print(*[c.id for c in draw_block(5, 60)])"
    assert printed(program, tmp_path) == first


def test_drawing_does_not_depend_on_what_else_is_imported(tmp_path):
    """Hypothesis looks for interesting constants in all modules that are not installed packages."""
    (tmp_path / "project.py").write_text(f"INTERESTING = {list(range(100, 1000))}")
    draw = "from depthwise_conformance.running.drawing import draw_block; print(*[c.id for c in draw_block(0, 400)])"
    beside = f"import sys; sys.path.append({str(tmp_path)!r}); import project; {draw}"
    assert printed(draw, tmp_path / "one") == printed(beside, tmp_path / "two")


@pytest.mark.parametrize("claim", ["", "kernel_size == 3 and dtype == 'float32' and channels == 8"])
def test_fewer_cases_are_the_first_of_more(claim):
    most = draw_block(0, 90, Claim(claim))
    assert len({case.id for case in most}) == 90
    assert [draw_block(0, count, Claim(claim)) for count in (1, 17, 48)] == [most[:1], most[:17], most[:48]]
    for whole in (draw_layer_cases, draw_refusals):
        assert set(whole(0, 10)) <= set(whole(0, 25))


@pytest.mark.parametrize("claim", ["", "kernel_size == 3 and dtype == 'float32' and channels == 8"])
def test_further_blocks_follow_from_seed_and_claim_too(claim, tmp_path):
    block = Draw(1, Claim(claim), shrinkable=False)
    most = draw(block, BLOCK)
    assert len({case.id for case in most}) == len(most) == BLOCK
    assert all(block.claim.covers(case) for case in most)
    assert draw(block, 48) == most[:48]
    imports = "from depthwise_conformance.running.drawing import *; from depthwise_conformance.casebook.claims import *"
    ask = f"draw(Draw(1, Claim({claim!r}), shrinkable=False), 60)"
    assert printed(f"{imports}; print(*[c.id for c in {ask}])", tmp_path) == [case.id for case in most[:60]]


def test_the_first_case_is_the_plainest_whatever_the_seed():
    first = {draw_block(seed, 1)[0] for seed in (0, 1)}
    assert [extent(case)[0] for case in first] == [2]


def test_no_search_for_what_hypothesis_did_not_draw():
    case, *further = draw(Draw(0, shrinkable=False), 2)
    group = Group([Failure(case, Judgement(Verdict.WRONG_VALUE), Draw(0, shrinkable=False))])
    assert group.drawn is None
    group.failures += [Failure(one, Judgement(Verdict.WRONG_VALUE), Draw(1)) for one in further]
    assert group.drawn == group.failures[1]


@pytest.mark.parametrize("place", [0, 3, 59])
def test_the_search_finds_the_failing_case_again_and_shrinks_it(place):
    first = draw_block(0, 60)[place]
    asked: list[Case] = []

    def fails(case: Case) -> bool:
        asked.append(case)
        return case.dtype == first.dtype

    search(Draw(0), first, fails)
    assert first not in asked, "it is known to fail"
    smallest = min((case for case in asked if case.dtype == first.dtype), key=extent, default=first)
    assert extent(smallest) <= extent(first)
    assert extent(smallest)[0] <= 2
    assert len(asked) == len({case.id for case in asked}), "a case is asked once"


def test_searches_beside_one_another_ask_what_each_alone_asks():
    firsts = [draw_block(0, 60)[place] for place in (3, 31)]

    def asked(first: Case) -> list[str]:
        seen: list[str] = []

        def fails(case: Case) -> bool:
            seen.append(case.id)
            return case.dtype == first.dtype

        search(Draw(0), first, fails)
        return seen

    with ThreadPoolExecutor(2) as executor:
        assert list(executor.map(asked, firsts)) == [*map(asked, firsts)]
