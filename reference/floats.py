"""The floating-point formats that a layer may have, and the arithmetic that a result may come from."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Format:
    """A binary floating-point format.

    `roundoff` is the unit roundoff u (half the distance from 1 to the next number), `tiny` the
    absolute error that underflow can add to one rounded operation, `largest` the largest finite number.
    """

    roundoff: float
    tiny: float
    largest: float


# tiny is the smallest normal number, since hardware may flush subnormals to zero; float16 has
# so few exponents that everybody keeps its subnormals, and the smallest of those is what is lost.
FORMATS = {
    "float16": Format(2.0**-11, 2.0**-24, 65504.0),
    "bfloat16": Format(2.0**-8, 2.0**-126, (2 - 2.0**-7) * 2.0**127),
    "float32": Format(2.0**-24, 2.0**-126, (2 - 2.0**-23) * 2.0**127),
    "float64": Format(2.0**-53, 2.0**-1022, (2 - 2.0**-52) * 2.0**1023),
}

HALVES = ("float16", "bfloat16")


@dataclass(frozen=True)
class Arithmetic:
    """How results come about: inputs rounded to `inputs`, sums kept in `accumulator`, stages stored in `storage`.

    `inputs` is a unit roundoff (0 where products see the arguments as they are); the others name formats. `proven`
    allows all that rounding can do in the worst case, which is what a target is judged by. Without it, sums are held
    to what rounding does as a rule and whole numbers to exactness, which is what an arithmetic is recognised by.
    """

    name: str
    inputs: float
    accumulator: str
    storage: str
    proven: bool = True


def expected_arithmetic(dtype: str) -> Arithmetic:
    """What a layer of this dtype has to achieve: float32 sums for the half precisions, its own dtype otherwise."""
    accumulator = "float32" if dtype in ("float16", "bfloat16") else dtype
    return Arithmetic(f"{accumulator} accumulation", 0.0, accumulator, dtype)


def in_format(dtype: str) -> Arithmetic:
    """Everything in one format, the arguments too: what a cast to it costs."""
    return Arithmetic(f"{dtype} arithmetic", FORMATS[dtype].roundoff, dtype, dtype)


def narrower_arithmetics(dtype: str) -> tuple[Arithmetic, ...]:
    """What may explain a result of this dtype that its own arithmetic does not, the most accurate first."""
    if dtype in HALVES:
        return (Arithmetic(f"{dtype} accumulation", 0.0, dtype, dtype, proven=False),)
    products = (("TF32 products", 2.0**-11), ("bfloat16 products", 2.0**-8))
    found = [Arithmetic(name, roundoff, "float32", "float32", proven=False) for name, roundoff in products]
    found += [replace(in_format(half), proven=False) for half in HALVES]
    found += [Arithmetic(f"{half} accumulation", 0.0, half, "float32", proven=False) for half in HALVES]
    return tuple(found) if dtype == "float32" else (replace(in_format("float32"), proven=False), *found)
