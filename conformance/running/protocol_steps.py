"""The steps by which a worker is held to the protocol, each told as ok, as wrong, or as not asked."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.casebook.covering import catalogue
from depthwise_conformance.casebook.fixed import fixed_cases
from depthwise_conformance.casebook.recipes import SPECIAL, numpy_dtype
from depthwise_conformance.judging.checks import GRADIENT_CHECKS, forward_request, plan
from depthwise_conformance.judging.memory import LAID_OUT, MEMORY_CHECK
from depthwise_conformance.reference import FORMATS, output_shape
from depthwise_conformance.running.conversing import (
    CannotStart,
    Conversation,
    Described,
    NotAsked,
    Wrong,
    brief,
    case_of,
    expectation_of,
    forward,
    hexdump,
    judge,
)
from depthwise_conformance.running.targets import declared_arithmetic, read_claim
from depthwise_conformance.workers.outcomes import Outcome, is_hello
from depthwise_conformance.workers.protocol import VERSION, Message
from depthwise_conformance.workers.worker import WorkerBrokenError

Step = Callable[[Conversation], None]
LARGE = 1 << 17  # bytes: more than a pipe holds
REPEATED = 3  # steps that are wrong in the same way: the others would be so, too
UNDER_WAY = 6  # requests sent before the first answer is read
MAPPINGS = {"versions": True, "unsupported": True, "arithmetic": False}  # and whether `started` has to have them
LISTS = ("devices", "dtypes", "modes")


@dataclass(frozen=True)
class Finding:
    """What one step showed: `wrong` and `skipped` say why it is not ok; the rest tells what went on."""

    step: str
    wrong: str = ""
    skipped: str = ""
    sent: str = ""
    came: str = ""
    accepted: str = ""

    @property
    def way(self) -> str:
        """In which way it is wrong, in one line."""
        return self.wrong.partition("\n")[0]


def hold(conversation: Conversation) -> Iterator[Finding]:
    """The steps in turn, as far as they can be taken. Raises CannotStart, UsageError."""
    for name, step in OPENING.items():
        yield (finding := _taken(conversation, name, step))
        if finding.wrong:
            return
    dtypes = {f"forward in {dtype}": f'dtype == "{dtype}"' for dtype in conversation.described.dtypes}
    steps = {name: functools.partial(_forward, wish) for name, wish in dtypes.items()} | STEPS
    ways: Counter[str] = Counter()
    for name, step in steps.items():
        if REPEATED in ways.values():
            yield Finding(name, skipped="what went before was wrong in the same way each time")
            continue
        yield (finding := _taken(conversation, name, step))
        ways.update([finding.way] if finding.wrong else [])


def _taken(conversation: Conversation, name: str, step: Step) -> Finding:
    conversation.sent = conversation.came = ""
    try:
        step(conversation)
    except Wrong as wrong:
        return Finding(name, str(wrong), "", conversation.sent, wrong.came or conversation.came, wrong.accepted)
    except NotAsked as reason:
        return Finding(name, skipped=str(reason))
    return Finding(name)


# The opening: what comes before anything else can be asked.


def _begin(conversation: Conversation) -> None:
    conversation.hello = conversation.start()


def _started(conversation: Conversation) -> None:
    header, conversation.sent = conversation.hello, conversation.opening
    if header["type"] == "failed" and isinstance(header.get("message"), str):
        raise CannotStart(header["message"])
    if header["type"] != "started":
        accepted = "`started`, or `failed` with a `message`, a text that says why"
        raise Wrong(f"`start` was answered by a frame of type {header['type']!r}", accepted, brief(header))


def _described(conversation: Conversation) -> None:
    header, conversation.sent = conversation.hello, conversation.opening
    for told, accepted in _misdescribed(header):
        raise Wrong(told, accepted, brief(header))
    assert is_hello(header)
    try:
        declared, claim = declared_arithmetic(header.get("arithmetic") or {}), read_claim(header.get("claims") or "")
    except WorkerBrokenError as error:
        accepted = "docs/claims.md has the language, docs/protocol.md the arithmetic"
        raise Wrong(str(error), accepted, brief(header)) from None
    conversation.described = Described(tuple(header["dtypes"]), claim, declared)
    if conversation.device not in header["devices"]:
        conversation.device = header["devices"][0]
        conversation.close()  # started anew for what is asked
    try:
        catalogue(2, conversation.described.asked)
    except ValueError as error:
        told = f"it claims nothing that can be asked: {error}"
        raise Wrong(told, "claims that some layer and input satisfies", brief(header)) from None


def _misdescribed(header: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is malformed in `started`, with what is accepted."""
    if header.get("protocol") != VERSION:
        yield f"`protocol` is {header.get('protocol')!r}", f"{VERSION}, the number"
    if not isinstance(header.get("name"), str) or not header["name"]:
        yield f"`name` is {header.get('name')!r}", "a text that is not empty, under which reports list it"
    for name, needed in MAPPINGS.items():
        value = header.get(name) if needed or header.get(name) is not None else {}
        if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
            yield f"`{name}` is {value!r}", "an object whose values are texts; {} where there is nothing to say"
    for name in LISTS:
        value = header.get(name)
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            yield f"`{name}` is {value!r}", "a list of texts" + (", [] without any" if name == "modes" else "")
    if not set(header["dtypes"]) <= set(FORMATS) or not header["dtypes"]:
        yield f"`dtypes` is {header['dtypes']!r}", f"one or more of {', '.join(FORMATS)}"
    if not header["devices"]:
        yield "`devices` is empty", 'the devices on which it computes, such as ["cpu"]'
    if not isinstance(header.get("claims", ""), str):
        yield (
            f"`claims` is {header['claims']!r}",
            "a text in the claims language; none, or an empty one, claims everything",
        )
    if type(header.get("cases", 0)) is not int or header.get("cases", 0) < 0:
        yield f"`cases` is {header['cases']!r}", "how many cases it is asked, a number; none, or 0, for all"


