"""What `run.json` says: of one run, or of several that were merged."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from depthwise_conformance.reports.files import open_plain, place_text
from depthwise_conformance.reports.schema import departure

SCHEMA = 1
RUN = "run.json"
COMPLETE, INCOMPLETE, INTERRUPTED = "complete", "incomplete", "interrupted"
ENDINGS = {
    COMPLETE: "The run is complete.",
    INCOMPLETE: "The run is incomplete: what it did not reach is not known.",
    INTERRUPTED: "The run was interrupted: what it did not reach is not known, until "
    "`depthwise-conformance run --resume FOLDER` completes it, in the folder where it ran.",
}


def read_runs(folder: Path) -> list[dict[str, Any]]:
    """The runs of a folder: one, or all that were merged into it.

    Raises ValueError that names the folder when `run.json` is missing or is not what a run writes.
    """
    try:
        with open_plain(folder / RUN) as file:
            content = json.load(file, parse_constant=_no_number)
    except FileNotFoundError:
        begun = (folder / "unfinished").is_dir()
        why = ": a run into it goes on or was interrupted; see `report` and `run --resume`" if begun else ""
        raise ValueError(f"{folder}: {RUN} is missing{why}") from None
    except OSError as error:
        raise ValueError(f"{folder}: {RUN} {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{folder}: {RUN} is not JSON: {error}") from None
    if why := departure(content):
        raise ValueError(f"{folder}: {RUN} is not what a run writes: {why}")
    runs: list[dict[str, Any]] = content.get("runs", [content])
    return runs


def ending(runs: Iterable[Mapping[str, Any]]) -> str:
    """How runs ended, by a key of `ENDINGS`: as the one did that got least far."""
    states = [COMPLETE if run.get("complete") is True else run.get("state", INCOMPLETE) for run in runs]
    return INTERRUPTED if INTERRUPTED in states else COMPLETE if set(states) == {COMPLETE} else INCOMPLETE


def write_runs(folder: Path, runs: Sequence[dict[str, Any]]) -> None:
    """Writes the `run.json` of a run, or of several that were merged."""
    content = runs[0] if len(runs) == 1 else {"schema": SCHEMA, "runs": list(runs)}
    place_text(folder / RUN, json.dumps(content, indent=2) + "\n")


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
