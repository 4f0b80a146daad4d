"""Ctrl-C, heeded even where Python loses it.

Hypothesis has Python call it at every garbage collection. A signal that arrives meanwhile raises KeyboardInterrupt in
that call, from where nothing propagates. So the signal is noted as well, and asked about between cases.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_seen = threading.Event()


@contextmanager
def heeded() -> Iterator[None]:
    """Notes interrupts, besides what was done about them before. Only the main thread receives any."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return

    def note(number: int, frame: FrameType | None) -> None:
        _seen.set()
        before(number, frame)

    _seen.clear()
    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def check() -> None:
    """Raises KeyboardInterrupt if there was an interrupt that nobody heeded."""
    if _seen.is_set() and threading.current_thread() is threading.main_thread():
        _seen.clear()
        raise KeyboardInterrupt
