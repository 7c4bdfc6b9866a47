"""Whether files are still as they were: by what the system keeps of each, and by what it tells without being asked."""

import os
import time
from collections.abc import Iterable

from pysh.runtime.system import Watch

TICK, COARSE = 50_000_000, 2_000_000_000
"""Nanoseconds within which two changes of a file may bear the same time: where the clock of files is fine, and where
it counts seconds."""
UNSEEN = 0.1
"""Seconds after which each file is looked at, though the system has told of no change: it may not see all."""

Mark = tuple[int, int, int] | None
"""What tells that a file was changed: its ctime (which nobody can set), size and inode; None for what may change and
not show it."""


def mark(found: os.stat_result) -> Mark:
    """What to compare with later, of a file that is read after it was looked at."""
    tick = TICK if found.st_ctime_ns % 1_000_000_000 else COARSE
    if abs(time.time_ns() - found.st_ctime_ns) < tick:
        return None
    return found.st_ctime_ns, found.st_size, found.st_ino


class Marks:
    """Files and folders with their marks. To watch `watched` is enough; none where that would not do."""

    def __init__(self, marks: Iterable[tuple[str, Mark]], watched: Iterable[str] = ()) -> None:
        self._marks = tuple(marks)
        self._watched = tuple(watched)
        self._watch: Watch | None = None
        self._looked = 0.0

    def __len__(self) -> int:
        return len(self._marks)

    def hold(self) -> bool:
        """Whether none has changed."""
        now = time.monotonic()
        quiet = self._watch is not None and self._watch.quiet
        if quiet and now - self._looked < UNSEEN:
            return True
        if not quiet and self._watched:
            self._watch = Watch(self._watched)  # before the look
            self._watched = self._watched if self._watch.works else ()
        stat = os.stat
        try:
            for path, mark in self._marks:
                found = stat(path)
                if (found.st_ctime_ns, found.st_size, found.st_ino) != mark:
                    return False
        except OSError:
            return False
        self._looked = now
        return True
