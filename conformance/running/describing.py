"""What `run.json` says of the machine and of each target."""

from __future__ import annotations

import dataclasses
import platform
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from depthwise_conformance.casebook.covering import coverage
from depthwise_conformance.running.targets import Target

if TYPE_CHECKING:
    from depthwise_conformance.running.runoptions import RunOptions

VECTOR_UNITS = (
    *("avx", "avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16"),
    *("asimd", "asimddp", "bf16", "sve", "sve2"),
)


def describe_machine() -> dict[str, Any]:
    """What the figures of a run may depend on."""
    return {
        "platform": platform.platform(),
        "python": platform.python_version(),
        "cpu": describe_processor(),
        "cores": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "packages": {name: version(name) for name in ("numpy", "ml_dtypes", "hypothesis", "pytest")},
    }


def describe_processor(listing: Path = Path("/proc/cpuinfo")) -> str:
    """Maker, model and vector units: what libraries choose their kernels by."""
    try:
        lines = [line.partition(":") for line in listing.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return platform.processor() or platform.machine()
    told: dict[str, str] = {}
    for name, _, value in lines:
        told.setdefault(name.strip(), value.strip())
    features = told.get("flags", told.get("Features", "")).split()
    units = ", ".join(unit for unit in VECTOR_UNITS if unit in features)
    model = told.get("model name") or told.get("CPU part") or platform.processor() or platform.machine()
    parts = (told.get("vendor_id", ""), model, f"({units})" if units else "")
    return " ".join(part for part in parts if part)


def describe_options(options: RunOptions) -> dict[str, Any]:
    """What a run was asked for."""
    asked = ("seed", "examples", "strength", "checks", "only", "least", "fast", "shard")
    given = ("targets", "files", "adapters", "workers", "cases", "models", "device", "minutes", "timeout")
    told = {name: getattr(options, name) for name in given}
    told["input"] = None if options.input is None else str(options.input)
    return {**{name: getattr(options, name) for name in asked}, "options": told}


def describe_target(target: Target, strength: int) -> dict[str, Any]:
    """What became of a target, what it covered of the catalogue (there is none of strength 0), and what it showed."""
    covered = coverage(target.claimed, strength, target.claim) if target.claimed and strength else None
    return {
        "target": target.name,
        "device": target.device,
        "versions": dict(target.versions),
        "status": target.status,
        "message": target.message,
        "environment": _environment(target),
        "compiled_programs": target.worker.launch.programs,
        "claims": target.claim.text,
        "cases": target.cases,
        **({"most": target.most} if target.most else {}),
        "judged": target.judged,
        "declined": dict(target.declined),
        "seconds": round(target.seconds, 3),
        "workers": target.workers,
        "threads": target.worker.launch.cores,
        "unsupported": dict(target.unsupported),
        "declared": {dtype: arithmetic.name for dtype, arithmetic in target.declared.items()},
        **target.traits.to_json(),
        "coverage": None if covered is None else dataclasses.asdict(covered),
    }


def _environment(target: Target) -> dict[str, Any] | None:
    """The environment that a target lives in, if not in that of the run."""
    if (found := target.environment) is None:
        return None
    names = ("name", "python", "requirements", "beside", "packages")
    return {name: getattr(found, name) for name in names}
