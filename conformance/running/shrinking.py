"""The smallest case found on which a target has a discrepancy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from depthwise_conformance.casebook.case import Case, Data, LayerCase
from depthwise_conformance.casebook.recipes import SPECIAL, recipe_of
from depthwise_conformance.diagnosis.budget import Budget
from depthwise_conformance.diagnosis.distinct import Distinct, are_telling, fails_alike, is_told
from depthwise_conformance.judging.checks import PARTS
from depthwise_conformance.judging.tally import Failure, extent
from depthwise_conformance.layers.telling import needed, plainer
from depthwise_conformance.reports.record import Verdict
from depthwise_conformance.running.agenda import Options
from depthwise_conformance.running.drawing import search, simplify
from depthwise_conformance.running.examining import Examiner
from depthwise_conformance.running.targets import Target
from depthwise_conformance.running.troubles import confined
from depthwise_conformance.workers.worker import WorkerBrokenError

Owns = Callable[[Failure], bool]


class Shrinker:
    """Shrinks one discrepancy of a target after another, in as many steps as there are for all of them."""

    def __init__(self, options: Options, examiner: Examiner) -> None:
        self._options = options
        self._examiner = examiner
        self._left: dict[str, int] = {}  # steps, by the target: one that is asked few cases has few
        self.hurried = False  # as found will do

    def shrink(
        self, target: Target, distinct: Distinct, found: Sequence[Distinct], owns: Owns = lambda failure: True
    ) -> Failure:
        """The smallest case found on which this target has this discrepancy; a condition it breaks is withdrawn.

        It is one that the discrepancy `owns`, and that none of the others that were `found` tells.
        """
        smallest = distinct.group.smallest
        with confined(target):
            smallest = self._shrink(target, distinct, _others(distinct, found), owns)
        if isinstance(smallest.case, Case) and not distinct.holds(smallest.case):
            distinct.withdraw_condition()
        if isinstance(smallest.case, LayerCase) and not distinct.condition:
            distinct.condition = needed(smallest.case, distinct.group.layers)
        return smallest

    def _shrink(self, target: Target, distinct: Distinct, others: Sequence[Distinct], owns: Owns) -> Failure:
        best, first, check = distinct.group.smallest, distinct.group.drawn, distinct.check
        if self.hurried:
            return best
        if isinstance(best.case, LayerCase):
            return _simplify_layer(self._examiner, target, best, owns)
        if not isinstance(best.case, Case) or best.judgement.verdict is Verdict.TIMED_OUT:
            return best

        def fails(case: Case) -> bool:
            nonlocal best
            if target.status == "broken" or budget.spent:
                return False
            budget.spend()
            try:
                examined = self._examiner.examine(target, case, check)
            except WorkerBrokenError as error:
                target.status, target.message = "broken", str(error)
                return False
            judgement, same = examined.judgement(check), fails_alike(distinct, examined, strictly=True)
            if judgement is None or not same or not owns(Failure(case, judgement)):
                return False
            if are_telling(others, check, case, examined.exhibit(check)):
                return False
            if extent(case) <= extent(best.case):
                best = Failure(case, judgement)
            return True

        given = self._steps(target)
        budget = Budget(given, self._options.backstop)
        if best.case.data.arrays and not fails(_without_arrays(best.case)):
            return best  # it takes these numbers
        if first is not None and first.block is not None and isinstance(first.case, Case):
            search(first.block, first.case, fails)
        if isinstance(best.case, Case):
            simplify(best.case, fails)
        self._left[target.name] -= given - budget.left
        target.cut_short |= budget.struck
        return best

    def _steps(self, target: Target) -> int:
        """How many there may be for one discrepancy of this target."""
        left = self._left.setdefault(target.name, target.most or self._options.search_budget)
        return min(self._options.search_steps, left)


def _others(distinct: Distinct, found: Sequence[Distinct]) -> list[Distinct]:
    """The other discrepancies that tell nothing of the case that is to be shrunk, and so should not of the smallest."""
    check, case = distinct.check, distinct.group.smallest.case
    if check not in PARTS or not isinstance(case, Case):
        return []
    exhibit = distinct.group.exhibits.get(case.id)
    return [one for one in found if one is not distinct and not is_told(one, check, case, exhibit)]


def _without_arrays(case: Case) -> Case:
    """The case with data of a recipe, special where its own are."""
    recipe = SPECIAL if recipe_of(case.data) == SPECIAL else case.data.recipe
    return replace(case, data=Data(recipe, case.data.seed))


def _simplify_layer(examiner: Examiner, target: Target, failure: Failure, owns: Owns) -> Failure:
    """The failure without the arguments that it does not need."""
    tried = {failure.case.id}
    while target.status == "judged" and isinstance(failure.case, LayerCase):
        others = [case for case in plainer(failure.case) if case.id not in tried]
        tried |= {case.id for case in others}
        try:
            judged = list(examiner.judge_layers(target, others))
        except WorkerBrokenError as error:
            target.status, target.message = "broken", str(error)
            break
        key = failure.judgement.verdict, failure.judgement.signature
        alike = [Failure(case, found) for case, found in judged if (found.verdict, found.signature) == key]
        alike = [one for one in alike if owns(one)]
        if not alike:
            break
        failure = alike[0]
    return failure
