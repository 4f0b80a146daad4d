"""Makes the fakes, and what the modules of one room share, importable by their bare names."""

import os
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
SUPPORT = FOLDER / "support"
sys.path[:0] = [str(FOLDER / "fakes"), str(SUPPORT)]  # the fakes are so in a worker process too
pytest.register_assert_rewrite(*(file.stem for file in SUPPORT.glob("*.py")))
for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):  # a run within a test is no step of the job that tests
    os.environ.pop(name, None)
