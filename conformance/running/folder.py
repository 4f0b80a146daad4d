"""The folder of a run, before it is written."""

from __future__ import annotations

from pathlib import Path

from depthwise_conformance.reports.runs import read_runs
from depthwise_conformance.running.usage import UsageError

WRITTEN = ("results.parquet", "results.csv", "discrepancies.csv", "report.html", "junit.xml")


def check_folder(out: Path) -> None:
    """Raises UsageError unless `out` is a run's folder, empty, or can be made."""
    try:
        names = [path.name for path in out.iterdir()] if out.exists() else []
        if names:
            read_runs(out)
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {out}: cannot be made a folder ({error.strerror})") from error
    except ValueError:
        raise UsageError(f"--out {out}: holds {names[0]!r} but no run; accepted are a run's and a new folder") from None


def clear_folder(out: Path) -> None:
    """Removes what an earlier run wrote."""
    (out / "cases").mkdir(exist_ok=True)
    for stale in (*out.glob("cases/*.json"), *(out / name for name in WRITTEN)):
        stale.unlink(missing_ok=True)
