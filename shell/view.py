"""What a terminal shows beside the prompt: what a cell writes, what runs elsewhere prints, and notices.

It goes to the screen while a cell runs, and above the prompt of the editor else.
"""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from pysh.runtime.protocol.frames import Frame, Kind
from pysh.shell.boot import Tty
from pysh.shell.console import Console
from pysh.shell.display import Display
from pysh.shell.notices import Notices
from pysh.shell.output import Batch, Output
from pysh.shell.screen import Screen

if TYPE_CHECKING:
    from pysh.shell.editor import Editor

BEHIND = 0.2
"""Seconds that a notice waits at most for the lines which came before it."""
OWN = "the node's own shell"
"""Stands for the evaluator where output is told apart by its source."""


class View:
    """What waits to be shown, and what of it the hub has to be told."""

    def __init__(self, tty: Tty, display: Display) -> None:
        self.display = display
        self.screen = Screen(tty)
        self.output = Output()
        self._outputs: WeakKeyDictionary[Console, dict[int, Output]] = WeakKeyDictionary()  # by number of the shell
        self._tty = tty
        self._notices = Notices()
        self._held_until = 0.0  # the notices, where lines came before them; else 0
        self._unpaid = 0  # bytes of the cell's output that wait in the screen, not acknowledged yet

    def at(self, console: Console) -> None:
        """The terminal is at that shell now: lines without an end of another one wait until it is there again."""
        self.output = self._outputs.setdefault(console, {}).setdefault(console.shell, Output())

    @property
    def live(self) -> Sequence[str]:
        """The lines that are not finished yet."""
        return [self.display.tagged(line) for line in self.output.live]

    @property
    def due(self) -> float | None:
        """When something is to be shown."""
        now = time.monotonic()
        notices = self._notices.due(now)
        if notices is not None and self._behind(now):
            notices = max(notices, self._held_until)
        return min((when for when in (self.output.due(), notices) if when is not None), default=None)

    def _behind(self, now: float) -> bool:
        """Whether the notices wait for lines: what a task printed last is seen before its end."""
        return self.output.waits and now < self._held_until

    def patience(self, *due: float | None) -> float | None:
        """How long nothing has to be done that is `due`, or shown on the screen, if nothing comes."""
        shown = None if self.screen.full else self.due
        times = [when for when in (*due, shown, self.screen.due) if when is not None]
        return max(0.0, min(times) - time.monotonic()) if times else None

    def begin(self) -> None:
        """A cell has the screen from now on."""
        self.output.end(OWN)
        self.screen.hold(False)
        self.screen.show((), self.live)

    def end(self, console: Console) -> None:
        """It is over: show all that waits."""
        self.screen.hold(False)
        self.screen.end()
        self.show(console, self.output.take(time.monotonic(), everything=True), self.screen)
        self.screen.end()
        self.pay(console)

    def forget(self) -> None:
        """The terminal left the cell: what was held back of it is for who comes back to it."""
        if self.screen.holds:
            self.screen.drop()
            self._unpaid = 0

    def program(self, data: bytes) -> None:
        """The cell wrote that."""
        self.screen.program(data)
        self._unpaid += len(data)

    def pay(self, console: Console) -> None:
        """Acknowledge what the cell printed, once it is on the screen."""
        if self._unpaid and self.screen.due is None and not self.screen.holds:
            console.shown(Kind.SCREEN, self._unpaid)
            self._unpaid = 0

    def sort(self, frame: Frame) -> None:
        """Keep a frame that belongs to no cell until it is time to show it."""
        now = time.monotonic()
        if frame.kind == Kind.OUTPUT:
            self.output.take_frame(frame, now)
        elif frame.kind == Kind.SCREEN:
            self.output.feed(OWN, "", bytes(frame.payload), now)
        elif frame.kind == Kind.NOTICE:
            self.output.end_of(frame.options().get("gone", b""))
            if text := self.display.notice(frame.options()):
                if self._notices.due(now) is None:
                    self._held_until = now + BEHIND if self.output.waits else 0.0
                self._notices.put(text)

    def show(self, console: Console, batch: Batch, where: "Screen | Editor") -> None:
        """Show what is due, and tell those it came from."""
        live = None if batch.live is None else [self.display.tagged(line) for line in batch.live]
        now = time.monotonic()
        notices = [] if self._behind(now) else self._notices.take(now)
        lines = [self.display.tagged(line) for line in batch.lines]
        lines = [*lines, *notices] if self._held_until else [*notices, *lines]
        if lines or live is not None:
            where.show(lines, live)
        for key, size in batch.credit.items():
            if isinstance(key, tuple):
                console.shown(Kind.OUTPUT, size, *key)
            else:
                console.shown(Kind.SCREEN, size)

    def show_rest(self) -> None:
        """Show the notices that wait: nobody will have the time later."""
        if rest := self._notices.take(time.monotonic(), everything=True):
            self._tty.unpaint()
            self.screen.show(rest)

    def say(self, text: str) -> None:
        """Show a line of our own."""
        self._tty.unpaint()
        self.screen.end()
        self.screen.show([text])
