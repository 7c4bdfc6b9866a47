"""What a terminal offers for a cell that Ctrl-C does not end: to wait, or to kill the shell it runs in."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from pysh.runtime.protocol.presses import Outlived
from pysh.shell.console import Console

KILL = b"k"


class Stuck:
    """Counts the presses that the cell outlives.

    `say` shows a line below what it printed, which `hold` holds back; not while a program has the whole screen, which
    is `full` then.
    """

    def __init__(
        self, console: Console, say: Callable[[str], object], hold: Callable[[bool], object] = lambda _: None,
        full: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        self._console = console
        self._say = say
        self._hold = hold
        self._full = full
        self._outlived = Outlived()
        self._asked = self._over = False
        self.open = False
        """Whether the next key is an answer, and not for the cell."""

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

    def take_turn(self) -> None:
        """Ask what there is to lose, if it is time; the offer follows with the answer."""
        if self.due is not None and time.monotonic() >= self.due:
            self._asked = True
            self._console.ask_later("at_stake", self._told)

    def answer(self, key: bytes) -> None:
        """Somebody has decided."""
        self._again()
        if key[:1].lower() == KILL:
            self._console.ask_later("kill_shell", self._ended)
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
        self.open = True
        self._hold(True)
        self._say(f"{self._console.name}: this cell does not end: code that does not await, or C code")
        self._say(f"k: kill the shell ({at_stake(told)}), any other key: wait")

    def _ended(self, killed: bool | None) -> None:
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
