"""The options that a project keeps in its pyproject.toml, and what comes before them."""

from __future__ import annotations

import shlex
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from command_line import FAKES, HONEST, PYTEST, SUITE, call, records, run

from depthwise_conformance.reports.runs import read_runs
from depthwise_conformance.running import cli
from depthwise_conformance.running.options import OPTIONS, as_pytest_takes_them, decide
from depthwise_conformance.running.settings import nearest, read_settings
from depthwise_conformance.running.usage import UsageError

TABLE = "[tool.depthwise_conformance]\n"


EVERY = """
target = ["torch"]
targets = ["targets.toml"]
adapter = ["kernels/mine.py:Mine", "/elsewhere/yours.py:Yours"]
worker = ["node worker.mjs 'a b'", "./serve --port 80", "node 'unclosed"]
only = "kernel_size == 3"
least = 10
case = ["mine"]
model = ["net.onnx"]
input = "image.npy"
in-process = false
failed-first = true
fast = true
check = ["output"]
device = "cpu"
examples = 7
seed = 3
strength = 1
out = "results"
minutes = 0.5
shard = "1/2"
jobs = 4
threads = 1
timeout = 60
known = ["known.toml"]
update-known = "new.toml"
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "pyproject.toml"
    file.write_text(text)
    return file


def test_every_option_may_stand_in_the_file(tmp_path):
    for name in ("worker.mjs", "serve", "node", "80"):
        (tmp_path / name).touch()
    found = read_settings(written(tmp_path, TABLE + EVERY))
    assert found.keys() == OPTIONS.keys()
    assert found["--adapter"] == [f"{tmp_path}/kernels/mine.py:Mine", "/elsewhere/yours.py:Yours"]
    assert found["--targets"] == [f"{tmp_path}/targets.toml"]
    assert found["--worker"] == [
        shlex.join(["node", f"{tmp_path}/worker.mjs", "a b"]),
        shlex.join([f"{tmp_path}/serve", "--port", f"{tmp_path}/80"]),
        "node 'unclosed",
    ]
    assert (found["--case"], found["--model"]) == ([f"{tmp_path}/mine"], [f"{tmp_path}/net.onnx"])
    assert (found["--known"], found["--update-known"]) == ([f"{tmp_path}/known.toml"], tmp_path / "new.toml")
    assert found["--input"] == tmp_path / "image.npy"
    assert (found["--out"], found["--timeout"], found["--in-process"]) == (tmp_path / "results", 60, False)


def test_a_file_without_the_table_says_nothing(tmp_path):
    assert read_settings(tmp_path / "pyproject.toml") == {}
    assert read_settings(written(tmp_path, "[tool.other]\nexamples = 3\n")) == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{TABLE}example = 3", "has a key 'example': accepted are target, targets, adapter, worker, only, "),
        (f"{TABLE}in_process = true", "has a key 'in_process': accepted are target, "),
        (f"{TABLE}examples = '3'", "examples = '3': accepted is a whole number"),
        (f"{TABLE}examples = true", "examples = True: accepted is a whole number"),
        (f"{TABLE}timeout = 'long'", "timeout = 'long': accepted is a number"),
        (f"{TABLE}fast = 1", "fast = 1: accepted is true or false"),
        (f"{TABLE}target = 'torch'", "target = 'torch': accepted is a list of strings"),
        (f"{TABLE}check = [1]", "check = [1]: accepted is a list of strings"),
        (f"{TABLE}only = 3", "only = 3: accepted is a string"),
        (f"{TABLE}out = []", "out = []: accepted is a path, as a string"),
        (f"{TABLE}strength = 4", "strength = 4: accepted are 1, 2, 3"),
        ("tool.depthwise_conformance = 3", "accepted is a table, [tool.depthwise_conformance]"),
        ("tool = 3", "accepted is a table"),
        ("[tool", "cannot be read: "),
    ],
)
def test_what_is_wrong_is_told_with_the_file_the_key_and_what_is_accepted(tmp_path, text, told):
    file = written(tmp_path, text)
    with pytest.raises(UsageError) as error:
        read_settings(file)
    assert str(error.value).startswith(str(file))
    assert told in str(error.value)


def test_what_is_typed_comes_before_the_file_and_the_file_before_defaults():
    kept = {"--examples": 7, "--seed": 3, "--adapter": ["mine.py:Mine"], "--worker": ["serve"], "--fast": True}
    found = decide({"--seed": 5, "--fast": False, "--only": None}, kept)
    assert (found["--examples"], found["--seed"], found["--fast"], found["--strength"]) == (7, 5, False, 2)
    assert (found["--adapter"], found["--worker"], found["--target"]) == (["mine.py:Mine"], ["serve"], [])
    alone = decide({"--target": ["torch"]}, kept)
    assert (alone["--target"], alone["--adapter"], alone["--worker"]) == (["torch"], [], [])


def test_pytest_is_told_the_same():
    given = {"--target": ["torch", "jax"], "--fast": True, "--in-process": False, "--least": None, "--seed": 0}
    assert as_pytest_takes_them(given) == ["--dwc-target=torch", "--dwc-target=jax", "--dwc-fast", "--dwc-seed=0"]


def test_the_nearest_file_counts(tmp_path):
    (tmp_path / "inner" / "deep").mkdir(parents=True)
    outer, inner = written(tmp_path, ""), written(tmp_path / "inner", "")
    assert nearest(tmp_path / "inner" / "deep") == inner
    assert nearest(tmp_path) == outer


@pytest.mark.parametrize(("line", "told"), [("exmples = 3", "has a key 'exmples'"), ("examples = 0", "examples 0: ")])
def test_the_command_line_tells_a_mistake_in_the_file(tmp_path, monkeypatch, capsys, line, told):
    written(tmp_path, TABLE + line)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["run", "--adapter", HONEST]) == 2
    assert told in capsys.readouterr().err


# A project of a user's own, with options of its own

KERNEL = f"""
import sys
sys.path.append({str(FAKES)!r})
from honest import Honest as Mine
"""
CONFTEST = """
def pytest_addoption(parser):
    for name in ("--target", "--seed", "--timeout", "--out"):
        parser.addoption(name)
