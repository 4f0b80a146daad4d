"""The benchmark of the harness: it judges, repeats the same calls in a bare loop, and outlives a worker that dies."""

import sys
from pathlib import Path

from by_name import location

from depthwise_conformance.casebook.case import Case
from depthwise_conformance.reference import LayerConfig
from depthwise_conformance.running.targets import open_targets, requests

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import harness


def test_a_case_at_which_the_worker_dies_is_left_out(capsys):
    (target,) = open_targets(requests([], [location("AbortsOnWidthThirteen")]), timeout=20.0)
    target.worker.close()
    cases = [Case(LayerConfig(2), (1, 5, width, 3)) for width in (4, 13, 7)]
    count, (_, with_judging, without) = harness.compare_surviving(target, cases, repeats=1)
    assert count == 2
    assert 0.0 < without < with_judging
    assert cases[1].id in capsys.readouterr().err
