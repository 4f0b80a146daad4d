"""`run --watch`: the same command again whenever the files of the adapters change."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from depthwise_conformance.running.status import UNDONE

POLL_SECONDS = 0.3
WATCHED = (".py", ".so", ".dll", ".dylib", ".c", ".cc", ".cpp", ".cu", ".h", ".js", ".mjs", ".onnx", ".tflite")


def watch(arguments: Sequence[str], files: Iterable[Path]) -> int:
    """Runs the command, and again after each change of a file or of those beside it, until Ctrl-C; its last status."""
    folders = sorted({file.resolve().parent for file in files})
    command = [sys.executable, "-P", "-m", "depthwise_conformance.running.cli", *arguments]
    status = UNDONE
    try:
        while True:
            before = dict(_stamps(folders))
            status = subprocess.run(command).returncode
            print(f"Exit status {status}. Watching {', '.join(map(str, folders))}; Ctrl-C ends.", flush=True)
            while dict(_stamps(folders)) == before:
                time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        return status


def _stamps(folders: Iterable[Path]) -> Iterator[tuple[Path, int]]:
    """When each file of the folders was written."""
    for folder in folders:
        for file in folder.iterdir():
            if file.suffix in WATCHED:
                try:
                    yield file, file.stat().st_mtime_ns
                except FileNotFoundError:
                    continue
