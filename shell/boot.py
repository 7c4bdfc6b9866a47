"""The first thing a user sees: the prompt, painted with the standard library alone.

The editor takes a tenth of a second to import and the node to start; meanwhile what is typed waits in
the terminal, silently, and the editor paints the same line over. Whatever ends this process, the
terminal's modes come back.
"""

import atexit
import errno
import os
import termios

from pysh.shell.theme import BOLD, RESET, is_plain

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing `typing` itself takes as long as all the rest of this
    from collections.abc import Sequence
    from typing import Any

CLEAR = b"\r\x1b[K"
PASTE_ON, PASTE_OFF = b"\x1b[?2004h", b"\x1b[?2004l"
_IFLAG, _OFLAG, _LFLAG, _CC = 0, 1, 3, 6
_ROWS, _COLUMNS = 24, 80
_NAMED = 3


TEMPLATE = "{name}[{cell}]> "
FIELDS = ("name", "node", "host", "cell")
"""What a template may have: `name` is `node@host`, `cell` the number of the cell that is typed there."""


def prompt(name: str, cell: int, template: str = TEMPLATE) -> str:
    """The text of a prompt of node `name`; the number of a shell behind it, `#1`, is there whatever the template."""
    at, sign, number = name.partition("#")
    node, _, host = at.partition("@")
    shell = sign + number
    before = f"{shell} " if shell and "{name}" not in template and "{node}" not in template else ""
    for field, value in zip(FIELDS, (name, node + shell, host, str(cell)), strict=True):
        template = template.replace(f"{{{field}}}", value)
    return before + template


def mark(suspects: "Sequence[str]") -> str:
    """What stands before a prompt while nothing comes from some nodes: who they are, or how many."""
    if not suspects:
        return ""
    return f"({', '.join(suspects) if len(suspects) <= _NAMED else f'{len(suspects)} nodes'} suspect) "


def aside(unread: int, took: str) -> str:
    """What stands at the right of a prompt: how many messages wait there, and how long the last cell took."""
    badge = f"{unread:,} unread" if unread else ""
    return ", ".join(filter(None, (badge, took)))


def paint(name: str, cell: int = 1) -> "Tty | None":
    """Show the prompt of node `name` at once, as the user configured it; None where no terminal can show it."""
    if is_plain(os.environ) or not (os.isatty(0) and os.isatty(1)):
        return None
    from pysh.shell.template import glimpsed

    tty = Tty()
    tty.quiet()
    tty.paint(prompt(name, cell, glimpsed(os.environ) or TEMPLATE))
    tty.guard()
    return tty


class Tty:
    """The user's terminal on `fd` and `out`: the modes it was found in, and the way back to them."""

    def __init__(self, fd: int = 0, out: int = 1) -> None:
        self.out = out
        self.painted = ""  # the prompt that stands there, until an editor has taken it over
        self._fd = fd
        self._keys = -1
        self._found: list[Any] | None = _modes(fd)
        self._pid = os.getpid()

    @property
    def keys(self) -> int:
        """A file descriptor of our own to read the keyboard from, which never blocks.

        The one we were given is shared with the user's shell, which must not find it changed.
        """
        if self._keys < 0:
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
            try:
                self._keys = os.open(os.ttyname(self._fd), flags)
            except OSError:
                self._keys = self._fd  # its device lies outside of this container
        return self._keys

    def quiet(self) -> None:
        """Neither echo nor line editing nor signals: what is typed waits for whoever reads it."""
        self._set(output=True)

    def raw(self) -> None:
        """Bytes as they are, both ways, for the program that runs in the node."""
        self._set(output=False)

    def echo(self, on: bool) -> None:
        """The modes as found, with or without the echo of what is typed."""
        if self._found is not None:
            modes = list(self._found)
            modes[_LFLAG] = modes[_LFLAG] if on else modes[_LFLAG] & ~termios.ECHO
            _set_modes(self._fd, modes)

    def restore(self) -> None:
        """Bring back the modes that were found, and take away what was put there."""
        if self._found is None or os.getpid() != self._pid:
            return
        found, self._found = self._found, None
        try:
            os.write(self.out, CLEAR + PASTE_OFF if self.painted else PASTE_OFF)
        except OSError:
            pass  # it hung up
        _set_modes(self._fd, found)

    def paint(self, text: str) -> None:
        """Show a prompt that the editor will paint over."""
        self.painted = text
        self.write(CLEAR + PASTE_ON + f"\x1b[{BOLD}m{text}{RESET}".encode())

    def unpaint(self) -> None:
        """Take the painted prompt away, if it is still there."""
        if self.painted:
            self.write(CLEAR)
            self.painted = ""

    def write(self, data: bytes) -> None:
        """Write all of `data`, however long the terminal takes. Raises `OSError` once it is gone."""
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self.out, view) :]
            except BlockingIOError:  # somebody made it so
                import select

                select.select([], [self.out], [])

    def read(self) -> bytes:
        """What was typed and not yet read, empty if nothing. Raises `EOFError` when the terminal is gone."""
        try:
            data = os.read(self.keys, 16 * 1024)
        except BlockingIOError:
            return b""
        except OSError:
            raise EOFError from None
        if not data:
            raise EOFError
        return data

    def typed(self) -> bytes:
        """What waits in the keyboard's queue now."""
        import select

        return self.read() if select.select([self.keys], [], [], 0)[0] else b""

    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        try:
            columns, rows = os.get_terminal_size(self.out)
        except OSError:
            rows = columns = 0
        return rows or _ROWS, columns or _COLUMNS

    def guard(self) -> None:
        """Restore the modes also when a signal ends this process; SIGINT does not: Ctrl-C is a key here."""
        import signal

        def end(number: int, _frame: object) -> None:
            self.restore()
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

        atexit.register(self.restore)
        signal.signal(signal.SIGINT, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) == signal.SIG_DFL:
                signal.signal(number, end)

    def _set(self, *, output: bool) -> None:
        if self._found is None:
            return
        modes = [*self._found[:_CC], list(self._found[_CC])]
        modes[_LFLAG] &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN | termios.ISIG)
        modes[_IFLAG] &= ~(termios.IXON | termios.IXOFF | termios.ICRNL | termios.INLCR | termios.IGNCR)
        modes[_CC][termios.VMIN], modes[_CC][termios.VTIME] = 1, 0
        if not output:
            modes[_OFLAG] &= ~termios.OPOST
        _set_modes(self._fd, modes)


def _modes(fd: int) -> "list[Any] | None":
    try:
        return termios.tcgetattr(fd)
    except termios.error:
        return None


def _set_modes(fd: int, modes: "list[Any]") -> None:
    while True:
        try:
            # Now, and not after a flush: what was typed already must stay.
            return termios.tcsetattr(fd, termios.TCSANOW, modes)
        except termios.error as error:
            if error.args[0] != errno.EINTR:  # which Python does not retry here
                return None
