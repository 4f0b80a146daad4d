"""Where JAX keeps the programs that it has compiled for the next run: the user's cache folder, by build and processor.

JAX takes a kept program by what was to be compiled, its own versions and its flags. What it leaves out stands in the
folder's name: the build of jaxlib, whose version stays where one compiles it anew; the processor and the number of its
cores, by which XLA chooses instructions and divides work.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from importlib.metadata import distributions
from pathlib import Path

from depthwise_conformance.adapters.builtin import BUILTIN
from depthwise_conformance.casebook.kept import cache_folder, prune

FOLDER, SWITCH = "JAX_COMPILATION_CACHE_DIR", "JAX_ENABLE_COMPILATION_CACHE"
KEEP_ALL = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1"}
ON = ("y", "yes", "t", "true", "on", "1")  # as JAX reads the switch
LIMIT_BYTES = 1 << 30  # on disk, of all builds and processors together
LIBRARIES = (".so,", ".dylib,", ".pyd,")  # in a list of files and their digests
TRAITS = ("vendor_id", "cpu family", "model", "model name", "flags", "CPU implementer", "CPU part", "Features")


def compiled_folder(adapter: str, device: str, packages: Path | None = None) -> str:
    """The folder for the programs of a built-in target that compiles with JAX on the processor; "" where there is none.

    `packages` is where those of another environment are.

    That is the user's own where JAX's variable names one. There is none for what else computes on a GPU, where kernels
    are chosen by the clock, where the user has switched it off, or where it cannot be made or written.
    """
    compiling = {entry.entry_point for entry in BUILTIN.values() if "jax" in entry.packages}
    if adapter not in compiling or device != "cpu" or os.environ.get(SWITCH, "1").lower() not in ON:
        return ""
    if FOLDER in os.environ:
        return os.environ[FOLDER]
    kept = cache_folder() / "jax"
    if not (build := _build(packages)):
        return ""
    folder = kept / f"{build}-{hashlib.sha256(_processor().encode()).hexdigest()[:16]}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # who may write there, runs code here
        prune(kept.rglob("*-cache"), LIMIT_BYTES)
    except OSError:
        return ""
    return str(folder) if os.access(folder, os.R_OK | os.W_OK | os.X_OK) else ""


def variables(folder: str) -> dict[str, str]:
    """What tells JAX to keep every program in that folder; nothing where the user has told it of one."""
    return {FOLDER: folder, **KEEP_ALL} if folder and FOLDER not in os.environ else {}


def _build(packages: Path | None) -> str:
    """The version of jaxlib with a digest of its libraries; "" where there is none or they are not listed."""
    where = sys.path if packages is None else [str(packages)]
    jaxlib = next(iter(distributions(name="jaxlib", path=where)), None)
    if jaxlib is None:
        return ""
    lines = (jaxlib.read_text("RECORD") or "").splitlines()
    libraries = sorted(line for line in lines if any(ending in line for ending in LIBRARIES))
    digest = hashlib.sha256("\n".join(libraries).encode()).hexdigest()[:16]
    return f"{jaxlib.version}-{digest}" if libraries else ""


def _processor(listing: Path = Path("/proc/cpuinfo")) -> str:
    """What XLA may compile for, in one text: the processor's model and features, and the cores that there are."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    own = (platform.machine(), str(cores), os.environ.get("NPROC", ""))  # NPROC stands for the cores where it is set
    try:
        first = listing.read_text(encoding="utf-8").partition("\n\n")[0].splitlines()
    except OSError:  # the machine's name, where its features are not told
        return "\n".join((*own, platform.processor(), platform.node()))
    return "\n".join((*own, *(line for line in first if line.partition(":")[0].strip() in TRAITS)))
