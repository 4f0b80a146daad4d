"""What targets answered, kept as it comes, and answered again in a run that is resumed.

Everything that a run asks of a target goes through its `Journal`: the cases of the run, and what the diagnosis, the
search for smallest cases and the scripts ask for. What follows from the answers is not kept, but computed again: a
resumed run takes the same way on the same answers, and asks where they end.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from depthwise_conformance.casebook.case import AnyCase, canonical
from depthwise_conformance.casebook.recipes import format_name, numpy_dtype, recipe_of
from depthwise_conformance.judging.tally import Examined, Found
from depthwise_conformance.judging.traits import Traits
from depthwise_conformance.judging.values import AnyArray, Expectation, Judgement
from depthwise_conformance.reports.journal import Answer, Contents, Judged, Stored
from depthwise_conformance.reports.record import Record, Verdict
from depthwise_conformance.running.targets import Target

NO_ARRAYS: Mapping[str, AnyArray] = {}


class Writer(Protocol):
    """Where answers go: a file, or a list on its way to one."""

    def append(self, answers: Sequence[Answer]) -> None:
        """Takes in a batch. Raises OSError."""


class Journal:
    """Keeps answers where it has a writer, and gives those of an earlier run, each once, in the order of then."""

    def __init__(self, known: Contents | None = None) -> None:
        self.writer: Writer | None = None
        self._known = known
        self._places: dict[tuple[str, str, str], collections.deque[tuple[int, int]]] = {}
        self._waiting: dict[str, list[Answer]] = collections.defaultdict(list)
        for number, batch in enumerate(known.batches if known else ()):
            keys = zip(*(batch.column(name).to_pylist() for name in ("target", "asked", "case")), strict=True)
            for row, key in enumerate(keys):
                self._places.setdefault(key, collections.deque()).append((number, row))

    def recall(self, target: Target, asked: str, case: AnyCase) -> Answer | None:
        """What the target answered, for the first time or the next; None where it was not asked (so often)."""
        places = self._places.get((target.name, asked, case.id))
        if not places or self._known is None:
            return None
        answer = self._known.answer(*places.popleft())
        believe(target, answer)
        return answer

    def knows(self, target: Target, asked: str, case: AnyCase) -> bool:
        """Whether there is an answer left that `recall` would give."""
        return bool(self._places.get((target.name, asked, case.id)))

    def recall_all(self, target: Target, asked: str, cases: Iterable[AnyCase]) -> Iterator[Answer]:
        """The answers for the first of the cases, as far as there are any."""
        for case in cases:
            if (answer := self.recall(target, asked, case)) is None:
                return
            yield answer

    def keep(
        self,
        target: Target,
        asked: str,
        case: AnyCase,
        found: Found,
        arrays: Mapping[str, AnyArray] = NO_ARRAYS,
        traits: str = "",
    ) -> None:
        """Takes in what a target answered; it is on disk with the next `commit`."""
        if self.writer is not None:
            self._waiting[target.name].append(_answer(target, asked, case, found, arrays, traits))

    def take(self, target: Target, answer: Answer) -> None:
        """Takes in an answer that was given elsewhere, as `keep` does, and believes what it says of the target."""
        believe(target, answer)
        if self.writer is not None:
            self._waiting[target.name].append(answer)

    def commit(self, target: Target) -> None:
        """Puts on disk what was kept of a target. Raises OSError."""
        if self.writer is not None and (waiting := self._waiting.pop(target.name, None)):
            self.writer.append(waiting)


def found_in(answer: Answer) -> Found:
    """The judgements of an answer."""
    return [
        (one.check, Judgement(Verdict(one.verdict), one.error, one.signature, one.detail, one.quality, one.seconds))
        for one in answer.judged
    ]


def examined_in(answer: Answer, expectation: Expectation) -> Examined:
    """What came of a case, as it was when it was judged."""
    arrays = {
        one.part: np.frombuffer(one.data, numpy_dtype(one.dtype)).reshape(one.shape).copy() for one in answer.arrays
    }
    return Examined(expectation, found_in(answer), arrays)


def make_records(target: Target, case: AnyCase, found: Found) -> list[Record]:
    """The rows of one case."""
    return _answer(target, "", case, found, NO_ARRAYS).records


def believe(target: Target, answer: Answer) -> None:
    """Has the target be what it was after this answer."""
    target.traits.add(Traits.load(answer.traits))
    target.seconds = max(target.seconds, answer.spent)
    target.worker.losses = max(target.worker.losses, answer.losses)
    target.worker.lost_seconds = max(target.worker.lost_seconds, answer.lost_seconds)


def _answer(
    target: Target, asked: str, case: AnyCase, found: Found, arrays: Mapping[str, AnyArray], traits: str = ""
) -> Answer:
    content = case.to_json()
    return Answer(
        asked=asked,
        target=target.name,
        device=target.device,
        versions=target.version_text,
        case=case.id,
        dtype=case.dtype,
        arguments=canonical(content["arguments"]),
        input_shape=canonical(content["input_shape"]),
        recipe=recipe_of(case.data),
        seed=case.data.seed,
        judged=tuple(
            Judged(check, one.verdict, one.error, one.quality, one.signature, one.detail, one.seconds)
            for check, one in found
        ),
        arrays=tuple(_stored(part, array) for part, array in arrays.items()),
        spent=target.seconds,
        losses=target.worker.losses,
        lost_seconds=target.worker.lost_seconds,
        traits=traits,
    )


def _stored(part: str, array: AnyArray) -> Stored:
    plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return Stored(part, format_name(array.dtype), array.shape, plain.tobytes())