"""
TEST = """
import pytest
from kernel import Mine

def test_the_projects_own_options(pytestconfig):
    assert pytestconfig.getoption("--target") == "gpu"

@pytest.mark.parametrize(("target", "check"), [("mine", "all")])
def test_the_projects_own_parameters(target, check):
    assert (target, check) == ("mine", "all")

def test_kernel(conformance):
    conformance(Mine(), only="kernel_size == (3, 2)")
"""
SETTINGS = """
[tool.pytest.ini_options]
addopts = "--strict-markers"
pythonpath = ["."]

[tool.depthwise_conformance]
adapter = ["kernel.py:Mine"]
only = 'dtype == "float32" and activation == None'
check = ["output", "shape"]
examples = 10
out = "results"
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    files = {"kernel.py": KERNEL, "conftest.py": CONFTEST, "test_mine.py": TEST, "pyproject.toml": SETTINGS}
    for name, text in files.items():
        (folder / name).write_text(text)
    (folder / "inner").mkdir()
    return folder


@pytest.mark.parametrize("processes", [(), ("-n", 2)])
def test_pytest_heeds_the_projects_file_for_its_tests_and_for_the_suite(project, processes):
    own = ("../test_mine.py", "--target", "gpu", "--junitxml", "junit.xml", "-W", "error")
    done = call(project / "inner", *PYTEST, *own, *SUITE, "--dwc-seed", 3, *processes)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout
    (about,) = read_runs(project / "results")
    assert about["complete"] is True
    assert (about["examples"], about["seed"], about["checks"]) == (10, 3, ["output", "shape"])
    rows = records(project / "results")
    assert (set(rows["dtype"]), set(rows["target"])) == ({"float32"}, {"honest@cpu"})
    cases = {one.get("name"): one for one in ET.parse(project / "inner" / "junit.xml").getroot().iter("testcase")}
    assert cases["output"].get("classname") == "depthwise_conformance.honest@cpu"
    assert cases["test_kernel"].get("classname") == "test_mine"
    judged = {one.get("name"): int(one.get("value", "")) for one in cases["test_kernel"].iter("property")}
    assert judged["judged"] >= 10
    assert judged["declined"] == 0


def test_run_heeds_the_nearest_file_and_what_is_typed_before_it(project):
    done = run(project / "inner", "--examples", 5, "--out", "mine")
    assert done.returncode == 0, done.stderr
    (about,) = read_runs(project / "inner" / "mine")
    assert (about["examples"], about["checks"]) == (5, ["output", "shape"])
    assert about["options"]["adapters"] == [f"{project}/kernel.py:Mine"]


def test_pytest_tells_a_mistake_in_the_file(tmp_path):
    file = written(tmp_path, "[tool.depthwise_conformance]\nexmples = 3\n")
    (tmp_path / "test_mine.py").write_text("def test_kernel(conformance):\n    pass\n")
    for words in (SUITE, ("test_mine.py",)):
        done = call(tmp_path, *PYTEST, *words)
        told = done.stdout + done.stderr
        assert done.returncode != 0
        assert f"{file}: [tool.depthwise_conformance] has a key 'exmples': accepted are target, " in told
        assert "Traceback" not in told
        assert "settings.py" not in told
