"""`check-worker`: holds a program to the worker protocol, step by step."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator

from depthwise_conformance.running.conversing import CannotStart, Conversation
from depthwise_conformance.running.options import add_options
from depthwise_conformance.running.protocol_steps import Finding, hold
from depthwise_conformance.running.status import FAILED, UNDONE
from depthwise_conformance.running.targets import command_words
from depthwise_conformance.running.terminal import shown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command that starts the worker, and how long an answer may take."""
    parser.add_argument("worker", metavar="COMMAND", help='what starts it, in one word: "node worker.mjs"')
    add_options(parser, ("--timeout",))


def run(options: argparse.Namespace) -> int:
    """Takes the steps and tells each; 1 where one is wrong, 2 where the worker cannot start."""
    conversation = Conversation(options.worker, command_words(options.worker), options.timeout)
    counted: Counter[str] = Counter()
    first: dict[str, str] = {}  # the step that was the first to be wrong in this way
    try:
        for finding in hold(conversation):
            counted[_verdict(finding)] += 1
            for line in _told(finding, first.setdefault(finding.way, finding.step)):
                print(shown(line), flush=True)
    except CannotStart as reason:
        print(shown(f"it says that it cannot start: {reason}"))
        return UNDONE
    finally:
        conversation.close()
    print(", ".join(f"{counted[verdict]} {verdict}" for verdict in ("ok", "wrong", "not asked")))
    return FAILED if counted["wrong"] else 0


def _verdict(finding: Finding) -> str:
    return "wrong" if finding.wrong else "not asked" if finding.skipped else "ok"


def _told(finding: Finding, first: str) -> Iterator[str]:
    """A finding in lines; what is wrong in the same way as in an earlier step is told in one."""
    repeated = f"as in the step {first!r}" if finding.wrong and first != finding.step else ""
    remark = finding.skipped or repeated
    yield f"{_verdict(finding):<10}{finding.step}{': ' if remark else ''}{remark}"
    if finding.wrong and not repeated:
        for name, text in (
            ("what", finding.wrong),
            ("sent", finding.sent),
            ("came back", finding.came),
            ("accepted", finding.accepted),
        ):
            lines = text.splitlines() or ["nothing"]
            yield f"    {name:<10}{lines[0]}"
            yield from (f"    {'':<10}{line}" for line in lines[1:])
