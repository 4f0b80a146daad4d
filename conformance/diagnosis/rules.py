"""Several faults in one group of failing cases, each told by a rule: a condition that only some of them fulfil.

Sequential covering, as in Clark and Niblett's CN2 and Michalski's AQ: a rule is grown around one failing case, held to
no passing one, borne out by questions, and the cases on which it holds are set aside before the next is looked for. The
case is made as plain as it can be first, so that it shows one fault, and no more of the others than it must.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from depthwise_conformance.casebook.case import Case
from depthwise_conformance.casebook.facts import Fact, altered, facts
from depthwise_conformance.diagnosis.candidates import VALUES, all_altered, targeted
from depthwise_conformance.diagnosis.conditions import Atom, Condition
from depthwise_conformance.diagnosis.inquiry import Ask, Finding, Limit, Proof, narrow
from depthwise_conformance.diagnosis.separating import shared
from depthwise_conformance.diagnosis.supply import EVERY

# What a case has that is plain, in the order in which it is tried: first what hides faults and sets off others.
PLAIN: tuple[tuple[str, Fact], ...] = (
    *(("recipe", "uniform"), ("activation", "linear"), ("dtype", "float32"), ("use_bias", False)),
    *(("data_format", "channels_last"), ("padding", "valid"), ("depth_multiplier", 1), ("dilation", 1), ("stride", 1)),
    *(("dilation_height", 1), ("dilation_width", 1), ("stride_height", 1), ("stride_width", 1), ("batch", 1)),
    *(("kernel_height", 1), ("kernel_width", 1), ("channels", 1), ("output_height", 2), ("output_width", 2)),
)
SEEDS = 3  # cases of a group around which rules are looked for in vain
QUESTIONS = 60  # for each
EASY = Proof(positives=8, more=2, far=4, lead=0.5)  # the known cases bear a rule out, too
RARE, TELLING = 0.2, 8.0  # share of the passing cases that have what all failing ones have; bits by which that tells
CHOSEN = 4.0  # bits by which a choice tells: one value among several, each of which is asked
EMPTY = Atom("batch", "==", 0)
NEAR, TRIED = 4, 12  # cases without it that pass, and that are asked


@dataclass(frozen=True)
class Known:
    """What is known of a group before a rule is looked for: cases by how they came out, and cases to ask for."""

    failing: Sequence[Case]
    passing: Sequence[Case]
    pool: Sequence[Case]
    limit: Limit


def find_rule(seed: Case, known: Known, ask: Ask, tried: set[Case]) -> Finding | None:
    """A confirmed condition that holds on the failing case `seed`, or on a plainer one like it, and on no passing case.

    None where there is none, where it always holds, or where the plainer case was `tried` before.
    """
    plain, passed = _plainest(seed, ask, known.limit.claim.covers)
    if plain in tried:
        return None
    tried.add(plain)
    failing = list(dict.fromkeys((plain, *known.failing)))
    finding = narrow(failing, [*known.passing, *passed], ask, known.pool, known.limit, core=[plain])
    told = finding.confirmed and finding.condition and finding.condition.atoms and finding.condition.holds(seed)
    return finding if told else None


def find_need(known: Known, ask: Ask) -> Condition | None:
    """What all failing cases have, few passing ones, and none of those asked that fail: a condition for failing at all.

    Not all cases fail that fulfil it. None where there is nothing of the kind.
    """
    if not known.passing:
        return None
    rare = [(atom, share) for atom, share in shared(known.failing, known.passing) if share <= RARE]
    telling = [(atom, share) for atom, share in rare if len(known.failing) * -math.log2(share + 1e-3) >= _least(atom)]
    for atom, _ in sorted(telling, key=lambda pair: pair[0].cost + 4.0 * pair[1])[:2]:
        turns = itertools.zip_longest(*(_without(case, atom) for case in known.failing))
        without = dict.fromkeys(other for turn in turns for other in turn if other is not None)
        asked = [other for other in without if known.limit.claim.covers(other)][:TRIED]
        answers = [ask(other) for other in asked]
        if True not in answers and answers.count(False) >= NEAR:
            return Condition((atom,))
    return None


def _least(atom: Atom) -> float:
    return CHOSEN if atom.relation == "==" and (isinstance(atom.right, str) or atom == EMPTY) else TELLING


def _without(case: Case, atom: Atom) -> list[Case]:
    """The case altered so that the atom does not hold."""
    values = EVERY.get(atom.left, VALUES.get(atom.left, ()))
    chosen = all_altered(case, [(atom.left, value) for value in values])
    return [other for other in (*targeted(case, [atom]), *chosen) if not atom.holds(facts(other))]


def _plainest(case: Case, ask: Ask, claimed: Callable[[Case], bool]) -> tuple[Case, list[Case]]:
    """The case with all made plain that can be while it fails, and those that passed on the way."""
    passed = []
    for name, value in PLAIN:
        if facts(case)[name] == value:
            continue
        try:
            other = altered(case, name, value)
        except ValueError:
            continue
        if not claimed(other):
            continue
        answer = ask(other)
        if answer:
            case = other
        elif answer is False:
            passed.append(other)
    return case, passed
