"""Types: mypy finds no mistake. Beside the other tests it keeps a core busy that would wait for it."""

import subprocess
import sys
from pathlib import Path


def test_mypy_finds_no_mistake():
    command = [sys.executable, "-m", "mypy"]
    checked = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
