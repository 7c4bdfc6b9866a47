"""What was typed and nobody has used yet: one queue of bytes, whoever reads it.

The editor, the cell that runs, a question and the start, which has no editor yet, take turns at the
keyboard. Each takes what it uses and no more, and what comes back from a cell goes to the front: so no
key overtakes another, and a key of several bytes may be cut anywhere.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pysh.shell.boot import Tty

MOST = 64 * 1024
"""How many bytes are read ahead; beyond that they wait in the terminal."""
CTRL_C, CTRL_Z = b"\x03", b"\x1a"
ALONE = 0.3
"""Seconds in which nothing follows a key that answers a question."""


class Keyboard:
    """The keys of `tty`, and before them those that were put back."""

    def __init__(self, tty: Tty) -> None:
        self._tty = tty
        self._typed = b""
        self._ahead: bytes | None = None  # was typed before what is asked now

    def fileno(self) -> int:
        """To wait for the next key."""
        return self._tty.keys

    @property
    def waits(self) -> bool:
        """Whether something was read or put back and not used."""
        return bool(self._typed)

    @property
    def full(self) -> bool:
        """Whether so much waits already that nothing more is read."""
        return len(self._typed) >= MOST

    def look(self) -> bytes:
        """Everything that waits. Raises `EOFError` when the terminal is gone and nothing is left."""
        try:
            while not self.full and (data := self._tty.typed()):
                self._typed += data
        except EOFError:
            if not self._typed:
                raise
        return self._typed

    def answer(self, wait_for: Callable[[int, float | None], object]) -> bytes:
        """The next key, for which `wait_for` waits, perhaps with an Enter behind it; empty where more follows at once.

        That is text, for the prompt. Raises `EOFError`.
        """
        while not self.look():
            wait_for(self._tty.keys, None)
        wait_for(self._tty.keys, ALONE)
        first, rest = self.look()[:1], self.look()[1:]
        return self.take(len(first + rest))[:1] if rest in (b"", b"\r") else b""

    def take(self, size: int) -> bytes:
        """Use the first `size` bytes of what waits."""
        taken, self._typed = self._typed[:size], self._typed[size:]
        return taken

    def drop(self, key: bytes) -> None:
        """Use each `key` of what waits."""
        self._typed = self._typed.replace(key, b"")

    @contextmanager
    def asking(self) -> Iterator[None]:
        """What was typed before a question is no answer: it comes first once that is over. Raises as `look`."""
        self._ahead = self.take(len(self.look()))
        try:
            yield
        finally:
            ahead, self._ahead = self._ahead, None
            self.put_back(ahead)

    def put_back(self, data: bytes) -> None:
        """What a cell left unread comes before what waits."""
        # What the cell's terminal turned into a line feed was Enter.
        data = data.replace(b"\n", b"\r")
        if self._ahead is None:
            self._typed = data + self._typed
        else:
            self._ahead = data + self._ahead
