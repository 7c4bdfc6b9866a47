"""The keyboard as prompt_toolkit reads it."""

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from math import inf
from typing import TextIO

from prompt_toolkit.input.posix_utils import PosixStdinReader
from prompt_toolkit.input.vt100 import Vt100Input
from prompt_toolkit.key_binding.key_processor import KeyPress

from pysh.shell.keyboard import Keyboard

PASTE, PASTED = b"\x1b[200~", b"\x1b[201~"
_LAST = re.compile(rb"[\r\n\x04\x0f]|" + re.escape(PASTE))
"""A key that may end the prompt (Enter, Ctrl-J, Ctrl-D, Ctrl-O), or the beginning of a paste."""


class Keys(Vt100Input):
    """Gives the editor nothing beyond a key that may end the prompt: that is for whoever comes next.

    prompt_toolkit alone keeps as keys of the next prompt what it read too much, where the cell in between
    cannot have it, and of a key or paste that is cut there only the first half.
    """

    def __init__(self, file: TextIO, keyboard: Keyboard, ended: Callable[[], bool]) -> None:
        super().__init__(file)
        self.stdin_reader = _Reader(keyboard)
        self._keyboard = keyboard
        self._ended = ended
        self._ready: Callable[[], None] | None = None
        self.pressed_at = -inf
        """When a key was last read, on the clock of `time.monotonic`."""

    def attach(self, input_ready_callback: Callable[[], None]) -> AbstractContextManager[None]:
        """Call `input_ready_callback` when something was typed, and at once if something waits."""
        return self._attached(input_ready_callback)

    def read_keys(self) -> list[KeyPress]:
        """The keys that were pressed, up to one that may end the prompt."""
        keys = super().read_keys()
        if keys:
            self.pressed_at = time.monotonic()
        return keys

    @property
    def typed_ahead(self) -> bool:
        """Whether more was typed behind the keys that were read."""
        try:
            return bool(self._keyboard.look())
        except EOFError:
            return False  # whoever reads next is told

    def wake(self) -> None:
        """Something was put back. Called in the loop."""
        if self._ready is not None:
            self._ready()

    @contextmanager
    def _attached(self, callback: Callable[[], None]) -> Iterator[None]:
        def ready() -> None:
            while not self._ended():
                callback()
                if not self._keyboard.waits:
                    break

        with super().attach(ready):
            self._ready = ready
            first = asyncio.get_running_loop().call_soon(ready)
            try:
                yield
            finally:
                self._ready = None
                first.cancel()


class _Reader(PosixStdinReader):
    """Reads and decodes pieces that end where the prompt may end."""

    def __init__(self, keyboard: Keyboard) -> None:
        super().__init__(keyboard.fileno())
        self._keyboard = keyboard
        self._pasting = False
        self._tail = b""  # the end of the paste so far: its end mark may come in two parts

    def read(self, count: int = 1024) -> str:
        """The next piece, perhaps an empty one; then `closed` tells whether there will be more."""
        try:
            typed = self._keyboard.look()
        except EOFError:
            self.closed = True
            return ""
        size = self._end_of_paste(typed) if self._pasting else self._end_of_piece(typed, count)
        return self._stdin_decoder.decode(self._keyboard.take(size))

    def _end_of_piece(self, typed: bytes, count: int) -> int:
        last = _LAST.search(typed)
        self._pasting = last is not None and last[0] == PASTE
        return last.end() if last is not None else count

    def _end_of_paste(self, typed: bytes) -> int:
        before, recent = len(self._tail), self._tail + typed
        end = recent.find(PASTED)
        self._pasting = end < 0
        self._tail = recent[1 - len(PASTED) :] if end < 0 else b""
        return len(typed) if end < 0 else end + len(PASTED) - before
