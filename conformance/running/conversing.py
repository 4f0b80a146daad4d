"""A conversation with a worker that is held to the protocol: what was sent, what came back, what is accepted."""

from __future__ import annotations

import itertools
import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.casebook.claims import EVERYTHING, Claim
from depthwise_conformance.casebook.covering import catalogue
from depthwise_conformance.casebook.fixed import fitted
from depthwise_conformance.judging.checks import forward_request
from depthwise_conformance.judging.values import Expectation, expect, judge_dtype, judge_values
from depthwise_conformance.reference import Arithmetic, LayerConfig
from depthwise_conformance.reports.record import Verdict
from depthwise_conformance.running.misreadings import misread
from depthwise_conformance.running.usage import UsageError
from depthwise_conformance.workers.outcomes import Outcome, read_outcome
from depthwise_conformance.workers.process import Launch, Process, WorkerLostError
from depthwise_conformance.workers.protocol import MAX_HEADER, MAX_PAYLOAD, PREFIX, VERSION, Message, encode

SHOWN = 32  # bytes told of what is no frame
TOLD = 300  # characters of a header
PAUSE = 0.05  # seconds between the pieces of a frame
START = 4  # time limits that the first answers may take, in which a framework sets itself up
FRAME = (
    f"a frame: DWC1, the header's length in 4 bytes (at most {MAX_HEADER}), the payload's in 8 (at most "
    f"{MAX_PAYLOAD}), both little-endian, then the header (JSON with `type` and `arrays`) and the payload;\n"
    "standard output carries frames alone, in binary mode, flushed after each; all else goes to standard error"
)
PLAIN = tuple(
    Case(LayerConfig((kernel, kernel)), (2, 8, 7, channels), Data("uniform", 1))
    for kernel, channels in itertools.product((3, 2, 5, 7, 1), (3, 4, 8, 16, 32))
)
OUTPUT = "`value` with the array `output`; what is not supported stays out of `dtypes` and `claims`"


class Wrong(Exception):
    """What the protocol does not accept; `came` is what came back, where the message does not say it."""

    def __init__(self, what: str, accepted: str, came: str = "") -> None:
        super().__init__(what)
        self.accepted, self.came = accepted, came


class NotAsked(Exception):
    """A step has nothing to ask of this worker; the message says why."""


class CannotStart(Exception):
    """The worker says that it cannot start, as it may; the message is its own."""


@dataclass(frozen=True)
class Described:
    """What a worker says of itself."""

    dtypes: tuple[str, ...] = ()
    claim: Claim = EVERYTHING
    declared: Mapping[str, Arithmetic] | None = None

    @property
    def asked(self) -> Claim:
        """What may be asked of it: what it claims, in the dtypes that it has."""
        return self.claim & Claim(f"dtype in ({', '.join(map(repr, self.dtypes))},)")


class Conversation:
    """A worker's process, started anew where it is lost; `sent` says what was sent last, `came` what came back.

    `hello` is the header that answered `opening`, the first frame; `described` is what that says.
    """

    def __init__(self, command: str, words: tuple[str, ...], seconds: float) -> None:
        self._launch = Launch(command, command=words)
        self._seconds = self._limit = seconds
        self._process: Process | None = None
        self._ids = itertools.count(1)
        self.device = "cpu"
        self.described = Described()
        self.hello: Mapping[str, Any] = {}
        self.opening = ""
        self.sent = self.came = ""

    def start(self, protocol: int = VERSION) -> Mapping[str, Any]:
        """Starts the program and the conversation; the header of its first frame. Raises Wrong, UsageError."""
        self.close()
        try:
            self._process = Process(self._launch)
        except OSError as error:
            raise UsageError(f"worker {self._launch.adapter!r}: {error.strerror}") from None
        header = {"type": "start", "protocol": protocol, "adapter": self._launch.adapter, "device": self.device}
        self._tell_sent(first := Message({**header, "mode": "", "cores": 0}))
        self.opening = self.sent
        self._process.send(first)
        self._limit = START * self._seconds
        answer = self._receive()
        self._check_id(first, answer)
        return answer.header

    def ask(self, *requests: Message, in_pieces: bool = False, with_ids: bool = False) -> list[Outcome]:
        """What came of requests that are all sent before the first answer is read. Raises Wrong."""
        process = self._live()
        ids: list[dict[str, Any]] = [{"id": next(self._ids)} if with_ids else {} for _ in requests]
        marked = [Message({**one.header, **given}, one.arrays) for one, given in zip(requests, ids, strict=True)]
        self._tell_sent(*marked)
        if in_pieces:
            for piece in _pieces(b"".join(bytes(part) for request in marked for part in encode(request))):
                process.feed([piece])
                time.sleep(PAUSE)
        else:
            process.send(*marked)
        try:
            return [self._outcome(request, self._receive()) for request in marked]
        except Wrong:
            self.close()  # the answers that are still to come must not be taken for those to later requests
            raise

    def finish(self, stop: bool) -> tuple[int | None, bytes]:
        """Ends it by `stop` or by the end of its input; its exit status, None if it goes on, and what it still said."""
        process = self._live()
        if stop:
            self._tell_sent(message := Message({"type": "stop"}))
            process.send(message)
        else:
            self.sent, self.came = "the end of the input", ""
            process.end_input()
        status, left = process.await_end(self._seconds), process.unread
        self.close()
        return status, left

    def close(self) -> None:
        """Ends the process, if there is one."""
        if self._process is not None:
            self._process.end()
            self._process = None

    def _live(self) -> Process:
        if self._process is None and (header := self.start())["type"] != "started":
            raise Wrong(f"it started once, and then answered `{header['type']}`", "`started` again", brief(header))
        assert self._process is not None
        return self._process

    def _receive(self) -> Message:
        assert self._process is not None
        try:
            message = self._process.receive(self._limit)
        except WorkerLostError as loss:
            came = hexdump(self._process.unread)
            self.close()
            raise Wrong(str(loss), FRAME, came) from None
        self.came = tell(message)
        if message.header["type"] == "result":
            self._limit = self._seconds
        return message

    def _outcome(self, request: Message, answer: Message) -> Outcome:
        self._check_id(request, answer)
        if answer.header["type"] != "result":
            raise Wrong(f"a frame of type {answer.header['type']!r}", '`type`: "result"')
        try:
            return read_outcome(request, answer)
        except WorkerLostError as error:
            accepted = "`outcome`: value, error (with `classes`, a list of names), unsupported or bad_return; with the "
            raise Wrong(
                str(error), f"{accepted}arrays or entries that docs/protocol.md lists for the operation"
            ) from None

    def _check_id(self, request: Message, answer: Message) -> None:
        if answer.header.get("id") != request.header.get("id"):
            raise Wrong("an answer whose `id` is not that of the request", "the request's `id`, in the requests' order")

    def _tell_sent(self, *messages: Message) -> None:
        self.sent, self.came = "\n".join(map(tell, messages)), ""


