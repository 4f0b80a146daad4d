"""Ctrl-C, heeded wherever it arrives; the signals that end a process, or a session, end a run in the same way.

Python raises KeyboardInterrupt in whatever it is doing. From some of that nothing propagates: from what it calls at a
garbage collection (Hypothesis has it call something), or when an object goes. Such an exception is given to
`sys.unraisablehook`, and the interrupt is sent again a moment later. It is noted as well, and asked about between
cases, should anything else have swallowed it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

ENDING = (signal.SIGTERM, signal.SIGHUP)
AGAIN_SECONDS = 0.02  # after which the main thread has left what an interrupt could not leave

_seen = threading.Event()
_heeding = False


@contextmanager
def heeded() -> Iterator[None]:
    """Heeds interrupts, besides what was done about them before. Only the main thread receives any."""
    global _heeding
    before, hook = signal.getsignal(signal.SIGINT), sys.unraisablehook
    if _heeding or threading.current_thread() is not threading.main_thread() or not callable(before):
        with ended_alike():
            yield
        return

    def note(number: int, frame: FrameType | None) -> None:
        _seen.set()
        before(number, frame)

    def unraisable(told: Any) -> None:
        if told.exc_type is KeyboardInterrupt:
            later = threading.Timer(AGAIN_SECONDS, _again)
            later.daemon = True
            later.start()
        else:
            hook(told)

    _seen.clear()
    _heeding = True
    signal.signal(signal.SIGINT, note)
    sys.unraisablehook = unraisable
    try:
        with ended_alike():
            yield
    finally:
        sys.unraisablehook = hook
        signal.signal(signal.SIGINT, before)
        _heeding = False


@contextmanager
def ended_alike() -> Iterator[None]:
    """Has SIGTERM and SIGHUP do what Ctrl-C does, where nobody has said otherwise: nohup has SIGHUP ignored."""
    taken = []
    if threading.current_thread() is threading.main_thread():
        taken = [number for number in ENDING if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, _as_interrupt)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _as_interrupt(number: int, frame: FrameType | None) -> None:
    """Does what SIGINT does at the time; whoever ignores that still wants to be ended by these."""
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):
        raise KeyboardInterrupt
    handler(number, frame)


def check() -> None:
    """Raises KeyboardInterrupt if there was an interrupt that nobody heeded."""
    if _seen.is_set() and threading.current_thread() is threading.main_thread():
        _seen.clear()
        raise KeyboardInterrupt


def _again() -> None:
    """Interrupts once more, unless `check` has meanwhile."""
    if _seen.is_set():
        os.kill(os.getpid(), signal.SIGINT)
