"""What of the keyboard a cell gets while it runs, and when; nothing, from who only watches."""

import time

from pysh.shell.console import Console
from pysh.shell.keyboard import CTRL_C, CTRL_Z, Keyboard
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
        self._held = 0  # presses of Ctrl-C that the cell has not had, and of which was told
        self.gave = False  # something beside Ctrl-C, at the last `give`

    @property
    def due(self) -> float | None:
        """When to call `give` next, if nothing is typed."""
        return self._settled if time.monotonic() < self._settled else None

    def interrupt(self) -> None:
        """Somebody sent SIGINT."""
        self._interrupted = True

    def give(self) -> int:
        """Pass on what waits; a Ctrl-C or Ctrl-Z, and all before it, at once. How often Ctrl-C was pressed.

        Raises `EOFError` if the terminal is gone.
        """
        typed = self._keyboard.look()
        accepts = self._console.accepts(self._ref)
        if self._ref == ANOTHERS and not accepts:
            return self._give_interrupt(typed)
        pressed = typed.count(CTRL_C) - self._held
        self._held += pressed
        self.gave = False
        if not accepts:
            return pressed
        if self._interrupted:
            self._interrupted = False
            self._console.interrupt()
            pressed += 1
        if typed and not self._console.full and (CTRL_C in typed or CTRL_Z in typed or self.due is None):
            self._console.type(self._keyboard.take(len(typed)))
            self._held, self.gave = 0, bool(typed.strip(CTRL_C))
        return pressed

    def drop(self) -> bytes:
        """Take what waits from the cell; what was typed since the last Ctrl-C, which is for somebody else."""
        self._held = 0
        return self._keyboard.take(len(self._keyboard.look())).rpartition(CTRL_C)[2]

    def _give_interrupt(self, typed: bytes) -> int:
        """Of what is typed while another terminal's cell runs only Ctrl-C reaches it; what came before is dropped.

        So is a Ctrl-Z, which at the next prompt would suspend this terminal.
        """
        if CTRL_Z in typed:
            self._keyboard.drop(CTRL_Z)
            typed = typed.replace(CTRL_Z, b"")
        pressed = typed.count(CTRL_C) + self._interrupted
        self.gave = not typed.endswith(CTRL_C) and bool(typed)
        if pressed:
            self._keyboard.take(typed.rfind(CTRL_C) + 1)
            self._interrupted = False
            self._console.interrupt()
        return pressed


class Leaving:
    """The keyboard of who only watches: Ctrl-C and Ctrl-D leave, and nothing else is done with it."""

    due = None
    gave = False

    def __init__(self, keyboard: Keyboard) -> None:
        self._keyboard = keyboard

    def interrupt(self) -> None:
        """Somebody sent SIGINT. Raises `Left`."""
        raise Left

    def give(self) -> int:
        """Look at what was typed. Raises `Left`, or `EOFError` if the terminal is gone."""
        typed = self.drop()
        if any(key in typed for key in LEAVES):
            raise Left
        return 0

    def drop(self) -> bytes:
        """Take what waits."""
        return self._keyboard.take(len(self._keyboard.look()))
