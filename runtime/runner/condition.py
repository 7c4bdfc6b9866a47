"""What a job can do to its process that the next one would suffer from: undone, or else the worker goes.

Not all of it is looked for: code can spoil an interpreter in more ways than anybody can list. These are
the ones that code has reasons for, a limit on itself first of all, or that leave nothing working.
"""

import builtins
import os
import signal
import sys
from typing import Any

from pysh.runtime import system


class Condition:
    """The state of a worker that no job has run in yet."""

    def __init__(self) -> None:
        self._standing = system.standing()
        self._streams = _streams()
        self._vital = _vital()
        self._path = list(sys.path)
        self._depth = sys.getrecursionlimit()

    def is_spoiled(self) -> bool:
        """Whether this process is another than it was, or may do less, and there is no way back."""
        return (
            system.has_fallen(self._standing, system.standing())
            or _streams() != self._streams
            or any(now is not then for now, then in zip(_vital(), self._vital, strict=True))
            or any(place not in sys.path for place in self._path)
            or sys.getrecursionlimit() < self._depth
        )

    def put_right(self) -> None:
        """Undo what can be undone."""
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.set_blocking(1, True)
        while system.reap(_is_gone):
            pass  # children that it did not wait for, and those that others left to this worker


def stop_clocks() -> None:
    """Those that count what a process uses would end it for the next that it does, the answer first of all."""
    for clock in (signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
        signal.setitimer(clock, 0)


def _streams() -> list[tuple[int, int]] | None:
    """The files behind stdin, stdout and stderr; None if one is closed."""
    try:
        return [(file.st_dev, file.st_ino) for file in map(os.fstat, range(3))]
    except OSError:
        return None


def _vital() -> tuple[Any, ...]:
    """Without these the next job does not even begin."""
    modules = sys.modules.get
    pickle = modules("pickle")
    imports = builtins.__import__, modules("sys"), modules("os"), pickle
    pickling = getattr(pickle, "loads", None), getattr(pickle, "dumps", None)
    return *imports, *pickling, sys.gettrace(), sys.getprofile()


def _is_gone(_pid: int) -> None:
    """Nobody here has to be told of the end of a child."""