# What every worker is asked.


def _forward(wish: str, conversation: Conversation) -> None:
    forward(conversation, case_of(conversation.described, wish))


def _pads(conversation: Conversation) -> None:
    """With an odd number of zeros, if that is claimed: then it shows on which side the one more stands."""
    for wish in ('padding == "same" and odd_zeros', 'padding == "same" and zeros > 0', 'padding == "same"'):
        try:
            return _forward(wish, conversation)
        except NotAsked:
            continue
    raise NotAsked('it claims no padding == "same"')


def _in_pieces(conversation: Conversation) -> None:
    expectation = expectation_of(conversation.described, case_of(conversation.described))
    (outcome,) = conversation.ask(forward_request(expectation), in_pieces=True)
    judge(outcome, expectation)


def _large(conversation: Conversation) -> None:
    described = conversation.described
    sizes = {case: _bytes(case) for case in fixed_cases(described.asked) if case.data.recipe != SPECIAL}
    large = [case for case, size in sizes.items() if size >= LARGE]
    if not large:
        raise NotAsked(f"none of the fixed cases that it claims has an input of {LARGE >> 10} KiB")
    forward(conversation, min(large, key=_bytes))


def _bytes(case: Case) -> int:
    return math.prod(case.input_shape) * numpy_dtype(case.dtype).itemsize


def _several(conversation: Conversation) -> None:
    """Different numbers in each, so that an answer to another request is wrong."""
    case = case_of(conversation.described)
    cases = [replace(case, data=Data(case.data.recipe, seed)) for seed in range(UNDER_WAY)]
    expectations = [expectation_of(conversation.described, one) for one in cases]
    outcomes = conversation.ask(*map(forward_request, expectations), with_ids=True)
    for outcome, expectation in zip(outcomes, expectations, strict=True):
        judge(outcome, expectation)


# What a worker may decline.


def _gradients(conversation: Conversation) -> None:
    expectation = expectation_of(conversation.described, case_of(conversation.described))
    (step,) = plan(expectation, GRADIENT_CHECKS)
    (outcome,) = conversation.ask(step.request)
    if not _declined(outcome):
        for part in ("input", "kernel", *(["bias"] if expectation.arrays.bias is not None else [])):
            judge(outcome, expectation, part, accepted="`value` with `input`, `kernel` and `bias`, or `unsupported`")


def _shape(conversation: Conversation) -> None:
    case = case_of(conversation.described)
    (outcome,) = conversation.ask(_request("output_shape", case, input_shape=list(case.input_shape)))
    expected = output_shape(case.config, case.input_shape)
    if not _declined(outcome) and (outcome.kind != "value" or outcome.shape != expected):
        came = list(outcome.shape) if outcome.shape else f"{outcome.kind}: {outcome.message}"
        raise Wrong(f"the shape is said to be {came}", f"`shape`: {list(expected)}, or `unsupported`")


