"""What a terminal offers for a cell that Ctrl-C does not end: to wait, a new shell beside it, or to kill the shell."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from pysh.runtime.protocol.frames import Kind
from pysh.runtime.protocol.presses import Outlived
from pysh.shell.console import Console
from pysh.shell.keyboard import Keyboard
from pysh.shell.typed import Leaving, Typing

KILL, NEW = b"k", b"n"
ESCAPE = b"\x1b"
"""Begins a key of several bytes, or a paste."""


class Moved(Exception):
    """The terminal is at another shell of the same node now, of which that is `told`."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        super().__init__(told)
        self.told = told


class Stuck:
    """Counts the presses that the cell outlives.

    `say` shows a line below what it printed, which `hold` holds back; not while a program has the whole screen, which
    is `full` then. A new shell is for a terminal of that `size`, which perhaps is `plain`.
    """

    def __init__(
        self, console: Console, say: Callable[[str], object], hold: Callable[[bool], object] = lambda _: None,
        full: Callable[[], bool] = lambda: False, size: Callable[[], tuple[int, int]] = lambda: (24, 80),
        plain: bool = False,
    ) -> None:  # fmt: skip
        self._console = console
        self._say = say
        self._hold = hold
        self._full = full
        self._size = size
        self._plain = plain
        self._outlived = Outlived()
        self._asked = self._over = False
        self._began = 0.0  # when the cell did, by the clock of the hub
        self.open = False
        """Whether the next key is an answer, and not for the cell."""
        self.goes = False
        """Whether the terminal is about to be elsewhere, and what is typed for there."""
        self.moved: Mapping[str, Any] | None = None
        """What is told of the other shell at which it is now."""

    @property
    def due(self) -> float | None:
        """When to call `take_turn`; None if nothing is to be done."""
        return None if self._asked else self._outlived.due

    def pressed(self, times: int) -> None:
        """Ctrl-C was pressed."""
        if times and not self.open:
            self._outlived.pressed(times, time.monotonic())

    def typed(self) -> None:
        """Something else was typed: the cell seems to be of use."""
        if not self._asked:
            self._outlived.start_again()

    def pass_keys(self, typing: Typing | Leaving, keyboard: Keyboard) -> int:
        """What was typed is for the cell, the answer to an offer, or for where we go; how often Ctrl-C was pressed."""
        if self.open and (key := typing.drop()):
            self.answer(key)
            keyboard.put_back(b"" if key.startswith(ESCAPE) else key[1:])
        if self.open or self.goes:
            return 0
        pressed = typing.give()
        if pressed:
            self.pressed(pressed)
        elif typing.gave:
            self.typed()
        return pressed

    def take_turn(self) -> None:
        """Ask what there is to lose, if it is time; the offer follows with the answer."""
        if self.due is not None and time.monotonic() >= self.due:
            self._asked = True
            self._console.ask_later("at_stake", self._told)

    def answer(self, key: bytes) -> None:
        """Somebody has decided."""
        if key[:1].lower() == NEW:
            self.open, self.goes = False, True  # what the cell writes is held back on: it is for who comes back to it
            rows, cols = self._size()
            asked = {"rows": rows, "cols": cols, "plain": self._plain, "began": self._began}
            self._console.ask_later("beside", self._beside, **asked)
            return
        self._again()
        if key[:1].lower() == KILL:
            self.goes = True  # to the next prompt
            self._console.ask_later("kill_shell", self._ended, began=self._began)
        else:
            self._say("waiting; what is typed goes to the cell, and Ctrl-C three times asks again")

    def close(self) -> None:
        """The cell has ended: an answer of the hub that is still on its way is of no use."""
        self._over = True
        self._again()

    def _told(self, told: Mapping[str, Any] | None) -> None:
        if self._over:
            return
        if not told or not told["interrupts"] or self._full():
            self._again()  # a program reads keys, and takes this one for its own
            return
        self.open, self._began = True, told.get("began", 0.0)
        self._hold(True)
        self._say(f"{self._console.name}: this cell does not end: code that does not await, or C code")
        self._say("n: a new shell beside it, with other names; fg(1) there comes back to this cell")
        self._say(f"k: kill the shell ({at_stake(told)}), any other key: wait")

    def _beside(self, told: Mapping[str, Any] | None) -> None:
        self.goes = False
        if told and "refused" not in told:
            self.moved = told
            # What the cell wrote before that answer is for who comes back to it; what is behind it, of the new shell.
            self._console.put_back([frame for frame in self._console.take() if frame.kind != Kind.SCREEN])
            self._console.attached(told)
        elif not self._over:
            self._hold(False)
            self._again()
            self._say(str(told["refused"]) if told else "this node makes no new shells: what runs there is older")

    def _ended(self, killed: bool | None) -> None:
        self.goes = self.goes and bool(killed)
        if not killed and not self._over:
            self._say("nothing was killed: the cell has ended meanwhile")

    def _again(self) -> None:
        if self.open:
            self._hold(False)
        self.open = self._asked = False
        self._outlived.start_again()


def at_stake(told: Mapping[str, Any]) -> str:
    """What would be lost with a shell, and what would stay."""
    lost = ["all its bindings", *_counted(told["jobs"], "job")]
    stays = [*_counted(told["tasks"], "task", " it started"), *_counted(told["functions"], "callable name")]
    return f"lost: {', '.join(lost)}" + (f"; not lost: {', '.join(stays)}" if stays else "")


def _counted(amount: int, word: str, more: str = "") -> list[str]:
    return [f"{amount} {word}{'s' if amount > 1 else ''}{more}"] if amount else []
