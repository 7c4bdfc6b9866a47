"""Lines that are typed before the editor is there: one that is complete is run without it."""

from pysh.shell.boot import Tty
from pysh.shell.enter import whole_line
from pysh.shell.history import History
from pysh.shell.keyboard import Keyboard
from pysh.shell.semantic import Semantic


class Early:
    """Does with a typed line what the editor would."""

    def __init__(self, tty: Tty, keyboard: Keyboard, history: History, semantic: Semantic) -> None:
        self._tty = tty
        self._keyboard = keyboard
        self._history = history
        self._semantic = semantic

    def line(self) -> str | None:
        """What was typed, if it is a line that can be run without an editor."""
        return whole_line(self._keyboard.look())

    def take(self, line: str) -> str:
        """Show `line` behind the prompt that is painted, which is used by that."""
        self._keyboard.take(len(line) + len("\r"))
        if self._semantic.prompt:
            self._tty.write(f"\r{self._semantic.prompt}".encode())
            self._tty.paint(self._tty.painted)
        self._tty.painted = ""
        self._tty.write(f"{self._semantic.typed}{line}\r\n".encode())
        self._history.add(line)
        return line
