"""Cases and discrepancies in words."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Collection

from depthwise_conformance.casebook.case import HOMES, AnyCase, Case, LayerCase, Refusal, canonical
from depthwise_conformance.casebook.facts import facts
from depthwise_conformance.diagnosis.distinct import VALUES, Distinct
from depthwise_conformance.judging.tally import Failure
from depthwise_conformance.judging.values import Judgement
from depthwise_conformance.layers.telling import KEPT, given, written
from depthwise_conformance.reports.record import Discrepancy, Verdict
from depthwise_conformance.running.targets import Target
from depthwise_conformance.running.terminal import shown

NAMES_SHOWN = 30
PLAIN_CHOICES = {
    **{"activation": "linear", "use_bias": False, "padding": "valid", "data_format": "channels_last"},
    "dtype": "float32",
}
ABOVE_ONE = ("stride_height", "stride_width", "dilation_height", "dilation_width", "depth_multiplier")


def tell(found: Discrepancy, check: str) -> str:
    """A discrepancy in full: who, what, how often, the smallest case, and the line that repeats it.

    In short for a check that is not the discrepancy's own, but shows it too.
    """
    if check != found.check:
        return shown(f"{found.target}: {check} fails with {found.check}, discrepancy {found.id}, which see")
    software = f" ({found.versions})" if found.versions else ""
    cases = f"{found.failing} of {found.failing + found.passing} judged cases"
    worst = "" if math.isnan(found.worst_error) else f", worst error {found.worst_error:.3g} times its bound"
    lines = [f"{found.id}  {found.target}{software}: {found.check} is {found.verdict.value} on {cases}{worst}"]
    for name in ("signature", "cause", "condition", "place", "also"):
        if value := getattr(found, name):
            lines.append(f"  {name}: {value}")
    lines.append(f"  smallest case {found.smallest_case}")
    lines += [f"    {line}" for line in found.detail.splitlines()]
    lines += [f"  replay: {found.replay}"] if found.replay else []
    return shown("\n".join(lines))


def tell_thin(target: Target, least: int | None) -> str:
    """That a target was judged on fewer cases than `least`, by default a tenth of those asked; "" where it was not."""
    wanted = max(1, math.ceil(target.cases / 10)) if least is None else least
    if target.status != "judged" or target.judged >= wanted:
        return ""
    told = f"{target.name} was judged on {target.judged or 'none'} of {target.cases} cases, and declined the others"
    reasons = "; ".join(f"{reason} ({count})" for reason, count in target.declined.most_common(3))
    return shown(f"{told}: {reasons}. At least {wanted} are wanted (least), so the run is not done.")


def tell_first(target: str, case: AnyCase, check: str, judgement: Judgement) -> str:
    """A failure in three lines, before anything is known of its cause."""
    worst = "" if math.isnan(judgement.error) else f", error {judgement.error:.3g} times its bound"
    lines = judgement.detail.splitlines()
    shortest = next(
        (line for line in lines if line.lstrip().startswith("(")), lines[-1] if lines else judgement.signature
    )
    return shown(f"{target}: {check} is {judgement.verdict.value}{worst}\n  {tell_case(case)}\n  {shortest.strip()}")


def tell_case(case: AnyCase) -> str:
    """The case as the call that a user would write."""
    content = case.to_json()
    arguments = [written(value) for value in content.get("layer", {}).get("positional", ())]
    arguments += [f"{name}={_literal(value)}" for name, value in content["arguments"].items()]
    told = f"DepthwiseConv2D({', '.join(arguments)}) on an input of shape {tuple(content['input_shape'])}"
    if isinstance(case, Refusal):
        return f"{told}, where {case.wrong}"
    own = f", {', '.join(one.role for one in case.data.arrays)} of its own" if case.data.arrays else ""
    told += f", data {case.data.recipe}/{case.data.seed}{own}"
    if isinstance(case, Case):
        return f"{case.name}: {told}" if case.name else told
    home = f", with {HOMES[case.home]}" if case.home else ""
    return f"{told}: {', '.join(case.steps)}{home}"


def make_discrepancy(
    target: Target, one: Distinct, passing: int, smallest: Failure, replay: str, taken: Collection[str] = ()
) -> Discrepancy:
    """What `discrepancies.csv` has of a discrepancy, shrunk to `smallest`; its id is none of those `taken`."""
    verdict, signature = one.key
    family = family_of(one.check, verdict, smallest.case)
    worst = [error for error in (one.group.worst, smallest.judgement.error) if not math.isnan(error)]
    story = [tell_case(smallest.case), smallest.judgement.detail, *_tell_names(one), *one.notes]
    return Discrepancy(
        id=_identify(target, family, taken),
        target=target.name,
        versions=target.version_text,
        device=target.device,
        dtype=smallest.case.dtype,
        check=one.check,
        verdict=verdict,
        cause=one.cause,
        condition=one.condition,
        place=one.place,
        failing=one.group.failing,
        passing=passing,
        worst_error=max(worst, default=math.nan),
        smallest_case=smallest.case.id,
        replay=replay,
        known="",
        also=", ".join(f"{check} {group.failing}" for check, group in one.shown_by.items()),
        signature=signature,
        detail="\n".join(story),
        family=family,
    )


def family_of(check: str, verdict: Verdict, smallest: AnyCase) -> str:
    """What a fault is called on every target: its check, the kind of its verdict, and what it takes to show it.

    So it stays when the release changes, when a cause is found, and when other cases fail.
    """
    kind = "value" if verdict in VALUES else verdict.value
    return " ".join([check, kind, *_trigger(smallest)])


def asks_for(family: str, case: AnyCase) -> bool:
    """Whether a case has all that it takes to show a family, as far as its name says it."""
    wanted = family.split(" ", 2)[2:]
    left = wanted[0] if wanted else ""
    for part in _trigger(case):  # in the order in which the name has them
        if left == part or left.startswith(f"{part} "):
            left = left.removeprefix(part).lstrip()
    return not left


def _identify(target: Target, family: str, taken: Collection[str]) -> str:
    """A name for the fault of one target; of two that have a family in common, the later one is numbered."""
    contents = (canonical([target.name, family, number]) for number in itertools.count())
    names = (hashlib.sha256(content.encode()).hexdigest()[:8] for content in contents)
    return next(name for name in names if name not in taken)


def _trigger(case: AnyCase) -> list[str]:
    """What of a smallest case is not plain: arguments that are not their defaults, sizes above one as such."""
    if isinstance(case, Refusal):
        return [case.wrong]
    if isinstance(case, LayerCase):
        return [f"{name}={value}" for name, value in sorted(given(case).items()) if name not in KEPT]
    known = facts(case)
    chosen = [f"{name}={known[name]}" for name, plain in PLAIN_CHOICES.items() if known[name] != plain]
    return [*chosen, *(name for name in ABOVE_ONE if int(known[name]) > 1), *(["empty"] if known["empty"] else [])]


def _tell_names(one: Distinct) -> list[str]:
    """What the layers are called that show it, where they have names."""
    names = list(dict.fromkeys(case.name for case in one.group.cases if case.name))
    more = f", and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return [f"shown by {', '.join(names[:NAMES_SHOWN])}{more}"] if names else []


def _literal(value: object) -> str:
    return written(tuple(value) if isinstance(value, list) else value)
