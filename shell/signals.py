"""SIGINT and SIGWINCH as something to wait for, so that they never cut into what is being done."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

INTERRUPT, RESIZE = signal.SIGINT, signal.SIGWINCH


@contextmanager
def waited_for() -> Iterator[int]:
    """A file that can be read when the terminal's size changed, or somebody sent SIGINT."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    before = [signal.signal(number, lambda *_: None) for number in (INTERRUPT, RESIZE)]
    woken = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    try:
        yield read
    finally:
        signal.set_wakeup_fd(woken)
        for number, handler in zip((INTERRUPT, RESIZE), before, strict=True):
            signal.signal(number, handler)
        os.close(read)
        os.close(write)


def came(file: int) -> frozenset[int]:
    """The numbers of the signals that came, `file` being ready."""
    return frozenset(os.read(file, 64))
