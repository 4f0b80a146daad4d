"""How targets stood over many runs."""

from dataclasses import replace

from command_line import COMMAND, call
from reported import DISCREPANCY, RECORD, run_json, write_folder

from depthwise_conformance.reports.history import Standing, read_history
from depthwise_conformance.reports.record import Verdict
from depthwise_conformance.reports.sheets import read_sheet


def folder(path, verdicts, errors, started, found=()):
    path.mkdir()
    rows = [replace(RECORD, verdict=verdict, error=error) for verdict, error in zip(verdicts, errors, strict=True)]
    return write_folder(path, rows, found, run_json(started=started))


def test_a_line_for_each_run_of_a_target(tmp_path):
    some = (Verdict.PASS, Verdict.PASS, Verdict.PASS, Verdict.WRONG_VALUE, Verdict.UNSUPPORTED)
    late = folder(tmp_path / "late", some, (0.1, 0.2, 0.9, 7.0, float("nan")), "2026-11-02", [DISCREPANCY])
    early = folder(tmp_path / "early", some[:1], (0.5,), "2026-11-01", [replace(DISCREPANCY, known="none")])
    first, second = read_history([late, early])
    assert first == Standing("torch@cpu", "2026-11-01", "torch 2.13.0", "early", 1, 0, 0, 1, 1, 0.5, 0.5)
    assert second == Standing("torch@cpu", "2026-11-02", "torch 2.13.0", "late", 4, 1, 1, 1, 0, 0.9, 0.2)
    done = call(tmp_path, *COMMAND, "history", "late", "early", "--csv", "lines.csv")
    assert done.returncode == 0, done.stderr
    assert done.stdout.index("2026-11-01") < done.stdout.index("2026-11-02")
    assert read_sheet(tmp_path / "lines.csv", Standing) == [first, second]
    assert call(tmp_path, *COMMAND, "history", "nowhere").returncode == 2
