"""The page of a run folder: `report.html`, which needs nothing but itself."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from depthwise_conformance.reports import words
from depthwise_conformance.reports.files import place_text
from depthwise_conformance.reports.plots import draw_shares
from depthwise_conformance.reports.runs import ENDINGS
from depthwise_conformance.reports.sentences import ticked
from depthwise_conformance.reports.view import read_view

PAGE = "report.html"
REASONS_SHOWN = 200
FILE_SHOWN = 20_000  # characters
PAIRS_SHOWN = 60
LAYERS_SHOWN = 300
_PACKAGE = "depthwise_conformance.reports"


def write_page(folder: Path, runs: Sequence[Mapping[str, Any]] = ()) -> Path:
    """Writes `report.html` from the other files of a run folder; the same files give the same page.

    `runs` are what `run.json` is going to say, where it says something else yet. Raises ValueError that names the
    folder and what is missing or malformed.
    """
    view = read_view(folder, runs)
    script = _source("filter.js.jinja")
    text = _environment().get_template("report.html.jinja").render(view=view, script_hash=_hash(script), **_WORDS)
    path = folder / PAGE
    place_text(path, text)
    return path


_WORDS: dict[str, Any] = {
    "meanings": words.MEANINGS,
    "checks": words.CHECKS,
    "endings": ENDINGS,
    "reasons_shown": REASONS_SHOWN,
    "layers_shown": LAYERS_SHOWN,
    "file_shown": FILE_SHOWN,
    "pairs_shown": PAIRS_SHOWN,
}


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        autoescape=True,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        clip=words.clip,
        spaced=words.spaced,
        plain=words.plain,
        ticked=ticked,
        figure=words.figure,
        measure=words.measure,
        duration=words.duration,
        share=words.share,
        json=_json,
    )
    environment.globals |= {"counted": words.counted, "draw_shares": draw_shares}
    return environment


def _shown(value: Any) -> Any:
    """Every text on its way into the page: nothing in it stays invisible. Escaping comes after."""
    return words.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _source(name: str) -> str:
    return resources.files(_PACKAGE).joinpath(name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """What the page's policy lets run: this script and no other, should any text ever escape its escaping."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