def case_of(described: Described, wish: str = "") -> Case:
    """A claimed case of which the wish holds, and else as plain as may be. Raises NotAsked where there is none."""
    wanted = described.asked & Claim(wish)
    if plain := fitted(PLAIN, wanted):
        return plain[0]
    try:
        found = [case for case in catalogue(1, wanted) if case.input_shape[0] > 0]
    except ValueError:
        found = []
    if not found:
        raise NotAsked(f"it claims no case of {wish or 'a batch that is not empty'}")
    return min(found, key=lambda case: math.prod(case.input_shape))


def expectation_of(described: Described, case: Case) -> Expectation:
    """What is expected of a case, by the arithmetic that the worker declares."""
    return replace(expect(case), declared=(described.declared or {}).get(case.dtype))


def forward(conversation: Conversation, case: Case) -> None:
    """Asks for one forward pass and judges it. Raises Wrong."""
    expectation = expectation_of(conversation.described, case)
    (outcome,) = conversation.ask(forward_request(expectation))
    judge(outcome, expectation)


def judge(outcome: Outcome, expectation: Expectation, part: str = "output", accepted: str = OUTPUT) -> None:
    """Raises Wrong unless an array of the outcome is what the reference says."""
    if outcome.kind != "value":
        raise Wrong(f"`{outcome.kind}`: {outcome.message}", accepted)
    observed = outcome.arrays[part]
    for judgement in (judge_dtype(observed, expectation.case.dtype), judge_values(observed, expectation, part)):
        if judgement.verdict is not Verdict.PASS:
            hint = (
                misread(observed, expectation) if judgement.verdict is Verdict.WRONG_VALUE and part == "output" else ""
            )
            told = f"{judgement.verdict.value} in `{part}`{': ' if hint else ''}{hint}\n{judgement.detail}"
            raise Wrong(told, "what the reference computes, each element within its bound (docs/numerics.md)")


def tell(message: Message) -> str:
    """A frame in one line: its header, then its arrays."""
    arrays = [f"{name} {array.dtype} {list(array.shape)}" for name, array in message.arrays.items()]
    return brief(message.header) + (f" + {', '.join(arrays)}" if arrays else "")


def brief(header: Mapping[str, Any]) -> str:
    """A header as JSON, cut to what one reads."""
    text = json.dumps(header)
    return text if len(text) <= TOLD else f"{text[:TOLD]}..."


def hexdump(data: bytes) -> str:
    """The first bytes in hex, with the text that they may be; "" for none."""
    if not data:
        return ""
    text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in data[:SHOWN])
    return f"{data[:SHOWN].hex(' ')}{' ...' if len(data) > SHOWN else ''}\n{text}"


def _pieces(frame: bytes) -> list[bytes]:
    """A frame cut inside its prefix, behind it, and in two further places."""
    cuts = [0, 3, PREFIX.size, PREFIX.size + 5, (PREFIX.size + len(frame)) // 2, len(frame)]
    return [frame[start:end] for start, end in itertools.pairwise(cuts)]
