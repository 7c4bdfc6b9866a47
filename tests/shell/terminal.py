"""A terminal for tests: a real pty with a real process on it, and the screen that a user would see."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Sequence
from typing import Any, Self

import pyte

DEADLINE = 10.0
_TOOK = r"took [\d.]+ (?:s|min \d+ s|h \d+ min)"
ASIDE = re.compile(rf"^(.*?\[\d+\]>.*?) *( (?:[\d,]+ unread(?:, {_TOOK})?|{_TOOK}))\s*$")
"""A prompt, what waits there, and how long the cell before it took: any cell may, on a slow machine."""


class Terminal:
    """Runs `command` on a pty of its own; `screen` shows what it wrote.

    Conditions are waited for, with a deadline, and on the screen's lines: the bytes say nothing, an editor
    writes the same picture in many ways.
    """

    def __init__(
        self,
        command: Sequence[str],
        env: dict[str, str],
        *,
        size: tuple[int, int] = (24, 80),
        **options: Any,
    ) -> None:
        rows, columns = size
        self.screen = pyte.Screen(columns, rows)
        self.raw = b""
        self._stream = pyte.ByteStream(self.screen)
        self._master, slave = pty.openpty()
        self._set_size(slave, rows, columns)
        self.found = termios.tcgetattr(slave)
        self.slave = slave
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={"TERM": "xterm-256color", "LANG": "C.UTF-8", "PATH": os.environ["PATH"], **env},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            **options,
        )
        os.set_blocking(self._master, False)
        self.others: dict[int, Callable[[], None]] = {}  # files to watch at the same time

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.hang_up()

    def type(self, text: str) -> None:
        """Press the keys of `text`; Enter is a carriage return."""
        self.send(text.encode())

    def send(self, data: bytes) -> None:
        """The bytes of keys, or of parts of keys."""
        while data:
            try:
                data = data[os.write(self._master, data) :]
            except BlockingIOError:
                self._pump(0.1)

    def paste(self, text: str) -> None:
        """Paste as a terminal does that was asked to mark pastes."""
        self.type("\x1b[200~" + text.replace("\n", "\r") + "\x1b[201~")

    def resize(self, rows: int, columns: int) -> None:
        """Change the size of the window."""
        self.screen.resize(rows, columns)
        self._set_size(self.slave, rows, columns)

    def hang_up(self) -> None:
        """The line is cut: the system tells those who sit on it."""
        for file in (self._master, self.slave):
            if file >= 0:
                os.close(file)
        self._master = self.slave = -1

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        self.process.send_signal(number)

    @property
    def file(self) -> int:
        """The terminal's side of the pty, for whoever looks at the bytes himself."""
        return self._master

    @property
    def lines(self) -> list[str]:
        """The lines of the screen, without the spaces and the empty lines at their ends, and without asides."""
        lines = [ASIDE.sub(r"\1", line).rstrip() for line in self.screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    @property
    def asides(self) -> list[str]:
        """What stands at the right of prompts."""
        return [found[2].strip() for line in self.screen.display if (found := ASIDE.match(line))]

    @property
    def modes(self) -> list[Any]:
        """The terminal's modes now."""
        return termios.tcgetattr(self.slave)

    def wait(self, condition: Callable[[], Any], what: str = "", seconds: float = DEADLINE) -> Any:
        """Wait until `condition()` is true; what it returned."""
        until = time.monotonic() + seconds
        while not (found := condition()):
            left = until - time.monotonic()
            if left <= 0:
                shown = "\n".join(self.lines)
                raise AssertionError(f"no {what or 'such state'} within {seconds:g} s:\n{shown}")
            self._pump(min(left, 0.1))
        return found

    def wait_for(self, *expected: str) -> None:
        """Wait until `expected` are lines of the screen, in this order, one below the other."""
        wanted = list(expected)

        def there() -> bool:
            lines = self.lines
            return any(lines[at : at + len(wanted)] == wanted for at in range(len(lines)))

        self.wait(there, f"lines {wanted}")

    def wait_for_end(self, *expected: str) -> None:
        """Wait until the screen ends with the lines `expected`."""
        wanted = list(expected)
        self.wait(lambda: self.lines[-len(wanted) :] == wanted, f"last lines {wanted}")

    def wait_exit(self) -> int:
        """Wait until the process ends; its exit code."""
        self.wait(lambda: self.process.poll() is not None, "end of the process")
        self._pump(0)
        return self.process.returncode

    def settle(self, seconds: float = 0) -> None:
        """Take what is written within `seconds`, or what was written so far."""
        until = time.monotonic() + seconds
        self._pump(0)
        while (left := until - time.monotonic()) > 0:
            self._pump(left)

    def _pump(self, timeout: float) -> None:
        ready, _, _ = select.select([self._master, *self.others], [], [], timeout)
        for file in ready:
            if file != self._master:
                self.others[file]()
                continue
            try:
                data = os.read(self._master, 65536)
            except OSError:
                continue
            self.raw += data
            self._stream.feed(data)

    def _set_size(self, fd: int, rows: int, columns: int) -> None:
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
