"""What holds the project together: its imports, its packages, its command lines."""

from __future__ import annotations

import ast
import configparser
import itertools
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from depthwise_conformance import Case, LayerConfig
from depthwise_conformance.adapters.builtin import DEFAULT, GROUPS
from depthwise_conformance.casebook.claims import Claim
from depthwise_conformance.reference import Evaluation, expected_arithmetic

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
ROOMS = ("conformance", "adapters", "reference", "reports")
PACKAGE = "depthwise_conformance"
SOURCES = ROOT / "src" / PACKAGE
FRAMEWORKS = {
    name
    for contract in PYPROJECT["tool"]["importlinter"]["contracts"]
    if contract["name"] == "No framework outside of workers"
    for name in contract["forbidden_modules"]
}


class Import(NamedTuple):
    """`name` imported somewhere; `on_load` when importing the module is enough for it to happen."""

    file: Path
    line: int
    name: str
    on_load: bool

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.name}"


def imports_of(file: Path) -> Iterator[Import]:
    """Every import statement and every `import_module("literal")`, wherever it stands."""
    waiting: list[tuple[ast.AST, bool]] = [(ast.parse(file.read_text("utf-8")), True)]
    while waiting:
        node, on_load = waiting.pop()
        match node:
            case ast.Import(names=names):
                yield from (Import(file, node.lineno, alias.name, on_load) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                stem = "." * level + (module or "")
                yield from (Import(file, node.lineno, f"{stem}.{alias.name}", on_load) for alias in names)
            case ast.Call(
                func=ast.Name(id=called) | ast.Attribute(attr=called), args=[ast.Constant(value=str(name)), *_]
            ) if called in ("import_module", "__import__"):
                yield Import(file, node.lineno, name, on_load)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                on_load = False
        waiting += ((child, on_load) for child in ast.iter_child_nodes(node))


def imports(room: str) -> list[Import]:
    return [found for file in sorted((ROOT / room).rglob("*.py")) for found in imports_of(file)]


@pytest.mark.parametrize("room", ROOMS)
def test_imports_are_absolute_and_never_by_folder(room):
    assert [
        str(i) for i in imports(room) if i.name.startswith((".", *(f"{r}." for r in ROOMS))) or i.name in ROOMS
    ] == []


def test_reference_needs_numpy_alone():
    allowed = {PACKAGE, "numpy", *sys.stdlib_module_names}
    assert [str(i) for i in imports("reference") if i.name.partition(".")[0] not in allowed] == []


@pytest.mark.parametrize("room", ROOMS)
def test_frameworks_are_imported_by_adapters_alone_and_late(room):
    frameworks = [i for i in imports(room) if i.name.partition(".")[0] in FRAMEWORKS]
    assert [str(i) for i in frameworks if room != "adapters" or i.on_load] == []


def test_the_import_reader_sees_what_it_should(tmp_path):
    file = tmp_path / "sample.py"
    file.write_text(
        "import a.b\n"
        "from c import d, e\n"
        "from . import f\n"
        "class K:\n"
        "    import g\n"
        "    def m(self):\n"
        "        import h\n"
        "        return importlib.import_module('i')\n"
        "if True:\n"
        "    j = import_module('j', k)\n"
    )
    seen = {(i.name, i.on_load) for i in imports_of(file)}
    late = {("h", False), ("i", False)}
    assert seen == {("a.b", True), ("c.d", True), ("c.e", True), ("..f", True), ("g", True), ("j", True)} | late


def source_files() -> set[str]:
    """What the wheel should hold: everything in the package and behind its links."""
    files = {Path(folder, name) for folder, _, names in os.walk(SOURCES, followlinks=True) for name in names}
    return {str(file.relative_to(SOURCES.parent)) for file in files if file.suffix != ".pyc"}


def test_every_folder_with_modules_is_a_package():
    folders = {file.parent for room in ROOMS for file in (ROOT / room).rglob("*.py")}
    assert len(folders) > 10
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_a_clone_shows_the_package_to_static_tools(tmp_path):
    """An editor or a type checker that is told of `src` finds every import, before anything is installed."""
    look = [
        sys.executable,
        "-I",
        "-S",
        "-c",
        "import sys; sys.path.insert(0, sys.argv[1]); import depthwise_conformance",
    ]
    subprocess.run([*look, ROOT / "src"], check=True, cwd=tmp_path)
    missing = [
        i for room in ROOMS for i in imports(room) if i.name.startswith(PACKAGE) and not found_in_sources(i.name)
    ]
    assert [str(i) for i in missing] == []


def found_in_sources(name: str) -> bool:
    """Whether there is a module or a package, or one that has the name in it."""
    place = SOURCES.joinpath(*name.split(".")[1:])
    return any(path.with_suffix(".py").is_file() or (path / "__init__.py").is_file() for path in (place, place.parent))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel built from a copy of the sources: building in place would leave and find old files."""
    copy = tmp_path_factory.mktemp("sources")
    for room in (*ROOMS, "src", "docs"):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / room, copy / room, ignore=ignored, symlinks=True)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    pip = [sys.executable, "-P", "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    built = tmp_path_factory.mktemp("wheel")
    done = subprocess.run([*pip, "--wheel-dir", built, copy], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_the_wheel_holds_the_source_tree(wheel):
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert held == source_files()


def test_the_wheel_declares_its_command_and_licence(wheel):
    texts = {name.partition(".dist-info/")[2]: name for name in wheel.namelist()}
    assert "licenses/LICENSE" in texts
    entry_points = configparser.ConfigParser()
    entry_points.read_string(wheel.read(texts["entry_points.txt"]).decode())
    assert entry_points["console_scripts"]["depthwise-conformance"] == "depthwise_conformance.running.cli:main"


def readme_command(heading: str) -> str:
    """The one line of the `sh` block that follows a heading at once."""
    text = (ROOT / "README.md").read_text("utf-8")
    found = re.search(rf"^## {heading}\n+```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found, f"'## {heading}' is not followed at once by a fenced sh block"
    (line,) = found[1].splitlines()
    return line


@pytest.mark.parametrize(
    ("heading", "job"),
    [("Run it", ".venv/bin/depthwise-conformance run"), ("Test it", ".venv/bin/pytest -n 2 --dist loadfile")],
)
def test_readme_commands(heading, job):
    line = readme_command(heading)
    assert line.endswith(f" && {job}")
    for shell in filter(shutil.which, ("sh", "dash", "bash", "zsh")):
        subprocess.run([shell, "-n", "-c", line], check=True)


def test_readme_commands_share_their_set_up():
    run, test = (readme_command(heading).rpartition(" && ")[0] for heading in ("Run it", "Test it"))
    assert run == test


@pytest.mark.parametrize("shell", [s for s in ("sh", "dash", "bash", "zsh") if shutil.which(s)])
def test_readme_set_up_is_done_once_and_again_after_a_change(shell, tmp_path):
    """The set-up's logic, with a `python3` that only takes notes."""
    fake = tmp_path / "bin" / "python3"
    fake.parent.mkdir()
    fake.write_text(
        "#!/bin/sh\n"
        "echo venv >> log\n"
        "mkdir -p .venv/bin\n"
        "printf '#!/bin/sh\\necho pip >> log; exit ${PIP_FAILS:-0}\\n' > .venv/bin/pip\n"
        "printf '#!/bin/sh\\necho job >> log; exit 1\\n' > .venv/bin/depthwise-conformance\n"
        "chmod +x .venv/bin/*\n"
    )
    fake.chmod(0o755)

    def run(**variables: str) -> tuple[int, list[str]]:
        environment = {"PATH": f"{fake.parent}:/usr/bin:/bin", **variables}
        log = tmp_path / "log"
        log.unlink(missing_ok=True)
        done = subprocess.run([shell, "-c", readme_command("Run it")], cwd=tmp_path, env=environment)
        return done.returncode, log.read_text().split()

    pinned = [tmp_path / "constraints.txt", tmp_path / "pyproject.toml"]
    for file in pinned:
        file.touch()
        os.utime(file, (0, 0))
    assert run(PIP_FAILS="2") == (2, ["venv", "pip"])  # an interrupted set-up counts for nothing
    assert run() == (1, ["venv", "pip", "job"])  # and the job's own exit status comes through
    assert run() == (1, ["job"])
    for file in pinned:
        later = (tmp_path / ".venv" / "ready").stat().st_mtime + 2
        os.utime(file, (later, later))
        assert run() == (1, ["venv", "pip", "job"])
        os.utime(file, (0, 0))


def test_tox_has_an_environment_for_every_target_and_group():
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "tox.ini")
    listed = set(itertools.chain(*map(expand_braces, config["tox"]["env_list"].split())))
    targets = {f"{name}-{device}" for name in DEFAULT for device in ("cpu", "cuda")}
    assert listed == {"tests", "type", "lint", *targets, *(GROUPS.keys() - {"default"})}


