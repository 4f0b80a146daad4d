"""What a check asks of a target, and what it concludes from the answers.

A case becomes a program: the calls that the selected checks need, each made once and shared by them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence

from depthwise_conformance.casebook.case import Case, Data, canonical, partly_unknown
from depthwise_conformance.casebook.claims import EVERYTHING, Claim
from depthwise_conformance.casebook.recipes import SPECIAL, Arrays, make_arrays, recipe_of
from depthwise_conformance.judging.memory import LAID_OUT, MEMORY_CHECK, judge_memory, layouts_of
from depthwise_conformance.judging.relations import choose
from depthwise_conformance.judging.repeating import ALTERED, BRIEF, STALE, Step, expected, judge_purity, judge_repeated
from depthwise_conformance.judging.values import (
    Expectation,
    Judgement,
    judge_close,
    judge_dtype,
    judge_inferred,
    judge_shape,
    judge_special,
    judge_unanswered,
    judge_values,
)
from depthwise_conformance.reference import output_shape
from depthwise_conformance.reports.record import Verdict
from depthwise_conformance.workers.outcomes import LOST, Outcome
from depthwise_conformance.workers.protocol import AnyArray, Message

FORWARD_CHECKS = ("output", "shape", "dtype", "metamorphic", "determinism", "purity", "memory")
OUTPUT_CHECK, SPECIAL_CHECK, PURITY_CHECK = "output", "special_values", "purity"
GRADIENT_CHECKS = ("gradient_input", "gradient_kernel", "gradient_bias")
PARTS = {"output": "output", "shape": "output", **{check: check.removeprefix("gradient_") for check in GRADIENT_CHECKS}}
SAMPLE = 4  # one case in so many has its gradients repeated and its arguments altered
RELATED = 3  # one case in so many is compared with calls that are related to it
ONE_CORE = "one core instead of all"
METAMORPHIC_CHECK, RELATION = "metamorphic", "related "
DETERMINISM_CHECK = "determinism"
INFERENCE_CHECK, INFERENCE = "shape_inference", "output_shape "
KNOWN = 3  # so many in ten cases that are asked for one shape have all its sizes known, which any target can infer from
Found = Iterator[tuple[str, Judgement]]
ASKERS = {
    **dict.fromkeys(("repeat", "repeated gradients"), (DETERMINISM_CHECK,)),
    **dict.fromkeys((*ALTERED, "again"), (PURITY_CHECK,)),
}


def plan(
    expectation: Expectation,
    checks: Collection[str],
    thorough: bool = False,
    claim: Claim = EVERYTHING,
    crossed: bool = False,
) -> tuple[Step, ...]:
    """The calls for a case, all inside the claim. `thorough` asks for what one case in `SAMPLE` is asked otherwise.

    `crossed`, or else `thorough`, has shapes inferred for every choice of unknown sizes, and is one of those whose
    arrays are laid out otherwise in memory.
    """
    return (
        *_steps(expectation, checks, thorough, claim),
        *_inferences(expectation.case, checks, crossed or thorough),
        *_laid_out(expectation, checks, thorough, crossed),
    )


def is_related(case: Case) -> bool:
    """Whether a case is of the sample whose calls are compared with related ones."""
    return _one_in(RELATED, case)


def _one_in(count: int, case: Case) -> bool:
    """Whether a case belongs to a sample, by its id."""
    return int(case.id[:8], 16) % count == 0


def judge_case(
    expectation: Expectation, steps: tuple[Step, ...], outcomes: tuple[Outcome, ...], checks: Collection[str]
) -> Found:
    """Every selected check's judgement of a case. `outcomes` ends early where the worker was lost.

    Where the output is wrong beyond any arithmetic, no gradient of the case is explained by one.
    """
    found = dict(_judge_answers(expectation, steps, outcomes, checks))
    found.update(_untold_loss(expectation, steps, outcomes, checks, found))
    printed = next((outcome.printed.strip() for outcome in outcomes if outcome.printed.strip()), "")
    wrong = "output" in found and found["output"].verdict is Verdict.WRONG_VALUE
    spent = _spent(steps, outcomes, found)
    for check, judgement in found.items():
        if wrong and judgement.verdict is Verdict.IMPRECISE:
            judgement = dataclasses.replace(judgement, verdict=Verdict.WRONG_VALUE, signature="")
        if printed and judgement.verdict.is_discrepancy:
            judgement = dataclasses.replace(judgement, detail=f"{judgement.detail}\nit printed:\n{printed}")
        yield check, dataclasses.replace(judgement, seconds=spent[check])


def _spent(steps: tuple[Step, ...], outcomes: tuple[Outcome, ...], found: Collection[str]) -> dict[str, float]:
    """The seconds of the calls by the check that they were made for; of several that need a call, by the first."""
    spent = dict.fromkeys(found, 0.0)
    for step, outcome in zip(steps, outcomes, strict=False):
        for check in [check for check in (*_askers(step.role), *found) if check in spent][:1]:
            spent[check] += outcome.seconds
    return spent


def _judge_answers(
    expectation: Expectation, steps: tuple[Step, ...], outcomes: tuple[Outcome, ...], checks: Collection[str]
) -> Found:
    answers = {step.role: (step, outcome) for step, outcome in zip(steps, outcomes, strict=False)}
    forward = answers["forward"][1] if "forward" in answers else None
    if forward is not None and recipe_of(expectation.case.data) == SPECIAL:
        yield SPECIAL_CHECK, _judge_special(expectation, forward)
        return
    if forward is not None:
        yield from _forward_checks(expectation, forward, answers, checks)
    if "gradients" in answers and not _told_already(forward, answers["gradients"][1]):
        yield from _gradient_checks(expectation, answers["gradients"][1], checks)
    inferred = [answer for role, answer in answers.items() if role.startswith(INFERENCE)]
    if untold := [answer for answer in inferred if not _told_already(forward, answer[1])]:
        yield INFERENCE_CHECK, _shape_inference(expectation.case, untold)


def _untold_loss(
    expectation: Expectation,
    steps: tuple[Step, ...],
    outcomes: tuple[Outcome, ...],
    checks: Collection[str],
    found: Mapping[str, Judgement],
) -> Found:
    """The call that lost the worker, by the check that asked it, where no judgement tells of it."""
    if not outcomes or outcomes[-1].kind not in LOST:
        return
    loss, story = judge_unanswered(expectation.case, outcomes[-1]), outcomes[-1].message[:BRIEF]
    if not any(one.verdict is loss.verdict or story in one.detail for one in found.values()):
        yield from [(name, loss) for name in _askers(steps[len(outcomes) - 1].role) if name in checks][:1]


def _askers(role: str) -> tuple[str, ...]:
    """The checks that a call is made for."""
    if role.startswith(RELATION):
        return (METAMORPHIC_CHECK,)
    if role.startswith(INFERENCE):
        return (INFERENCE_CHECK,)
    if role.startswith(LAID_OUT):
        return (MEMORY_CHECK,)
    return {"forward": (*FORWARD_CHECKS, SPECIAL_CHECK), "gradients": GRADIENT_CHECKS}.get(role) or ASKERS[role]


def first_arrays(steps: tuple[Step, ...], outcomes: tuple[Outcome, ...]) -> dict[str, AnyArray]:
    """The arrays that the first forward pass and the first gradients returned, by part."""
    pairs = zip(steps, outcomes, strict=False)
    first = [outcome.arrays for step, outcome in pairs if step.role in ("forward", "gradients")]
    return {part: array for arrays in first for part, array in arrays.items()}


def forward_request(expectation: Expectation) -> Message:
    """The one call of a forward pass."""
    return _call("forward", expectation, expectation.case.config.to_json())


def judge_threads(expectation: Expectation, many: Outcome, one: Outcome) -> Judgement | None:
    """Whether one core gives what all of them give, within both bounds; None where none is claimed to give anything."""
    if _failed(many):
        return None if many.kind == "unsupported" else judge_unanswered(expectation.case, many)
    if _failed(one):
        told = judge_unanswered(expectation.case, one)
        story = f"all cores gave a result, one core did not:\n{told.detail}"
        return dataclasses.replace(told, signature=f"{ONE_CORE}: {told.signature}", detail=story)
    return judge_close(many.arrays["output"], one.arrays["output"], expectation, ONE_CORE)


def fresh_request(expectation: Expectation, suspicion: Judgement) -> Step | None:
    """The call by which `purity` suspects a target of remembering, to be asked of a worker with no memories."""
    if not suspicion.signature.startswith(STALE):
        return None
    role = suspicion.signature.removeprefix(STALE)
    operation = "gradients" if role == "altered gradients" else "forward"
    altered = dict(_alterations(expectation))["altered bias" if operation == "gradients" else role]
    return Step(role, _call(operation, altered, expectation.case.config.to_json()), altered)


def is_right(step: Step, outcome: Outcome) -> bool:
    """Whether a call's every result is as expected."""
    return outcome.kind == "value" and all(
        judge_values(array, expected(step), part).verdict is Verdict.PASS for part, array in outcome.arrays.items()
    )


