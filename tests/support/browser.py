"""A browser without a window, spoken to in its devtools protocol over two pipes: it needs nothing but Chromium."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe"),
)
# What the browser reads and writes have to be its files 3 and 4.
AS_THREE_AND_FOUR = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
os.dup2(ends[0], 3), os.dup2(ends[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
PATIENCE = 60.0  # seconds for one answer


def find_browser() -> str | None:
    """The path of a browser that can be driven; None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class NoBrowser(Exception):
    """The browser ended, or does not answer."""


class Browser:
    """One page at a time: a context manager. `troubles` are what its console has told, `requests` all that it asked."""

    def __init__(self, program: str, home: Path) -> None:
        self._command = [program, *ARGUMENTS, f"--user-data-dir={home}", "about:blank"]
        self._number = 0
        self._buffer = b""
        self._session = ""
        self.troubles: list[str] = []
        self.requests: list[str] = []

    def __enter__(self) -> Self:
        theirs, self._out = os.pipe()
        self._in, ours = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-c", AS_THREE_AND_FOUR, str(theirs), str(ours), *self._command],
            pass_fds=(theirs, ours),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs)
        os.close(ours)
        found = self.send("Target.getTargets")["targetInfos"]
        page = next(one["targetId"] for one in found if one["type"] == "page")
        self._session = self.send("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._out)
        os.close(self._in)
        self._process.terminate()
        self._process.wait(PATIENCE)

    def open(self, address: str, width: int = 1280, height: int = 900, dark: bool = False) -> float:
        """Goes to an address and waits until it is loaded: the seconds that took."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        self.send("Page.navigate", url="about:blank")
        self.troubles.clear()
        self.requests.clear()
        start = time.perf_counter()
        self.send("Page.navigate", url=address)
        while self.evaluate("location.href === 'about:blank' || document.readyState !== 'complete'"):
            time.sleep(0.01)
        return time.perf_counter() - start

    def evaluate(self, expression: str) -> Any:
        """What a line of JavaScript gives in the page, once it is settled, as if a user had asked for it."""
        asked = {"expression": expression, "returnByValue": True, "awaitPromise": True, "userGesture": True}
        found = self.send("Runtime.evaluate", **asked)
        if "exceptionDetails" in found:
            raise AssertionError(f"{expression}: {found['exceptionDetails']}")
        return found["result"].get("value")

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Asks for something, and waits for the answer; what is told meanwhile is kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        try:
            os.write(self._out, json.dumps(message).encode() + b"\0")
        except BrokenPipeError:
            raise NoBrowser("it ended") from None
        while (answer := self._receive()).get("id") != self._number:
            self._note(answer)
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        return answer["result"]

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            if not select.select([self._in], [], [], PATIENCE)[0] or not (part := os.read(self._in, 1 << 20)):
                raise NoBrowser("it does not answer")
            self._buffer += part
        text, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(text)

    def _note(self, told: dict[str, Any]) -> None:
        params = told.get("params", {})
        match told.get("method"):
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded":
                self.troubles.append(json.dumps(params))
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
