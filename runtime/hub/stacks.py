"""Where a worker's threads are: it writes that down itself, in C, whatever its code does.

faulthandler answers a signal without the GIL, into a file in memory that all workers of a node share. So one
is asked at a time. What it wrote is whole once no thread of it is in the handler any more.
"""

import fcntl
import os
import time
from collections import deque
from typing import TYPE_CHECKING

from pysh.runtime import system

if TYPE_CHECKING:
    from pysh.runtime.hub.workers import Workers

PATIENCE = 2.0
"""Seconds that a worker has."""
LOOK = 0.005
QUIET = 0.1
"""Seconds without another word after which it is taken for whole, where nobody tells whether it is."""
MOST = 256 * 1024


class Stacks:
    """Who is still to be asked, and the file."""

    def __init__(self, workers: "Workers") -> None:
        self._workers = workers
        self._waiting: deque[tuple[int, int]] = deque()
        self._fd = -1
        self._pid = 0
        self._until = 0.0
        self._seen = (0, 0.0)

    def fileno(self) -> int:
        """The descriptor of the file, to hand to workers."""
        if self._fd < 0:
            self._fd = system.memory_file("pysh-stacks", 0)
            fcntl.fcntl(self._fd, fcntl.F_SETFL, os.O_APPEND)  # what comes late hits nothing that was read
        return self._fd

    def ask(self, worker: int, job: int) -> None:
        """Have the stack of `job` reported, which runs in `worker`."""
        self._waiting.append((worker, job))
        if len(self._waiting) == 1:
            self._next()

    def _next(self) -> None:
        worker, _ = self._waiting[0]
        os.truncate(self.fileno(), 0)
        now = time.monotonic()
        self._until, self._seen = now + PATIENCE, (0, now)
        self._pid = self._workers.tell_stack(worker)
        self._look()

    def _look(self) -> None:
        now, (worker, job) = time.monotonic(), self._waiting[0]
        size = os.fstat(self._fd).st_size
        if size != self._seen[0]:
            self._seen = size, now
        running = self._workers.running(worker)
        if not self._pid or running != job:
            self._report("it has just ended, or is about to begin: ask again\n")
        elif size and self._is_whole(now):
            self._report(os.pread(self._fd, MOST, 0).decode("utf-8", "replace"))
        elif now < self._until:
            self._workers.server.loop.call_later(LOOK, self._look)
        else:
            self._report(self._why_not())

    def _is_whole(self, now: float) -> bool:
        handles = system.handles(self._pid, system.STACK_SIGNAL)
        return now - self._seen[1] >= QUIET if handles is None else not handles

    def _why_not(self) -> str:
        reason = "it is stopped, or stuck in the kernel"
        if not system.catches(self._pid, system.STACK_SIGNAL):
            reason = f"its code took the handler of signal {system.STACK_SIGNAL} away"
        return f"no stack came within {PATIENCE:g} s: {reason} (pid {self._pid})\n"

    def _report(self, text: str) -> None:
        _, job = self._waiting.popleft()
        core = self._workers.server.core
        core.now = time.monotonic()
        core.work.stacks.dumped(job, text)
        if self._waiting:
            self._workers.server.loop.call_soon(self._next)
        self._workers.server.carry_out()
