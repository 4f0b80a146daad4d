"""From failing cases to distinct discrepancies: what is computed instead, when, and where.

Every answer is earned on the failing and the passing cases of the target, and on further ones that it is asked for;
where several answers fit and cannot be told apart, none is given.
"""

from __future__ import annotations

import collections
import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from depthwise_conformance.casebook.case import Case
from depthwise_conformance.casebook.claims import EVERYTHING, Claim
from depthwise_conformance.diagnosis.again import DOUBTED, REPEATED, pass_by_chance, surely_passed
from depthwise_conformance.diagnosis.budget import Budget
from depthwise_conformance.diagnosis.candidates import telling_alterations
from depthwise_conformance.diagnosis.distinct import (
    ONLY_IF,
    VALUES,
    WHEREVER,
    Distinct,
    Suspect,
    absorb,
    among,
    cover,
    evidence,
    fails_alike,
    fails_untold,
    is_accuracy,
    is_deviation,
    is_narrower,
    is_of_another,
    is_untold,
    most_telling,
    ordinary,
    place_of,
    predicted,
    takes_both,
)
from depthwise_conformance.diagnosis.empties import tell_empties
from depthwise_conformance.diagnosis.explaining import Cause, deviates, explain, reproduces, separates
from depthwise_conformance.diagnosis.inquiry import Finding, Limit, narrow
from depthwise_conformance.diagnosis.leftovers import follow, gather, give_away, settle
from depthwise_conformance.diagnosis.rules import EASY, SEEDS, Known, find_need, find_rule
from depthwise_conformance.diagnosis.rules import QUESTIONS as RULE_QUESTIONS
from depthwise_conformance.diagnosis.seen import BEYOND, seen_cause
from depthwise_conformance.diagnosis.separating import plainest
from depthwise_conformance.diagnosis.sights import FOLLOWING, Examine, Sights
from depthwise_conformance.judging.checks import DETERMINISM_CHECK, PARTS, PURITY_CHECK, SPECIAL_CHECK
from depthwise_conformance.judging.repeating import REMEMBERS
from depthwise_conformance.judging.tally import Examined, Exhibit, Group, Key, Tally, extent
from depthwise_conformance.layers.telling import condition, refused_arguments
from depthwise_conformance.reports.record import CHECKS, Verdict

QUESTIONS, COSTLY_QUESTIONS = 80, 8  # further cases; the fewer where each may cost a worker
SEPARATED = 40  # questions that tell causes apart
PARTS_AT_MOST = 3  # causes into which the failing cases of a check are split
LOST = (Verdict.CRASHED, Verdict.TIMED_OUT)
AGREED = 6  # further cases that fail, on which causes that are one in other words agree
DOUBTFUL = 0.1  # of the further cases that fail, those that a cause may leave unexplained
OVERLAPPING = 1.0  # the same, where other faults are suspected in the same cases
PREDICTED, BORNE_OUT = 16, 4  # further cases that are asked where a cause makes a difference; the fewest to believe it
PLAIN = 6.0  # the cost of a condition beyond which "wherever it makes a difference" is plainer


