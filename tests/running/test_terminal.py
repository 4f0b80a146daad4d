"""What a target says reaches the terminal as text that can be seen, and does nothing there."""

import io

import pytest
from rich.table import Table

from depthwise_conformance.running.terminal import LOGS, Terminal, shown

HOSTILE = "\x1b]0;owned\x07 \x1b[2J \u202efdp \udcff \r"


@pytest.mark.parametrize("in_table", [False, True])
def test_no_control_character_is_obeyed(in_table):
    table = Table()
    table.add_column("target")
    table.add_row(HOSTILE)
    told = io.StringIO()
    Terminal(file=told, markup=False, highlight=False, width=200).print(table if in_table else HOSTILE)
    shown = told.getvalue()
    assert not set(shown) & set("\x1b\x07\u202e\udcff\r")
    assert "owned" in shown
    assert "fdp" in shown


@pytest.mark.parametrize("log", LOGS)
@pytest.mark.parametrize("width", [20, 200])
def test_no_line_is_a_command_of_a_jobs_log(monkeypatch, log, width):
    monkeypatch.setenv(log, "true")
    text = f"it said\n::error::owned\n  ::set-env name=A::b ##[group]x ##vso[task.x]y std::vector {'x' * 19}::warning::"
    told = io.StringIO()
    table = Table()
    table.add_column("target")
    table.add_row(text)
    for one in (text, table):
        Terminal(file=told, markup=False, highlight=False, width=width).print(one)
    for log_text in (told.getvalue(), shown(text)):
        assert not any(mark in log_text for mark in ("::", "##[", "##vso["))
    assert shown(text).startswith("it said\n\\x3a:error\\x3a:owned")


def test_elsewhere_two_colons_are_text(monkeypatch):
    for log in LOGS:
        monkeypatch.delenv(log, raising=False)
    assert shown("std::vector ##[1]") == "std::vector ##[1]"
