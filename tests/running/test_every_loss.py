"""What a target did not answer has a row, even if it never starts again, or dies when it is asked a second time."""

from __future__ import annotations

import pytest
from command_line import FAKES

from depthwise_conformance.reports.record import Record, Verdict
from depthwise_conformance.running import examining
from depthwise_conformance.running.agenda import Options
from depthwise_conformance.running.engine import Engine
from depthwise_conformance.running.targets import Target, open_targets, requests

ONCE = f"""
import os, sys
sys.path.insert(0, {str(FAKES)!r})
from honest import Honest

class Once(Honest):
    \"\"\"Starts where there is no file beside it, which it writes when it dies.\"\"\"

    name = "once"
    gone = os.path.join(os.path.dirname(os.path.abspath(__file__)), "gone")

    def __init__(self, device="cpu", mode=""):
        if os.path.exists(self.gone):
            raise OSError("once is enough")
        super().__init__(device, mode)

    def die(self):
        open(self.gone, "w").close()
        os.abort()

    def forward(self, config, x, kernel, bias):
        if self.dies(config):
            self.die()
        return super().forward(config, x, kernel, bias)

    def dies(self, config):
        return config.kernel_size[0] > 3

class OnOneCore(Once):
    def dies(self, config):
        return len(os.sched_getaffinity(0)) == 1

class Often(Once):
    def die(self):
        os.abort()

    def dies(self, config):
        return config.kernel_size[1] > 1

class InALayer(Once):
    def dies(self, config):
        return False

    def layer(self, *arguments, **named):
        self.die()
"""


def evaluate(targets: list[Target], checks: tuple[str, ...]) -> tuple[Engine, list[Record]]:
    rows: list[Record] = []
    engine = Engine(Options(checks=checks, examples=20), rows.extend)
    engine.evaluate(targets, {target.name: checks for target in targets})
    return engine, rows


@pytest.mark.parametrize(
    ("name", "checks"),
    [("Once", ("output",)), ("OnOneCore", ("metamorphic",)), ("InALayer", ("save_load",)), ("InALayer", ("defaults",))],
)
def test_a_crash_has_a_row_even_if_the_target_never_starts_again(tmp_path, name, checks):
    (tmp_path / "once.py").write_text(ONCE)
    (target,) = open_targets(requests([], [f"{tmp_path / 'once.py'}:{name}"]), 20.0)
    try:
        engine, rows = evaluate([target], checks)
    finally:
        target.worker.close()
    assert target.status == "broken"
    assert "once is enough" in target.message
    assert [row.check for row in rows if row.verdict is Verdict.CRASHED] == [*checks]
    assert engine.tallies[target.name, checks[0]].groups


def test_a_target_that_dies_often_is_given_up_by_counting(tmp_path, monkeypatch):
    monkeypatch.setattr("depthwise_conformance.running.engine.LOST_SECONDS", 2.0)
    (tmp_path / "once.py").write_text(ONCE)
    (target,) = open_targets(requests([], [f"{tmp_path / 'once.py'}:Often"]), 20.0)
    try:
        _, rows = evaluate([target], ("output",))
    finally:
        target.worker.close()
    assert target.status == "abandoned"
    assert target.message.startswith("given up: 3 lost workers count for 3 s")
    assert [row.verdict for row in rows].count(Verdict.CRASHED) == 3


FORGETS = f"""
import os, sys
sys.path.insert(0, {str(FAKES)!r})
from faults import KernelCachedByShape

class Forgets(KernelCachedByShape):
    \"\"\"Remembers kernels, and dies where what it would remember is the first that it is asked.\"\"\"

    name = "forgets"

    def forward(self, config, x, kernel, bias):
        if os.path.exists(os.path.join(os.path.dirname(os.path.abspath(__file__)), "dies")) and not self.kept:
            os.abort()
        return super().forward(config, x, kernel, bias)
"""


def test_a_suspicion_that_cannot_be_confirmed_since_the_target_dies_is_no_pass(tmp_path, monkeypatch):
    (tmp_path / "forgets.py").write_text(FORGETS)
    (target,) = open_targets(requests([], [f"{tmp_path / 'forgets.py'}:Forgets"]), 20.0)
    asked = examining._ask_fresh

    def ask_fresh(*arguments):
        (tmp_path / "dies").touch()
        return asked(*arguments)

    monkeypatch.setattr(examining, "_ask_fresh", ask_fresh)
    try:
        _, rows = evaluate([target], ("output", "purity"))
    finally:
        target.worker.close()
    assert Verdict.CRASHED in {row.verdict for row in rows if row.check == "purity"}
