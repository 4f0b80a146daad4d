"""What a diagnosis may spend, counted in questions, so that it is the same on every machine."""

from __future__ import annotations

import time


class Budget:
    """`questions` that may be asked of one target. Behind them stands a clock, `seconds`, that no run should reach.

    `struck` says that it did: then more might have been told.
    """

    def __init__(self, questions: int, seconds: float) -> None:
        self.left = questions
        self.struck = False
        self._deadline = time.monotonic() + seconds

    def spend(self) -> None:
        """Counts a question."""
        self.left -= 1

    @property
    def spent(self) -> bool:
        """Whether nothing more may be asked."""
        self.struck = self.struck or time.monotonic() > self._deadline
        return self.left <= 0 or self.struck
