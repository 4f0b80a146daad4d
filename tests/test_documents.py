"""What the pages show works as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from faults import FAULTS
from honest import HONEST, HONEST_LAYERS
from layer_faults import LAYER_FAULTS

from depthwise_conformance.casebook.claims import NAMES, Claim
from depthwise_conformance.running.knownfile import read_known
from depthwise_conformance.running.targetfile import KEYS, read_targets

DOCS = Path(__file__).parents[1] / "docs"


def blocks(page: str, language: str) -> list[str]:
    text = (DOCS / page).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def run_library_page(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    """The page's tests in a project of its own, with the page's settings."""
    (folder / "test_mine.py").write_text(code)
    (folder / "pyproject.toml").write_text("\n".join(blocks("library.md", "toml")))
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_mine.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


def test_the_tests_of_the_library_page_pass_as_a_users_own(tmp_path):
    """In a project of its own: nothing of this one's configuration, nothing but the installed package."""
    code = "\n\n".join(blocks("library.md", "python"))
    done = run_library_page(tmp_path, code)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{code.count('def test_')} passed" in done.stdout


def test_a_kernel_with_a_fault_fails_the_library_pages_tests(tmp_path):
    code = "\n\n".join(blocks("library.md", "python")).replace("* kernel[i, j]", "* kernel[j, i]")
    done = run_library_page(tmp_path, code)
    assert "3 failed" in done.stdout
    assert "output is wrong_value" in done.stdout
    assert "cause: kernel read as (width, height, channels, multiplier)" in done.stdout


@pytest.mark.parametrize("claim", re.findall(r"^\| [^|`]+ \| `([^`]+)` \|$", (DOCS / "claims.md").read_text(), re.M))
def test_the_claims_that_are_shown_are_claims(claim):
    assert Claim(claim).text == claim


def test_the_names_that_are_shown_are_names():
    named = (DOCS / "claims.md").read_text().partition("## The names")[2].partition("\n\nConditions")[0]
    assert set(re.findall(r"`(\w+)`", named)) <= set(NAMES)
    assert len(re.findall(r"^\| [^|`]+ \| `([^`]+)` \|$", (DOCS / "claims.md").read_text(), re.M)) >= 8


def test_the_entry_that_is_shown_is_read(tmp_path):
    file = tmp_path / "known.toml"
    file.write_text("\n".join(blocks("known.md", "toml")))
    (entry,) = read_known([str(file)])
    assert (entry.check, entry.targets) == ("special_values", ("torch", "keras-torch"))


def test_the_file_of_targets_that_is_shown_is_read(tmp_path):
    file = tmp_path / "targets.toml"
    file.write_text("\n".join(blocks("targets.md", "toml")))
    assert [*read_targets([str(file)])] == ["keras-old", "keras-two-threads", "my-kernel", "my-worker"]
    shown = re.findall(r"^\| `(\w+)`(?:, `(\w+)`)? \| ", (DOCS / "targets.md").read_text("utf-8"), re.MULTILINE)
    assert {name for names in shown for name in names if name} >= set(KEYS)


def test_the_fakes_are_counted():
    readme, changes = ((DOCS.parent / name).read_text("utf-8") for name in ("README.md", "CHANGELOG.md"))
    assert f"against {len(FAULTS) + len(LAYER_FAULTS)} implementations" in readme
    assert f"{len(HONEST) + len(HONEST_LAYERS)} honest ones" in readme
    assert f"`tests/fakes`: {len(FAULTS)} faulty implementations" in changes
    assert f"and {len(HONEST)} honest ones" in changes
    assert f"an honest layer, and {len(LAYER_FAULTS)} faulty ones" in changes


def test_the_attacks_of_the_page_on_security_are_tests():
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", (DOCS / "security.md").read_text("utf-8")))
    assert len(named) > 5
    assert [name for name in sorted(named) if not (DOCS.parent / name).is_file()] == []
