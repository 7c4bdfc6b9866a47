"""What of the keyboard a cell gets while it runs, and when; nothing, from who only watches."""

import time

from pysh.shell.console import Console
from pysh.shell.keyboard import CTRL_C, Keyboard
from pysh.shell.mirrored import ANOTHERS

SETTLE = 0.1
"""Seconds that what was typed ahead waits for a cell to end, before it is the cell's: most end sooner, and
then nothing of it is echoed twice."""


LEAVES = (CTRL_C, b"\x04")
"""The keys of who only watches."""


class Left(Exception):
    """Who only watches has seen enough."""


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
            return self._ref == ANOTHERS and self._give_interrupt(typed)
        if self._interrupted:
            self._interrupted = False
            self._console.interrupt()
        if typed and not self._console.full and (CTRL_C in typed or self.due is None):
            self._console.type(self._keyboard.take(len(typed)))
            return CTRL_C in typed
        return False

    def _give_interrupt(self, typed: bytes) -> bool:
        """Of what is typed while another terminal's cell runs only Ctrl-C reaches it; what came before is dropped."""
        if not self._interrupted and CTRL_C not in typed:
            return False
        self._keyboard.take(typed.rfind(CTRL_C) + 1)
        self._interrupted = False
        self._console.interrupt()
        return True


class Leaving:
    """The keyboard of who only watches: Ctrl-C and Ctrl-D leave, and nothing else is done with it."""

    due = None

    def __init__(self, keyboard: Keyboard) -> None:
        self._keyboard = keyboard

    def interrupt(self) -> None:
        """Somebody sent SIGINT. Raises `Left`."""
        raise Left

    def give(self) -> bool:
        """Look at what was typed. Raises `Left`, or `EOFError` if the terminal is gone."""
        typed = self._keyboard.take(len(self._keyboard.look()))
        if any(key in typed for key in LEAVES):
            raise Left
        return False