class Diagnosis:
    """Diagnoses one target. `examine` asks it for a case, `afresh` a process that was asked nothing before.

    `pool` has cases to ask for; `budget` is for all of it. Whatever is asked is inside the `claim`.
    """

    def __init__(
        self, examine: Examine, afresh: Examine, pool: Sequence[Case], budget: Budget, claim: Claim = EVERYTHING
    ) -> None:
        self._ask_target, self._pool, self._claim, self._budget = examine, pool, claim, budget
        self._sights = Sights(self._examine, afresh, self._late, claim)
        self._at_random = False
        self._found: list[Distinct] = []

    def distinguish(self, tallies: Mapping[str, Tally]) -> list[Distinct]:
        """What the target's tallies, by check, come down to."""
        self._at_random = DETERMINISM_CHECK in tallies and tallies[DETERMINISM_CHECK].fails_mostly
        limit = Limit(QUESTIONS, self._claim, self._late)
        empties = None if self._late() else tell_empties(tallies, self._examine, self._pool, limit)
        self._found, told = ([empties[0]], empties[1]) if empties else ([], frozenset[str]())
        # Come first: what is remembered makes other results wrong, and what is random.
        first = (PURITY_CHECK, DETERMINISM_CHECK) if self._at_random else (PURITY_CHECK,)
        for check in (c for c in dict.fromkeys((*first, *CHECKS)) if c in tallies and tallies[c].groups):
            tally = surely_passed(check, tallies[check], self._ask) if check in DOUBTED else tallies[check]
            groups = sorted(tally.groups.items(), key=lambda pair: (pair[0].signature == REMEMBERS, -pair[1].failing))
            for key, group in groups:
                self._distinguish(check, key, group.without(told), tally)
            settle(check, self._found, self._ask)
            follow(check, self._found, self._sights.follows)
        return self._found

    def _distinguish(self, check: str, key: Key, group: Group, tally: Tally) -> None:
        """Adds to what is found what a group comes down to, unless it is there."""
        if not group.failures:
            return
        home = next((one for one in self._found if self._sights.shows_again(one, check, key, group)), None)
        if home:
            home.join(check, group)
            return
        whole = group
        for known in self._found:
            if shared := self._sights.share(among(known, self._found), check, group, tally):
                known.join(check, group.only(shared))
                group = group.without(shared)
        if group is not whole and group.failures:
            self._distinguish(check, key, group, tally)
            return
        for one in self._diagnose(check, key, group, tally) if group.failures else ():
            if chance := next((other for other in self._found if self._is_by_chance(one, other)), None):
                chance.join(check, one.group)
                continue
            twin = next((other for other in self._found if self._are_one(other, one, check, key, group)), None)
            if twin is None:
                absorb(one, self._found, self._sights.is_wrong_beyond_rounding)
                self._found.append(one)
            else:
                twin.join(check, one.group)
                if not all(map(twin.holds, one.group.cases)):
                    twin.withdraw_condition()

    def _are_one(self, known: Distinct, other: Distinct, check: str, key: Key, group: Group) -> bool:
        """Whether what was found in a group has the cause of a discrepancy already told, or is another sight of it."""
        if other.cause and other.cause == known.cause:
            return True
        if other.check in FOLLOWING.get(known.check, ()) and other.fulfilled and not other.cause:
            return is_narrower(other.fulfilled, known)
        if other.group.layers and other.condition:  # an operation and whole layers fail under one condition
            return (known.check, known.condition) == (other.check, other.condition)
        # The whole group was asked about before, but not as what nothing else explains.
        left = other.group is not group or not (other.cause or other.condition)
        return left and self._sights.shows_again(known, check, key, other.group, left=True)

    def _is_by_chance(self, one: Distinct, other: Distinct) -> bool:
        """Whether cases that no cause explains fail since results are random, as the other discrepancy says: most of
        them pass when they are asked again."""
        if not self._at_random or DETERMINISM_CHECK not in other.checks or is_deviation(one) or one.fulfilled:
            return False
        return pass_by_chance(one.group.cases, one.check, self._ask)

    def _diagnose(self, check: str, key: Key, group: Group, tally: Tally) -> Iterator[Distinct]:
        """The discrepancies that a group's cases are: one, unless parts of it have causes of their own."""
        whole = Distinct(check, key, group, place=place_of(check, group))
        whole.cause, suspects = self._causes(check, key, group, tally)
        if whole.cause and key.verdict is Verdict.IMPRECISE and not is_accuracy(whole.cause):
            whole.key = Key(Verdict.WRONG_VALUE, "")
        if not (whole.cause or suspects):
            whole.cause = seen_cause(check, key, group.exhibits.values())
        self._find_condition(whole, tally)
        if " + " in whole.cause and not whole.condition:
            whole.cause = ""  # two together explain much by chance, or each has cases of its own
        if whole.cause or whole.condition:
            yield whole
            return
        yield from self._by_causes(whole, suspects, tally)

    def _by_causes(self, whole: Distinct, suspects: Sequence[Suspect], tally: Tally) -> Iterator[Distinct]:
        """A group's cases apart by causes that explain some of them; what nothing told explains either, by rules."""
        check, key, group = whole.check, whole.key, whole.group
        rest, told, tried = group, list[Distinct](), list[Suspect]()
        while len(tried) < PARTS_AT_MOST and (suspect := most_telling(suspects, tried, rest)):
            tried.append(suspect)
            part = rest.only(suspect.ids)
            others = (*tried[:-1], *cover(suspects, tried, rest.without(suspect.ids)))
            beside = tuple(dict.fromkeys(one.name for one in others))
            one = Distinct(check, key, part, suspect.name, place=place_of(check, part), beside=beside)
            self._find_condition(one, tally, OVERLAPPING)
            if one.condition:  # an explanation of some cases that no condition bears out is none
                beyond = (case.id for case in rest.cases if is_untold(case, rest) and predicted(one, case))
                explained = [*suspect.ids, *beyond]
                one.group, rest = rest.only(explained), rest.without(explained)
                told.append(one)
                yield one
        left = Distinct(check, key, rest) if told else whole
        give_away(left, self._found, self._ask)
        if left.group.failures:
            left.place = place_of(check, left.group)
            left.cause = seen_cause(check, key, left.group.exhibits.values())
            if left.cause or left.group.failing < group.failing:
                self._find_condition(left, tally)
            yield from [left] if left.cause or left.condition else self._by_rules(left, tally)

    def _by_rules(self, whole: Distinct, tally: Tally) -> Iterator[Distinct]:
        """Cases that have no condition in common, apart by rules that each hold on some of them; then what is left."""
        rest, told, further = whole.group, list[Distinct](), list[Case]()
        tried: set[Case] = set()
        chance = self._at_random or whole.check == DETERMINISM_CHECK  # cases that pass by chance belie no rule
        missed = SEEDS if chance else 0
        for seed in sorted(whole.group.cases, key=extent):
            if self._late() or missed == SEEDS:
                break
            if any(one.holds(seed) for one in told):
                continue
            part = self._rule(replace(whole, group=rest, notes=[], shown_by={}), seed, told, further, tally, tried)
            if part is None:
                missed += 1
                continue
            told.append(part)
            rest = rest.without(case.id for case in part.group.cases)
        yield from gather(told)
        if rest.failures:
            left = whole if rest is whole.group else replace(whole, group=rest, place=place_of(whole.check, rest))
            self._find_need(left, told, further, tally)
            yield left

    def _find_need(self, left: Distinct, told: Sequence[Distinct], further: Sequence[Case], tally: Tally) -> None:
        """What all cases have that no rule tells, `further` ones too, and no case goes without that fails."""
        if self._late() or not left.group.cases:
            return

        def fails(case: Case) -> bool | None:
            told_before = any(one.holds(case) for one in told)
            return None if told_before else fails_untold(left, self._examine(case, left.check), self._found)

        limit = Limit(claim=self._claim, spent=self._late)
        failing = [*left.group.cases, *(case for case in further if not any(one.holds(case) for one in told))]
        condition = find_need(Known(failing, tally.passed, self._pool, limit), fails)
        if condition is not None:
            left.condition, left.fulfilled, left.need = f"{ONLY_IF}{condition}", condition, True

    def _rule(
        self, whole: Distinct, seed: Case, told: Sequence[Distinct], further: list[Case], tally: Tally, tried: set[Case]
    ) -> Distinct | None:
        """The cases of a group that a rule around `seed` holds on, with their cause; adds to `further` what fails."""
        shown: dict[str, Exhibit] = {}

        def fails(case: Case) -> bool | None:
            if any(one.holds(case) for one in told):
                return None
            examined = self._examine(case, whole.check)
            answer, exhibit = fails_untold(whole, examined, self._found), examined.exhibit(whole.check)
            further.extend([case] if answer else [])
            if answer and exhibit:
                shown[case.id] = exhibit
            return answer

        questions = COSTLY_QUESTIONS if whole.key.verdict in LOST else RULE_QUESTIONS
        limit = Limit(questions, self._claim, self._late, EASY)
        finding = find_rule(seed, Known(whole.group.cases, tally.passed, self._pool, limit), fails, tried)
        if finding is None or finding.condition is None:
            return None
        part = whole.group.only(case.id for case in whole.group.cases if finding.condition.holds(case))
        one = Distinct(whole.check, whole.key, part, place=place_of(whole.check, part))
        self._conclude(one, finding)
        if not one.condition:
            return None
        held = {case.id for case in finding.failing}
        evident = replace(part, exhibits={**part.exhibits, **{name: shown[name] for name in shown if name in held}})
        one.cause, _ = self._causes(whole.check, whole.key, evident, tally)
        one.total = not one.cause
        return one

    # What.

    def _causes(self, check: str, key: Key, group: Group, tally: Tally) -> tuple[str, list[Suspect]]:
        """The deviation that explains all of a group, "" where none does; those that alone explain parts of it."""
        if PARTS.get(check) is None or key.verdict not in VALUES or self._late():
            return "", []
        exhibits = list(group.exhibits.items())
        samples = [evidence(check, exhibit, True) for _, exhibit in exhibits]
        samples += [evidence(check, exhibit, False) for exhibit in tally.exhibits]
        explanation = explain(samples)
        if explanation is None:
            return "", []
        name = self._told_apart(check, explanation.causes, group) if explanation.causes else ""
        if " + " in name and not takes_both(name, samples[: len(exhibits)]):
            name = ""
        known = [name for name, _ in exhibits]
        suspects = [Suspect(cause.text, tuple(known[i] for i in cause.explains)) for cause in explanation.partial]
        return name, suspects

    def _told_apart(self, check: str, causes: Sequence[Cause], group: Group) -> str:
        """The one cause that further cases leave, "" where several are left that predict different results.

        Causes that no passing case contradicts need no condition, so that others are not considered beside them. Those
        that agree on all further cases that fail are one cause in other words; so are those that nothing can tell
        apart, since the target fails otherwise wherever they differ.
        """
        names = [cause.text for cause in causes if len(cause.contradicts) == len(causes[0].contradicts)]
        agreed = asked = answered = 0
        for case in (*telling_alterations(group.cases), *self._pool):
            if len(names) == 1 or asked == SEPARATED or self._late():
                break
            if not _separated(names, case, PARTS[check]):
                continue
            asked += 1
            exhibit = self._examine(case, check).exhibit(check)
            left = [name for name in names if exhibit and reproduces(name, evidence(check, exhibit, True))]
            agreed += len(left) == len(names)
            answered += bool(left)
            names = left or names
        return names[0] if len(names) == 1 or answered == 0 or agreed >= AGREED else ""

    # When.

    def _find_condition(self, distinct: Distinct, tally: Tally, doubtful: float = DOUBTFUL) -> None:
        if (layers := distinct.group.layers) and distinct.cause != BEYOND:  # chance says on which layers
            distinct.condition = condition(layers, tally.passed_layers)
        if refusals := distinct.group.refusals:
            distinct.condition = refused_arguments(refusals)
        if not distinct.group.cases or self._late():
            return
        if not is_deviation(distinct):
            self._conclude(distinct, self._narrow(distinct, tally))
            return
        part = PARTS[distinct.check]

        @functools.cache
        def matters(case: Case) -> bool:
            return deviates(distinct.cause, case, part)

        if any(map(matters, tally.passed)) or not self._is_borne_out(distinct, matters, doubtful):
            self._conclude(distinct, self._narrow(distinct, tally, matters, doubtful))
            return
        # It is there wherever it makes a difference. Which cases these are may be plain, too.
        distinct.condition = WHEREVER
        plain = plainest([*distinct.group.cases, *tally.passed, *self._pool], lambda case: matters(ordinary(case)))
        if plain and plain.cost <= PLAIN:
            distinct.condition, distinct.fulfilled, distinct.total = str(plain), plain, True

    def _is_borne_out(self, distinct: Distinct, matters: Callable[[Case], bool], doubtful: float) -> bool:
        """Whether further cases where the cause would make a difference fail as it predicts, all of them."""
        answers: collections.Counter[bool | None] = collections.Counter()
        cases = (*self._pool, *telling_alterations(distinct.group.cases))
        for case in itertools.islice(filter(matters, cases), PREDICTED):
            if self._late():
                break
            examined = self._examine(case, distinct.check)
            judgement, answer = examined.judgement(distinct.check), fails_alike(distinct, examined)
            if answer is not None or (judgement is not None and judgement.verdict.is_discrepancy):
                answers[answer] += 1
        return answers[True] >= BORNE_OUT and not answers[False] and answers[None] <= doubtful * answers[True]

    def _narrow(
        self,
        distinct: Distinct,
        tally: Tally,
        relevant: Callable[[Case], bool] | None = None,
        doubtful: float = DOUBTFUL,
    ) -> Finding:
        group, check = distinct.group, distinct.check
        answers: collections.Counter[bool | None] = collections.Counter()

        def fails(case: Case) -> bool | None:
            examined = self._examine(case, check)
            answer, judgement = fails_untold(distinct, examined, self._found), examined.judgement(check)
            if judgement is not None and judgement.verdict.is_discrepancy and not is_of_another(distinct, examined):
                answers[answer] += 1
            return answer

        questions = COSTLY_QUESTIONS if distinct.key.verdict in LOST else QUESTIONS
        limit = Limit(questions, self._claim, self._late)
        finding = narrow(group.cases, tally.passed, fails, self._pool, limit, relevant)
        # Where it fails otherwise too often, the cause is not all of it.
        doubted = is_deviation(distinct) and answers[None] > doubtful * answers[True]
        return replace(finding, condition=None) if doubted else finding

    def _conclude(self, distinct: Distinct, finding: Finding) -> None:
        if finding.condition is None:
            return
        # Of special values, the larger case has more: sizes that tell failing cases apart say nothing.
        choices = all(
            isinstance(atom.right, str | bool | tuple) and not atom.crossed for atom in finding.condition.atoms
        )
        if finding.confirmed and (choices or distinct.check != SPECIAL_CHECK):
            distinct.condition, distinct.fulfilled = str(finding.condition), finding.condition
            if distinct.cause and not finding.condition.atoms:
                distinct.condition = WHEREVER
            distinct.total = not distinct.cause
        else:
            fitting = [str(finding.condition), *finding.rivals]
            distinct.notes.append(f"conditions that fit, not told apart by {finding.asked} further cases: ")
            distinct.notes[-1] += "; ".join(fitting)

    def _late(self) -> bool:
        return self._budget.spent

    def _ask(self, case: Case, check: str) -> Examined | None:
        return None if self._late() else self._examine(case, check)

    def _examine(self, case: Case, check: str) -> Examined:
        """The target's answer. What is not deterministic may pass by chance, and is asked until it fails."""
        for _ in range(REPEATED if check == DETERMINISM_CHECK else 1):
            self._budget.spend()
            examined = self._ask_target(case, check)
            judgement = examined.judgement(check)
            if judgement is None or judgement.verdict is not Verdict.PASS:
                break
        return examined


def _separated(names: Sequence[str], case: Case, part: str) -> bool:
    return any(separates(names[0], other, case, part) for other in names[1:])
