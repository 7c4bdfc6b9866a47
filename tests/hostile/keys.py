"""A key every 50 ms, through a pty: how long each takes to come back."""

import os
import pty
import select
import subprocess
import time
import tty
from collections import deque
from collections.abc import Sequence
from typing import Self

EVERY = 0.05
"""Seconds from one key to the next."""
KEY = b"~"


class Keys:
    """Types into a terminal that returns each key once; `latencies` are in seconds."""

    def __init__(self, file: int) -> None:
        self.file = file
        self.latencies: list[float] = []
        self._pressed: deque[float] = deque()

    def press(self) -> None:
        """The next key, whether or not the one before has come back."""
        self._pressed.append(time.monotonic())
        os.write(self.file, KEY)

    def read(self) -> None:
        """Take what has come back."""
        now = time.monotonic()
        for _ in range(os.read(self.file, 65536).count(KEY)):
            self.latencies.append(now - self._pressed.popleft())

    @property
    def waiting(self) -> bool:
        """Whether some are still on their way."""
        return bool(self._pressed)

    def take(self) -> list[float]:
        """The latencies so far, which begin anew."""
        taken, self.latencies = self.latencies, []
        return taken


class Cat:
    """A bare `cat` on a pty: what the machine itself needs for a key."""

    def __init__(self) -> None:
        self.file, slave = pty.openpty()
        tty.setraw(slave)
        self._cat = subprocess.Popen(["cat"], stdin=slave, stdout=slave)
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._cat.kill()
        self._cat.wait()
        os.close(self.file)


def type_until(told: int, keys: Sequence[Keys], seconds: float) -> None:
    """Type until there is something to be read from `told`, and all keys are back. Raises `TimeoutError`."""
    end = time.monotonic() + seconds
    due, ready = time.monotonic(), False
    while not ready or any(each.waiting for each in keys):
        now = time.monotonic()
        if now > end:
            raise TimeoutError("no answer" if not ready else "a key does not come back")
        if now >= due and not ready:
            due = max(due + EVERY, now)
            for each in keys:
                each.press()
        files = [each.file for each in keys] + ([] if ready else [told])
        found, _, _ = select.select(files, [], [], EVERY if ready else max(0.0, due - time.monotonic()))
        for each in keys:
            if each.file in found:
                each.read()
        ready = ready or told in found
