"""Stdout and stderr where many processes print in one: each line goes under the name of whoever printed it."""

import io
import os
from collections.abc import Callable

UNFINISHED = 8192
"""Characters of a line that may wait for its end."""


class Printer(io.TextIOBase):
    """A text stream on descriptor `fd`, whose lines go to `say(fd, text, whole)`: whole, or as far as they are."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, fd: int, say: "Callable[[int, str, bool], object]") -> None:
        self._fd = fd
        self._say = say

    @property
    def buffer(self) -> io.BufferedWriter:
        """For bytes: they go as those of C code do, under nobody's name."""
        return os.fdopen(os.dup(self._fd), "wb", 0)  # type: ignore[return-value]  # a raw stream, nothing to flush

    def reconfigure(self, **_: object) -> None:
        """Nothing of it can be told otherwise."""

    def writable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """What C code and children write to instead."""
        return self._fd

    def write(self, text: str, /) -> int:
        """Print `text`."""
        self._say(self._fd, text, False)
        return len(text)

    def flush(self) -> None:
        """Send an unfinished line on its way."""
        if not self.closed:
            self._say(self._fd, "", True)


def lines_of(text: str, whole: bool) -> tuple[str, str]:
    """What of `text` goes now, and what waits for the rest of its line."""
    end = len(text) if whole or len(text) > UNFINISHED else max(text.rfind("\n"), text.rfind("\r")) + 1
    return text[:end], text[end:]
