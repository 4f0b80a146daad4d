"""The command line without its start: a process that has imported what commands import forks one for every call.

What is forked is a process like any other (its exit status, streams, signals and end are its own), but begins where
the imports are done and the templates compiled, which are most of what a small run costs.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib import import_module, resources
from pathlib import Path
from typing import NoReturn

CLI = "depthwise_conformance.running.cli"
PREPARED = tuple(f"depthwise_conformance.running.commands.{name}" for name in ("run", "replay", "history", "targets"))
AT_START = ("PYTHON", "HYPOTHESIS", "LC_", "LANG", "CI", "GITHUB_")  # begin names of variables that imports may read

ENVIRONMENT = dict(os.environ)  # before any test changes it


def start_of(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(AT_START)}


def is_forked_in(environment: Mapping[str, str]) -> bool:
    """Whether nothing that counts when a process starts is another than it was."""
    return start_of(environment) == start_of(ENVIRONMENT)


class Forking:
    """The process that forks, one for each process of the tests, with which it ends."""

    def __init__(self) -> None:
        words = [sys.executable, "-P", __file__]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen(words, **pipes, text=True, env=ENVIRONMENT)
        atexit.register(self._process.communicate)  # it ends with its standard input

    def run(
        self, folder: Path, words: Sequence[str], environment: Mapping[str, str], patience: int
    ) -> subprocess.CompletedProcess[str]:
        """A call of the command line; one that takes longer than this many seconds is ended by SIGALRM."""
        with tempfile.TemporaryDirectory() as scratch:
            streams = [Path(scratch, name) for name in ("out", "err")]
            call = (str(folder), list(words), dict(environment), [str(path) for path in streams], patience)
            print(json.dumps(call), file=self._process.stdin, flush=True)
            assert self._process.stdout is not None
            status = int(self._process.stdout.readline())
            return subprocess.CompletedProcess(words, status, *(path.read_text() for path in streams))


forking = functools.cache(Forking)


def serve() -> None:
    """Forks a process for each line that arrives, and tells how it ended."""
    for name in PREPARED:
        import_module(name)
    compile_templates()
    for line in sys.stdin:
        if not (child := os.fork()):
            become(*json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def compile_templates() -> None:
    from depthwise_conformance.reports.page import _environment

    for file in resources.files("depthwise_conformance.reports").iterdir():
        if file.name.endswith(".jinja") and not file.name.startswith("changes"):  # which has filters of its own
            _environment().get_template(file.name)


def become(folder: str, words: list[str], environment: dict[str, str], streams: list[str], patience: int) -> NoReturn:
    """Does and ends as `python -P -m` would."""
    signal.alarm(patience)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, name in enumerate((os.devnull, *streams)):
        opened = os.open(name, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        os.dup2(opened, number)
        os.close(opened)
    sys.argv[1:] = words
    runpy.run_module(CLI, run_name="__main__", alter_sys=True)
    sys.exit()


if __name__ == "__main__":
    serve()
