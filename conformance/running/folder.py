"""The folder of a run: held from its first case on, and closed with all that was found.

What the run writes lies in `unfinished`, until it takes the place of what an earlier run wrote.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from depthwise_conformance.reports.folders import UNFINISHED, is_run_folder, objection
from depthwise_conformance.reports.journal import JOURNAL, Contents, JournalWriter, read_journal
from depthwise_conformance.reports.layers import write_layers
from depthwise_conformance.reports.record import Comparison, Discrepancy
from depthwise_conformance.reports.tables import write_discrepancies
from depthwise_conformance.reports.unfinished import Hold, Name, close, hold, holder, tidy
from depthwise_conformance.running.usage import UsageError


def check_folder(out: Path) -> None:
    """Raises UsageError unless `out` is a run's folder, empty, or can be made. Makes and touches nothing."""
    if why := objection(out) or holder(out):
        raise UsageError(f"out {out}: {why}")


class RunFolder:
    """The folder of one run. Raises UsageError where there can be none.

    `place` is where its files lie until it is closed.
    """

    def __init__(self, out: Path) -> None:
        check_folder(out)
        self._out, self.place = out, out / UNFINISHED
        self._hold: Hold | None = None
        self._writer: JournalWriter | None = None

    @property
    def told_resumable(self) -> str:
        """What there is to say of a run that was interrupted; "" where nothing was judged."""
        told = f"`depthwise-conformance run --resume {shlex.quote(str(self._out))}` completes the run"
        return told if self._writer and self._writer.placed else ""

    @property
    def told_kept(self) -> str:
        """The same, where the folder could not be closed."""
        told = self.told_resumable
        return f"What was judged is kept in {self.place}; {told}" if told else "Nothing was judged."

    def begin(self, about: Mapping[str, Any], resumed: Contents | None) -> JournalWriter:
        """Takes hold of the folder: the journal to write to. Raises UsageError where another run has it; OSError."""
        check_folder(self._out)
        self._out.mkdir(parents=True, exist_ok=True)
        try:
            self._hold = hold(self._out)
        except ValueError as error:
            raise UsageError(f"out {error}") from None
        try:
            tidy(self.place, journal=False)
            (self.place / "cases").mkdir(parents=True, exist_ok=True)
            self._writer = JournalWriter(self.place / JOURNAL, about, resumed)
        except BaseException:
            with suppress(OSError):
                tidy(self.place, journal=False)
            self._hold.release()
            raise
        return self._writer

    def tell(self, discrepancies: Sequence[Discrepancy]) -> None:
        """Puts on disk what is told so far."""
        write_discrepancies(self.place, discrepancies)

    def close(self, told: Mapping[str, Any], layers: Sequence[Comparison], ended: bool, name: Name) -> Path | None:
        """Closes the folder of a run that has `ended` or can be resumed: the page.

        `name` says which discrepancy tells of a failing record.
        None where nothing was judged and the folder has an earlier run, which stays. Raises OSError, with the journal
        kept.
        """
        assert self._writer is not None and self._hold is not None
        try:
            self._writer.close()
            if not self._writer.placed and (not ended or is_run_folder(self._out) or (self.place / JOURNAL).exists()):
                tidy(self.place, journal=False)
                return None
            journal = read_journal(self.place / JOURNAL) if self._writer.placed else None
            write_layers(self.place, layers)
            return close(self._out, told, journal, resumable=not ended, name=name)
        finally:
            self._hold.release()
            with suppress(OSError):  # there is something in it
                self._out.rmdir()
