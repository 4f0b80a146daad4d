"""The depthwise layers of a model file as case folders: `python -m depthwise_conformance.adapters.models FILE FOLDER`.

A process of its own, since reading a model takes its framework. Each layer becomes a folder with a `case.json`, and
beside it its weights and, where a third argument names the model's input (a `.npy` file), what arrives at the layer.
What was left out, or why nothing could be read, is in `told.json`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from depthwise_conformance.adapters.base import AnyArray
from depthwise_conformance.adapters.found import Found, FoundLayer, UnreadableError

READERS = {".keras": "keras", ".json": "keras", ".onnx": "onnx", ".tflite": "tflite"}
TOLD, CASE = "told.json", "case.json"


def read_model(file: Path, given: AnyArray | None) -> Found:
    """The depthwise layers of a model in the order in which they are called, and what is left out.

    `given` is the model's input. Raises UnreadableError, and ModuleNotFoundError for a framework that is missing.
    """
    if file.suffix not in READERS:
        raise UnreadableError(f"accepted are files that end in {', '.join(READERS)}")
    if not file.is_file():
        raise UnreadableError("there is no such file")
    reader = import_module(f"depthwise_conformance.adapters.model_{READERS[file.suffix]}")
    found: Found = reader.read(file, given)
    return found


def main(file: str, folder: str, given: str = "") -> None:
    """Reads the file and writes the folder."""
    told: dict[str, Any] = {"skipped": [], "notes": [], "error": ""}
    try:
        number = 0
        for one in read_model(Path(file), _input(given)):
            if isinstance(one, FoundLayer):
                _write(one, Path(folder, f"{number:06}"), number)
                told["notes"] += [[one.name, one.note]] if one.note else []
                number += 1
            else:
                told["skipped"].append([one.name, one.why])
    except UnreadableError as error:
        told["error"] = str(error)
    except ModuleNotFoundError as error:
        told["error"] = f"reading it takes {error.name}, which is not installed"
    Path(folder, TOLD).write_text(json.dumps(told))


def _input(given: str) -> AnyArray | None:
    if not given:
        return None
    try:
        array: AnyArray = np.load(given, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UnreadableError(f"the input {given!r} cannot be read as a .npy file: {error}") from None
    if not isinstance(array, np.ndarray):
        raise UnreadableError(f"the input {given!r} is no .npy file")
    return array


def _write(layer: FoundLayer, folder: Path, number: int) -> None:
    folder.mkdir()
    arrays: Mapping[str, AnyArray | None] = {"x": layer.x, "kernel": layer.kernel, "bias": layer.bias}
    for role, array in arrays.items():
        if array is not None:
            np.save(folder / f"{role}.npy", array)
    data = {"recipe": "normal", "seed": number}
    case = {"arguments": layer.config.to_json(), "input_shape": layer.input_shape, "data": data, "name": layer.name}
    (folder / CASE).write_text(json.dumps(case))


if __name__ == "__main__":
    main(*sys.argv[1:])