def test_the_readme_lists_every_target():
    table = (ROOT / "README.md").read_text("utf-8").partition("## Targets\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `([^`]+)`", table, re.MULTILINE) == list(DEFAULT)


def test_the_readme_adapter_works():
    (source,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    module: dict[str, Any] = {}
    exec(source, module)
    adapter = module["MyKernel"]()
    configs = [
        LayerConfig((3, 2)),
        LayerConfig((3, 2), strides=(2, 3), depth_multiplier=3, use_bias=False),
        LayerConfig((3, 2), dilation_rate=(1, 2), depth_multiplier=2, data_format="channels_first", dtype="float64"),
    ]
    for config, batch in itertools.product(configs, (0, 2)):
        shape = (batch, 7, 8, 3) if config.channels_last else (batch, 3, 7, 8)
        arrays = np.random.default_rng(0)
        x = arrays.standard_normal(shape).astype(config.dtype)
        kernel = arrays.standard_normal((3, 2, 3, config.depth_multiplier)).astype(config.dtype)
        bias = arrays.standard_normal(3 * config.depth_multiplier).astype(config.dtype) if config.use_bias else None
        expected = Evaluation(config, x, kernel, bias).output(expected_arithmetic(config.dtype))
        y = adapter.forward(config, x, kernel, bias)
        assert y.shape == expected.value.shape
        assert y.dtype == x.dtype
        assert np.all(np.abs(y - expected.value) <= expected.bound)
    claim = Claim(adapter.claims)
    assert all(claim.covers(Case(config, (1, 7, 8, 3) if config.channels_last else (1, 3, 7, 8))) for config in configs)
    assert not claim.covers(Case(LayerConfig(3, padding="same"), (1, 7, 8, 3)))


def expand_braces(text: str) -> list[str]:
    """`{a,b}-{c,d}` -> a-c, a-d, b-c, b-d."""
    parts = [part.split(",") for part in re.split(r"[{}]", text) if part]
    return ["".join(chosen) for chosen in itertools.product(*parts)]
