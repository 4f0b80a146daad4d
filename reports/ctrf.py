"""`ctrf.json`: what `junit.xml` says, in the Common Test Report Format (ctrf.io)."""

from __future__ import annotations

import datetime
import json
import xml.etree.ElementTree as ET
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

from depthwise_conformance.reports.files import place_text

JUNIT, CTRF = "junit.xml", "ctrf.json"
STATUSES = ("passed", "failed", "skipped", "pending", "other")


def write_ctrf(folder: Path) -> None:
    """Writes `ctrf.json` from a folder's `junit.xml`. Raises OSError, ParseError."""
    (suite,) = ET.parse(folder / JUNIT).getroot().iter("testsuite")
    start = datetime.datetime.fromisoformat(suite.get("timestamp", ""))
    begun, took = _milliseconds(start.timestamp()), _milliseconds(suite.get("time", "0"))
    tests = [_test(item) for item in suite.iter("testcase")]
    counts = Counter(str(one["status"]) for one in tests)
    summary = {"tests": len(tests), **{name: counts[name] for name in STATUSES}}
    name = "depthwise-conformance"
    content = {
        "reportFormat": "CTRF",
        "specVersion": "0.0.0",
        "generatedBy": name,
        "results": {
            "tool": {"name": name, "version": version(name)},
            "summary": {**summary, "start": begun, "stop": begun + took},
            "tests": tests,
        },
    }
    place_text(folder / CTRF, json.dumps(content, indent=1) + "\n")


def _test(item: ET.Element) -> dict[str, Any]:
    status, raw, told = "passed", "passed", None
    for child in item:
        if child.tag in ("failure", "error"):
            status, raw, told = "failed", child.tag, child
        elif child.tag == "skipped":  # pytest writes what is known as skipped, too
            known = child.get("type") == "pytest.xfail"
            status, raw, told = ("other", "known", child) if known else ("skipped", "skipped", child)
    said = {str(one.get("name")): str(one.get("value")) for one in item.iter("property")}
    test = {
        "name": f"{said.get('target', item.get('classname'))} {item.get('name')}",
        "status": status,
        "rawStatus": raw,
        "duration": _milliseconds(item.get("time", "0")),
        "suite": [item.get("classname", "")],
        "extra": said,
    }
    if told is not None:
        test |= {"message": told.get("message", "").partition("\n")[0], "trace": told.text or ""}
    return test


def _milliseconds(seconds: float | str) -> int:
    return round(1000 * float(seconds))
