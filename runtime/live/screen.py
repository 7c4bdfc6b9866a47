"""The terminal while the live view has it: keys in, lines out, and afterwards as it was."""

import os
import select
import signal
import sys
import termios
import tty
from time import monotonic
from types import TracebackType
from typing import Any, Self

from pysh.runtime.live import keys
from pysh.runtime.live.painter import Line

SGR = {"chosen": "7", "head": "1", "dim": "2", "warn": "33", "error": "31"}
PLAIN = frozenset(("chosen", "head"))
"""What is shown without colours too."""
_OPEN, _CLEAR, _CLOSE = "\x1b[?1049h\x1b[?25l\x1b[?7l", "\x1b[m\x1b[2J", "\x1b[m\x1b[?7h\x1b[?25h\x1b[?1049l"
WHOLE = 5.0
"""Seconds after which all is painted again: another terminal may have come, and something else been written."""
ESCAPE_SECONDS = 0.05
"""How long after an Escape the rest of a key may come."""


def usable() -> bool:
    """Whether standard input and output are a terminal that can be painted on."""
    try:
        on_terminal = os.isatty(sys.stdin.fileno()) and os.isatty(sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return on_terminal and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")


class Screen:
    """A terminal in raw mode, its other contents put aside. Use it in a `with`."""

    def __init__(self) -> None:
        self._in, self._out = sys.stdin.fileno(), sys.stdout.fileno()
        self._modes: list[Any] = []
        self._on_resize: Any = None
        self._rest = b""
        self._whole_at = 0.0
        self._lines: list[Line] = []
        self._colours = not os.environ.get("NO_COLOR")

    def __enter__(self) -> Self:
        sys.stdout.flush()
        self._modes = termios.tcgetattr(self._in)
        try:
            tty.setraw(self._in, termios.TCSANOW)
            self._write(_OPEN + _CLEAR)
            self._on_resize = _handle(signal.SIGWINCH, lambda *_: self._lines.clear())
        except BaseException:
            self._restore()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:  # fmt: skip
        self._restore()

    def _restore(self) -> None:
        _handle(signal.SIGWINCH, self._on_resize)
        try:
            self._write(_CLOSE)
        finally:
            termios.tcsetattr(self._in, termios.TCSANOW, self._modes)

    @property
    def disturbed(self) -> bool:
        """Whether what stands there has to be painted again."""
        return not self._lines or monotonic() >= self._whole_at

    def size(self) -> tuple[int, int]:
        """Rows and columns now."""
        columns, rows = os.get_terminal_size(self._out)
        return rows or 24, columns or 80

    def keys(self, seconds: float) -> list[str]:
        """What is pressed within `seconds`. Raises `EOFError` if the terminal is gone."""
        if self._rest:
            seconds = min(seconds, ESCAPE_SECONDS)
        ready, _, _ = select.select([self._in], [], [], seconds)
        if not ready:
            pressed, self._rest = keys.finished(self._rest), b""
            return pressed
        data = os.read(self._in, 4096)
        if not data:
            raise EOFError
        pressed, self._rest = keys.parse(self._rest + data)
        return pressed

    def show(self, lines: list[Line]) -> None:
        """Paint what differs from what stands there."""
        stands, self._lines = self._lines, list(lines)
        begin = _OPEN if monotonic() >= self._whole_at else ""
        if len(lines) != len(stands):
            begin += _CLEAR
        changed = [
            f"\x1b[{row};1H{self._styled(line)}"
            for row, line in enumerate(lines, 1)
            if begin or line != stands[row - 1]
        ]
        if begin:
            self._whole_at = monotonic() + WHOLE
        if changed:
            self._write(begin + "".join(changed))

    def _styled(self, line: Line) -> str:
        known = line.style in SGR and (self._colours or line.style in PLAIN)
        return f"\x1b[{SGR[line.style]}m{line.text}\x1b[m" if known else line.text

    def _write(self, text: str) -> None:
        data = text.encode("utf-8", "replace")
        while data:
            data = data[os.write(self._out, data) :]


def _handle(number: int, handler: Any) -> Any:
    """Have a signal handled so, where that can be done; how it was before."""
    try:
        return signal.signal(number, signal.SIG_DFL if handler is None else handler)
    except ValueError:  # not in the main thread: then only another size is noticed
        return None
