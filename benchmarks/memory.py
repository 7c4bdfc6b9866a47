"""What an idle node costs: its hub alone, and all its processes, beside an idle iex."""

import os
import subprocess
import time
from collections.abc import Iterable

import psutil

from benchmarks.alone import PYSH, alone, processes
from benchmarks.erlang import IEX
from benchmarks.starts import calculated

SETTLED = 0.5
"""Seconds between the last work of a node and the look at its memory."""


def hub() -> float:
    """Megabytes that only the hub of an idle node has."""
    with alone() as environ:
        _start(environ)
        [found] = [process for process in processes(environ) if "pysh.runtime.hub" in process.cmdline()]
        private = found.memory_full_info().uss / 1e6
        _stop(environ)
        return float(private)


def node() -> float:
    """Megabytes of all processes of an idle node that has run a cell and a task."""
    with alone() as environ:
        _start(environ)
        shared = _megabytes(processes(environ))
        _stop(environ)
        return shared


def iex() -> float:
    """Megabytes of an iex that has calculated once."""
    with calculated(IEX, {**os.environ, "TERM": "xterm"}):
        time.sleep(SETTLED)
        return _megabytes(psutil.Process().children(recursive=True), "beam")


def _start(environ: dict[str, str]) -> None:
    command = [PYSH, "node", "--name", "bench@localhost", "--cookie", "bench", "--detach"]
    subprocess.run(command, check=True, env=environ, stdout=subprocess.DEVNULL)
    cell = [PYSH, "rpc", "bench@localhost", "--cookie", "bench", "-c", "call(lambda: 2 + 2)"]
    subprocess.run(cell, check=True, env=environ, stdout=subprocess.DEVNULL)
    time.sleep(SETTLED)


def _stop(environ: dict[str, str]) -> None:
    subprocess.run([PYSH, "stop", "bench@localhost", "--cookie", "bench"], check=True, env=environ)


def _megabytes(counted: Iterable[psutil.Process], name: str = "") -> float:
    """Their pages, those that several share divided among these: a fork's are no second copy."""
    return float(sum(process.memory_full_info().pss for process in counted if name in process.name())) / 1e6
