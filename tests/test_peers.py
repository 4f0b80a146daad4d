"""The checks of other projects, as benchmarks/peers has them: no honest kernel fails one, and each finds a fault."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import subprocess
import sys
from pathlib import Path

import faults
import numpy as np
import pytest
from honest import Honest, ReversedSum

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "benchmarks"))

from peers import benchdnn, kernelbench, tflite, trying  # noqa: E402
from peers.calls import translated  # noqa: E402
from peers.cases import OwnResult  # noqa: E402
from peers.catalogue import FAULTS, HONEST_FAKES, SUITES  # noqa: E402
from peers.judges import exactly  # noqa: E402
from peers.suites import Suite, examine  # noqa: E402
from peers.table import span, suite_row, union_row  # noqa: E402

from depthwise_conformance.reference import LayerConfig  # noqa: E402

CANDIDATES, FEW = 24, 4
CAUGHT = {  # a fault for each suite, which it is there to catch
    "KernelBench v0, as published (1e-2)": "KernelFlipped",
    "KernelBench v0.1, as published (1e-2)": "WidthTailByFour",
    "KernelBench today (1e-4)": "Bfloat16Products",
    "KernelBench today, and problem 86": "SamePaddingRepeatsEdge",
    "robust-kbench": "KernelFlippedInPlace",
    "oneDNN benchdnn": "BiasGradientOfFirstImage",
    "XNNPACK subgraph fuzz": "SamePaddingOddZeroBefore",
    "XNNPACK operator tests": "ChannelSeventeen",
    "XNNPACK micro-kernel tests": "ChannelTailByEight",
    "ONNX node tests": "MultiplierMajorOrder",
    "StableHLO": "MultiplierUsesFirstFilter",
    "TFLite fixed tests": "SamePaddingForgetsDilation",
    "TFLite float fuzz": "DilationSwapped",
    "TFLite XNNPACK delegate": "ScaledSlightly",
    "LiteRT ATS": "ReluLeaks",
    "TFLite GPU delegate": "BiasMissing",
    "tfjs": "InputGradientCorrelates",
    "TensorFlow's own": "SingleSumsInFloat64",
    "cuDNN frontend fuzzer": "DilationIgnoredOnWidth",
    "CUTLASS testbed": "ManyElementsTruncated",
}
each_suite = pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)


@functools.cache
def cases_of(suite: Suite):
    return suite.cases(0)


def few(suite: Suite):
    cases = cases_of(suite)
    return sorted(cases[:: max(1, len(cases) // CANDIDATES)], key=lambda case: case.x.size)[:FEW]


@each_suite
def test_no_honest_kernel_fails_a_check(suite):
    cases = few(suite)
    for fake in HONEST_FAKES:
        outcome = examine(cases, fake, thorough=True)
        assert not outcome.caught + outcome.caught_combined, fake.__name__


@each_suite
def test_the_plain_honest_kernel_shows_no_bit(suite):
    assert examine(few(suite), Honest) == examine([], Honest)


@each_suite
def test_a_suite_catches_what_it_is_there_to_catch(suite):
    outcome = examine(cases_of(suite), getattr(faults, CAUGHT[suite.name]))
    assert outcome.caught
    assert outcome.seen


@pytest.mark.parametrize("name", ["StridesSwapped", "BiasMissing", "DilationCappedAtThree", "NanTakenForZero"])
def test_kernelbench_cannot_show_strides_biases_dilation_or_nan(name):
    for suite in (suite for suite in SUITES if "kbench" in suite.name or "KernelBench" in suite.name):
        assert examine(few(suite), getattr(faults, name)) == examine([], Honest)


def test_a_kernel_that_changes_its_weights_is_caught_by_kernelbench_in_the_next_trial():
    suite = SUITES[0]
    assert examine(cases_of(suite), faults.KernelFlippedInPlace).caught == "problem 82, trial 1"


def test_what_only_changes_an_argument_or_the_second_answer_is_seen_and_not_caught():
    fixed = next(suite for suite in SUITES if suite.name == "TFLite fixed tests")
    changed = examine(cases_of(fixed), faults.InputBorderCleared)
    assert changed.seen
    assert not changed.caught
    single = cases_of(next(suite for suite in SUITES if suite.name == "StableHLO"))
    carried = examine(single, faults.StateCarried)
    assert carried.seen
    assert not carried.caught


def test_cases_in_which_strides_and_dilation_meet_count_apart():
    fuzz = next(suite for suite in SUITES if suite.name == "XNNPACK subgraph fuzz")
    outcome = examine([case for case in cases_of(fuzz) if case.combined][:40], faults.StridedDilationOffByOne)
    assert outcome.caught_combined
    assert not outcome.caught


# The encoding


def test_the_grids_of_benchdnn_have_as_many_shapes_as_its_files():
    found = [len(list(grid.shapes())) for grid in benchdnn.GRIDS]
    assert found == [85, 374, 340, 676, 1045, 672, 630, 1944, 288, 1320]
    assert len(list(benchdnn.regressions())) == 45


def test_outputs_of_benchdnn_are_as_large_as_its_descriptors_say():
    drawer = benchdnn.Drawer(np.random.default_rng(0), benchdnn.FLOAT32, "channels_first")
    shapes = [
        *benchdnn.MOBILENET,
        *benchdnn.regressions(),
        *(s for g in benchdnn.GRIDS for s in list(g.shapes())[::60]),
    ]
    for shape in shapes:
        y = drawer.forward(shape._replace(groups=2), bias=True).honest[0]
        for size, line in zip(y.shape[2:], (shape.rows, shape.columns), strict=True):
            assert line.output in (None, size), shape


@pytest.mark.parametrize(
    ("size", "stride", "pads", "padding", "around"),
    [
        (14, 1, (1, 1), "same", False),
        (14, 2, (0, 1), "same", False),
        (14, 2, (1, 1), "valid", True),
        (14, 2, (1, 0), "valid", True),
        (14, 1, (0, 0), "valid", False),
        (14, 2, (0, -1), "valid", False),
    ],
)
def test_explicit_pads_are_those_of_same_or_none_or_are_put_outside(size, stride, pads, padding, around):
    config = LayerConfig(3, strides=stride)
    found, zeros = translated(config, (1, size, size, 1), (pads, pads))
    assert (found, zeros is not None) == (padding, around)


def test_tflite_expects_what_its_tests_say():
    found = [case.expected[0].reshape(-1).tolist() for case in tflite.fixed_cases(np.random.default_rng(0))]
    assert found[0] == [71, -34, 99, -20, 91, -26, 127, -4]
    assert found[4] == [71, -34, 99, -20]
    assert found[5] == [71, -34, 99, -20, -93, 122, -111, 172]
    assert found[6] == [5] * 9
    assert found[7] == [4, 7, 3, 6, 10, 4, 2, 3, 1]
    assert found[8] == [9, 18, 0, 0] * 2
    assert found[9] == [4] * 4 + [0] * 4 + [6] * 4 + [8] * 4


def test_tensorflow_expects_what_was_worked_out_by_hand():
    suite = next(suite for suite in SUITES if suite.name == "TensorFlow's own")
    case = next(case for case in cases_of(suite) if case.name.startswith("196"))
    assert case.name == ", ".join(f"{number:.0f}" for number in case.expected[0].reshape(-1))


def test_a_kernel_that_is_compared_with_itself_can_be_wrong_unnoticed():
    tfjs = next(suite for suite in SUITES if suite.name == "tfjs")
    own = [case for case in cases_of(tfjs) if isinstance(case, OwnResult)]
    outcome = examine(own, faults.MultiplierUsesFirstFilter)
    assert outcome.seen
    assert not outcome.caught


@pytest.mark.parametrize(
    "problem", [*kernelbench.PUBLISHED, *kernelbench.TODAY, kernelbench.SEPARABLE], ids=lambda p: f"{p.published}"
)
def test_sizes_that_are_cut_coincide_where_the_published_do_and_nowhere_else(problem):
    pairs = list(itertools.combinations(range(4), 2))
    assert [problem.cut[i] == problem.cut[j] for i, j in pairs] == [
        problem.published[i] == problem.published[j] for i, j in pairs
    ]
    assert [size % 4 for size in problem.cut[2:]] == [size % 4 for size in problem.published[2:]]


# The table


def test_a_check_that_blames_an_honest_kernel_is_not_tried_on_faults(monkeypatch):
    def too_strict(random):
        suite = next(suite for suite in SUITES if suite.name == "StableHLO")
        cases = suite.draw(random)
        for case in cases:
            case.judge = exactly
        return cases

    monkeypatch.setattr(trying, "SUITES", (Suite("too strict", "", too_strict, random=False),))
    trial = trying.try_suite(0, 0)
    assert ReversedSum.__name__ in trial.blamed
    assert trial.outcomes == {}


def test_rows_tell_the_range_over_the_seeds_and_the_union():
    index = next(i for i, suite in enumerate(SUITES) if suite.name == "TFLite GPU delegate")
    only = ("BiasMissing", "KernelFlipped", "StridesSwapped")
    one = trying.try_suite(index, 0, only)
    none = dataclasses.replace(one, outcomes={name: type(o)() for name, o in one.outcomes.items()})
    assert suite_row([one, none])[3:6] == ("0-2", "0-2", "3")
    assert union_row([[one, none], [one]])[3:6] == ("2", "2", "3")
    assert (span([3, 3]), span([4, 1, 2])) == ("3", "1-4")


def test_the_command_prints_the_table():
    command = [sys.executable, str(ROOT / "benchmarks" / "peers"), "--suite", "ONNX", "--markdown"]
    done = subprocess.run([*command, "--processes", "1"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    _, _, row = (line for line in done.stdout.splitlines() if line.startswith("|"))
    suite, cases, _, caught, seen, total, _ = (cell.strip() for cell in row.strip("|").split("|"))
    assert (suite, cases, total) == ("ONNX node tests", "10", str(len(FAULTS)))
    assert 0 < int(caught) <= int(seen) < int(total)
