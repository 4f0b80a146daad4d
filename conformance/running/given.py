"""What somebody brings to be judged: cases of their own, and the depthwise layers of models.

A model is read in a process of its own, by its framework (`adapters.models`); what it leaves out is told in words.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from depthwise_conformance.adapters.models import TOLD
from depthwise_conformance.casebook.case import AnyCase, Case
from depthwise_conformance.running.casefiles import read_cases, read_folder
from depthwise_conformance.running.usage import UsageError

READING = 600.0  # seconds that reading a model may take
LAST_WORDS = 2000  # characters of what a reader wrote before it died


@dataclass(frozen=True)
class Given:
    """The cases, each once, and what `run.json` says of the models that they come from."""

    cases: tuple[AnyCase, ...] = ()
    models: tuple[dict[str, Any], ...] = ()


def read_given(cases: Sequence[str], models: Sequence[str], given: Path | None, run: Path) -> Given:
    """Cases as `replay` takes them, then the layers of models; `given` is what each of these gets as its input.

    Raises UsageError.
    """
    if given is not None and not models:
        raise UsageError("--input: accepted beside --model, whose input it is")
    found = [case for named in cases for case in read_cases(named, run)]
    told = []
    for model in models:
        layers, about = _read_model(Path(model), given)
        name = f"{Path(model).name}: " if len(models) > 1 else ""
        found += [replace(layer, name=name + layer.name) for layer in layers]
        told.append(about)
    return Given(tuple(_each_once(found)), tuple(told))


def _read_model(file: Path, given: Path | None) -> tuple[list[Case], dict[str, Any]]:
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-P", "-m", "depthwise_conformance.adapters.models", str(file), scratch]
        command += [str(given)] if given is not None else []
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=READING)
        except subprocess.TimeoutExpired:
            raise UsageError(f"model {str(file)!r}: was not read in {READING:.0f} s") from None
        if done.returncode or not Path(scratch, TOLD).is_file():
            words = done.stderr.decode(errors="replace")[-LAST_WORDS:].strip()
            raise UsageError(f"model {str(file)!r}: its reader ended with status {done.returncode}:\n{words}")
        told = json.loads(Path(scratch, TOLD).read_text(encoding="utf-8"))
        if told["error"]:
            raise UsageError(f"model {str(file)!r}: {told['error']}")
        folders = sorted(path for path in Path(scratch).iterdir() if path.is_dir())
        layers = [case for folder in folders for case in read_folder(folder) if isinstance(case, Case)]
    if not layers:
        skipped = "".join(f"\n  {name}: {why}" for name, why in told["skipped"])
        raise UsageError(f"model {str(file)!r}: has no depthwise layer that can be judged{skipped}")
    return layers, {"file": str(file), "layers": len(layers), "skipped": told["skipped"], "notes": told["notes"]}


def _each_once(cases: Iterable[AnyCase]) -> list[AnyCase]:
    """The cases by what they are; one that has several names has them all."""
    found: dict[str, AnyCase] = {}
    for case in cases:
        known = found.get(case.id)
        if isinstance(case, Case) and isinstance(known, Case) and case.name not in known.name.split(", "):
            case = replace(known, name=f"{known.name}, {case.name}")
        elif known is not None:
            case = known
        found[case.id] = case
    return list(found.values())
