"""What of the keyboard a cell gets while it runs, and when."""

import time

from pysh.shell.console import Console
from pysh.shell.keyboard import CTRL_C, Keyboard

SETTLE = 0.1
"""Seconds that what was typed ahead waits for a cell to end, before it is the cell's: most end sooner, and
then nothing of it is echoed twice."""


class Typing:
    """Gives the cell `ref` what is typed, once it has arrived where it runs."""

    def __init__(self, keyboard: Keyboard, console: Console, ref: int) -> None:
        self._keyboard = keyboard
        self._console = console
        self._ref = ref
        self._settled = time.monotonic() + SETTLE
        self._interrupted = False

    @property
    def due(self) -> float | None:
        """When to call `give` next, if nothing is typed."""
        return self._settled if time.monotonic() < self._settled else None

    def interrupt(self) -> None:
        """Somebody sent SIGINT."""
        self._interrupted = True

    def give(self) -> bool:
        """Pass on what waits; a Ctrl-C, and all before it, at once. Whether there was one.

        Raises `EOFError` if the terminal is gone.
        """
        typed = self._keyboard.look()
        if not self._console.accepts(self._ref):
            return False
        if self._interrupted:
            self._interrupted = False
            self._console.interrupt()
        if typed and not self._console.full and (CTRL_C in typed or self.due is None):
            self._console.type(self._keyboard.take(len(typed)))
            return CTRL_C in typed
        return False
