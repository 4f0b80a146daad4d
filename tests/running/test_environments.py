"""Targets with other releases: how they are spelled, how their environments are made, and what is said of them."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import HONEST

from depthwise_conformance.reports.changes import OPEN, Change
from depthwise_conformance.running import cli, environments, pipsettings, replaying, targets
from depthwise_conformance.running.describing import describe_target
from depthwise_conformance.running.environments import all_kept, environment
from depthwise_conformance.running.knownfile import Entry
from depthwise_conformance.running.resuming import identity
from depthwise_conformance.running.runoptions import RunOptions
from depthwise_conformance.running.spelling import Spelling, spelled
from depthwise_conformance.running.targets import Request, asking_for, open_targets, requests
from depthwise_conformance.running.usage import UsageError
from depthwise_conformance.workers.process import Launch

OLD = ("numpy==1.26.4",)  # another than a run has, and the oldest that a worker has to do with


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder for the environments of these tests alone, and one in it."""
    folder = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environments, "kept", lambda: folder)
        patch.setattr(targets, "adapter_names", lambda: {"honest": HONEST})
        yield environment(OLD, (), lambda line: None)


@pytest.fixture
def opened(kept):
    """A target in it."""
    (target,) = open_targets(requests(["honest[numpy==1.26.4]"], []), 60.0)
    yield target
    target.worker.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("torch", Spelling("torch")),
        ("jax:x64@cuda:0", Spelling("jax", (), "x64", "cuda:0")),
        ("keras-torch[keras == 3.8.0]@cpu", Spelling("keras-torch", ("keras==3.8.0",), "", "cpu")),
        (
            "jax[jaxlib<0.9,>=0.8, jax[cuda12]==0.8.3]:jit",
            Spelling("jax", ("jax[cuda12]==0.8.3", "jaxlib<0.9,>=0.8"), "jit"),
        ),
        ("torch[torch==2.8.0", None),
    ],
)
def test_spellings_are_read_and_written_alike(text, expected):
    assert spelled(text) == expected
    assert expected is None or spelled(str(expected)) == expected


@pytest.mark.parametrize("inside", ["", "a b", "keras @ file:///keras.whl", "keras; python_version > '3'"])
def test_what_is_no_release_of_an_index_is_refused(inside):
    with pytest.raises(UsageError, match="accepted are distributions of an index"):
        spelled(f"keras-torch[{inside}]")


def test_pips_settings_are_handed_on_where_uv_has_none_of_its_own(monkeypatch):
    listing = "global.extra-index-url='file:///a file:///b'\nglobal.find-links='/one'\n:env:.find-links='/two /three'\n"
    monkeypatch.setattr(pipsettings, "_pip_settings", lambda: pipsettings.read_listing(listing))
    assert pipsettings.uv_variables({}) == {
        "UV_EXTRA_INDEX_URL": "file:///a file:///b",
        "UV_FIND_LINKS": "/two,/three",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }
    assert pipsettings.uv_variables({"UV_INDEX_URL": "file:///c", "UV_FIND_LINKS": "/d"}) == {}
    assert pipsettings.read_listing("global.constraint='/c.txt'\n") == {"constraint": "/c.txt"}


def test_the_resolver_is_asked_with_all_versions_then_without_numpys_then_without_any(monkeypatch):
    here = {"numpy": "2.4.6", "ml_dtypes": "0.6.0", "keras": "3.15.1", "torch": "2.13.0+cpu"}
    monkeypatch.setattr(environments, "version", here.__getitem__)
    attempts = environments._attempts(["tensorflow==2.15"], ["keras", "tensorflow", "torch", "numpy", "ml_dtypes"])
    assert attempts == [
        ["tensorflow==2.15", "keras==3.15.1", "torch==2.13.0+cpu", "numpy==2.4.6", "ml_dtypes==0.6.0"],
        ["tensorflow==2.15", "keras==3.15.1", "torch==2.13.0+cpu", "numpy", "ml_dtypes"],
        ["tensorflow==2.15", "keras", "torch==2.13.0+cpu", "numpy", "ml_dtypes"],
    ]


def test_a_worker_lives_in_it_and_has_nothing_of_this_environment(opened, monkeypatch):
    assert opened.status == "judged", opened.message
    assert opened.name == "honest[numpy==1.26.4]@cpu"
    assert opened.worker.launch.python.startswith(str(opened.environment.folder))
    assert {"numpy==1.26.4"} < set(opened.environment.packages)
    assert len(opened.environment.packages) == 3, "NumPy, ml_dtypes and what old releases of Keras need"
    again = opened.worker.another(cores=1)
    assert again.start()["name"] == "honest"
    again.close()


def test_its_name_asks_for_it_again(opened):
    option, name = asking_for(opened)
    (asked,) = requests([name], [])
    assert (option, asked.requirements, asked.device) == ("--target", OLD, "cpu")


