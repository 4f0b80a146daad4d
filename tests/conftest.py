"""Makes the fakes importable by their bare names, as they are in a worker process."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "fakes"))
