"""The terminal: the one way out for texts of targets, files and frameworks, and what no log may take for its own."""

from __future__ import annotations

import os
import re
from typing import Any

from rich.console import Console
from rich.text import Text

from depthwise_conformance.reports.words import visible

LOGS = ("GITHUB_ACTIONS", "GITEA_ACTIONS", "TF_BUILD")  # set where the log obeys lines: `::error::`, `##[group]`
_COMMAND = re.compile(r":(?=:)|#(?=#(?:vso)?\[)")


def shown(text: str) -> str:
    """The text, with whatever a terminal obeys in a form that is seen, and in CI whatever the log of a job obeys."""
    seen = visible(text)
    return _COMMAND.sub(_escape, seen) if any(map(os.environ.get, LOGS)) else seen


class Terminal(Console):
    """A console on which texts are shown, and nothing in them is obeyed."""

    def render_str(self, text: str, **options: Any) -> Text:
        """The text, and that of a table's cell."""
        return super().render_str(shown(text), **options)


def _escape(found: re.Match[str]) -> str:
    return f"\\x{ord(found[0]):02x}"
