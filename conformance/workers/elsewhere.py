"""A worker in an environment that has NumPy and ml_dtypes, and not this package: `python -I elsewhere.py`.

The package is lent to it by its place alone, so that nothing else of the environment that it is installed in, and no
generic name of its rooms, can be imported there.
"""

from __future__ import annotations

import importlib.util
import runpy
import sys
from pathlib import Path

PACKAGE = "depthwise_conformance"


def lend(folder: Path) -> None:
    """Makes the package in that folder the one that is imported by its name."""
    spec = importlib.util.spec_from_file_location(
        PACKAGE, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = module
    spec.loader.exec_module(module)


if __name__ == "__main__":
    lend(Path(__file__).absolute().parents[1])  # not where links lead: the rooms lie elsewhere
    runpy.run_module(f"{PACKAGE}.workers", run_name="__main__")
