"""The only things that reports know: verdicts and records."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    """The judgement of one check on one case."""

    PASS = "pass"
    IMPRECISE = "imprecise"  # outside the bound, inside that of a narrower arithmetic
    WRONG_VALUE = "wrong_value"
    WRONG_SHAPE = "wrong_shape"
    WRONG_DTYPE = "wrong_dtype"
    BAD_RETURN = "bad_return"  # what no interface allows: no array, no sizes
    WRONG_SPECIAL = "wrong_special"
    NOT_DETERMINISTIC = "not_deterministic"
    IMPURE = "impure"
    ERROR_MISSING = "error_missing"  # accepted what the documentation refuses
    ERROR_WRONG = "error_wrong"  # refused, but not as documented
    REFUSED = "refused"  # raised on a valid case that the target claims to support
    UNSUPPORTED = "unsupported"  # declared so by the adapter
    CRASHED = "crashed"
    TIMED_OUT = "timed_out"
    BROKEN = "broken"  # the worker could not start: the environment's fault

    @property
    def is_discrepancy(self) -> bool:
        """Whether it speaks against the target: neither a pass, nor a claim that was not made, nor the environment."""
        return self not in (Verdict.PASS, Verdict.UNSUPPORTED, Verdict.BROKEN)


NOT_JUDGED = [Verdict.UNSUPPORTED.value, Verdict.BROKEN.value]
CHECKS = (
    "output",
    "shape",
    "dtype",
    "gradient_input",
    "gradient_kernel",
    "gradient_bias",
    "special_values",
    "metamorphic",
    "shape_inference",
    "determinism",
    "purity",
    "memory",
    "errors",
    "defaults",
    "arguments",
    "initializers",
    "regularizers",
    "constraints",
    "config_roundtrip",
    "save_load",
    "training",
)
LAYER_CHECKS = CHECKS[CHECKS.index("errors") :]  # of whole layers alone


def rank(check: str) -> tuple[int, str]:
    """What to sort checks by: as CHECKS has them, then others."""
    return (CHECKS.index(check) if check in CHECKS else len(CHECKS)), check


@dataclass(frozen=True)
class Record:
    """One judged case: a row of `results.parquet`.

    `error` is the worst error in units of its bound (NaN where nothing was measured), `quality` the same in units of
    the tighter bound that good implementations keep to, which decides nothing; `signature` is what tells
    discrepancies of one target, check and verdict apart (the exception's class and message, the narrower arithmetic,
    the dtypes); `detail` is the story in words. `arguments` is JSON: the layer's arguments that differ from their
    defaults. `versions` is "name version" joined by ", ". `discrepancy` is the id of the one that tells why the
    case fails, "" where it does not or the run was ended before. `seconds` are those of the calls that were made for
    the check; a call that several checks need counts for the first of them. NaN where an earlier release wrote the run.
    """

    target: str
    device: str
    versions: str
    check: str
    verdict: Verdict
    case: str
    dtype: str
    error: float
    quality: float
    signature: str
    detail: str
    arguments: str
    input_shape: str
    recipe: str
    seed: int
    discrepancy: str = ""
    seconds: float = field(default=math.nan, compare=False)


@dataclass(frozen=True)
class Discrepancy:
    """One distinct discrepancy: a row of `discrepancies.csv`.

    `failing` and `passing` count the run's cases of this target and check; `worst_error` is in units of the bound;
    `smallest_case` is the id of the shrunk case, kept in `cases/<id>.json`; `replay` is the command that repeats it.
    `cause`, `condition`, `place` and `known` are empty where nothing is claimed. `also` lists other checks that show
    it, each with how many cases: "shape 6, gradient_input 3". `detail` tells the smallest case in full: what was
    expected, what came back. `id` names the fault of this target, whatever is found out about it; `family` is the same
    for all targets that show it by the same check on a smallest case with the same arguments.
    """

    id: str
    target: str
    versions: str
    device: str
    dtype: str
    check: str
    verdict: Verdict
    cause: str
    condition: str
    place: str
    failing: int
    passing: int
    worst_error: float
    smallest_case: str
    replay: str
    known: str
    also: str
    signature: str
    detail: str
    family: str = ""

    @property
    def says(self) -> str:
        """Its cause and its condition; "" where neither is known."""
        return "; ".join(part for part in (self.cause, self.condition) if part)

    @property
    def checks(self) -> tuple[str, ...]:
        """Its own check, and those that show it too."""
        return (self.check, *(part.rpartition(" ")[0] for part in self.also.split(", ") if part))


REFERENCE = "reference"


@dataclass(frozen=True)
class Comparison:
    """The output of one target for one layer, held against the reference or another target: a row of `layers.csv`.

    `layer` is what it is called where it comes from, or the case's id. `against` is REFERENCE or a target. `verdict` is
    that of the check `output` (or `special_values`); of two targets, whether they differ by no more than both may err.
    The figures are each the largest of all elements: `error` in units of the bound (of two targets: of both bounds
    together), `ulp` in units in the last place of the exact value, `absolute`, and `relative` to the largest magnitude
    of the exact output. They are NaN where nothing was measured: no output, or special values.
    """

    layer: str
    case: str
    arguments: str
    input_shape: str
    dtype: str
    target: str
    against: str
    verdict: Verdict
    error: float
    ulp: float
    absolute: float
    relative: float
