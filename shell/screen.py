"""The terminal while a cell runs: what the cell writes goes through as it is, tagged lines in between.

Live lines stand below the cursor's line and go away before anything else is written. They are only drawn
where the program's cursor stands at the beginning of a line, as it is put back there. While some stand there,
what is to be written gathers until they may be painted again.
"""

import re
import time
from collections.abc import Callable, Sequence

from pysh.shell.boot import Tty
from pysh.shell.output import REPAINT

_INVISIBLE_END = re.compile(rb"(?:\r|\x1b\[[0-?]*[ -/]*[@-~]|\x1b[78=>])+\Z")
_ALTERNATE = re.compile(rb"\x1b\[\?(?:1049|1047|47)([hl])")
_LONGEST = 8  # of the sequences above; one may be cut in two

# Colours, cursor, keypad, cursor keys, mouse, bracketed paste, wrapping: what a program that died leaves.
SANE = b"\x1b[m\x1b[?25h\x1b>\x1b[?1l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?7h"


class Screen:
    """Where the cursor is, as far as it matters, and how many live lines stand below it."""

    def __init__(self, tty: Tty, clock: Callable[[], float] = time.monotonic) -> None:
        self.fresh = True  # the cursor is at the beginning of an empty line
        self.full = False  # a full-screen program has the terminal: nothing else may be written
        self._tty = tty
        self._clock = clock
        self._escapes = False
        self._live: Sequence[str] = ()
        self._drawn = 0
        self._waiting: bytes | None = None  # to be written when the live lines are painted again
        self._repaint_at = 0.0
        self._end = b""
        self._held: bytes | None = None

    @property
    def holds(self) -> bool:
        """Whether what the cell writes is held back."""
        return self._held is not None

    def hold(self, on: bool) -> None:
        """Hold back what the cell writes, so that a flood leaves in view what is said now; or write it all."""
        held, self._held = self._held or b"", b"" if on else None
        if held:
            self.program(held)

    def drop(self) -> None:
        """Forget what is held back, and hold nothing more back."""
        self._held = None

    @property
    def due(self) -> float | None:
        """When to call `take_turn`; None if nothing waits."""
        return None if self._waiting is None else self._repaint_at

    def take_turn(self) -> None:
        """Write what waits, if it is time."""
        if self._waiting is not None and self._clock() >= self._repaint_at:
            self._paint()

    def program(self, data: bytes) -> None:
        """Write what the cell wrote."""
        if self._held is not None:
            self._held += data
            return
        self._look(data)
        self._write(data)

    def show(self, lines: Sequence[str], live: Sequence[str] | None = None) -> None:
        """Print `lines`; then `live`, if given, instead of the live lines so far."""
        if live is not None:
            self._live = live
        text = "".join(f"{line}\n" for line in lines).replace("\n", "\r\n").encode("utf-8", "replace")
        if text and not self.fresh:
            text = b"\r\n" + text
        self.fresh = self.fresh or bool(text)
        self._write(text)

    def unseen(self, data: bytes) -> None:
        """Write what a terminal heeds and does not show."""
        if data:
            self._write(data)

    def end(self) -> None:
        """The cell is over: no live lines, no modes of its own, and the cursor on a fresh line."""
        self._live = ()
        data = b""
        if self.full:
            data += b"\x1b[?1049l"
        if self._escapes:
            data += SANE
        if not self.fresh:
            data += b"\r\n"
        self.full = self._escapes = False
        self.fresh, self._end = True, b""
        self._waiting = (self._waiting or b"") + data
        self._paint()

    def _look(self, data: bytes) -> None:
        """Learn from `data` where it leaves the cursor."""
        self._escapes = self._escapes or b"\x1b" in data
        if self._escapes:
            recent = self._end + data
            for found in _ALTERNATE.finditer(recent):
                self.full = found[1] == b"h"
            self._end = recent[-_LONGEST:]
        if data := _INVISIBLE_END.sub(b"", data[-1024:]):
            self.fresh = data.endswith(b"\n")

    def _write(self, data: bytes) -> None:
        self._waiting = (self._waiting or b"") + data
        if not self._drawn or self._clock() >= self._repaint_at:
            self._paint()

    def _paint(self) -> None:
        """Write what waits where the live lines stand, and those below it, all at once."""
        data, self._waiting = self._waiting or b"", None
        if self._drawn:
            data = b"\x1b[%dA\x1b[J" % self._drawn + data
            self._drawn = 0
        if self._live and self.fresh and not self.full:
            rows, columns = self._tty.size()
            live = self._live[-max(1, rows - 2) :]
            data += "".join(f"{_cut(line, columns - 1)}\r\n" for line in live).encode("utf-8", "replace")
            self._drawn = len(live)
            self._repaint_at = self._clock() + REPAINT
        if data:
            self._tty.write(data)


def _cut(line: str, columns: int) -> str:
    """`line` short enough to stay in one row, its colours not counted."""
    # Every character may be two columns wide where one is.
    plain = re.sub(r"\x1b\[[0-9;]*m", "", line).expandtabs()
    if (plain.isascii() and len(plain) <= columns) or len(plain) * 2 <= columns:
        return line.expandtabs()
    return _fitting(plain, columns)


def _fitting(text: str, columns: int) -> str:
    from unicodedata import east_asian_width

    room = columns
    for index, char in enumerate(text):
        room -= 2 if east_asian_width(char) in "WF" else 1
        if room < 0:
            return text[:index]
    return text
