"""Runs that several modules look at: each is made once, and left as it was found."""

from __future__ import annotations

import pytest
from command_line import FLIPPED, HONEST, run


@pytest.fixture(scope="session")
def good(tmp_path_factory):
    """The folder and the words of a run of an honest target by every check."""
    folder = tmp_path_factory.mktemp("good")
    return folder / "out", run(folder, "--adapter", HONEST, "--examples", 20, "--out", "out")


@pytest.fixture(scope="session")
def bad(tmp_path_factory):
    """The folder and the words of a run of a faulty target by two checks, as a step of GitHub Actions."""
    folder = tmp_path_factory.mktemp("bad")
    checks = ("--check", "output", "--check", "shape")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GITHUB_ACTIONS", "true")
        patch.setenv("GITHUB_STEP_SUMMARY", str(folder / "step.md"))
        return folder / "out", run(folder, "--adapter", FLIPPED, "--examples", 20, *checks, "--out", "out")
