"""TensorFlow.js (tensorflow/tfjs, commit 0fc04d9): tfjs-core/src/ops/depthwise_conv2d_test.ts, and its layer's tests.

An absolute 1e-3, and what is not finite equals all that is not. Literals are uniform in [0, 1), redrawn here; dilated
results are compared with the target's own for the kernel filled with zeros, some with literals. Gradients are those of
small whole numbers. The layer's tests have two ramps and their negatives, kernels of two diagonal taps, both layouts,
and no bias; their loop over paddings never reaches the call.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from peers.calls import Random, case, uniform
from peers.cases import Array, Case, OwnResult, Pads
from peers.judges import near_or_not_finite
from peers.suites import Suite

CLOSE = near_or_not_finite(1e-3)


class Call(NamedTuple):
    """One of the tests: the input, the side of the filter, and how it is called."""

    x: tuple[int, int, int, int]
    side: int
    multiplier: int = 1
    padding: str = "valid"
    pads: Pads | None = None
    strides: int = 1
    dilation: int = 1
    own: bool = False  # compared with the target's own result


CALLS = (
    Call((1, 3, 3, 1), 2),
    Call((1, 3, 3, 1), 2, pads=((1, 2), (0, 1))),
    Call((1, 5, 5, 1), 3),
    Call((1, 3, 3, 1), 2, dilation=2, own=True),
    Call((1, 5, 5, 1), 3, dilation=2, own=True),
    Call((1, 5, 5, 1), 2, dilation=4, own=True),
    Call((1, 3, 3, 2), 2, padding="same"),
    Call((1, 5, 5, 1), 3, padding="same"),
    Call((1, 3, 3, 2), 2, padding="same", dilation=2, own=True),
    Call((1, 5, 5, 1), 3),  # named d=2, without a dilation
    Call((1, 5, 5, 1), 3, pads=((0, 0), (0, 1))),  # so is this
    Call((1, 5, 5, 4), 3, padding="same"),
    Call((1, 5, 5, 4), 5, padding="same", strides=2),
    Call((1, 3, 3, 4), 3, padding="same", dilation=2),
    Call((1, 3, 3, 2), 2, 2, padding="same"),
    Call((2, 3, 3, 2), 2, 2, padding="same"),
    Call((2, 3, 3, 2), 2, 2, padding="same", dilation=2, own=True),
    Call((1, 7, 7, 2), 3, padding="same", dilation=2),
    Call((1, 8, 8, 2), 3, dilation=3),
)


def called(random: Random, call: Call) -> Case:
    """The case of a call."""
    kernel = uniform(random, (call.side, call.side, call.x[3], call.multiplier))
    padding: dict[str, Any] = {"padding": call.padding} if call.pads is None else {"pads": call.pads}
    kind = OwnResult if call.own else Case
    arguments = {"strides": call.strides, "dilation": call.dilation, **padding}
    return case(str(call), uniform(random, call.x), kernel, CLOSE, kind=kind, **arguments)


def gradients(random: Random) -> list[Case]:
    """Of a layer with three channels and two filters for each, and of one with a single channel."""
    x = random.integers(0, 4, (2, 2, 2, 3), endpoint=True).astype(np.float32)
    kernel = random.integers(0, 1, (2, 2, 3, 2), endpoint=True).astype(np.float32)
    plain = partial(case, x=x, kernel=kernel, judge=CLOSE)
    y = plain("the value", padding="same")
    squared = 2 * y.expected[0].astype(np.float32)
    found = [y]
    for words, cotangent in (("sum", np.ones_like(squared)), ("sum of squares", squared)):
        for part in ("input", "kernel"):
            more = {"cotangent": cotangent, "parts": (part,)}
            found.append(plain(f"{words} by {part}", padding="same", more=more))
    for part in ("input", "kernel"):
        more = {"cotangent": np.ones((2, 1, 1, 6), np.float32), "parts": (part,)}
        found.append(plain(f"stride 2 by {part}", strides=2, more=more))
    more = {"cotangent": np.ones((1, 2, 2, 1), np.float32)}
    single = uniform(random, (1, 3, 3, 1)), uniform(random, (2, 2, 1, 1))
    return [*found, case("clones", *single, CLOSE, more=more)]


def layer_cases() -> list[Case]:
    """The layer's tests."""
    rows = np.array([[10, 30, 50, 70], [20, 40, 60, 80]], np.float32)
    x = np.concatenate([rows, -rows])[None, None]
    diagonal = np.array([[1, 0], [0, -1]], np.float32)[..., None, None]
    kernels: tuple[Array, ...] = (diagonal, np.concatenate([diagonal, -diagonal], axis=3))
    return [
        case(
            f"layer, {kernel.shape[3]} filters, stride {strides}, {layout}",
            x if layout == "channels_first" else x.transpose(0, 2, 3, 1).copy(),
            kernel,
            CLOSE,
            strides=strides,
            data_format=layout,
        )
        for kernel in kernels
        for strides in (1, 2)
        for layout in ("channels_first", "channels_last")
    ]


def cases(random: Random) -> list[Case]:
    """All of them."""
    return [*(called(random, call) for call in CALLS), *gradients(random), *layer_cases()]


SUITES = (Suite("tfjs", "tensorflow/tfjs 0fc04d9", cases, random=False),)
