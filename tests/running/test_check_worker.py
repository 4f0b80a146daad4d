"""`check-worker`: an honest speaker passes every step; one that breaks one thing is told in the step that it breaks."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from depthwise_conformance.running import cli
from depthwise_conformance.workers.process import Process

SPEAKER = Path(__file__).parents[1] / "fakes" / "speaker.py"
STEPS = 23  # of a worker that claims two dtypes and both formats
PATIENCE = "240"  # seconds
ENDING = 5.0  # seconds that one which does not end is given to end
await_end = Process.await_end


def check(capsys, command: str, *options: str) -> tuple[int, str]:
    status = cli.main(["check-worker", command, *options])
    return status, capsys.readouterr().out


def speaker(fault: str) -> str:
    return shlex.join([sys.executable, str(SPEAKER), fault])


def first_wrong(told: str) -> str:
    """The first finding that is wrong, with its lines."""
    start = told.index("wrong     ")
    lines = told[start:].splitlines()
    return "\n".join([lines[0], *(line for line in lines[1:] if line.startswith("    "))])


def test_a_good_worker_passes_every_step(capsys):
    status, told = check(capsys, speaker("good"))
    assert status == 0
    assert told.splitlines()[-1] == f"{STEPS} ok, 0 wrong, 0 not asked"
    assert [line for line in told.splitlines()[:-1] if not line.startswith("ok ")] == []


def test_a_worker_is_judged_by_what_it_declares(capsys):
    status, told = check(capsys, speaker("half-precision"))
    assert status == 0
    assert "ok        forward in float16" in told


def test_a_worker_is_asked_on_a_device_that_it_has(capsys):
    assert check(capsys, speaker("elsewhere"))[0] == 0


@pytest.mark.parametrize(
    ("fault", "step", "said"),
    [
        ("greets", "framing", "72 65 61 64 79 0a 44 57 43 31"),
        ("other-magic", "framing", "44 57 43 32"),
        ("big-endian", "framing", "44 57 43 31 00 00 00"),
        ("no-prefix", "framing", '{"type": "started", "protocol": '),
        ("header-alone", "framing", "not a frame"),
        ("half-a-frame", "framing", "no answer within"),
        ("hello", "start", "a frame of type 'hello'"),
        ("other-protocol", "what it says of itself", "`protocol` is '1'"),
        ("no-name", "what it says of itself", "`name` is ''"),
        ("numbered-versions", "what it says of itself", "`versions` is {'speaker': 1}"),
        ("listed-unsupported", "what it says of itself", "`unsupported` is []"),
        ("one-device", "what it says of itself", "`devices` is 'cpu'"),
        ("no-devices", "what it says of itself", "`devices` is empty"),
        ("no-dtypes", "what it says of itself", "one or more of float16, bfloat16, float32, float64"),
        ("short-dtypes", "what it says of itself", "`dtypes` is ['f32']"),
        ("no-modes", "what it says of itself", "`modes` is None"),
        ("foreign-claims", "what it says of itself", "its claims cannot be read"),
        ("numbered-claims", "what it says of itself", "`claims` is 3"),
        ("empty-claims", "what it says of itself", "it claims nothing that can be asked"),
        ("foreign-arithmetic", "what it says of itself", "accepted are float64 accumulation"),
    ],
)
def test_what_is_wrong_at_the_start_ends_the_steps(capsys, fault, step, said):
    status, told = check(capsys, speaker(fault), "--timeout", "1" if said == "no answer within" else PATIENCE)
    assert status == 1
    assert first_wrong(told).startswith(f"wrong     {step}\n")
    assert said in told
    assert all(f"\n    {name}" in told for name in ("what", "sent", "came back", "accepted"))
    assert ", 1 wrong, " in told.splitlines()[-1]


@pytest.mark.parametrize(
    ("fault", "step", "said"),
    [
        ("prints", "forward in float32", "one more call.DWC1"),
        ("dies", "forward in float32", "killed by SIGABRT"),
        ("wants-ids", "forward in float32", "KeyError: 'id'"),
        ("no-type", "forward in float32", "a frame of type 'answer'"),
        ("other-outcome", "forward in float32", "an outcome of 'ok'"),
        ("other-array", "forward in float32", "no output"),
        ("no-bias", "forward in float32", "the bias is left out"),
        ("flipped-kernel", "forward in float32", "the kernel is turned by half"),
        ("grouped-kernel", "forward in float32", "the kernel is read as (channels, depth_multiplier, "),
        ("float32-only", "forward in float64", "expected float64"),
        ("channel-order", "channel order, depth_multiplier 2", "output channel m * channels + c"),
        ("one-format", "channels_first", "the output is written in the other data format"),
        ("last-shape", "channels_first", "wrong_shape"),
        ("zeros-before", "same padding", "the one more stands before, not after"),
        ("short-reads", "a frame that comes in pieces", "the worker died"),
        ("no-ids", "several requests under way, with ids", "an answer whose `id` is not that of the request"),
        ("out-of-order", "several requests under way, with ids", "an answer whose `id` is not that of the request"),
        ("raises-gradients", "gradients", "`error`: KeyError"),
        ("wrong-shape", "output_shape", "or `unsupported`"),
        ("memory-order", "laid_out", "arrays that are transposed: wrong_value in `output`"),
        ("raises-unclaimed", "what it does not claim", "ValueError: too hard"),
        ("no-reason", "what it does not claim", "`unsupported` without a `message`"),
        ("dies-of-the-unknown", "an unknown operation", "exit status 3"),
        ("does-anything", "an unknown operation", '"outcome": "value"'),
        ("goes-on", "stop", "it goes on"),
        ("ends-in-trouble", "stop", "it ended with status 7"),
        ("says-goodbye", "stop", "62 79 65 0a"),
        ("waits-for-stop", "the end of its input", "it goes on"),
        ("any-protocol", "a protocol that there is not", "`started` to a protocol that there is not"),
    ],
)
def test_what_is_wrong_is_told_in_its_step(capsys, monkeypatch, fault, step, said):
    if said == "it goes on":
        monkeypatch.setattr(Process, "await_end", lambda self, seconds: await_end(self, ENDING))
    status, told = check(capsys, speaker(fault), "--timeout", PATIENCE)
    assert status == 1
    wrong = first_wrong(told)
    assert wrong.startswith(f"wrong     {step}\n")
    assert said in wrong
    assert all(f"\n    {name}" in wrong for name in ("what", "sent", "came back", "accepted"))
    counts = [int(word) for word in told.splitlines()[-1].replace(",", "").split() if word.isdigit()]
    assert sum(counts) == STEPS, "every step was taken"


def test_a_worker_that_cannot_start_is_not_blamed(capsys):
    status, told = check(capsys, speaker("cannot-start"))
    assert status == 2
    assert "it says that it cannot start: there is no such device" in told


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("", "accepted is a command that starts a program"),
        ("   ", "accepted is a command that starts a program"),
        ("node 'worker.mjs", "No closing quotation"),
        ("no-such-program worker", "there is no program 'no-such-program'"),
        (str(SPEAKER.parent), "there is no program"),
    ],
)
def test_what_is_no_command_is_told(capsys, command, said):
    assert cli.main(["check-worker", command]) == 2
    assert said in capsys.readouterr().err