def _steps(expectation: Expectation, checks: Collection[str], thorough: bool, claim: Claim) -> Iterator[Step]:
    case, arguments = expectation.case, expectation.case.config.to_json()
    sampled = thorough or _one_in(SAMPLE, case)

    def step(role: str, operation: str, of: Expectation) -> Step:
        return Step(role, _call(operation, of, arguments), of)

    if recipe_of(case.data) == SPECIAL:
        if SPECIAL_CHECK in checks:
            yield step("forward", "forward", expectation)
        return
    gradients = bool(_of_gradients(expectation, checks))
    if not set(checks).isdisjoint(FORWARD_CHECKS):
        yield step("forward", "forward", expectation)
    if DETERMINISM_CHECK in checks:
        yield step("repeat", "forward", expectation)
    if gradients:
        yield step("gradients", "gradients", expectation)
    if gradients and DETERMINISM_CHECK in checks and sampled:
        yield step("repeated gradients", "gradients", expectation)
    if "purity" in checks and sampled and case.input_shape[0]:  # nothing depends on the arguments of an empty batch
        for role, altered in _alterations(expectation):
            yield step(role, "forward", altered)
        yield step("again", "forward", expectation)
        if gradients:  # after a forward pass on other arguments, which they must not remember
            yield step("altered gradients", "gradients", altered)
    compared = METAMORPHIC_CHECK in checks and (thorough or is_related(case))
    relation = choose(expectation, claim) if compared else None
    for number, related in enumerate(relation.calls(expectation) if relation else ()):
        request = _call("forward", related, related.case.config.to_json())
        yield Step(f"{RELATION}{number}", request, related, relation)


