"""Ctrl-C in a program that is a guest in somebody else's loop, as in a Jupyter kernel.

Such a loop takes SIGINT with a handler that cancels the cell by a callback, which the loop has to
run. Two things keep it from that: it sleeps, and nothing wakes it; or the cell blocks in a verb of
ours, and the loop has no turn until that returns. Here is what helps against each.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pysh.runtime.runner.waiting import running_loop


def wake_on_signals() -> None:
    """Let every signal wake the loop that runs in this thread, if it is the main one and nothing does so yet."""
    loop = running_loop()
    if loop is None or not _in_main_thread():
        return
    taken = signal.set_wakeup_fd(-1)
    if taken != -1:
        signal.set_wakeup_fd(taken)
        return
    read, write = os.pipe()  # for as long as the process lives: nobody tells when the loop ends
    for end in (read, write):
        os.set_blocking(end, False)
    loop.add_reader(read, os.read, read, 4096)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)


@contextmanager
def raising_interrupts() -> Iterator[None]:
    """Have Ctrl-C raise `KeyboardInterrupt` in here, where the handler of the loop could do nothing."""
    if not _in_main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
