"""The terminal: the one way out for texts of targets, files and frameworks."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from depthwise_conformance.reports.words import visible


class Terminal(Console):
    """A console on which every control character, override or lone surrogate of a text is shown, and none obeyed."""

    def render_str(self, text: str, **options: Any) -> Text:
        """The text, and that of a table's cell."""
        return super().render_str(visible(text), **options)
