"""Adapter classes by name: built in, from an entry point, or from a file."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib.metadata import entry_points
from pathlib import Path

from depthwise_conformance.adapters.base import Adapter
from depthwise_conformance.adapters.builtin import BUILTIN

GROUP = "depthwise_conformance.adapters"


def adapter_names() -> dict[str, str]:
    """Every adapter that can be asked for by name, with the `module:Class` that implements it."""
    installed = {entry.name: entry.value for entry in entry_points(group=GROUP)}
    return {**installed, **{name: entry[0] for name, entry in BUILTIN.items()}}


def load_adapter(location: str) -> type[Adapter]:
    """The class at `module:Class` or `path/to/file.py:Class`.

    Raises ValueError when there is no such file or class, or when it is not an Adapter; whatever the import raises.
    """
    source, _, class_name = location.rpartition(":")
    if not source:
        raise ValueError(f"adapter {location!r}: accepted are path/to/file.py:ClassName and module:ClassName")
    module = _from_file(Path(source)) if source.endswith(".py") else importlib.import_module(source)
    found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, Adapter)):
        raise ValueError(f"adapter {location!r}: {source} has no subclass of Adapter called {class_name!r}")
    if not isinstance(getattr(found, "name", None), str) or not found.name:
        raise ValueError(f"adapter {location!r}: {class_name} needs a class attribute `name`, a string")
    return found


def _from_file(path: Path) -> object:
    if not path.is_file():
        raise ValueError(f"adapter file {str(path)!r} does not exist")
    sys.path.append(str(path.resolve().parent))  # as for a script: its neighbours can be imported
    name = f"adapter_file_{path.stem}"  # a file called torch.py must not stand for torch
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"adapter file {str(path)!r} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
