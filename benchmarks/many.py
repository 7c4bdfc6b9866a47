"""Twenty thousand tiny tasks, of which one is cancelled, one raises and one kills its worker."""

import os
import signal
import time
from typing import Any

COUNT = 20_000
CANCELLED, RAISING, KILLING = 10_000, 5_000, 15_000
EXPECTED = {CANCELLED: "TaskCancelled", RAISING: "ValueError", KILLING: "WorkerDied"}


def work(i: int) -> int:
    """One of them."""
    if i == CANCELLED:
        time.sleep(600)  # so that it is there to be cancelled, whether it waits or runs
    if i == RAISING:
        raise ValueError(i)
    if i == KILLING:
        os.kill(os.getpid(), signal.SIGKILL)
    return i * i


def check(pysh: Any, on: Any) -> None:
    """Run them on node `on`; every result is exact, but for those three, which raise what they should.

    Raises `AssertionError` otherwise.
    """
    tasks = []
    for i in range(COUNT):
        tasks.append(pysh.task(work, i, on=on))
        if i == CANCELLED:
            assert tasks[i].cancel(0.5), tasks[i]
    assert len({t.ref for t in tasks}) == COUNT
    failed = {}
    for i, t in enumerate(tasks):
        try:
            assert t.result() == i * i, (i, t.result())
            assert t.status == "done"
        except (ValueError, pysh.PyshError) as error:
            failed[i] = type(error).__name__
    assert failed == EXPECTED, failed
