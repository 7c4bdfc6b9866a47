"""A runtime directory for one sample, and the processes that belong to it."""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

PYSH = str(Path(sys.executable).with_name("pysh"))
DEADLINE = 5.0
_DIRECTORY = "PYSH_RUNTIME_DIR"


@contextmanager
def alone() -> Iterator[dict[str, str]]:
    """The environment of a runtime directory of its own; raises `AssertionError` if a process is left of it."""
    with tempfile.TemporaryDirectory(prefix="pysh-bench-") as folder:
        environ = {**os.environ, _DIRECTORY: folder}
        yield environ
        until = time.monotonic() + DEADLINE
        while left := processes(environ):
            assert time.monotonic() < until, f"left behind: {left}"
            time.sleep(0.005)


def processes(environ: dict[str, str]) -> list[psutil.Process]:
    """Every living process that was started with `environ`."""
    return [process for process in psutil.process_iter() if _belongs(process, environ[_DIRECTORY])]


def _belongs(process: psutil.Process, folder: str) -> bool:
    try:
        alive = process.status() != psutil.STATUS_ZOMBIE
        return bool(alive and process.environ().get(_DIRECTORY) == folder)
    except psutil.Error:
        return False
