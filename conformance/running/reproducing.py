"""For every discrepancy a script that stands alone, and the text of a report for whoever maintains the software."""

from __future__ import annotations

import functools
import shlex
from functools import partial
from pathlib import Path

from depthwise_conformance.adapters.base import Unsupported
from depthwise_conformance.casebook.case import AnyCase, Case
from depthwise_conformance.judging.checks import OUTPUT_CHECK
from depthwise_conformance.judging.relations import choose
from depthwise_conformance.judging.tally import Examined
from depthwise_conformance.judging.values import expect
from depthwise_conformance.reports.files import place_text
from depthwise_conformance.reports.record import Discrepancy, Verdict
from depthwise_conformance.reports.words import title, visible
from depthwise_conformance.running.examining import Examiner
from depthwise_conformance.running.exhibiting import write_numbers
from depthwise_conformance.running.scripting import write_script
from depthwise_conformance.running.scripttext import Asked
from depthwise_conformance.running.targets import Target
from depthwise_conformance.running.telling import tell_case
from depthwise_conformance.workers.worker import WorkerBrokenError

FORMULA = "A 4D tensor representing activation(depthwise_conv2d(inputs, kernel) + bias)."
SHAPE = "A 4D tensor with shape: (batch_size, new_height, new_width, channels * depth_multiplier)."
# What the documentation says, by check; for other checks of layers, its entry for the argument.
SENTENCES = {"shape": SHAPE, "shape_inference": SHAPE, "errors": "Arguments, and Raises: what each argument accepts."}
RELATED = "related call"  # why it is asked: no result of the run
OF_LAYERS = "The constructor's signature, and its entry for each argument."


def write_reproduction(folder: Path, told: Discrepancy, target: Target, case: AnyCase, examiner: Examiner) -> None:
    """Writes `repro/ID.py`, where a script is known, `repro/ID.md` and `repro/ID.json` into the run's folder."""
    script, reason = "", ""
    again = functools.cache(partial(_ask, target, case, told.check, examiner))
    try:
        related = partial(ask_related, target, case, examiner)
        script = write_script(Asked(told, target.builtin, case, again, related, _installing(target)))
    except Unsupported as error:
        reason = str(error)
    place = folder / "repro"
    place.mkdir(exist_ok=True)
    if script:
        place_text(place / f"{told.id}.py", script)
    place_text(place / f"{told.id}.md", tell_issue(told, case, script, reason))
    write_numbers(folder, told, case, again)


def tell_issue(told: Discrepancy, case: AnyCase, script: str, reason: str) -> str:
    """The report in Markdown; `reason` says why there is no script, where there is none."""
    sentence = SENTENCES.get(told.check, FORMULA if isinstance(case, Case) else OF_LAYERS)
    found = _fenced("text", "\n".join(told.detail.splitlines()[1:]) or told.signature)
    ends = "is ended by the crash" if told.verdict is Verdict.CRASHED else "exits with 1"
    shown = [_fenced("python", script), f"It {ends} where it shows the fault, and exits with 0 where not."]
    parts = [
        f"# DepthwiseConv2D: {title(told.check, told.verdict)}{f' ({told.says})' if told.says else ''}",
        f"**Versions:** {told.versions or 'not told'}, on {told.device}.",
        f"**Documented:** {sentence}",
        f"**What happens:** {tell_case(case)}. So fail {told.failing} of {told.failing + told.passing} cases judged.",
        found,
        *(shown if script else [f"No script stands alone: {reason}. With this suite: `{told.replay}`"]),
    ]
    return visible("\n\n".join(parts)) + "\n"


def _fenced(language: str, text: str) -> str:
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _ask(target: Target, case: AnyCase, check: str, examiner: Examiner) -> Examined | None:
    if not isinstance(case, Case) or target.status != "judged":
        return None
    try:
        return examiner.examine(target, case, check)
    except WorkerBrokenError as error:
        target.status, target.message = "broken", str(error)
        return None


def ask_related(target: Target, case: AnyCase, examiner: Examiner) -> Examined | None:
    """The first of the calls that the check `metamorphic` holds a case against, where it is wrong by itself."""
    if not isinstance(case, Case) or target.status != "judged":
        return None
    expectation = expect(case)
    relation = choose(expectation, target.claim)
    try:
        calls = relation.calls(expectation) if relation else ()
        for examined in examiner.examine_all(target, calls, {OUTPUT_CHECK}, thorough=True, asked=RELATED):
            judgement = examined.judgement(OUTPUT_CHECK)
            if judgement is not None and judgement.verdict.is_discrepancy:
                return examined
    except WorkerBrokenError as error:
        target.status, target.message = "broken", str(error)
    return None


def _installing(target: Target) -> str:
    """The command that installs what a target's own environment was made of, in whatever build."""
    if (found := target.environment) is None:
        return ""
    return shlex.join(["pip", "install", *(one.partition("+")[0] for one in (*found.requirements, *found.beside))])
