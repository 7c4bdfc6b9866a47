"""The Pythons of this machine, for tests that need another one than their own."""

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest


@cache
def python(minor: str) -> str:
    """The path of a Python `minor`, as in `3.9` or `2.7`; the test is skipped where there is none."""
    beside = Path(sys.base_prefix).parent.glob(f"{minor}.*/bin/python{minor}")  # where several are installed alike
    for path in [shutil.which(f"python{minor}", path="/usr/bin:/usr/local/bin"), *map(str, sorted(beside))]:
        if path and subprocess.run([path, "-c", ""], capture_output=True).returncode == 0:
            return path
    pytest.skip(f"no Python {minor} is installed here")
