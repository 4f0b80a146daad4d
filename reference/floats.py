"""The floating-point formats that a layer may have, and the arithmetic that a result may come from."""

from __future__ import annotations

from dataclasses import dataclass


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


@dataclass(frozen=True)
class Arithmetic:
    """How results come about: inputs rounded to `inputs`, sums kept in `accumulator`, stages stored in `storage`.

    `inputs` is a unit roundoff (0 where products see the arguments as they are); the others name formats.
    """

    name: str
    inputs: float
    accumulator: str
    storage: str


def expected_arithmetic(dtype: str) -> Arithmetic:
    """What a layer of this dtype has to achieve: float32 sums for the half precisions, its own dtype otherwise."""
    accumulator = "float32" if dtype in ("float16", "bfloat16") else dtype
    return Arithmetic(f"{accumulator} accumulation", 0.0, accumulator, dtype)


def narrower_arithmetics(dtype: str) -> tuple[Arithmetic, ...]:
    """What may explain a result of this dtype that its own arithmetic does not, the most accurate first."""
    if dtype in ("float16", "bfloat16"):
        return (Arithmetic(f"{dtype} accumulation", 0.0, dtype, dtype),)
    products = tuple(
        Arithmetic(f"{name} products", roundoff, "float32", "float32")
        for name, roundoff in (("TF32", 2.0**-11), ("bfloat16", 2.0**-8))
    )
    wholly = tuple(in_format(half) for half in ("float16", "bfloat16"))
    return (*products, *wholly) if dtype == "float32" else (in_format("float32"), *products, *wholly)


def in_format(dtype: str) -> Arithmetic:
    """Everything in one format, the arguments too: what a cast to it costs."""
    return Arithmetic(f"{dtype} arithmetic", FORMATS[dtype].roundoff, dtype, dtype)
