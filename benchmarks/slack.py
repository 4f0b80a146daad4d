"""How much of its bound an honest kernel uses: a million dot products of every data recipe, in every dtype.

Summation orders and units that real kernels have, written in NumPy and judged as any target is. Prints, for every
recipe, the largest error of any of them in units of the proven bound and of the quality tier's, and whether bias and
variance were ever blamed. docs/numerics.md quotes the table.

    python benchmarks/slack.py [--products 1000000] [--recipe uniform]
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.casebook.recipes import RECIPES, SPECIAL, numpy_dtype
from depthwise_conformance.judging.values import Expectation, expect, judge_values
from depthwise_conformance.reference import FORMATS, LayerConfig
from depthwise_conformance.reports.record import Verdict

Terms = NDArray[Any]  # the factors of many sums: terms first
Sum = Callable[[Terms, Terms], NDArray[Any]]
# kernel, input: sums of 1 to 49 terms forwards; of up to 1152 backwards
SHAPES: tuple[tuple[tuple[int, int], tuple[int, int, int, int]], ...] = (
    ((3, 3), (2, 26, 26, 64)),
    ((1, 1), (1, 24, 24, 32)),
    ((2, 5), (1, 25, 28, 32)),
    ((7, 7), (1, 30, 30, 16)),
)


def in_turn(x: Terms, w: Terms) -> NDArray[Any]:
    """One product after the other, each rounded, each added."""
    total = x[0] * w[0]
    for a, b in zip(x[1:], w[1:], strict=True):
        total = total + a * b
    return total


def backwards(x: Terms, w: Terms) -> NDArray[Any]:
    """The same from the last to the first."""
    return in_turn(x[::-1], w[::-1])


def fused(x: Terms, w: Terms) -> NDArray[Any]:
    """Fused multiply-add: the product is not rounded (as good as, where float64 is the widest there is)."""
    total = np.zeros(x.shape[1:], x.dtype)
    for a, b in zip(x, w, strict=True):
        total = (total.astype(np.longdouble) + a.astype(np.longdouble) * b).astype(x.dtype)
    return total


def pairwise(x: Terms, w: Terms) -> NDArray[Any]:
    """Halves summed apart, and so on."""
    return _tree(x * w)


def in_lanes(x: Terms, w: Terms) -> NDArray[Any]:
    """Four running sums, as a vector unit keeps them, added at the end."""
    lanes = [in_turn(x[lane::4], w[lane::4]) for lane in range(min(4, len(x)))]
    return _tree(np.stack(lanes))


def extended(x: Terms, w: Terms) -> NDArray[Any]:
    """An accumulator of twice the precision, rounded once."""
    wide = np.longdouble if x.dtype == np.float64 else np.float64
    return np.asarray(in_turn(x.astype(wide), w.astype(wide))).astype(x.dtype)


def product(x: Terms, w: Terms) -> NDArray[Any]:
    """A matrix product of the library that NumPy is built with."""
    rows, columns = (np.moveaxis(side, 0, -1)[..., None, :] for side in (x, w))
    return np.asarray(rows @ np.swapaxes(columns, -1, -2))[..., 0, 0]


KERNELS: tuple[Sum, ...] = (in_turn, backwards, fused, pairwise, in_lanes, extended, product)


def _tree(terms: Terms) -> NDArray[Any]:
    if len(terms) == 1:
        return np.asarray(terms[0])
    half = len(terms) // 2
    return _tree(terms[:half]) + _tree(terms[half:])


def parts(expectation: Expectation, kernel: Sum) -> Iterator[tuple[str, NDArray[Any]]]:
    """The output and the kernel's gradient by one kernel; stride 1, padding "valid", no activation, one filter."""
    a, case = expectation.arrays, expectation.case
    accumulator = np.dtype(np.float32) if case.dtype in ("float16", "bfloat16") else numpy_dtype(case.dtype)
    x, w, d = (array.astype(accumulator) for array in (a.x, a.kernel, a.cotangent))
    height, width = d.shape[1:3]
    taps = [(p, q) for p in range(w.shape[0]) for q in range(w.shape[1])]
    windows = np.stack([x[:, p : p + height, q : q + width] for p, q in taps])
    weights = np.broadcast_to(np.stack([w[p, q, :, 0] for p, q in taps])[:, None, None, None], windows.shape)
    assert a.bias is not None
    yield "output", (kernel(windows, weights) + a.bias.astype(accumulator)).astype(numpy_dtype(case.dtype))
    flat = d.reshape(-1, d.shape[3])
    seen = windows.reshape(len(taps), *flat.shape)
    gradient = kernel(np.moveaxis(seen, 0, 1), np.broadcast_to(flat[:, None], (len(flat), len(taps), flat.shape[1])))
    yield "kernel", gradient.reshape(*w.shape).astype(numpy_dtype(case.dtype))


def expectations(dtype: str, recipe: str, products: int) -> Iterator[Expectation]:
    """Cases until there are as many dot products."""
    done, seed = 0, 0
    while done < products:
        for kernel, shape in SHAPES:
            case = Case(LayerConfig(kernel, dtype=dtype), shape, Data(recipe, seed))
            expectation = expect(case)
            yield expectation
            done += expectation.output.value.size
        seed += 1


def measure(dtype: str, recipe: str, products: int) -> tuple[float, float, int]:
    """The largest error in units of the bound and of the quality tier's, and how many arrays were not passed."""
    worst, quality, blamed = 0.0, 0.0, 0
    for expectation in expectations(dtype, recipe, products):
        for kernel in KERNELS:
            for part, array in parts(expectation, kernel):
                judgement = judge_values(array, expectation, part)
                blamed += judgement.verdict is not Verdict.PASS
                worst = float(np.fmax(worst, judgement.error))
                quality = float(np.fmax(quality, judgement.quality))
    return worst, quality, blamed


def main() -> int:
    """Prints the table; 1 if any honest kernel was blamed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--products", type=int, default=1_000_000, help="dot products for each recipe and dtype")
    parser.add_argument("--recipe", action="append", choices=[name for name in RECIPES if name != SPECIAL])
    options = parser.parse_args()
    table = Table(title=f"Largest error / bound, and / quality tier, of {len(KERNELS)} honest kernels")
    table.add_column("recipe")
    for dtype in FORMATS:
        table.add_column(dtype, justify="right")
    guilty = 0
    for recipe in options.recipe or [name for name in RECIPES if name != SPECIAL]:
        cells = []
        for dtype in FORMATS:
            worst, quality, blamed = measure(dtype, recipe, math.ceil(options.products / len(KERNELS)))
            guilty += blamed
            cells.append(f"{worst:.2f} / {quality:.2f}" + (f" [red]{blamed} blamed[/]" if blamed else ""))
        table.add_row(recipe, *cells)
    Console().print(table)
    print("no honest kernel was blamed" if not guilty else f"{guilty} arrays of honest kernels were blamed")
    return int(guilty > 0)


if __name__ == "__main__":
    sys.exit(main())
