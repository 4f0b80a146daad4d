"""`docs/findings.md` is made of `docs/findings.toml`, written by hand, and of what runs found: `docs/findings/`.

`python tests/test_findings.py` writes the page anew; `python tests/test_findings.py RUN...` first takes from these run
folders the rows and the scripts of the discrepancies whose ids the file has.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from depthwise_conformance.reports.record import Discrepancy
from depthwise_conformance.reports.sheets import read_sheet, write_sheet
from depthwise_conformance.reports.tables import read_discrepancies

DOCS = Path(__file__).parents[1] / "docs"
PAGE, CHOSEN, KEPT = DOCS / "findings.md", DOCS / "findings.toml", DOCS / "findings"
ROWS = KEPT / "discrepancies.csv"
PARTS = {"versions": "Versions", "documented": "Documented", "happens": "What happens"}
# Runs the scripts of one software one after the other, so that it is imported once; prints how each ends
DRIVER = """
import sys
for path in sys.argv[1:]:
    try:
        exec(compile(open(path, encoding="utf-8").read(), path, "exec"), {"__name__": "__main__"})
    except SystemExit as end:
        print("ends with", end.code, path)
"""


def chosen() -> dict[str, Any]:
    return tomllib.loads(CHOSEN.read_text("utf-8"))


def ids(findings: Iterable[dict[str, Any]]) -> list[str]:
    return [name for finding in findings for name in finding["ids"]]


def rows() -> dict[str, Discrepancy]:
    return {one.id: one for one in read_sheet(ROWS, Discrepancy)}


def render() -> str:
    content, found = chosen(), rows()
    parts = ["# Findings", content["introduction"].strip(), table(content["finding"], found)]
    for finding in content["finding"]:
        parts.append(f"## {finding['title']}")
        parts += [f"**{told}:** {finding[name].strip()}" for name, told in PARTS.items()]
        parts += [
            f"```{finding.get('language', 'python')}\n{finding['code'].strip()}\n```",
            finding.get("prints", "prints"),
        ]
        parts.append(f"```text\n{finding['printed'].strip()}\n```")
        mine = [found[name] for name in finding["ids"]]
        links = upstream(finding, found)
        parts += [f"**Upstream:** {' and '.join(f'<{link}>' for link in links)}"] if links else []
        parts += ["**In a run:**\n\n" + "\n".join(map(told_of, mine))] if mine else []
    return "\n\n".join(parts) + "\n"


def table(findings: Sequence[dict[str, Any]], found: dict[str, Discrepancy]) -> str:
    """A line for each finding, by software."""
    lines = ["| Software | What | Versions | Verdict | Reported |", "|---|---|---|---|---|"]
    for finding in sorted(findings, key=lambda one: one["software"].lower()):
        title = re.sub("[^a-z0-9 _-]", "", finding["title"].lower()).replace(" ", "-")
        release = re.split(r"[.;,](?=\s|$)", " ".join(finding["versions"].split()))[0]
        links = ", ".join(f"[{link.rpartition('/')[2]}]({link})" for link in upstream(finding, found))
        what = f"[{finding['title']}](#{title})"
        cells = (finding["software"], what, release, finding["verdict"].replace("_", " "), links or "none found")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def upstream(finding: dict[str, Any], found: dict[str, Discrepancy]) -> list[str]:
    """Links to where it is reported."""
    known = (found[name].known for name in finding["ids"])
    return list(dict.fromkeys((*finding.get("upstream", ()), *(url for url in known if url.startswith("https://")))))


def told_of(one: Discrepancy) -> str:
    cases = f"{one.failing} of {one.failing + one.passing} cases"
    also = f" (also {one.also})" if one.also else ""
    says = "; ".join(f"{name}: `{value}`" for name in ("cause", "condition") if (value := getattr(one, name)))
    script = f" [Script](findings/{one.id}.py)." if (KEPT / f"{one.id}.py").exists() else ""
    told = f"`{one.target}` ({one.versions}): {one.check} is {one.verdict.value} on {cases}{also}."
    return f"- `{one.id}`, {told}{f' {says[0].upper()}{says[1:]}.' if says else ''}{script}"


def take(folders: Iterable[Path]) -> None:
    """Keeps the rows and scripts of what is chosen, those of the last folder that has them."""
    wanted, found = ids(chosen()["finding"]), rows() if ROWS.exists() else {}
    for folder in folders:
        for one in read_discrepancies(folder):
            if one.id in wanted:
                found[one.id] = replace(one, replay="", detail="")
                (KEPT / f"{one.id}.py").unlink(missing_ok=True)
                if (script := folder / "repro" / f"{one.id}.py").exists():
                    shutil.copyfile(script, KEPT / script.name)
    write_sheet(ROWS, Discrepancy, [found[name] for name in wanted if name in found])
    for script in KEPT.glob("*.py"):
        if script.stem not in wanted:
            script.unlink()
    if missing := [name for name in wanted if name not in found]:
        print(f"in none of the folders: {', '.join(missing)}", file=sys.stderr)


def test_the_page_is_current():
    assert PAGE.read_text("utf-8") == render()


def test_nothing_is_kept_that_is_not_chosen():
    wanted = ids(chosen()["finding"])
    assert len(wanted) == len(set(wanted)) > 0
    assert list(rows()) == wanted
    assert {path.stem for path in KEPT.glob("*.py")} <= set(wanted)


def test_what_is_shown_by_hand_can_be_read_and_needs_nothing_of_ours():
    for finding in chosen()["finding"]:
        if finding.get("language", "python") == "python":
            compile(finding["code"], finding["title"], "exec")
        assert not re.search("depthwise_conformance", finding["code"])


def software(one: Discrepancy) -> str:
    return one.target.partition("@")[0]


def is_installed(one: Discrepancy) -> bool:
    """Whether what is installed is what the row was found with."""
    for named in one.versions.split(", "):
        name, _, version = named.partition(" ")
        try:
            if Version(metadata.version(name)).base_version != Version(version).base_version:
                return False
        except metadata.PackageNotFoundError:
            return False
    return True


KINDS = sorted({software(one) for one in rows().values()}) if ROWS.exists() else []


@pytest.mark.parametrize("kind", KINDS)
def test_the_scripts_still_show_it(kind):
    """Those whose fault neither the processor nor the memory decides, on the releases that they were found with."""
    steady = ids(finding for finding in chosen()["finding"] if finding.get("steady", True))
    mine = [one for one in rows().values() if software(one) == kind and one.id in steady and is_installed(one)]
    scripts = [str(path) for one in mine if (path := KEPT / f"{one.id}.py").exists()]
    if not scripts:
        pytest.skip(f"no script of {kind} for the releases that are installed")
    done = subprocess.run([sys.executable, "-c", DRIVER, *scripts], capture_output=True, text=True, timeout=300)
    ends = [line for line in done.stdout.splitlines() if line.startswith("ends with")]
    assert ends == [f"ends with 1 {script}" for script in scripts], done.stdout + done.stderr


if __name__ == "__main__":
    if sys.argv[1:]:
        take(map(Path, sys.argv[1:]))
    PAGE.write_text(render(), "utf-8")
