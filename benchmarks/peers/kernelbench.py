"""KernelBench (ScalingIntelligence/KernelBench, commit 423217d, src/kernelbench/eval.py) and robust-kbench (078f5ba).

KernelBench: five trials of one shape, each with new inputs; the module's weights are drawn once. The reference runs
first, then the new module on the very same tensors; shapes must be equal and torch.allclose must hold with 1e-4 in
float32 (1e-2 until November 2025, as published). Every problem is a program of its own, so each gets a fresh object.
robust-kbench: weights are redrawn in each trial; the candidate runs first, then the reference, then the candidate
again on the same tensors, weights included; both must agree within 1e-5.

Sizes are cut, since data are independent and alike, so that a larger image shows no more than rarer roundings: about to
an eighth of height and width, batches of the second version to four. Where two sizes are the same (128 channels and 128
rows in problem 85) the cut ones are, and no others are, as faults that confuse dimensions show where sizes coincide;
remainders by four stay what they are.
MultiKernelBench (460a972) asks the second version's problems by the rule of today: its row would be the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from peers.calls import Random, case, normal, output_channels_first, uniform
from peers.cases import Array, Case, Subject, Verdict, Wrong, same_bits
from peers.judges import allclose, within
from peers.suites import Suite

TRIALS = 5


class Problem(NamedTuple):
    """A module: depthwise, and for problem 86 a 1x1 convolution behind it; shapes of inputs are channels first."""

    number: int
    kernel: tuple[int, int]
    published: tuple[int, int, int, int]
    cut: tuple[int, int, int, int]
    pad: int = 0
    outputs: int = 0  # of the 1x1 convolution

    @property
    def channels(self) -> int:
        """Those of the cut input."""
        return self.cut[1]


PUBLISHED = (  # v0, October 2024; inputs are normal
    Problem(82, (3, 3), (16, 3, 256, 256), (16, 3, 32, 32)),
    Problem(83, (3, 1), (16, 3, 256, 256), (16, 3, 32, 32)),
    Problem(84, (3, 3), (16, 3, 128, 256), (16, 3, 24, 32)),
    Problem(85, (3, 5), (16, 3, 128, 256), (16, 3, 24, 32)),
)
TODAY = (  # v0.1; inputs are uniform in [0, 1)
    Problem(82, (3, 3), (16, 64, 512, 512), (4, 64, 56, 56)),
    Problem(83, (3, 1), (64, 8, 512, 512), (4, 8, 64, 64)),
    Problem(84, (3, 3), (64, 128, 256, 512), (4, 128, 32, 64)),
    Problem(85, (3, 7), (32, 128, 128, 256), (4, 32, 32, 64)),
)
SEPARABLE = Problem(86, (3, 3), (16, 64, 512, 512), (4, 64, 56, 56), pad=1, outputs=128)


def weights(random: Random, problem: Problem) -> Array:
    """Those that torch.nn.Conv2d draws: uniform within the root of one over the taps."""
    limit = 1 / math.sqrt(math.prod(problem.kernel))
    return output_channels_first(
        uniform(random, (problem.channels, 1, *problem.kernel), -limit, limit), problem.channels
    )


def published_cases(random: Random) -> list[Case]:
    """The first version, as published: 1e-2."""
    return _trials(random, PUBLISHED, normal, 1e-2)


def today_cases(random: Random, tolerance: float, separable: bool = False) -> list[Case]:
    """The second version."""
    return _trials(random, (*TODAY, SEPARABLE) if separable else TODAY, uniform, tolerance)


def _trials(
    random: Random, problems: Sequence[Problem], draw: Callable[[Random, tuple[int, ...]], Array], tolerance: float
) -> list[Case]:
    cases = []
    for problem in problems:
        kernel = weights(random, problem)
        pointwise = uniform(random, (problem.outputs, problem.channels), -1, 1, "float64") / math.sqrt(problem.channels)
        for trial in range(TRIALS):
            one = case(
                f"problem {problem.number}, trial {trial}",
                draw(random, problem.cut),
                kernel,
                allclose(tolerance),
                pads=((problem.pad, problem.pad),) * 2,
                data_format="channels_first",
                more={"group": problem.number, "owns_weights": True},
            )
            if problem.outputs:
                one.finish = Pointwise(pointwise)
            cases.append(one)
    return cases


class Pointwise:
    """A 1x1 convolution, exactly."""

    def __init__(self, weights: Array) -> None:
        self.weights = weights

    def __call__(self, y: Array) -> Array:
        """The output of shape (batch, outputs, height, width)."""
        return np.asarray(np.einsum("oc,bchw->bohw", self.weights, y, optimize=True))


class Sandwiched(Case):
    """robust-kbench's trial: the candidate, the reference, and the candidate again, all on the same tensors."""

    def put(self, subject: Subject, thorough: bool = False) -> Verdict:
        """As `Case.put`; the reference sees what the first call has left."""
        memory = self.memory()
        try:
            first = self.typed(self.ask(subject.adapter, memory))
            same = all(map(same_bits, first, self.honest))
            spoilt = self.changed(memory)
            expected = self.expect(memory) if spoilt else ()
            second = self.typed(self.ask(subject.adapter, memory))
        except Wrong:
            return Verdict(True, True)
        same = same and not spoilt and all(map(same_bits, second, self.honest))
        if same and not thorough:
            return Verdict(False, self.changed(memory))
        expected = expected or self.expected
        return Verdict(not (self.passes(first, expected) and self.passes(second, expected)), True)


def robust_cases(random: Random) -> list[Case]:
    """robust-kbench: the first version's shapes, weights redrawn in each trial."""
    return [
        case(
            f"problem {problem.number}, trial {trial}",
            normal(random, problem.cut),
            weights(random, problem),
            within(1e-5, 1e-5),
            data_format="channels_first",
            kind=Sandwiched,
            more={"group": problem.number},
        )
        for problem in PUBLISHED
        for trial in range(TRIALS)
    ]


SOURCE = "ScalingIntelligence/KernelBench 423217d"
SUITES = (
    Suite("KernelBench v0, as published (1e-2)", SOURCE, published_cases),
    Suite("KernelBench v0.1, as published (1e-2)", SOURCE, lambda random: today_cases(random, 1e-2)),
    Suite("KernelBench today (1e-4)", SOURCE, lambda random: today_cases(random, 1e-4)),
    Suite("KernelBench today, and problem 86", SOURCE, lambda random: today_cases(random, 1e-4, separable=True)),
    Suite("robust-kbench", "SakanaAI/robust-kbench 078f5ba", robust_cases),
)
