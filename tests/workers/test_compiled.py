"""Programs that JAX has compiled are kept for the next run: where, for whom, and what a second worker makes of them."""

from __future__ import annotations

import os
import stat
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
from worker_calls import forward

from depthwise_conformance.adapters.builtin import BUILTIN
from depthwise_conformance.workers import compiled, process
from depthwise_conformance.workers.compiled import FOLDER, SWITCH, compiled_folder
from depthwise_conformance.workers.inside import Inside
from depthwise_conformance.workers.process import Launch

JAX, TORCH = BUILTIN["jax"].entry_point, BUILTIN["torch"].entry_point
LIBRARY = "jaxlib/_jax.so,sha256=aa,3\njaxlib/__init__.py,sha256=bb,4\n"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """A cache folder of the test's own, in which one build of jaxlib may keep what it compiles."""
    for name in (FOLDER, SWITCH, *compiled.KEEP_ALL):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    install(monkeypatch, LIBRARY)
    return tmp_path


def install(monkeypatch, record: str | None, version: str = "0.9") -> None:
    jaxlib = SimpleNamespace(version=version, read_text=lambda name: record)
    monkeypatch.setattr(compiled, "distributions", lambda name, path: iter([jaxlib]))


def told(programs: str, cores: int = 0) -> dict[str, str]:
    """What a worker's environment says of the cache."""
    environment = process._environment(Launch(JAX, programs=programs, cores=cores))
    return {name: value for name, value in environment.items() if name in (FOLDER, *compiled.KEEP_ALL)}


def test_what_compiles_with_jax_on_the_processor_has_a_folder_for_the_user_alone(cache):
    folder = compiled_folder(JAX, "cpu")
    assert folder == compiled_folder(BUILTIN["keras-jax"].entry_point, "cpu")
    assert cache in Path(folder).parents
    assert Path(folder).name.startswith("0.9-")
    assert stat.S_IMODE(Path(folder).stat().st_mode) & 0o077 == 0
    assert told(folder) == {FOLDER: folder, **compiled.KEEP_ALL}
    assert [compiled_folder(*other) for other in ((TORCH, "cpu"), ("jax", "cpu"), (JAX, "cuda:0"))] == ["", "", ""]


def test_a_worker_on_one_core_takes_no_programs_that_were_compiled_for_all():
    assert told(compiled_folder(JAX, "cpu"), cores=1) == {}


def test_the_users_own_folder_is_left_as_it_is(monkeypatch):
    monkeypatch.setenv(FOLDER, "elsewhere")
    assert compiled_folder(JAX, "cpu") == "elsewhere"
    assert told("elsewhere") == {FOLDER: "elsewhere"}


@pytest.mark.parametrize(("said", "kept"), [("0", False), ("False", False), ("1", True), ("TRUE", True)])
def test_jax_own_switch_is_heeded(monkeypatch, said, kept):
    monkeypatch.setenv(SWITCH, said)
    assert bool(compiled_folder(JAX, "cpu")) is kept


def test_another_build_or_processor_has_another_folder(monkeypatch, tmp_path):
    folders = [compiled_folder(JAX, "cpu")]
    install(monkeypatch, LIBRARY, version="0.10")
    folders.append(compiled_folder(JAX, "cpu"))
    install(monkeypatch, LIBRARY.replace("aa", "ab"), version="0.10")  # compiled anew
    folders.append(compiled_folder(JAX, "cpu"))
    monkeypatch.setenv("NPROC", "1")
    folders.append(compiled_folder(JAX, "cpu"))
    assert len(set(folders)) == len(folders)


def test_a_processor_is_told_by_its_features_and_not_by_its_speed(tmp_path):
    one = "model name\t: X\ncpu MHz\t: 1\nflags\t: avx avx2\n\nmodel name\t: X\n"
    listing = tmp_path / "cpuinfo"
    texts = []
    for text in (one, one.replace("MHz\t: 1", "MHz\t: 2"), one.replace(" avx2", ""), one.replace("X\ncpu", "Y\ncpu")):
        listing.write_text(text)
        texts.append(compiled._processor(listing))
    assert texts[0] == texts[1]
    assert len({*texts, compiled._processor(tmp_path / "none")}) == 4


@pytest.mark.parametrize("record", [None, "", "__editable__.jaxlib.pth,sha256=aa,3\n"])
def test_a_build_that_cannot_be_told_from_others_keeps_nothing(monkeypatch, record):
    install(monkeypatch, record)
    assert compiled_folder(JAX, "cpu") == ""


def test_a_folder_that_cannot_be_made_or_written_is_no_failure(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert compiled_folder(JAX, "cpu") == ""
    monkeypatch.undo()
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    install(monkeypatch, LIBRARY)
    assert compiled_folder(JAX, "cpu") == ""
    assert told("") == {}


def test_in_process_nothing_is_kept():
    assert Inside(Launch(JAX, programs="somewhere"), 1.0).launch.programs == ""


@pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed")
def test_a_second_worker_compiles_nothing_and_a_broken_program_is_compiled_again(start, tmp_path):
    folder = tmp_path / "programs"

    def answer() -> bytes:
        ((outcome,),) = start(JAX, programs=str(folder)).run([(forward(2.0),)])
        return outcome.arrays["output"].tobytes()

    def kept() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}

    first, written = answer(), kept()
    assert written
    assert (answer(), kept()) == (first, written)
    for path in folder.iterdir():  # as a worker leaves it that dies while it writes
        path.write_bytes(path.read_bytes()[:-100])
    assert answer() == first
