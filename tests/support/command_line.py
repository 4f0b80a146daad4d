"""The command line as users type it, and the fakes that it is given."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
from by_name import location

from depthwise_conformance.reports.tables import read_results

FAKES = Path(__file__).parents[1] / "fakes"
HONEST = location("Honest")
FLIPPED = location("KernelFlipped")
LEAVES = f"{FAKES / 'misbehaving.py'}:Leaves"
DECLINES = f"{FAKES / 'misbehaving.py'}:AlwaysRaises"
HANGS = f"{FAKES / 'misbehaving.py'}:AlwaysHangs"
DIES = f"{FAKES / 'misbehaving.py'}:DiesAtStart"
COMMAND = (sys.executable, "-P", "-m", "depthwise_conformance.running.cli")
PYTEST = (sys.executable, "-P", "-m", "pytest", "-p", "no:cacheprovider")
SUITE = ("--pyargs", "depthwise_conformance.suite")
PATIENCE = 240  # seconds, on a machine that is busy with other things


def call(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    words = [str(argument) for argument in arguments]
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE)


def run(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return call(folder, *COMMAND, "run", *arguments)


def as_pytest(*arguments: object) -> list[str]:
    """The options of `run` as pytest takes them."""
    return [re.sub("^--", "--dwc-", str(argument)) for argument in arguments]


def records(folder: Path) -> pd.DataFrame:
    frame = read_results(folder).astype(object).fillna("")
    return frame.sort_values(["target", "check", "case"], ignore_index=True)