def _layer(conversation: Conversation) -> None:
    case = case_of(conversation.described)
    request = _request("layer", case, input_shape=list(case.input_shape), steps=["build"])
    (outcome,) = conversation.ask(request)
    if not _declined(outcome) and outcome.kind != "value":
        raise Wrong(f"`{outcome.kind}`: {outcome.message}", "`value` with `facts`, one for each step, or `unsupported`")


def _laid_out(conversation: Conversation) -> None:
    case = case_of(conversation.described)
    expectation = expectation_of(conversation.described, case)
    for step in plan(expectation, (MEMORY_CHECK,), thorough=True):
        if not step.role.startswith(LAID_OUT):
            continue
        (outcome,) = conversation.ask(step.request)
        if not _declined(outcome):
            try:
                judge(outcome, expectation, accepted="what the same numbers give in C order, or `unsupported`")
            except Wrong as wrong:
                told = f"arrays that are {step.request.header['layout']}: {wrong}"
                raise Wrong(told, wrong.accepted, wrong.came) from None


def _unclaimed(conversation: Conversation) -> None:
    described = conversation.described
    other = next((case for case in catalogue(2) if not described.asked.covers(case) and case.input_shape[0]), None)
    if other is None:
        raise NotAsked("it claims everything")
    expectation = expectation_of(described, replace(other, data=Data("uniform", 1)))
    (outcome,) = conversation.ask(forward_request(expectation))
    if outcome.kind not in ("value", "unsupported"):
        accepted = "`unsupported` with a `message`; anything else is judged as a failure of what it claims"
        raise Wrong(f"`{outcome.kind}` for a case that it does not claim: {outcome.message}", accepted)
    if not _declined(outcome):
        judge(outcome, expectation)


def _unknown(conversation: Conversation) -> None:
    case = case_of(conversation.described)
    (outcome,) = conversation.ask(_request("nonesuch", case))
    if outcome.kind == "value":
        raise Wrong("`value` for the operation `nonesuch`, which there is not", "`unsupported` or `error`")
    forward(conversation, case)


def _declined(outcome: Outcome) -> bool:
    if outcome.kind == "unsupported" and not outcome.message:
        raise Wrong("`unsupported` without a `message`", "a `message` that says why: the report shows it")
    return outcome.kind == "unsupported"


def _request(operation: str, case: Case, **entries: object) -> Message:
    return Message({"type": "run", "operation": operation, "arguments": case.config.to_json(), **entries})


# The end.


def _end(stop: bool, conversation: Conversation) -> None:
    forward(conversation, case_of(conversation.described))
    status, left = conversation.finish(stop)
    if left:
        told = "bytes on standard output that are no answer"
        raise Wrong(
            told, "frames alone, one for each request but `stop`; the rest goes to standard error", hexdump(left)
        )
    if status != 0:
        came = "it goes on" if status is None else f"it ended with status {status}"
        raise Wrong(came, "an end of its own, with exit status 0")


def _other_protocol(conversation: Conversation) -> None:
    header = conversation.start(protocol=VERSION + 98)
    conversation.close()
    if header["type"] != "failed" or not isinstance(header.get("message"), str):
        raise Wrong(f"`{header['type']}` to a protocol that there is not", "`failed` with a `message` that says why")


OPENING: dict[str, Step] = {"framing": _begin, "start": _started, "what it says of itself": _described}
STEPS: dict[str, Step] = {
    "channel order, depth_multiplier 2": functools.partial(_forward, "depth_multiplier == 2 and channels > 1"),
    "channels_last": functools.partial(_forward, 'data_format == "channels_last" and channels > 1'),
    "channels_first": functools.partial(_forward, 'data_format == "channels_first" and channels > 1'),
    "same padding": _pads,
    "strides": functools.partial(_forward, "stride > 1"),
    "no bias": functools.partial(_forward, "not use_bias"),
    "a frame that comes in pieces": _in_pieces,
    "a frame larger than a pipe": _large,
    "several requests under way, with ids": _several,
    "gradients": _gradients,
    "output_shape": _shape,
    "layer": _layer,
    "laid_out": _laid_out,
    "what it does not claim": _unclaimed,
    "an unknown operation": _unknown,
    "stop": functools.partial(_end, True),
    "the end of its input": functools.partial(_end, False),
    "a protocol that there is not": _other_protocol,
}
