"""What a target says reaches the terminal as text that can be seen, and does nothing there."""

import io

import pytest
from rich.table import Table

from depthwise_conformance.running.terminal import Terminal

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