def test_run_json_and_the_identity_of_a_run_have_what_is_in_it(opened):
    told = describe_target(opened, 0)["environment"]
    assert told["requirements"] == OLD
    assert "numpy==1.26.4" in told["packages"]
    whole = identity(RunOptions(), {}, [opened])["targets"][opened.name]
    assert "numpy==1.26.4" in whole["environment"]


def test_it_is_made_once(kept):
    said: list[str] = []
    assert environment(OLD, (), said.append) == kept
    assert said == []
    assert [one.name for one in all_kept()] == [kept.name]


def test_what_cannot_be_made_is_a_broken_target_with_uvs_last_words(kept, capfd):
    (target,) = open_targets([Request("honest", Launch(HONEST), requirements=("numpy==0.0.1",))], 20.0)
    assert target.status == "broken"
    assert "its environment could not be made:" in target.message
    assert "numpy==0.0.1" in target.message
    assert [one.name for one in all_kept()] == [kept.name]
    assert "honest[numpy==0.0.1]: making an environment" in capfd.readouterr().err


def test_an_interrupted_making_leaves_no_environment(kept, monkeypatch):
    def interrupted(*arguments: object) -> list[str]:
        if arguments[0][0] == "pip":
            raise KeyboardInterrupt
        return []

    monkeypatch.setattr(environments, "_uv", interrupted)
    with pytest.raises(KeyboardInterrupt):
        environment(("colorama==0.4.6",), (), lambda line: None)
    assert [one.name for one in all_kept()] == [kept.name]
    assert not list(environments.kept().glob("*.making"))


def test_what_python_compiled_of_the_same_files_is_shared(kept, tmp_path, monkeypatch):
    monkeypatch.setattr(environments, "kept", lambda: tmp_path)
    monkeypatch.setattr(environments, "all_kept", lambda: [replace(kept, name="lender")])
    lender, borrower = (environments._site(tmp_path / name) for name in ("lender", "borrower"))
    for site in (lender, borrower):
        (site / "part").mkdir(parents=True)
    (lender / "part" / "same.py").write_text("same")
    (borrower / "part" / "same.py").hardlink_to(lender / "part" / "same.py")
    for site in (lender, borrower):
        (site / "part" / "other.py").write_text("another file, though it says the same")
    (lender / "part" / "__pycache__").mkdir()
    for name in ("same.cpython-311.pyc", "other.cpython-311.pyc"):
        (lender / "part" / "__pycache__" / name).touch()
    environments._share_compiled(tmp_path / "borrower")
    assert [path.name for path in borrower.rglob("*.pyc")] == ["same.cpython-311.pyc"]


def test_they_are_listed_and_removed(kept, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(environments, "kept", lambda: tmp_path)
    assert cli.main(["environments"]) == 0
    assert "There are no environments" in capsys.readouterr().out
    one = replace(kept, name="abc")
    one.interpreter.parent.mkdir(parents=True)
    one.interpreter.touch()
    (one.folder / environments.ABOUT).write_text(json.dumps({**vars(kept)}))
    assert cli.main(["environments"]) == 0
    told = capsys.readouterr().out
    assert "abc" in told
    assert "numpy==1.26.4" in told
    assert cli.main(["environments", "--remove", "xyz"]) == 2
    assert "accepted are abc" in capsys.readouterr().err
    assert cli.main(["environments", "--remove-all"]) == 0
    assert not Path(tmp_path / "abc").exists()


def test_known_entries_are_about_targets_with_other_releases_too():
    day = datetime.date(2031, 1, 1)
    entry = Entry("one", ("keras-*", "jax:x64"), "output", "", "", {}, day)
    for target in ("keras-torch@cpu", "keras-torch[keras==3.8.0]@cpu", "jax[jax==0.8.3]:x64@cpu"):
        assert entry.is_about(target, "output"), target
    assert not entry.is_about("jax[jax==0.8.3]@cpu", "output")
    narrow = replace(entry, targets=("keras-torch[keras==3.8.0]",))
    assert narrow.is_about("keras-torch[keras==3.8.0]@cpu", "output")
    assert not narrow.is_about("keras-torch@cpu", "output")
    odd = replace(entry, targets=("my[kernel of mine]",))
    assert odd.is_about("my[kernel of mine]@cpu", "output")


def test_nothing_is_installed_because_a_folder_names_it(tmp_path, monkeypatch):
    monkeypatch.setattr(replaying, "open_targets", lambda *arguments: pytest.fail("it was asked for"))
    monkeypatch.setattr(replaying, "read_runs", lambda folder: [{"targets": [{"target": "torch[evil==1.0]@cpu"}]}])
    change = Change(OPEN, "torch[evil==1.0]@cpu", "output", "", "fails", "not asked", 1, "abc")
    (settled,) = replaying.settle([change], tmp_path, tmp_path)
    assert "nothing is installed because a folder names it" in settled.new
