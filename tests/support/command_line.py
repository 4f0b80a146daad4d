"""The command line as users type it, and the fakes that it is given."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import psutil
from by_name import location
from forked import CLI, forking, is_forked_in

from depthwise_conformance.reports.frames import read_results

FAKES = Path(__file__).parents[1] / "fakes"
HONEST = location("Honest")
FLIPPED = location("KernelFlipped")
LEAVES = f"{FAKES / 'misbehaving.py'}:Leaves"
DECLINES = f"{FAKES / 'misbehaving.py'}:AlwaysRaises"
HANGS = f"{FAKES / 'misbehaving.py'}:AlwaysHangs"
DIES = f"{FAKES / 'misbehaving.py'}:DiesAtStart"
COMMAND = (sys.executable, "-P", "-m", CLI)
PYTEST = (sys.executable, "-P", "-m", "pytest", "-p", "no:cacheprovider")
SUITE = ("--pyargs", "depthwise_conformance.suite")
PATIENCE = 240  # seconds, on a machine that is busy with other things


def heed_signals() -> None:
    """For a child, before it starts: whoever started the tests may ignore some, and children inherit that."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def is_gone(process: psutil.Process) -> bool:
    """Dead, though nobody may have buried it."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def await_that(what: str, happened: Callable[[], bool]) -> None:
    """Waits until something has happened, however long that takes up to a time that is none for any machine."""
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.05)


TELLING = """
import pathlib, sys
sys.path.append({fakes!r})
from {module} import {name}

class Telling({name}):
    def forward(self, *arguments):
        pathlib.Path({asked!r}).touch()
        return super().forward(*arguments)
"""


def telling(folder: Path, module: str, name: str) -> tuple[str, Path]:
    """An adapter like a fake, and the file in the folder that is there once it was asked something."""
    file, asked = folder / "telling.py", folder / "asked"
    file.write_text(TELLING.format(fakes=str(FAKES), module=module, name=name, asked=str(asked)))
    return f"{file}:Telling", asked


def call(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A program's end and words; the command line is forked, where the variables let it."""
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    words = [str(argument) for argument in arguments]
    if tuple(words[:4]) == COMMAND and is_forked_in(environment):
        return forking().run(folder, words[4:], environment, PATIENCE)
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE)


def run(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return call(folder, *COMMAND, "run", *arguments)


def as_pytest(*arguments: object) -> list[str]:
    """The options of `run` as pytest takes them."""
    return [re.sub("^--", "--dwc-", str(argument)) for argument in arguments]


def records(folder: Path) -> pd.DataFrame:
    frame = read_results(folder).drop(columns="seconds").astype(object).fillna("")
    return frame.sort_values(["target", "check", "case"], ignore_index=True)
