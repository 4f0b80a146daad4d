"""A badge of a run: JSON as the endpoint badge of shields.io takes it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from depthwise_conformance.reports.digest import Digest, read_digest
from depthwise_conformance.reports.files import place_text

BADGE = "badge.json"


def write_badge(folder: Path, runs: Sequence[Mapping[str, Any]] = ()) -> None:
    """Writes `badge.json` from the other files of a run folder, but for `runs` where they are given."""
    message, colour = _says(read_digest(folder, runs))
    badge = {"schemaVersion": 1, "label": "DepthwiseConv2D", "message": message, "color": colour}
    place_text(folder / BADGE, json.dumps(badge) + "\n")


def _says(digest: Digest) -> tuple[str, str]:
    """The message and its colour, as shields.io names it."""
    new, known = len(digest.new), len(digest.found) - len(digest.new)
    if new or digest.outdated:
        told = [f"{new} new"] * bool(new) + [f"{known} known"] * bool(known)
        return ", ".join([*told, *[f"{len(digest.outdated)} outdated"] * bool(digest.outdated)]), "red"
    if not digest.complete:
        return digest.state, "lightgrey"
    if not digest.judged:
        return "nothing judged", "lightgrey"
    return (f"{known} known", "yellow") if known else ("conforms", "brightgreen")
