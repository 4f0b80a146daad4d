"""One run that several processes of xdist judge, each whole targets: a private folder for each, joined at the end."""

from __future__ import annotations

import shutil
import tempfile
import traceback
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from depthwise_conformance.reports.badge import write_badge
from depthwise_conformance.reports.counting import summarise_folder
from depthwise_conformance.reports.folders import is_run_folder
from depthwise_conformance.reports.known import join_known
from depthwise_conformance.reports.page import write_page
from depthwise_conformance.reports.runs import COMPLETE, INCOMPLETE
from depthwise_conformance.reports.tables import read_discrepancies
from depthwise_conformance.reports.unfinished import merge_into, recover

ITEMS = "test_conformance.py::test_conformance["


def scope(item: str) -> str:
    """What the items of a target have in common, by their ids; a user's own tests have nothing in common."""
    return item.rpartition("-")[0] if ITEMS in item else item


class Shards:
    """The folders of the processes, on the side of the process that started them."""

    def __init__(self, out: Path) -> None:
        self.scratch = Path(tempfile.mkdtemp(prefix="depthwise-conformance-"))
        self.trouble = ""
        self.undone = False
        self._out = out
        self._expected: set[str] = set()
        self._whole = True

    def expect(self, items: Iterable[str]) -> None:
        """Notes the items that are to be judged."""
        self._expected |= {scope(item) for item in items if ITEMS in item}

    def close(self) -> Path | None:
        """Joins the folders to the run's own, if anything was judged: the report's path."""
        for folder in self.scratch.glob("gw*"):
            with suppress(ValueError, OSError):
                recover(folder)  # of a process that was ended before it could
        begun = sorted(folder for folder in self.scratch.glob("gw*") if is_run_folder(folder))
        folders = [folder for folder in begun if _is_readable(folder)]
        self._whole = len(folders) == len(begun)
        if not folders:
            self.undone = bool(begun)
            return None
        try:
            merge_into(self._out, folders, self._join)
            write_badge(self._out)
            return write_page(self._out)
        except Exception as error:
            self.undone = True
            self.trouble = f"the folder could not be written in full: {error}"
            if not isinstance(error, OSError | ValueError):
                self.trouble += f"\nThis is an error of this tool:\n{traceback.format_exc()}"
            return None

    def remove(self) -> None:
        """Removes what the processes wrote."""
        shutil.rmtree(self.scratch, ignore_errors=True)

    def _join(self, runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The one run that they are."""
        targets = [target for run in runs for target in run["targets"]]
        short = {name: [told for run in runs for told in run[name]] for name in ("thin", "cut_short")}
        stopped = any(run["stopped"] for run in runs)
        complete = self._whole and all(run["complete"] for run in runs) and len(targets) == len(self._expected)
        lost = any(target["status"] != "judged" for target in targets)
        self.undone = lost or any(short.values()) or not (complete or stopped)
        joined = {**runs[0], "targets": targets, **short, "stopped": stopped, "complete": complete}
        joined["state"] = COMPLETE if complete else INCOMPLETE
        joined["known"] = join_known(runs)
        joined["started"] = min(run["started"] for run in runs)
        joined["seconds"] = max(run["seconds"] for run in runs)
        return [joined]


def _is_readable(folder: Path) -> bool:
    """Whether a process got to write its folder to the end."""
    try:
        summarise_folder(folder)
        read_discrepancies(folder)
    except ValueError:
        return False
    return True
