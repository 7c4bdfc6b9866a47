"""The terminals at one shell: who may type, who only looks on, and how far each has shown what it was sent.

What one source prints goes to all of them, and as fast as the slowest that types shows it. One that shows
nothing for `STUCK` while others wait for it is left behind, so is a looker-on that is not fast enough: of what
comes from then on it is told the number of bytes, once it has shown the rest.
"""

from collections.abc import Iterator
from typing import Any

from pysh.runtime.protocol.flow import PRINTED
from pysh.runtime.protocol.missed import Unshown
from pysh.runtime.protocol.terms import Pid

STUCK = 3.0
"""Seconds that the others wait for a terminal which shows nothing of what it was sent."""

NAMED = 255
"""Characters of the name of a machine at most; of one with a longer name no files are shown by links."""

Source = tuple[Pid, int] | None
"""Who printed: a task, by its process and ref; None is the shell itself."""


class Seat:
    """One terminal: its process number, whether it only `watches` or a `person` is there, its rows and columns.

    A `plain` one takes lines of text alone. `links` is the machine whose files one that takes links can show.
    """

    def __init__(
        self, process: int, *, watches: bool = False, person: bool = True, plain: bool = False,
        links: str = "", size: tuple[int, int] = (24, 80),
    ) -> None:  # fmt: skip
        self.links = links
        self.process, self.watches, self.person, self.plain, self.size = process, watches, person, plain, size
        self.behind = False
        self.skipped = 0
        self.moved = 0.0  # when it last showed something, or had shown everything
        self.unshown: dict[Source, Unshown] = {}

    def lacks(self, source: Source) -> int:
        """How many bytes of `source` it was sent and has not shown."""
        unshown = self.unshown.get(source)
        return unshown.size if unshown is not None else 0

    def send(self, source: Source, data: bytes, now: float) -> bool:
        """Whether `data` goes there; if it is behind that is counted instead."""
        if self.watches and self.lacks(source) + len(data) > PRINTED:
            self.behind = True
        if self.behind:
            self.skipped += len(data)
            return False
        if not self.unshown:
            self.moved = now
        self.unshown.setdefault(source, Unshown()).sent(data)
        return True

    def shown(self, source: Source, size: int, now: float) -> int:
        """It showed the next `size` bytes of `source`; how many it has to be told that it did not get, if it is up."""
        self.moved = now
        if (unshown := self.unshown.get(source)) is not None:
            unshown.shown(size)
            if not unshown.size:
                del self.unshown[source]
        if self.unshown or not self.behind:
            return 0
        skipped, self.skipped, self.behind = self.skipped, 0, False
        return skipped


def seat_of(process: int, asked: dict[str, Any]) -> Seat:
    """The one asked for by a terminal. Raises `TypeError`, `ValueError` or `OverflowError` for what is no size."""
    size = int(asked.get("rows", 24)), int(asked.get("cols", 80))
    watches, person, plain = bool(asked.get("watch")), bool(asked.get("person", True)), bool(asked.get("plain"))
    links = str(asked.get("links", ""))
    return Seat(
        process, watches=watches, person=person, plain=plain, size=size, links=links if len(links) <= NAMED else ""
    )


class Seats:
    """All of one shell."""

    def __init__(self) -> None:
        self._seats: dict[int, Seat] = {}
        self.away: set[int] = set()  # terminals that went over to another shell, and will be back
        self._owed: dict[Source, int] = {}  # bytes of tasks that they were not given credit for

    def __iter__(self) -> Iterator[Seat]:
        return iter(list(self._seats.values()))

    def get(self, process: int | None) -> Seat | None:
        """The one of that process number."""
        return self._seats.get(process) if process is not None else None

    def typist(self, process: int | None) -> Seat | None:
        """The one of that process number, if it may type."""
        seat = self.get(process)
        return seat if seat is not None and not seat.watches else None

    @property
    def typists(self) -> list[Seat]:
        """Those that may type, in the order they came."""
        return [seat for seat in self._seats.values() if not seat.watches]

    @property
    def size(self) -> tuple[int, int] | None:
        """What fits on every terminal of a person that types."""
        sizes = [seat.size for seat in self.typists if seat.person] or [seat.size for seat in self.typists]
        return (min(rows for rows, _ in sizes), min(columns for _, columns in sizes)) if sizes else None

    def join(self, seat: Seat) -> None:
        """One came, or is back."""
        self.away.discard(seat.process)
        self._seats[seat.process] = seat

    def leave(self, process: int) -> Seat | None:
        """One is gone, if it was here."""
        return self._seats.pop(process, None)

    def send(self, source: Source, data: bytes, now: float) -> list[Seat]:
        """`source` printed `data`: to whom it goes."""
        if source is not None:
            self._owed[source] = self._owed.get(source, 0) + len(data)
        return [seat for seat in self._seats.values() if seat.send(source, data, now)]

    def lacking(self, source: Source) -> int:
        """How much of what `source` printed has still to be shown before it may print more."""
        return max((seat.lacks(source) for seat in self.typists if not seat.behind), default=0)

    @property
    def full(self) -> bool:
        """Whether the shell has to wait before it prints more."""
        return self.lacking(None) >= PRINTED

    def due(self, source: Source) -> int:
        """The credit that the task `source` is to have by now."""
        owed = self._owed.get(source, 0)
        left = min(owed, self.lacking(source))
        if left:
            self._owed[source] = left
        else:
            self._owed.pop(source, None)
        return owed - left

    def all_due(self) -> dict[Source, int]:
        """The same for every task, after a terminal that others waited for is gone or was left behind."""
        return {source: credit for source in list(self._owed) if (credit := self.due(source))}

    def leave_behind(self, now: float) -> bool:
        """Wait no longer for those that are stuck while others are not; whether some have still to show something."""
        waited = [seat for seat in self.typists if seat.unshown and not seat.behind]
        for seat in waited:
            others = any(not other.behind for other in self.typists if other is not seat)
            if others and now - seat.moved >= STUCK:
                seat.behind = True
        return len(self.typists) > 1 and any(not seat.behind for seat in waited)
