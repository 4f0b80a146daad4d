"""The floating-point formats that a layer may have, and the arithmetic that a result may come from."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Format:
    """A binary floating-point format.

    `roundoff` is the unit roundoff u (half the distance from 1 to the next number), `tiny` the
    absolute error that underflow can add to one rounded operation, `largest` the largest finite number and
    `smallest` the smallest normal one.
    """

    roundoff: float
    tiny: float
    largest: float
    smallest: float


# tiny is the smallest normal number, since hardware may flush subnormals to zero; float16 has
# so few exponents that everybody keeps its subnormals, and the smallest of those is what is lost.
FORMATS = {
    "float16": Format(2.0**-11, 2.0**-24, 65504.0, 2.0**-14),
    "bfloat16": Format(2.0**-8, 2.0**-126, (2 - 2.0**-7) * 2.0**127, 2.0**-126),
    "float32": Format(2.0**-24, 2.0**-126, (2 - 2.0**-23) * 2.0**127, 2.0**-126),
    "float64": Format(2.0**-53, 2.0**-1022, (2 - 2.0**-52) * 2.0**1023, 2.0**-1022),
}

HALVES = ("float16", "bfloat16")
FLUSHED = "subnormals taken for zero"
USUAL = 2.0  # times sqrt(n) u: what the error of a sum of n terms as good as never exceeds


@dataclass(frozen=True)
class Arithmetic:
    """How results come about: inputs rounded to `inputs`, sums kept in `accumulator`, stages stored in `storage`.

    `inputs` is a unit roundoff (0 where products see the arguments as they are); the others name formats. Where `usual`
    is infinite, all is allowed that rounding can do in the worst case: a target is judged by that. Otherwise the error
    of a sum of n terms is held to `usual * sqrt(n) u`: an arithmetic is recognised by that, and quality is measured.
    `unlimited` lends its formats exponents without end: what is left is rounding, and nothing over- or underflows.
    `flushing` takes subnormal numbers for zero, as arguments and as results.
    """

    name: str
    inputs: float
    accumulator: str
    storage: str
    usual: float = math.inf
    unlimited: bool = False
    flushing: bool = False

    @property
    def summing(self) -> Format:
        """The format of sums."""
        return self._format(self.accumulator)

    @property
    def storing(self) -> Format:
        """The format in which the result of each stage is stored."""
        return self._format(self.storage)

    def _format(self, name: str) -> Format:
        known = FORMATS[name]
        if self.unlimited:
            return Format(known.roundoff, 0.0, math.inf, 0.0)
        return replace(known, tiny=known.smallest) if self.flushing else known


def expected_arithmetic(dtype: str) -> Arithmetic:
    """What a layer of this dtype has to achieve: float32 sums for the half precisions, its own dtype otherwise."""
    accumulator = "float32" if dtype in HALVES else dtype
    return Arithmetic(f"{accumulator} accumulation", 0.0, accumulator, dtype)


def flushing_arithmetic(dtype: str) -> Arithmetic:
    """The same, but that subnormal numbers are taken for zero: what a target may declare."""
    expected = expected_arithmetic(dtype)
    return replace(expected, name=f"{expected.name}, {FLUSHED}", flushing=True)


def in_format(dtype: str) -> Arithmetic:
    """Everything in one format, the arguments too: what a cast to it costs."""
    return Arithmetic(f"{dtype} arithmetic", FORMATS[dtype].roundoff, dtype, dtype)


def arithmetics(dtype: str) -> tuple[Arithmetic, ...]:
    """What a result of this dtype may come from, the most accurate first; it is stored in `dtype` or narrower."""
    flushing = flushing_arithmetic(dtype)
    if dtype in HALVES:
        return (expected_arithmetic(dtype), flushing, Arithmetic(f"{dtype} accumulation", 0.0, dtype, dtype))
    sums = [Arithmetic(f"{name} accumulation", 0.0, name, "float32") for name in ("float64", "float32")]
    products = [Arithmetic(f"{name} products", u, "float32", "float32") for name, u in PRODUCTS.items()]
    halves = [in_format(half) for half in HALVES]
    halves += [Arithmetic(f"{half} accumulation", 0.0, half, "float32") for half in HALVES]
    if dtype == "float32":
        return (*sums, flushing, *products, *halves)
    return (expected_arithmetic(dtype), flushing, in_format("float32"), *products, *halves)


def narrower_arithmetics(dtype: str) -> tuple[Arithmetic, ...]:
    """What may explain a result of this dtype that its own arithmetic does not, held to its usual error."""
    known = arithmetics(dtype)
    own = [arithmetic.name for arithmetic in known].index(expected_arithmetic(dtype).name)
    return tuple(replace(arithmetic, usual=USUAL) for arithmetic in known[own + 1 :] if not arithmetic.flushing)


def gamma(terms: int, roundoff: float) -> float:
    """`n u / (1 - n u)`, infinite where n u reaches 1 (an accumulator that can no longer count its terms)."""
    product = terms * roundoff
    return product / (1.0 - product) if product < 1.0 else math.inf


PRODUCTS = {"TF32": 2.0**-11, "bfloat16": 2.0**-8}  # the unit roundoff to which factors are rounded
