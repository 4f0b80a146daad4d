"""cuDNN frontend's fuzzer (NVIDIA/cudnn-frontend) and CUTLASS's depthwise testbed (NVIDIA/cutlass).

The fuzzer draws 48 depthwise layers and asks each for its output, or for one of its gradients: whole numbers from -2 to
2, of which 80 % are zeros, within 1e-2 + 1e-2 |r|, and NaN passes. Dtypes and layouts are drawn evenly here, and sizes
redrawn above a quarter of a million elements. CUTLASS is exact, on whole numbers from -3 to 3 in float16; alpha and
beta scale both sides alike and are left out, images of 112 are cut to 32, and 5x37 filters are disabled there as well.
"""

from __future__ import annotations

import itertools
from typing import Any

import ml_dtypes
import numpy as np

from peers.calls import Random, among, case, integers
from peers.cases import Array, Case, Pair
from peers.judges import exactly, not_beyond
from peers.suites import Suite

FUZZED, LARGE = 48, 1 << 18
DTYPES = (np.float32, np.float16, ml_dtypes.bfloat16)
CHANNELS = (*range(8, 129, 8), 2, 3, 5, 7, *(2**k + off for k in (3, 4, 5, 6, 7) for off in (-1, 1)), 256)
DIRECTIONS: tuple[tuple[str, ...], ...] = ((), ("input",), ("kernel",))


def sparse(random: Random, shape: tuple[int, ...], dtype: Any) -> Array:
    """Whole numbers up to two, four of five zero."""
    kept = random.random(shape) < 0.2
    return np.where(kept, integers(random, shape, 2, dtype), 0).astype(dtype)


def fuzzed(random: Random, number: int) -> Case:
    """One layer, in one direction."""
    while True:
        batch, size, channels = among(random, 1, 8), among(random, 1, 121), int(random.choice(CHANNELS))
        taps: Pair = tuple(int(random.choice((1, 3, 5, 7))) for _ in range(2))  # type: ignore[assignment]
        pads: Pair = tuple(among(random, 0, (k - 1) // 2) for k in taps)  # type: ignore[assignment]
        stride, dilation = among(random, 1, 3), among(random, 1, 2)
        outputs = [(size + 2 * p - (k - 1) * dilation - 1) // stride + 1 for k, p in zip(taps, pads, strict=True)]
        if min(outputs) >= 1 and batch * size * size * channels <= LARGE:
            break
    dtype, first = DTYPES[among(random, 0, 2)], among(random, 0, 1)
    parts = DIRECTIONS[number % 3]
    more: dict[str, Any] = {"parts": parts} if parts else {}
    if parts:
        more["cotangent"] = sparse(random, images(first, batch, channels, *outputs), dtype)
    return case(
        f"{number}: {batch}x{size}x{size}x{channels} {taps} p{pads} s{stride} d{dilation} {dtype.__name__} {parts}",
        sparse(random, images(first, batch, channels, size, size), dtype),
        sparse(random, (*taps, channels, 1), dtype),
        not_beyond(1e-2),
        pads=tuple((p, p) for p in pads),  # type: ignore[arg-type]
        strides=stride,
        dilation=dilation,
        data_format="channels_first" if first else "channels_last",
        more=more,
    )


def images(first: int, batch: int, channels: int, height: int, width: int) -> tuple[int, ...]:
    """The shape of a batch, with its channels first or last."""
    return (batch, channels, height, width) if first else (batch, height, width, channels)


def fuzz(random: Random) -> list[Case]:
    """A run of the fuzzer."""
    return [fuzzed(random, number) for number in range(FUZZED)]


def testbed(random: Random) -> list[Case]:
    """3x3 filters on 8x8, and on 16x16 with stride and dilation of two; 5x5 on 16x16, and larger both ways."""
    plans = [(count, 3, 8, 1) for count in range(16, 513, 16)] + [(count, 3, 16, 2) for count in range(16, 513, 16)]
    plans += [
        (c, 5, size, step) for c, (size, step) in itertools.product(range(16, 256, 16), ((16, 1), (32, 1), (32, 2)))
    ]
    return [
        case(
            f"{size}x{size}x{count} {taps}x{taps} stride and dilation {step}",
            integers(random, (1, size, size, count), 3, np.float16),
            integers(random, (taps, taps, count, 1), 3, np.float16),
            exactly,
            pads=((1, 1), (1, 1)),
            strides=step,
            dilation=step,
        )
        for count, taps, size, step in plans
    ]


SUITES = (
    Suite("cuDNN frontend fuzzer", "NVIDIA/cudnn-frontend", fuzz),
    Suite("CUTLASS testbed", "NVIDIA/cutlass", testbed),
)
