"""One cause, one row: which failing cases are another sight of a discrepancy already told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from depthwise_conformance.casebook.case import Case, Data, LayerCase
from depthwise_conformance.casebook.claims import EVERYTHING, Claim
from depthwise_conformance.diagnosis.conditions import Atom
from depthwise_conformance.diagnosis.distinct import (
    VALUES,
    Distinct,
    evidence,
    fails_alike,
    is_deviation,
    predicted,
    reproduced,
)
from depthwise_conformance.diagnosis.explaining import reproduces
from depthwise_conformance.diagnosis.program import is_described
from depthwise_conformance.judging.checks import (
    DETERMINISM_CHECK,
    GRADIENT_CHECKS,
    INFERENCE_CHECK,
    METAMORPHIC_CHECK,
    OUTPUT_CHECK,
    PARTS,
    PURITY_CHECK,
    SPECIAL_CHECK,
)
from depthwise_conformance.judging.memory import MEMORY_CHECK
from depthwise_conformance.judging.relations import choose
from depthwise_conformance.judging.repeating import REMEMBERS, STALE
from depthwise_conformance.judging.tally import Examined, Failure, Group, Key, Tally
from depthwise_conformance.judging.values import expect
from depthwise_conformance.layers.rehearsal import operation_case
from depthwise_conformance.reports.record import Verdict

ALTERED = (SPECIAL_CHECK, METAMORPHIC_CHECK)  # whose calls are others than the case's own
REPEATING = (METAMORPHIC_CHECK, MEMORY_CHECK, DETERMINISM_CHECK)  # make several calls: a fresh process remembers, too
WITHOUT_RESULT = (Verdict.REFUSED, Verdict.BAD_RETURN, Verdict.CRASHED, Verdict.TIMED_OUT)
# What a wrong result of one check makes wrong, too.
FOLLOWING = {
    OUTPUT_CHECK: ("shape", "dtype", *GRADIENT_CHECKS, *ALTERED, *REPEATING, PURITY_CHECK),
    "shape": (METAMORPHIC_CHECK,),  # and what is inferred, of outputs too, where a shape is wrong
    **dict.fromkeys(GRADIENT_CHECKS, GRADIENT_CHECKS),
}
LINEAR = (None, "linear")
AFRESH = 3  # cases that are asked of a process with no memories
ORDINARY = ("uniform", "integers")
DRAWN = 3  # sets of whole numbers
NEARLY = 0.8  # of the layers
ASKED, SHARED = 5, 40  # cases that are asked for with other numbers, of all of a group, and one by one

Examine = Callable[[Case, str], Examined]


@dataclass(frozen=True)
class Sights:
    """Tells sights of one discrepancy from another. `examine`, `afresh`, `late` and `claim` are the diagnosis's."""

    examine: Examine
    afresh: Examine
    late: Callable[[], bool]
    claim: Claim = EVERYTHING

    def shows_again(self, one: Distinct, check: str, key: Key, group: Group, left: bool = False) -> bool:
        """Whether a group of failing cases is another sight of a discrepancy already told.

        `left` says that these cases are what no cause explains.
        """
        if key.signature and key == one.key and check != one.check:
            return True
        if not group.cases:  # whole layers, whose signature says all that is known
            return False
        if one.check == PURITY_CHECK:
            return self._is_remembered(one, check, key, group, left)
        follows = check in FOLLOWING.get(one.check, ())
        if follows and not one.cause and key.verdict is Verdict.IMPRECISE and _is_of_group(key, one.group):
            return True
        if key.verdict in WITHOUT_RESULT:  # a cotangent of the right shape suits no output of a wrong one
            misshapen = one.key.verdict is Verdict.WRONG_SHAPE and check in GRADIENT_CHECKS
            return misshapen and not _others(one, group)
        if one.key.verdict not in VALUES:
            return False
        if check != one.check and not follows:
            return False
        if check == one.check and key.verdict is Verdict.IMPRECISE:
            if one.key.verdict is Verdict.IMPRECISE:
                return _dtype(key) == _dtype(one.key)
            if not is_deviation(one) and (_is_of_group(key, one.group) or _says_dtype(one, _dtype(key))):
                return True
            # Whole numbers leave narrower arithmetic no excuse.
            if not self.late() and all(self._fails_whole(one, case) for case in group.cases[:ASKED]):
                return True
        cases = _others(one, group)
        if not cases:
            return True
        if check in PARTS and is_deviation(one):
            return bool(group.exhibits) and all(
                reproduces(one.cause, evidence(check, exhibit, True)) for exhibit in group.exhibits.values()
            )
        return check in ALTERED and all(self._fails_altered(one, check, case) for case in cases[:ASKED])

    def share(self, one: Distinct, check: str, group: Group, tally: Tally) -> set[str]:
        """The cases of a group, by their ids, that fail since they fail by a discrepancy already told.

        These are cases whose result of another check is wrong that this one's comes from, those with special values
        that are as imprecise as ordinary ones, and those that its condition tells, if no case passes this check that
        fulfils it; and whole layers whose operation fulfils it.
        """
        if group.layers:
            return _told_layers(one, check, group, tally.passed_layers) | self._inferred(one, check, group)
        if one.key.verdict is Verdict.IMPRECISE and (one.check, check) == (OUTPUT_CHECK, SPECIAL_CHECK):
            alike = (failure for failure in group.failures if failure.judgement.error <= one.group.worst)
            dtypes = {case.dtype for case in one.group.cases}  # one cause may have made several a row
            return {failure.case.id for failure in alike if failure.case.dtype in dtypes}
        follows = one.key.verdict in VALUES and check in FOLLOWING.get(one.check, ())
        follows |= one.key.verdict is Verdict.WRONG_SHAPE and check == INFERENCE_CHECK
        shared = self._followers(one, check, group) if follows else set[str]()
        atoms = one.fulfilled.atoms if one.fulfilled else ()
        if one.total and atoms and not any(map(one.holds, tally.passed)):
            shared |= {case.id for case in group.cases if one.holds(case)}
        return shared

    def _followers(self, one: Distinct, check: str, group: Group) -> set[str]:
        """The cases of a group whose wrong results come from those of a discrepancy, or from what makes these wrong.

        A deviation has to explain them, unless none can be tried. A derivative is that at the sums, right or wrong,
        whatever the rest of the gradient is.
        """
        failed = {failure.case.id for failure in one.group.failures}
        both = [case for case in group.cases if case.id in failed]
        hidden = check in GRADIENT_CHECKS and one.check == OUTPUT_CHECK and not is_deviation(one)
        if check in ALTERED or hidden:
            both += [case for case in group.cases[:SHARED] if self._fails_altered(one, check, case)]
        if check == INFERENCE_CHECK:
            both = [case for case in group.cases if is_deviation(one) and predicted(one, case)]
        if not (is_deviation(one) and check in PARTS):
            return {case.id for case in both}
        beyond = (failure.case.id for failure in group.failures if _is_beyond(one, failure))
        bent = (case.id for case in group.cases if one.check == OUTPUT_CHECK and _bends(one, case))
        return {*reproduced(one.cause, check, group.only(failed)), *beyond, *bent}

    def _is_remembered(self, one: Distinct, check: str, key: Key, group: Group, left: bool) -> bool:
        """Whether failures come from what earlier calls left behind: a fresh process does not show them.

        Of those that are `left`, it shows a few: they fail for another reason, too.
        """
        if check == PURITY_CHECK:
            return all(told == REMEMBERS or told.startswith(STALE) for told in (key.signature, one.key.signature))
        stale = one.key.signature.startswith(STALE)
        stateful = stale or one.key.signature == REMEMBERS
        if stateful and check in REPEATING:  # what comes out at random depends on earlier calls, too
            return stale or check != DETERMINISM_CHECK
        if not stateful or key.verdict not in (*VALUES, Verdict.WRONG_SPECIAL) or self.late():
            return False
        anew = [self.afresh(case, check).judgement(check) for case in group.cases[:AFRESH]]
        gone = [told is not None and Key(told.verdict, told.signature) != key for told in anew]
        return bool(gone) and (all(gone) or (left and 2 * sum(gone) > len(gone)))

    def _inferred(self, one: Distinct, check: str, group: Group) -> set[str]:
        """The layers of a group whose operation infers a shape that fails as a discrepancy's do.

        Where these are nearly all, it is all of them: layers are asked for shapes that their operation is not.
        """
        if {check, one.check} != {INFERENCE_CHECK} or self.late():
            return set()
        asked = group.layers[:SHARED]
        told = {layer.id for layer in asked if self._fails(one, operation_case(layer))}
        return {layer.id for layer in group.layers} if len(told) > NEARLY * len(asked) else told

    def follows(self, one: Distinct, case: Case) -> bool:
        """Whether the output of a case is one of a discrepancy's, or would be with other numbers."""
        if self.late() or case in one.group.cases or not one.holds(case):
            return case in one.group.cases
        others = (replace(case, data=Data(recipe, case.data.seed)) for recipe in ORDINARY)
        return any(fails_alike(one, self.examine(other, one.check)) for other in others)

    def _fails_whole(self, one: Distinct, case: Case) -> bool:
        """Whether a case fails as a discrepancy's do with whole numbers: one set of them may hide it."""
        seeds = (case.data.seed + step for step in range(DRAWN))
        return any(self._fails(one, replace(case, data=Data("integers", seed))) for seed in seeds)

    def _fails_altered(self, one: Distinct, check: str, case: Case) -> bool:
        """Whether one of the calls that a check made of a case fails the discrepancy's check, with ordinary numbers.

        Without a cause, what fails beyond the condition is another's.
        Small ones or large: an activation may be wrong beyond a limit alone.
        """
        calls = _related(case, self.claim) if check == METAMORPHIC_CHECK else [case]
        ordinary = (replace(call, data=Data(recipe, call.data.seed)) for call in calls for recipe in ORDINARY)
        own = (call for call in ordinary if is_deviation(one) or one.holds(call))
        return not self.late() and any(self._fails(one, call) for call in own)

    def is_wrong_beyond_rounding(self, one: Distinct, other: Distinct) -> bool:
        """Whether what is told to be imprecise is another sight of wrong values whose condition it fulfils."""
        verdicts = (one.key.verdict, other.key.verdict)
        if one.cause or is_deviation(other) or verdicts != (Verdict.WRONG_VALUE, Verdict.IMPRECISE):
            return False
        told = one.check == other.check and one.fulfilled and all(map(one.holds, other.group.cases))
        return bool(told) and self.shows_again(one, other.check, other.key, other.group)

    def _fails(self, one: Distinct, case: Case) -> bool:
        examined = self.examine(case, one.check)
        return fails_alike(one, examined, strictly=not is_deviation(one)) is True