def _inferences(case: Case, checks: Collection[str], crossed: bool) -> Iterator[Step]:
    """Shapes to be inferred: for every choice of unknown sizes, or for one of them by the case's id."""
    if INFERENCE_CHECK not in checks or recipe_of(case.data) == SPECIAL:
        return
    shapes = partly_unknown(case.config, case.input_shape)
    one = max(int(case.id[-8:], 16) % (len(shapes) + KNOWN - 1) - KNOWN + 1, 0)
    for given in shapes if crossed else shapes[one : one + 1]:
        request = _request("output_shape", case.config.to_json(), input_shape=list(given))
        yield Step(f"{INFERENCE}{shapes.index(given)}", request)


def _laid_out(expectation: Expectation, checks: Collection[str], thorough: bool, crossed: bool) -> Iterator[Step]:
    """The calls with arrays that lie otherwise in memory."""
    case = expectation.case
    sampled = thorough or crossed or _one_in(SAMPLE, case)
    if MEMORY_CHECK not in checks or not sampled or not case.input_shape[0] or recipe_of(case.data) == SPECIAL:
        return
    for layout in layouts_of(case, every=thorough):
        for of in ("forward", "gradients") if _of_gradients(expectation, checks) else ("forward",):
            call = _call(of, expectation, case.config.to_json())
            header = {**call.header, "operation": "laid_out", "of": of, "layout": layout}
            yield Step(f"{LAID_OUT}{layout} {of}", Message(header, call.arrays), expectation)


def _alterations(expectation: Expectation) -> Iterator[tuple[str, Expectation]]:
    """The case with other values in one argument after another: what a stale copy of an argument would miss."""
    case, old = expectation.case, expectation.arrays
    data = Data(case.data.recipe, (case.data.seed + 1) % 2**64)
    new = make_arrays(dataclasses.replace(case, data=data))
    arrays = Arrays(new.x, old.kernel, old.bias, old.cotangent)
    yield "altered x", dataclasses.replace(expectation, given=arrays)
    arrays = dataclasses.replace(arrays, kernel=new.kernel)
    yield "altered kernel", dataclasses.replace(expectation, given=arrays)
    arrays = dataclasses.replace(arrays, bias=new.bias, cotangent=new.cotangent)
    yield "altered bias", dataclasses.replace(expectation, given=arrays)


def _call(operation: str, expectation: Expectation, arguments: Mapping[str, object]) -> Message:
    a = expectation.arrays
    arrays: dict[str, AnyArray] = {"x": a.x, "kernel": a.kernel}
    if a.bias is not None:
        arrays["bias"] = a.bias
    if operation == "gradients":
        arrays["cotangent"] = a.cotangent
    return Message(_request(operation, arguments).header, arrays)


def _request(operation: str, arguments: object, **header: object) -> Message:
    return Message({"type": "run", "operation": operation, "arguments": arguments, **header})


