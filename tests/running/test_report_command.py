"""`report`: the page of a run written again, and several runs as one."""

from __future__ import annotations

from depthwise_conformance.reports.frames import read_results
from depthwise_conformance.reports.runs import read_runs
from depthwise_conformance.running import cli


def test_report_writes_the_page_again_and_merges(good, bad, tmp_path, capsys):
    (good[0] / "report.html").unlink()
    assert cli.main(["report", str(good[0])]) == 0
    assert (good[0] / "report.html").is_file()
    assert cli.main(["report", str(good[0]), str(bad[0])]) == 2
    assert "several folders need --out FOLDER" in capsys.readouterr().err
    assert cli.main(["report", str(good[0]), str(bad[0]), "--out", str(tmp_path / "both")]) == 0
    assert len(read_results(tmp_path / "both")) == len(read_results(good[0])) + len(read_results(bad[0]))
    assert len(read_runs(tmp_path / "both")) == 2


def test_report_tells_what_is_not_a_run(good, tmp_path, capsys):
    (tmp_path / "file").write_text("text")
    (tmp_path / "folder").mkdir()
    for arguments in (
        [tmp_path / "missing"],
        [tmp_path / "file"],
        [tmp_path / "folder"],
        [good[0], tmp_path / "folder", "--out", tmp_path / "merged"],
        [good[0], good[0], "--out", tmp_path / "file"],
        [good[0], good[0], "--out", good[0]],
    ):
        assert cli.main(["report", *map(str, arguments)]) == 2
        assert capsys.readouterr().err.startswith("depthwise-conformance: ")
    assert (tmp_path / "file").read_text() == "text"
