"""What pip is told of indexes, in the words of uv, which reads none of pip's settings."""

from __future__ import annotations

import ast
import functools
import os
import subprocess
import sys
from collections.abc import Mapping

HANDED_ON = {  # pip's setting: uv's variable, and what stands between several values there
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_EXTRA_INDEX_URL", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "cert": ("SSL_CERT_FILE", " "),
    "timeout": ("UV_HTTP_TIMEOUT", " "),
    "default-timeout": ("UV_HTTP_TIMEOUT", " "),
}
INDEXES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL")  # any of these: uv has been told
ORDER = ("global.", "install.", ":env:.")  # later ones prevail, as with pip


def uv_variables(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables that tell uv what pip is told, where nobody has told uv itself."""
    told_of_indexes = any(name in environment for name in INDEXES)
    found = {}
    for name, value in _pip_settings().items():
        variable, between = HANDED_ON.get(name, ("", ""))
        if variable and variable not in environment and not (told_of_indexes and variable in INDEXES):
            found[variable] = between.join(value.split())
    if found.keys() & set(INDEXES):
        found["UV_INDEX_STRATEGY"] = environment.get("UV_INDEX_STRATEGY", "unsafe-best-match")  # pip's
    return found


@functools.cache
def _pip_settings() -> dict[str, str]:
    """By name, what pip's files and variables say; nothing where there is no pip."""
    command = [sys.executable, "-P", "-m", "pip", "config", "list"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    return read_listing(asked.stdout) if asked.returncode == 0 else {}


def read_listing(listing: str) -> dict[str, str]:
    """What `pip config list` says, by name."""
    lines = [line.partition("=") for line in listing.splitlines()]
    said = {name.strip(): ast.literal_eval(value) for name, _, value in lines if value}
    return {
        name.removeprefix(section): str(value)
        for section in ORDER
        for name, value in said.items()
        if name.startswith(section)
    }
