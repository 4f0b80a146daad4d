"""Workers in JavaScript: their frames, and how their packages come. What npm fetches is made up here."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from depthwise_conformance.adapters.builtin import BUILTIN
from depthwise_conformance.running import javascript
from depthwise_conformance.running.javascript import node_command
from depthwise_conformance.running.targets import asking_for, missing, open_targets, requests
from depthwise_conformance.running.usage import UsageError
from depthwise_conformance.workers.process import Launch
from depthwise_conformance.workers.protocol import Message
from depthwise_conformance.workers.worker import Worker, WorkerBrokenError

FOLDER = Path(__file__).parents[2] / "adapters" / "javascript"
TARGET = """
import { Unsupported, serve } from "./worker.mjs";
class OwnError extends RangeError {}
await serve(async ({ mode }) => {
  if (mode === "broken") throw new Error("no such backend");
  console.log("a banner");
  return {
    started: { name: "speaker", versions: { node: process.version } },
    forward({ arrays: { x } }) {
      console.log("heard");
      if (x.shape[0] === 0) throw new Unsupported("an empty batch");
      if (x.shape[0] === 3) throw new OwnError("three");
      if (x.shape[0] === 4) return { arrays: { output: { shape: [-1, 7], values: x.values } } };
      return { arrays: { output: { shape: x.shape, values: x.values.map((one) => 2 * one) } } };
    },
  };
});
"""
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")


@pytest.fixture(scope="module")
def speaker(tmp_path_factory):
    folder = tmp_path_factory.mktemp("speaker")
    shutil.copy(FOLDER / "worker.mjs", folder)
    (folder / "speaker.mjs").write_text(TARGET)
    return Launch("speaker", command=("node", str(folder / "speaker.mjs")))


@pytest.fixture(scope="module")
def worker(speaker):
    worker = Worker(speaker, 20.0)
    yield worker
    worker.close()


def ask(worker: Worker, batch: int, operation: str = "forward", dtype: str = "float32"):
    x = np.arange(batch * 6.0).reshape(batch, 1, 2, 3).astype(dtype)
    header = {"type": "run", "operation": operation, "arguments": {"kernel_size": [1, 1], "use_bias": False}}
    ((outcome,),) = worker.run([(Message(header, {"x": x, "kernel": np.ones((1, 1, 3, 1), dtype)}),)])
    return x, outcome


@needs_node
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arrays_come_and_go_though_a_library_prints(worker, dtype):
    x, outcome = ask(worker, 2, dtype=dtype)
    assert outcome.kind == "value"
    np.testing.assert_array_equal(outcome.arrays["output"], 2 * x, strict=True)


@needs_node
def test_what_is_not_claimed_raised_or_no_array_is_told(worker):
    assert (ask(worker, 0)[1].kind, ask(worker, 0)[1].message) == ("unsupported", "an empty batch")
    assert ask(worker, 2, "gradients")[1].kind == "unsupported"
    raised = ask(worker, 3)[1]
    assert (raised.kind, raised.classes[:3], raised.message) == (
        "error",
        ("OwnError", "RangeError", "Error"),
        "OwnError: three",
    )
    assert ask(worker, 4)[1].kind == "bad_return"


@needs_node
def test_a_library_that_cannot_start_is_told(speaker):
    broken = Worker(Launch("speaker", mode="broken", command=speaker.command), 20.0)
    with pytest.raises(WorkerBrokenError, match="no such backend"):
        broken.start()


def test_the_lock_file_names_no_place_and_pins_what_is_asked_for():
    text = (FOLDER / "package-lock.json").read_text("utf-8")
    assert '"resolved"' not in text
    manifest = json.loads((FOLDER / "package.json").read_text("utf-8"))
    assert json.loads(text)["packages"][""]["dependencies"] == manifest["dependencies"]
    assert all(version[0].isdigit() for version in manifest["dependencies"].values())


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """A program `npm` that says what it was asked, and installs what the test says."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")

    def says(script: str) -> Path:
        for name in ("node", "npm"):
            program = tmp_path / "bin" / name
            program.parent.mkdir(exist_ok=True)
            program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path / "asked"}\n{script}\n')
            program.chmod(0o755)
        return tmp_path / "asked"

    return says


def test_packages_are_installed_once(npm, capsys):
    asked = npm("mkdir node_modules")
    node, script = node_command("tfjs.mjs")
    assert node == "node"
    assert Path(script).read_bytes() == (FOLDER / "tfjs.mjs").read_bytes()
    assert (Path(script).parents[1] / "node_modules").is_dir()  # where Node.js looks for them
    assert "npm installs" in capsys.readouterr().err
    assert node_command("tfjs.mjs") == (node, script)
    assert asked.read_text() == "ci --ignore-scripts --no-audit --no-fund\n"
    assert capsys.readouterr().err == ""


def test_what_cannot_be_installed_is_told_and_tried_again(npm):
    asked = npm("echo there is no such package; exit 3")
    for _ in range(2):
        with pytest.raises(UsageError, match="exit status 3:\nthere is no such package"):
            requests(["tfjs"], [])
    assert len(asked.read_text().splitlines()) == 2


def test_without_npm_there_is_a_word_of_what_to_install(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda program: None if program == "npm" else f"/bin/{program}")
    assert missing("tfjs") == ("npm",)
    with pytest.raises(UsageError, match=r"npm is not installed; try: install Node\.js, with npm"):
        requests(["tfjs"], [])
    with pytest.raises(UsageError, match="npm not found on PATH"):
        node_command("tfjs.mjs")


@needs_node
def test_a_target_with_its_mode_is_asked_for_by_the_same_name(speaker, monkeypatch):
    monkeypatch.setattr("depthwise_conformance.running.targets.node_command", lambda script: speaker.command)
    (target,) = open_targets(requests(["tfjs@cpu"], []), 20.0)
    target.worker.close()
    assert (target.status, asking_for(target)) == ("judged", ["--target", "speaker@cpu"])


def test_every_program_of_a_target_is_there():
    scripts = {entry.script for entry in BUILTIN.values() if entry.script}
    assert scripts and all((FOLDER / script).is_file() for script in scripts)
    assert javascript.MANIFEST in {one.name for one in FOLDER.iterdir()}
