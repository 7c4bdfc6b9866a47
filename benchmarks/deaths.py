"""How soon a death is known to who awaits what ran there, while the other core is busy."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psutil

import pysh

KILLS = 20
SECONDS = 10.0


def workers(there: Any) -> list[float]:
    """Milliseconds from the kill -9 of a worker until its task raises."""
    with _busy():
        return [_death(there, pysh.WorkerDied, lambda pid: pid) for _ in range(KILLS)]


def hubs() -> list[float]:
    """Milliseconds from the kill -9 of a hub until a task there raises."""
    with _busy():
        return [_of_hub() for _ in range(KILLS)]


def _of_hub() -> float:
    node = pysh.start_node()
    return _death(node, pysh.NodeDown, _hub_of)


def _death(on: Any, expected: type[Exception], victim: Callable[[int], int]) -> float:
    task = pysh.task(_runs, pysh.me(), on=on)
    doomed = victim(pysh.receive(int, timeout=SECONDS))
    began = time.perf_counter()
    os.kill(doomed, signal.SIGKILL)
    try:
        task.result(timeout=SECONDS)
    except expected:
        return (time.perf_counter() - began) * 1e3
    raise AssertionError("nothing was raised")


def _runs(boss: Any) -> None:
    pysh.send(boss, os.getpid())
    time.sleep(SECONDS)


def _hub_of(worker: int) -> int:
    parents = psutil.Process(worker).parents()
    return next(process.pid for process in parents if "pysh.runtime.hub" in process.cmdline())


@contextmanager
def _busy() -> Iterator[None]:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            yield
        finally:
            process.kill()
