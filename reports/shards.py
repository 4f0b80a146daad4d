"""One run that was judged in parts, each by a command of its own: what `run.json` says of them together."""

from __future__ import annotations

import collections
from collections.abc import Mapping, Sequence
from typing import Any

from depthwise_conformance.reports.known import join_known
from depthwise_conformance.reports.runs import COMPLETE, INCOMPLETE

WHOLE = [1, 1]
SAME = ("tool", "seed", "examples", "strength", "checks", "only", "fast")
ADDED = ("cases", "judged")


def join_shards(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The one run that all shards of it are; other runs as they are. Raises ValueError where one is given twice."""
    shards = [run.get("shard", WHOLE) for run in runs]
    alike = all(run.get(name) == runs[0].get(name) for run in runs for name in SAME)
    if not alike or WHOLE in shards or len({count for _, count in shards}) != 1:
        return runs
    count = shards[0][1]
    if twice := sorted({number for number, _ in shards if shards.count([number, count]) > 1}):
        raise ValueError(f"shard {twice[0]}/{count} is given more than once; each counts once")
    return [_joined(runs, sorted(set(range(1, count + 1)) - {number for number, _ in shards}), count)]


def _joined(runs: Sequence[dict[str, Any]], missing: Sequence[int], count: int) -> dict[str, Any]:
    complete = not missing and all(run.get("complete") is True for run in runs)
    short = {name: [told for run in runs for told in run.get(name, ())] for name in ("thin", "cut_short")}
    if missing:
        numbers = ", ".join(map(str, missing))
        short["thin"].append(
            f"Of {count} shards, these are missing: {numbers}; what they would have judged is unknown."
        )
    by_target: dict[str, list[Mapping[str, Any]]] = {}
    for target in (target for run in runs for target in run["targets"]):
        by_target.setdefault(target["target"], []).append(target)
    return {
        **runs[0],
        **short,
        "shard": WHOLE if not missing else runs[0]["shard"],
        "complete": complete,
        "state": COMPLETE if complete else INCOMPLETE,
        "stopped": any(run.get("stopped", False) for run in runs),
        "started": min(run["started"] for run in runs),
        "seconds": max(run["seconds"] for run in runs),
        "sessions": [session for run in runs for session in run.get("sessions", ())],
        "known": join_known(runs),
        "targets": [_target(parts) for parts in by_target.values()],
    }


def _target(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What became of a target over all shards; how much of the catalogue was covered is not told."""
    lost = next((part for part in parts if part.get("status") != "judged"), parts[0])
    declined: collections.Counter[str] = collections.Counter()
    choices: dict[str, collections.Counter[str]] = {}
    for part in parts:
        declined.update(part.get("declined", {}))
        for topic, seen in part.get("choices", {}).items():
            choices.setdefault(topic, collections.Counter()).update(seen)
    dtypes = sorted({dtype for part in parts for dtype in part.get("arithmetic", {})})
    return {
        **lost,
        **{name: sum(part.get(name, 0) for part in parts) for name in ADDED},
        "seconds": round(sum(part.get("seconds", 0.0) for part in parts), 3),
        "declined": dict(declined),
        "choices": {topic: dict(choices[topic]) for topic in sorted(choices)},
        "arithmetic": {
            dtype: _explained([part["arithmetic"][dtype] for part in parts if dtype in part.get("arithmetic", {})])
            for dtype in dtypes
        },
        "coverage": None,
    }


def _explained(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The arithmetic that explains the cases of all parts: it is that of some, and refuted by none."""
    refuted: collections.Counter[str] = collections.Counter()
    for part in parts:
        refuted.update(part["refuted"])
    names = [part["explained_by"] for part in parts]
    qualities = [part["quality"] for part in parts]
    return {
        "explained_by": next((name for name in names if name and not refuted[name]), ""),
        "cases": sum(part["cases"] for part in parts),
        "refuted": dict(refuted),
        "quality": None if None in qualities else max(qualities),
    }
