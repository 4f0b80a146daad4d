"""Ctrl-C where Python cannot raise it: it is heeded all the same, at once, and once."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
import weakref

import hypothesis.core
import pytest
from command_line import HONEST, PATIENCE, SUITE, as_pytest, call, records

from depthwise_conformance.running import drawing, interrupts


@pytest.fixture(autouse=True)
def heeding():
    """As Python is by itself: whoever started the tests may ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Thing:
    """What a weak reference may refer to."""


def interrupt() -> None:
    """Sends Ctrl-C to this process, and lets Python notice it here."""
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(10_000):
        pass


def in_a_garbage_collection() -> None:
    def callback(phase: str, info: object) -> None:
        if phase == "start":
            interrupt()

    gc.callbacks.append(callback)
    try:
        gc.collect()
    finally:
        gc.callbacks.remove(callback)


def where_an_object_goes() -> None:
    thing = Thing()
    reference = weakref.ref(thing, lambda gone: interrupt())
    del thing
    assert reference() is None


def anywhere() -> None:
    interrupt()


def busy() -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        sum(range(1000))


@pytest.mark.parametrize("happen", [in_a_garbage_collection, where_an_object_goes, anywhere])
@pytest.mark.parametrize("after", [busy, lambda: time.sleep(PATIENCE)], ids=["busy", "asleep"])
def test_an_interrupt_is_heeded_wherever_it_arrives(happen, after):
    """Before what comes after has come to its end."""
    with pytest.raises(KeyboardInterrupt), interrupts.heeded():
        happen()
        after()
    time.sleep(5 * interrupts.AGAIN_SECONDS)  # and not again


def test_what_was_asked_about_meanwhile_is_not_sent_again(monkeypatch):
    later = []
    monkeypatch.setattr(threading.Timer, "start", lambda timer: later.append(timer.function))
    with interrupts.heeded():
        in_a_garbage_collection()
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()
        (send_again,) = later
        send_again()
        interrupts.check()


def test_heeding_twice_is_heeding_once_and_leaves_everything_as_it_was():
    before = signal.getsignal(signal.SIGINT), sys.unraisablehook
    with interrupts.heeded():
        within = signal.getsignal(signal.SIGINT), sys.unraisablehook
        with interrupts.heeded():
            assert (signal.getsignal(signal.SIGINT), sys.unraisablehook) == within
        assert (signal.getsignal(signal.SIGINT), sys.unraisablehook) == within
    assert (signal.getsignal(signal.SIGINT), sys.unraisablehook) == before


def test_other_exceptions_that_nothing_propagates_from_are_told_as_before(monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    with interrupts.heeded():
        thing = Thing()
        reference = weakref.ref(thing, lambda gone: 1 / 0)
        del thing
    assert reference() is None
    assert [one.exc_type for one in told] == [ZeroDivisionError]


def test_an_interrupt_that_hypothesis_fails_of_is_heeded(monkeypatch):
    """Interrupted before its engine exists, Hypothesis asserts that it does."""
    monkeypatch.setattr(hypothesis.core, "function_digest", lambda test: interrupt())
    with pytest.raises(KeyboardInterrupt), interrupts.heeded():
        drawing.draw_layer_cases(seed=0, count=1)


# A whole run, interrupted in a garbage collection while cases are drawn: first of all to count them, then to ask them

SCRIPT = """
import gc, os, signal, sys
from depthwise_conformance.running import cli, drawing
number, *words = sys.argv[1:]
signal.signal(signal.SIGINT, signal.default_int_handler)
draws = []
def interrupt(phase, info):
    if len(draws) == int(number) and phase == "start":
        draws.append(None)
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(10_000):
            pass
gc.callbacks.append(interrupt)
draw = drawing._hypothesis
def draw_and_collect(*arguments):
    draws.append(None)
    gc.collect()
    return draw(*arguments)
drawing._hypothesis = draw_and_collect
sys.exit(cli.main(words))
"""
WORDS = ("run", "--adapter", HONEST, "--check", "output", "--check", "errors", "--examples", 30, "--out", "out")


@pytest.mark.parametrize("draw", [1, 2, 3])
def test_a_run_is_interrupted_wherever_it_draws(tmp_path, draw, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    done = call(tmp_path, sys.executable, "-P", "-c", SCRIPT, draw, *WORDS)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "interrupted" in done.stderr
    assert "Traceback" not in done.stderr
    if (tmp_path / "out").exists():
        assert set(records(tmp_path / "out")["verdict"]) <= {"pass"}


def test_pytest_itself_is_interrupted_too(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    script = SCRIPT.replace("cli.main(words)", "__import__('pytest').main(words)")
    words = ("-p", "no:cacheprovider", *SUITE, *as_pytest(*WORDS[1:]))
    done = call(tmp_path, sys.executable, "-P", "-c", script, 2, *words)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "KeyboardInterrupt" in done.stdout
