"""How far a run has come: bars on a terminal; without one, a line now and then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from depthwise_conformance.reports.words import duration

EVERY = 30.0  # seconds between two lines


class Shown(Protocol):
    """What shows how far each target has come, by its name."""

    def expect(self, totals: Mapping[str, int]) -> None:
        """Takes in how many cases, or items, each target is going to be asked."""

    def advance(self, name: str, done: int) -> None:
        """A target has come so much further; with none done, it has been begun."""

    def end(self, name: str, told: str) -> None:
        """A target has come to its end, with what there is to say of it."""

    def stop(self) -> None:
        """Nothing more is shown."""


class Bars:
    """A bar for each target, gone when the run is over."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bars = Progress(*columns, console=console, transient=True)
        self._tasks: dict[str, TaskID] = {}

    def expect(self, totals: Mapping[str, int]) -> None:
        """Shows the bars."""
        self._tasks |= {name: self._bars.add_task(name, total=total or None) for name, total in totals.items()}
        self._bars.start()

    def advance(self, name: str, done: int) -> None:
        """Moves a bar."""
        self._bars.advance(self._tasks[name], done)

    def end(self, name: str, told: str) -> None:
        """A bar that is full says it all."""

    def stop(self) -> None:
        """Removes the bars."""
        self._bars.stop()


class Lines:
    """A line when a target begins, one for all that are under way every 30 seconds, and one when a target ends."""

    def __init__(self, tell: Callable[[str], None], every: float = EVERY) -> None:
        self._tell = tell
        self._every = every
        self._totals: Mapping[str, int] = {}
        self._done: dict[str, int] = {}
        self._ended: set[str] = set()
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._started = time.monotonic()

    def expect(self, totals: Mapping[str, int]) -> None:
        """Begins to tell."""
        self._totals = totals
        self._started = time.monotonic()
        threading.Thread(target=self._repeat, daemon=True).start()

    def advance(self, name: str, done: int) -> None:
        """Tells of a target that has been begun."""
        with self._lock:
            begun = name in self._done
            self._done[name] = self._done.get(name, 0) + done
        if not begun:
            self._tell(f"{name}: begun, {self._totals.get(name) or 'nobody knows how many'} to do")

    def end(self, name: str, told: str) -> None:
        """Tells of a target that has come to its end."""
        with self._lock:
            self._ended.add(name)
        self._tell(f"{name}: done after {self._elapsed}, {told}")

    def stop(self) -> None:
        """Tells nothing more."""
        self._over.set()

    @property
    def _elapsed(self) -> str:
        return duration(time.monotonic() - self._started)

    def _repeat(self) -> None:
        while not self._over.wait(self._every):
            with self._lock:
                under_way = {name: done for name, done in self._done.items() if name not in self._ended}
            of = {name: f" of {total}" for name, total in self._totals.items() if total}
            told = (f"{name} {done}{of.get(name, '')}" for name, done in under_way.items())
            self._tell(f"after {self._elapsed}: {', '.join(told) or 'all asked, what was found is looked into'}")
