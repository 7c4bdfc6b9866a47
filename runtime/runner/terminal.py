"""The evaluator's end of its pty: made its own, and after each cell handed back as it was before.

A cell may leave the terminal raw, silent, non-blocking or in the hands of a child that died. What the
user typed while it ran, and it did not read, belongs to the next prompt.
"""

import fcntl
import os
import signal
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

UNREAD = 16 * 1024
"""How many bytes are handed back at once; what is beyond is for the next call."""

_LFLAG, _CC = 3, 6


class Terminal:
    """The pty on file descriptor `fd`; where there is none, nothing is done."""

    def __init__(self, fd: int = 0) -> None:
        # A copy: a cell may close or redirect 0, 1 and 2.
        self._fd = os.dup(fd) if os.isatty(fd) else -1
        self._modes: list[Any] | None = None

    def own(self) -> None:
        """Make it our controlling terminal, so that Ctrl-C reaches us and what we start."""
        if self._fd < 0:
            return
        try:
            os.setsid()
        except PermissionError:
            pass  # whoever started us did it
        try:
            fcntl.ioctl(self._fd, termios.TIOCSCTTY, 0)
        except OSError:
            pass  # it is ours already, or was never ours to have

    def remember(self) -> None:
        """Note the modes at the start of a cell."""
        try:
            self._modes = termios.tcgetattr(self._fd) if self._fd >= 0 else None
        except termios.error:
            self._modes = None

    def restore(self) -> None:
        """Bring back the modes that `remember` noted."""
        if self._modes is None:
            return
        with _unstopped():
            os.tcsetpgrp(self._fd, os.getpgrp())
            os.set_blocking(self._fd, True)
            termios.tcsetattr(self._fd, termios.TCSANOW, self._modes)

    def unread(self) -> bytes:
        """Read what was typed and nobody read, `UNREAD` bytes at most; empty when nothing is left."""
        typed = b""
        if self._fd < 0:
            return typed
        with _unstopped(), _polling(self._fd):
            while len(typed) < UNREAD and (data := os.read(self._fd, UNREAD - len(typed))):
                typed += data
        # A Ctrl-D typed into a line discipline waits there as a zero byte.
        return typed.replace(b"\0", b"\x04")


@contextmanager
def _unstopped() -> Iterator[None]:
    """Set what is to be set, if the terminal is there and ours."""
    # A process in the background that sets anything is stopped, and a child may have put us there.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTTOU,))
    try:
        yield
    except (OSError, termios.error):
        pass  # the hub is gone, or the terminal is not ours
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextmanager
def _polling(fd: int) -> Iterator[None]:
    """Let reads give what is there, an unfinished line too, and never wait."""
    modes = termios.tcgetattr(fd)
    polling = [*modes[:_CC], list(modes[_CC])]
    polling[_LFLAG] &= ~(termios.ICANON | termios.ECHO)
    polling[_CC][termios.VMIN] = polling[_CC][termios.VTIME] = 0
    termios.tcsetattr(fd, termios.TCSANOW, polling)
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSANOW, modes)
