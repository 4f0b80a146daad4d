"""The cases that somebody brought, side by side: what each target gave, against the reference and one another."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from depthwise_conformance.casebook.case import AnyCase, Case, canonical
from depthwise_conformance.casebook.recipes import SPECIAL, recipe_of
from depthwise_conformance.judging.checks import OUTPUT_CHECK, SPECIAL_CHECK
from depthwise_conformance.judging.distances import Distance, distance
from depthwise_conformance.judging.tally import Examined
from depthwise_conformance.judging.values import AnyArray, Expectation
from depthwise_conformance.reports.record import REFERENCE, Comparison, Verdict


@dataclass(frozen=True)
class _Answer:
    """What a target gave for a case, as far as it can be held against another's."""

    expectation: Expectation
    output: AnyArray


class Comparing:
    """Takes in what targets give, from one thread each, and keeps an output no longer than others are to come."""

    def __init__(self, cases: Sequence[AnyCase], targets: Sequence[str]) -> None:
        self._places = {case.id: place for place, case in enumerate(cases) if isinstance(case, Case)}
        self._targets = list(targets)
        self._answers: dict[str, dict[str, _Answer | None]] = {}
        self._rows: list[Comparison] = []
        self._lock = threading.Lock()

    @property
    def rows(self) -> list[Comparison]:
        """By case; each target against the reference, then against others."""
        order = [REFERENCE, *self._targets]

        def place(row: Comparison) -> tuple[int, ...]:
            own, other = order.index(row.target), order.index(row.against)
            return self._places[row.case], int(other > 0), own, other

        with self._lock:
            return sorted(self._rows, key=place)

    def note(self, target: str, examined: Examined) -> None:
        """Holds what a target gave against what is known already."""
        case = examined.expectation.case
        judgement = examined.judgement(OUTPUT_CHECK) or examined.judgement(SPECIAL_CHECK)
        if case.id not in self._places or judgement is None:
            return
        answer = _answer(examined)
        far = Distance() if answer is None else _from_exact(answer)
        rows = [_row(case, target, REFERENCE, judgement.verdict, far)]
        with self._lock:
            answers = self._answers.setdefault(case.id, {})
            others = dict(answers)
            answers[target] = answer
            if len(answers) == len(self._targets):
                del self._answers[case.id]
        for other, theirs in others.items():
            if answer is not None and theirs is not None:
                (first, a), (second, b) = sorted(
                    [(target, answer), (other, theirs)], key=lambda one: self._targets.index(one[0])
                )
                far = _between(a, b)
                rows.append(_row(case, first, second, Verdict.PASS if far.error <= 1.0 else Verdict.WRONG_VALUE, far))
        with self._lock:
            self._rows += rows


def _answer(examined: Examined) -> _Answer | None:
    """None where nothing can be measured: there is no output, or one of another shape, or of special values."""
    expectation, output = examined.expectation, examined.arrays.get("output")
    if output is None or recipe_of(expectation.case.data) == SPECIAL:
        return None
    return _Answer(expectation, output) if output.shape == expectation.output.value.shape else None


def _from_exact(answer: _Answer) -> Distance:
    expected = answer.expectation.output
    return distance(answer.output, expected.value, expected.value, expected.bound, answer.expectation.case.dtype)


def _between(a: _Answer, b: _Answer) -> Distance:
    """Two targets may differ by what both may err."""
    one, other = a.expectation.output, b.expectation.output
    return distance(a.output, b.output, one.value, one.bound + other.bound, a.expectation.case.dtype)


def _row(case: Case, target: str, against: str, verdict: Verdict, far: Distance) -> Comparison:
    return Comparison(
        layer=case.name or case.id,
        case=case.id,
        arguments=canonical(case.config.to_json()),
        input_shape=canonical(list(case.input_shape)),
        dtype=case.dtype,
        target=target,
        against=against,
        verdict=verdict,
        **asdict(far),
    )