def _forward_checks(
    expectation: Expectation, forward: Outcome, answers: dict[str, tuple[Step, Outcome]], checks: Collection[str]
) -> Found:
    case = expectation.case
    if _failed(forward):
        yield from _spread(FORWARD_CHECKS, checks, judge_unanswered(case, forward))
        return
    output = forward.arrays["output"]
    if "output" in checks:
        yield "output", judge_values(output, expectation, "output")
    if "shape" in checks:
        yield "shape", judge_shape(output, expectation.output)
    if "dtype" in checks:
        yield "dtype", judge_dtype(output, case.dtype)
    related = [(step, outcome) for role, (step, outcome) in answers.items() if role.startswith(RELATION)]
    if related and (judgement := _metamorphic(expectation, output, related)):
        yield METAMORPHIC_CHECK, judgement
    if DETERMINISM_CHECK in checks and "repeat" in answers:
        yield DETERMINISM_CHECK, judge_repeated(answers)
    if "purity" in checks:
        yield "purity", judge_purity(case, answers)
    if judgement := judge_memory(answers):
        yield MEMORY_CHECK, judgement


def _judge_special(expectation: Expectation, forward: Outcome) -> Judgement:
    if _failed(forward):
        return judge_unanswered(expectation.case, forward)
    return judge_special(forward.arrays["output"], expectation)


def _metamorphic(
    expectation: Expectation, output: AnyArray, related: Sequence[tuple[Step, Outcome]]
) -> Judgement | None:
    """Whether related calls agree; None where the output itself cannot be compared, which other checks tell."""
    relation = related[0][0].relation
    if relation is None:
        return None
    for step, outcome in related:
        if _failed(outcome):
            case = expected(step).case
            told = judge_unanswered(case, outcome)
            call = f"{canonical(case.config.to_json())} on an input of shape {case.input_shape}"
            story = f"{relation.name}: a result at first, then none for the related call\n  {call}\n{told.detail}"
            return dataclasses.replace(told, detail=story)
    return relation.judge(expectation, output, [outcome.arrays["output"] for _, outcome in related])


def _gradient_checks(expectation: Expectation, outcome: Outcome, checks: Collection[str]) -> Found:
    wanted = _of_gradients(expectation, checks)
    if _failed(outcome):
        yield from _spread(wanted, checks, judge_unanswered(expectation.case, outcome))
        return
    for check in wanted:
        part = check.removeprefix("gradient_")
        yield check, _judge_gradient(outcome.arrays[part], expectation, part)


def _of_gradients(expectation: Expectation, checks: Collection[str]) -> list[str]:
    """The selected checks that judge gradients of the case: without a bias there is none of it."""
    biased = expectation.arrays.bias is not None
    return [check for check in GRADIENT_CHECKS if check in checks and (biased or check != "gradient_bias")]


def _judge_gradient(observed: AnyArray, expectation: Expectation, part: str) -> Judgement:
    values = judge_values(observed, expectation, part)
    if values.verdict is not Verdict.PASS:
        return values
    dtype = judge_dtype(observed, expectation.case.dtype)
    return values if dtype.verdict is Verdict.PASS else dtype


def _shape_inference(case: Case, answers: Sequence[tuple[Step, Outcome]]) -> Judgement:
    """That of the first shape that is wrong, or else of one that was inferred; unsupported where none was."""
    found = [_inferred(case, step, outcome) for step, outcome in answers]
    wrong = (judgement for judgement in found if judgement.verdict.is_discrepancy)
    right = (judgement for judgement in found if judgement.verdict is Verdict.PASS)
    return next(wrong, None) or next(right, found[0])


def _inferred(case: Case, step: Step, outcome: Outcome) -> Judgement:
    given = tuple(step.request.header["input_shape"])
    if outcome.kind == "value" and outcome.shape is not None:
        return judge_inferred(outcome.shape, given, output_shape(case.config, case.input_shape))
    told = judge_unanswered(case, outcome)
    return dataclasses.replace(told, detail=f"for the input shape {given}\n{told.detail}")


def _told_already(forward: Outcome | None, other: Outcome) -> bool:
    """Whether another call failed as the forward pass did: one cause, one discrepancy."""
    return forward is not None and forward.kind == other.kind and other.kind in ("error", "bad_return")


def _failed(outcome: Outcome) -> bool:
    return outcome.kind != "value"


def _spread(names: Collection[str], checks: Collection[str], judgement: Judgement) -> Found:
    """What has no result is told once, by the first of the selected checks; a missing claim, by each of them."""
    if judgement.verdict is Verdict.UNSUPPORTED:
        yield from ((name, judgement) for name in names if name in checks)
    elif judgement.verdict is Verdict.BAD_RETURN and "dtype" in names and "dtype" in checks:
        yield "dtype", judgement
    else:
        yield from [(name, judgement) for name in names if name in checks][:1]
