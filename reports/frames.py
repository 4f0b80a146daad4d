"""A run folder as data frames: `load`. What each column holds is in `docs/results.md`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from depthwise_conformance.reports.record import NOT_JUDGED, Discrepancy, Verdict
from depthwise_conformance.reports.rows import CATEGORIES, Rows
from depthwise_conformance.reports.runs import read_runs
from depthwise_conformance.reports.tables import read_discrepancies

SUBJECT = ["target", "device", "versions"]
PAIRS = {"kernel_size": "kernel", "strides": "stride", "dilation_rate": "dilation"}
SIZES = ("batch", "input_height", "input_width", "channels")
# Arguments of the layer that are one value, with their documented defaults.
CHOICES: Mapping[str, Any] = {
    **{"padding": "valid", "data_format": "channels_last", "activation": "linear", "use_bias": True},
    **{"depthwise_initializer": "glorot_uniform", "bias_initializer": "zeros"},
    **{"depthwise_regularizer": None, "bias_regularizer": None, "activity_regularizer": None},
    **{"depthwise_constraint": None, "bias_constraint": None},
}
NUMBERS = (*(f"{stem}_{axis}" for stem in PAIRS.values() for axis in ("height", "width")), "depth_multiplier", *SIZES)
ASKED = ["dtype", "recipe", "seed", *NUMBERS, *CHOICES, "arguments", "input_shape"]  # what a case is


@dataclass(frozen=True)
class Frames:
    """A run folder, or several that were merged, as data frames.

    `results` has a row for each check on each case of each target, `cases` one for each case of each target,
    `discrepancies` one for each distinct discrepancy, `targets` one for each target of each run. Arguments of the layer
    are columns, of pairs two; texts with few values are categories, whole numbers that may be missing are `Int64`.
    """

    results: pd.DataFrame
    cases: pd.DataFrame
    discrepancies: pd.DataFrame
    targets: pd.DataFrame


def load(folder: Path | str) -> Frames:
    """The frames of a run folder. Raises ValueError that names the folder and what is missing or malformed."""
    folder = Path(folder)
    found = [dataclasses.asdict(one) for one in read_discrepancies(folder)]
    discrepancies = pd.DataFrame(found, columns=[field.name for field in dataclasses.fields(Discrepancy)])
    results = _with_arguments(read_results(folder))
    return Frames(
        results=results,
        cases=_cases(results),
        discrepancies=discrepancies.astype(dict.fromkeys([*SUBJECT, "dtype", "check", "verdict"], "category")),
        targets=_targets(read_runs(folder)),
    )


def read_results(folder: Path) -> pd.DataFrame:
    """All records of a run: a row for each, a column for every field of `Record`, few-valued ones as categories.

    Raises ValueError that names the folder and what is wrong.
    """
    with Rows(folder, categories=CATEGORIES) as rows:
        frame: pd.DataFrame = rows.table().to_pandas()
    if "seconds" not in frame:
        frame = frame.assign(discrepancy="", seconds=np.nan)
    return frame


def _with_arguments(results: pd.DataFrame) -> pd.DataFrame:
    """The results with columns for all that a case is, read once from each text that there is."""
    results["discrepancy"] = results["discrepancy"].where(results["discrepancy"] != "")
    asked = results[["arguments", "input_shape"]].drop_duplicates()
    rows = [_read(*texts) for texts in asked.itertuples(index=False)]
    wide = pd.DataFrame(rows, index=asked.index, columns=[*NUMBERS, *CHOICES])
    wide = wide.astype(dict.fromkeys(NUMBERS, "Int64") | dict.fromkeys(CHOICES, "category"))
    wide["use_bias"] = wide["use_bias"].astype("boolean")
    joined = results.merge(pd.concat([asked, wide], axis=1), on=["arguments", "input_shape"], how="left")
    first = [*SUBJECT, "check", "verdict", "case", "error", "quality", "discrepancy", "seconds"]
    joined = joined[[*first, *ASKED, "signature", "detail"]]
    return joined.astype(dict.fromkeys([*CATEGORIES, "discrepancy"], "category"))


def _read(arguments: str, input_shape: str) -> dict[str, Any]:
    """What the JSON of a case says; what is no such argument is missing, as it may be where it is to be refused."""
    given, shape = _parsed(arguments), _parsed(input_shape)
    given = given if isinstance(given, dict) else {}
    known: dict[str, Any] = {"depth_multiplier": _whole(given.get("depth_multiplier", 1))}
    for name, stem in PAIRS.items():
        pair = _pair(given.get(name, None if name == "kernel_size" else 1))
        known |= dict(zip((f"{stem}_height", f"{stem}_width"), pair, strict=True))
    for name, default in CHOICES.items():
        value = given.get(name, default)
        known[name] = value if isinstance(value, str | bool | None) else json.dumps(value)
    known["activation"] = known["activation"] or "linear"
    known["use_bias"] = known["use_bias"] if isinstance(known["use_bias"], bool) else None
    if isinstance(shape, list) and len(shape) == len(SIZES):
        first = known["data_format"] == "channels_first"
        known |= dict(zip(("batch", "channels", *SIZES[1:3]) if first else SIZES, map(_whole, shape), strict=True))
    return known


def _parsed(text: str) -> Any:
    """The value of a JSON text; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _pair(value: Any) -> tuple[int | None, int | None]:
    """Height and width of an int or of two, or of a tuple as case files write it."""
    value = value.get("tuple") if isinstance(value, dict) else value
    if isinstance(value, list):
        return (_whole(value[0]), _whole(value[1])) if len(value) == 2 else (None, None)
    return _whole(value), _whole(value)


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 else None


def _cases(results: pd.DataFrame) -> pd.DataFrame:
    """A row for each case of each target: what it is, how many checks judged it and fail, and its seconds."""
    judged = ~results["verdict"].isin(NOT_JUDGED)
    failing = judged & (results["verdict"] != Verdict.PASS.value)
    grouped = results.assign(judged=judged, failing=failing).groupby([*SUBJECT, "case"], observed=True, sort=False)
    figures = grouped.agg(
        **{name: (name, "first") for name in ASKED},
        judged=("judged", "sum"),
        failing=("failing", "sum"),
        worst_error=("error", "max"),
        seconds=("seconds", "sum"),
    )
    return figures.reset_index()


def _targets(runs: list[dict[str, Any]]) -> pd.DataFrame:
    names = [*SUBJECT, "status", "cases", "judged", "declined", "seconds", "seed", "started"]
    return pd.DataFrame(list(_rows(runs)), columns=names).astype(dict.fromkeys([*SUBJECT, "status"], "category"))


def _rows(runs: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for run in runs:
        for one in run["targets"]:
            yield {
                "target": str(one["target"]),
                "device": str(one.get("device", "")),
                "versions": ", ".join(f"{name} {version}" for name, version in one.get("versions", {}).items()),
                "status": str(one.get("status", "")),
                "cases": int(one.get("cases", 0)),
                "judged": int(one.get("judged", 0)),
                "declined": sum(one.get("declined", {}).values()),
                "seconds": float(one.get("seconds", 0.0)),
                "seed": run.get("seed"),
                "started": pd.Timestamp(run["started"]) if "started" in run else pd.NaT,
            }
