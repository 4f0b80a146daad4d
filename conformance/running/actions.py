"""What a run leaves for GitHub Actions, where it runs there: a summary of its step, and annotations."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from depthwise_conformance.reports.actions import LIMIT, OWN, annotate, step_summary
from depthwise_conformance.reports.digest import Digest, read_digest

SUMMARY, HERE = "GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS"


def tell_actions(folder: Path, tell: Callable[[str], None]) -> None:
    """Adds to the step's summary and annotates the step, as far as the environment asks for it."""
    if summary := os.environ.get(SUMMARY):
        add_summary(read_digest(folder), Path(summary), tell)
    if os.environ.get(HERE) == "true":
        for one in annotate(read_digest(folder)):
            tell(one)


def add_summary(digest: Digest, path: Path, tell: Callable[[str], None]) -> None:
    """Adds to the step's summary, as much as there is room for; says so where it cannot be written."""
    try:
        with path.open("ab") as file:
            file.write(step_summary(digest, min(OWN, LIMIT - file.tell())).encode())
    except OSError as error:
        tell(f"depthwise-conformance: the summary of the step could not be written: {error}")