def _bends(one: Distinct, case: Case) -> bool:
    """Whether a case has sums that a discrepancy makes wrong, and a derivative there that is not one."""
    return case.config.activation not in LINEAR and bool(one.condition) and predicted(one, case)


def _is_beyond(one: Distinct, failure: Failure) -> bool:
    """Whether a value is wrong where a deviation should show, in a layer for which no deviation can be computed."""
    case = failure.case
    if not isinstance(case, Case) or failure.judgement.verdict not in (Verdict.WRONG_VALUE, Verdict.IMPRECISE):
        return False
    return not is_described(case.config) and predicted(one, case)


def _others(one: Distinct, group: Group) -> list[Case]:
    """The cases of a group that are none of a discrepancy's, whether by name or by its condition."""
    failed = {failure.case.id for failure in one.group.failures}
    return [case for case in group.cases if case.id not in failed and not (one.total and one.holds(case))]


def _told_layers(one: Distinct, check: str, group: Group, passed: Sequence[LayerCase]) -> set[str]:
    """The layers of a group that fail a check as a discrepancy's cases do, under its condition."""
    atoms = one.fulfilled.atoms if one.fulfilled and one.check == check else ()
    if not atoms or (one.total and any(one.holds(operation_case(layer)) for layer in passed)):
        return set()
    alike = (failure for failure in group.failures if failure.judgement.verdict is one.key.verdict)
    layers = (failure.case for failure in alike if isinstance(failure.case, LayerCase))
    return {layer.id for layer in layers if one.holds(operation_case(layer))}


def _related(case: Case, claim: Claim) -> list[Case]:
    relation = choose(expect(case), claim)
    return [related.case for related in relation.calls(expect(case))] if relation else []


def _is_of_group(key: Key, group: Group) -> bool:
    """Whether results of the key's dtype are imprecise in a group, too."""
    found = (Key(failure.judgement.verdict, failure.judgement.signature) for failure in group.failures)
    return any(one.verdict is key.verdict and _dtype(one) == _dtype(key) for one in found)


def _says_dtype(one: Distinct, dtype: str) -> bool:
    """Whether the condition is a dtype and no more."""
    return one.fulfilled is not None and one.fulfilled.atoms == (Atom("dtype", "==", dtype),)


def _dtype(key: Key) -> str:
    return key.signature.partition(":")[0]
