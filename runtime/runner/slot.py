"""What a worker does right now, where its hub can read it after any death.

A node's slots lie in one shared file in memory. The worker writes the number of its job before any
code of that job runs, and overwrites it when the result has left; so when the worker dies, its slot
tells whether a job had begun. The other word goes the opposite way: the hub writes the job that a
SIGINT is meant for, and the worker ignores one that is meant for a job it has finished.
"""

import os
from mmap import mmap

from pysh.runtime import system

SIZE = 32
COUNT = 4096
"""Slots of a node: many times the workers it may have, for those that are just ending."""
_WORD = 8
_RUNNING, _CANCEL = 0, 1


class Slots:
    """All slots of a node, in its hub."""

    def __init__(self, count: int = COUNT) -> None:
        self._fd = system.memory_file("pysh-slots", count * SIZE)
        self._words = memoryview(mmap(self._fd, count * SIZE)).cast("Q")
        self._free = list(range((count - 1) * SIZE, -1, -SIZE))

    def fileno(self) -> int:
        """The descriptor of the file, to hand to workers."""
        return self._fd

    def take(self) -> int:
        """The offset of a slot that is nobody's, cleared."""
        offset = self._free.pop()
        self._words[offset // _WORD + _RUNNING] = 0
        self._words[offset // _WORD + _CANCEL] = 0
        return offset

    def give_back(self, offset: int) -> None:
        """Its worker is gone."""
        self._free.append(offset)

    def running(self, offset: int) -> int:
        """The job that the worker there has begun and not answered for; 0 if none."""
        return self._words[offset // _WORD + _RUNNING]

    def cancel(self, offset: int, job: int) -> None:
        """Say which job the next SIGINT is meant for."""
        self._words[offset // _WORD + _CANCEL] = job

    def close(self) -> None:
        """Give the file up; workers keep theirs."""
        self._words.release()
        os.close(self._fd)


class Slot:
    """One slot, in its worker. Takes over the descriptor."""

    def __init__(self, fd: int, offset: int) -> None:
        shared = mmap(fd, 0)
        os.close(fd)
        self._words = memoryview(shared).cast("Q")
        self._at = offset // _WORD

    @property
    def running(self) -> int:
        """The job that has begun and is not answered for; 0 if none."""
        return self._words[self._at + _RUNNING]

    @running.setter
    def running(self, job: int) -> None:
        self._words[self._at + _RUNNING] = job

    @property
    def cancelled(self) -> bool:
        """Whether the hub wants the running job to end."""
        job = self._words[self._at + _RUNNING]
        return job != 0 and job == self._words[self._at + _CANCEL]
