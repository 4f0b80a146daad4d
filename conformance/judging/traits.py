"""What a target was seen to do where it may do one thing or another: its arithmetic, its quality, its choices.

Nothing here is a verdict. It is recorded, shown beside the verdicts and compared between targets.
"""

from __future__ import annotations

import collections
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.casebook.recipes import SPECIAL, format_name, recipe_of
from depthwise_conformance.judging.values import Expectation, Judgement, in_units
from depthwise_conformance.reference import arithmetics
from depthwise_conformance.reports.record import Verdict

RECORDED = (SPECIAL, "underflow", "zeros", "s0")  # the recipes that show choices
AnyArray = NDArray[Any]


@dataclass
class Explained:
    """What explains the outputs of a dtype so far, `cases` of them; `quality` is the worst.

    `refuted` counts, for an arithmetic by name, the cases that were beyond its worst-case bound.
    """

    cases: int = 0
    refuted: collections.Counter[str] = field(default_factory=collections.Counter)
    quality: float = 0.0


@dataclass
class Traits:
    """What one target showed so far, or one case alone. `observe` is called from one thread at a time."""

    arithmetic: dict[str, Explained] = field(default_factory=dict)
    choices: dict[str, collections.Counter[str]] = field(default_factory=dict)

    def observe(self, expectation: Expectation, output: AnyArray, judgement: Judgement) -> None:
        """Takes in one output and its judgement."""
        if judgement.verdict not in (Verdict.PASS, Verdict.IMPRECISE) or output.size == 0:
            return
        if format_name(output.dtype) != expectation.case.dtype:
            return
        if recipe_of(expectation.case.data) != SPECIAL:
            self._explain(expectation, output.astype(np.float64), judgement)
        if recipe_of(expectation.case.data) in RECORDED:
            self._record_choices(expectation, output)

    def note(self, topic: str, choice: str) -> None:
        """Takes in what the target chose where a case of a whole layer leaves it open."""
        self.choices.setdefault(topic, collections.Counter())[choice] += 1

    def add(self, other: Traits) -> None:
        """Takes in what was shown elsewhere: several cases, in their order, show what they would together."""
        for dtype, one in other.arithmetic.items():
            found = self.arithmetic.setdefault(dtype, Explained())
            found.cases += one.cases
            found.refuted.update(one.refuted)
            found.quality = float(np.fmax(found.quality, one.quality))
        for topic, seen in other.choices.items():
            self.choices.setdefault(topic, collections.Counter()).update(seen)

    def to_json(self) -> dict[str, Any]:
        """As `run.json` has it: by dtype, the arithmetic that explains all, and by topic how often what was chosen."""
        arithmetic = {
            dtype: {
                "explained_by": next((one.name for one in arithmetics(dtype) if not found.refuted[one.name]), ""),
                "cases": found.cases,
                "refuted": {name: count for name, count in found.refuted.items() if count},
                "quality": round(found.quality, 3) if np.isfinite(found.quality) else None,
            }
            for dtype, found in sorted(self.arithmetic.items())
        }
        return {
            "arithmetic": arithmetic,
            "choices": {topic: dict(seen) for topic, seen in sorted(self.choices.items())},
        }

    def dump(self) -> str:
        """All of it, for `load`; "" for nothing."""
        if not (self.arithmetic or self.choices):
            return ""
        explained = {dtype: vars(one) for dtype, one in self.arithmetic.items()}
        return json.dumps({"arithmetic": explained, "choices": self.choices})

    @staticmethod
    def load(text: str) -> Traits:
        """What was dumped."""
        content = json.loads(text) if text else {"arithmetic": {}, "choices": {}}
        explained = {
            dtype: Explained(one["cases"], collections.Counter(one["refuted"]), one["quality"])
            for dtype, one in content["arithmetic"].items()
        }
        return Traits(explained, {topic: collections.Counter(seen) for topic, seen in content["choices"].items()})

    def _explain(self, expectation: Expectation, values: NDArray[np.float64], judgement: Judgement) -> None:
        found = self.arithmetic.setdefault(expectation.case.dtype, Explained())
        found.cases += 1
        found.quality = float(np.fmax(found.quality, judgement.quality))
        for arithmetic in arithmetics(expectation.case.dtype):
            if in_units(values, expectation.under(arithmetic, "output")).max() <= 1.0:
                return
            found.refuted[arithmetic.name] += 1

    def _record_choices(self, expectation: Expectation, output: AnyArray) -> None:
        for topic, where in expectation.special.open.items():
            if where.any():
                self.choices.setdefault(topic, collections.Counter()).update(_kinds(output[where]))


def _kinds(values: AnyArray) -> dict[str, int]:
    values = values.astype(np.float64)
    nan, infinite, zero = np.isnan(values), np.isinf(values), values == 0.0
    negative = zero & np.signbit(values)
    counts = {
        "NaN": nan,
        "infinity": infinite,
        "zero": zero & ~negative,
        "negative zero": negative,
        "a number": ~(nan | infinite | zero),
    }
    return {name: int(mask.sum()) for name, mask in counts.items() if mask.any()}
