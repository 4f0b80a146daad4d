"""The house: its rooms and their arrows, the links that make them one package, and how long modules may grow."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from pathlib import Path

import grimp
import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "depthwise_conformance"
FOLDERS = ("adapters", "reference", "reports", "conformance", "src", "tests", "benchmarks")
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
LINES, FUNCTION = 400, 40  # what a reader can hold


def rooms() -> dict[str, Path]:
    """Folder by room: three at the root, the others in conformance/."""
    found = [ROOT / name for name in ("adapters", "reference", "reports")]
    found += [folder for folder in (ROOT / "conformance").iterdir() if any(folder.glob("*.py"))]
    return {folder.name: folder for folder in found}


def arrows() -> set[tuple[str, str]]:
    """Which room imports which."""
    graph = grimp.build_graph("depthwise_conformance", cache_dir=None)
    pairs = {
        (importer.split(".")[1], imported.split(".")[1])
        for importer in graph.modules - {"depthwise_conformance"}
        for imported in graph.find_modules_directly_imported_by(importer)
    }
    return {(one, other) for one, other in pairs if one != other}


def reachable(found: set[tuple[str, str]], start: str) -> set[str]:
    onward = {other for one, other in found if one == start}
    return onward.union(*(reachable(found, other) for other in onward))


def test_every_room_is_a_link_in_the_package():
    links = {path.name: path.resolve() for path in PACKAGE.iterdir() if path.is_symlink()}
    assert links == {name: folder.resolve() for name, folder in rooms().items()}
    assert [path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name not in links] in (
        [],
        ["__pycache__"],
    )


def test_the_contracts_of_pyproject_hold(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True) == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("room", "imported"),
    [
        ("casebook", "depthwise_conformance.judging.values"),
        ("layers", "depthwise_conformance.running.targets"),
        ("reports", "depthwise_conformance.reference.config"),
        ("adapters", "depthwise_conformance.reference.operation"),
        ("judging", "torch"),
    ],
)
def test_the_contracts_can_be_broken(room, imported, monkeypatch, tmp_path, capsys):
    """On a copy of the tree with one import more."""
    package = tmp_path / "depthwise_conformance"
    for name, folder in rooms().items():
        for file in folder.rglob("*.py"):
            copy = package / name / file.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(file.read_text("utf-8"), "utf-8")
    (package / "__init__.py").touch()
    (package / room / "astray.py").write_text(f"import {imported}\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "depthwise_conformance"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.chdir(tmp_path)
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 1
    assert "BROKEN" in capsys.readouterr().out


def test_the_picture_has_the_arrows_that_do_not_follow_from_others():
    found = arrows()
    drawn = set(re.findall(r"^    (\w+) --> (\w+)$", PAGE, re.MULTILINE))
    direct = {
        (one, other)
        for one, other in found
        if not any(other in reachable(found, between) for start, between in found if start == one)
    }
    assert drawn == direct
    assert set(re.findall(r'^    (\w+)\["', PAGE, re.MULTILINE)) == set(rooms())


def test_the_ten_steps_name_what_there_is():
    steps = PAGE.partition("## The way of one case")[2]
    assert re.findall(r"^(\d+)\. ", steps, re.MULTILINE) == [str(n) for n in range(1, 11)]
    names = re.findall(r"`([a-z_.]+):(\w+)`", steps)
    assert len(names) >= 10
    for module, name in names:
        assert hasattr(importlib.import_module(f"depthwise_conformance.{module}"), name), f"{module}:{name}"


def test_where_things_go_names_files_that_there_are():
    table = PAGE.partition("## Where things go")[2].partition("## ")[0]
    paths = re.findall(r"`((?:adapters|conformance|reports|reference|tests)/[^`]*)`", table)
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_no_module_and_no_function_is_longer_than_one_reads():
    files = sorted({file.resolve() for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")})
    long = [f"{file.name}: {count}" for file in files if (count := len(file.read_text("utf-8").splitlines())) > LINES]
    for file in files:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and (count := node.end_lineno - node.lineno + 1) > FUNCTION:
                long.append(f"{file.name}: {node.name} {count}")
    assert long == []
