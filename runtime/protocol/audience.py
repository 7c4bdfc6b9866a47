"""What a shell and its tasks print, on its way to all who sit there; and what they are told besides.

With nobody there who may type nothing blocks: what is printed is kept within bounds and shown once to the next
who may, with the count of what was dropped. So is what the last terminal was sent and had not shown when it was
lost.
"""

from typing import TYPE_CHECKING, Any

from pysh.runtime.protocol.actions import Pause
from pysh.runtime.protocol.frames import Frame, Kind, pack
from pysh.runtime.protocol.links import Link
from pysh.runtime.protocol.missed import Missed
from pysh.runtime.protocol.notices import Hush
from pysh.runtime.protocol.seats import STUCK, Seat, Seats, Source
from pysh.runtime.protocol.terms import Pid

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node

MOST_UNREAD = 10**9


class Audience:
    """The terminals of shell number `shell`, and how much each source may still print; all of a node share a `hush`."""

    def __init__(self, node: "Node", shell: int = 0, hush: Hush | None = None) -> None:
        self.seats = Seats()
        self.missed = Missed()
        self.hush = hush or Hush()
        self.unread = 0
        """How many messages wait in the mailbox of the shell."""
        self._node = node
        self._pty = -shell
        """What `Pause` calls the pty of the evaluator, where it calls workers by their numbers from 1."""
        self._looking = False  # whether a terminal is stuck

    def notice(self, text: str, level: str = "info", gone: bytes = b"", *, keep: bool = False) -> None:
        """Tell whoever sits here, and which nodes are suspect by now; `gone` is one that is down.

        One that is held back has no text. With `keep` it waits for whoever comes, if nobody is there who may type.
        """
        self.say("" if self.hush.holds(level) else text, level, gone, keep=keep)

    def say(self, text: str, level: str, gone: bytes = b"", *, keep: bool = False) -> None:
        """The same once it is known whether it is held back: no `text` is none."""
        if text and keep and not self.seats.typists:
            self.missed.add(text.encode("utf-8", "replace") + b"\n")
        for seat in self.seats:
            self._note(seat, text, level, {"gone": gone} if gone else {})

    def _note(self, seat: Seat, text: str, level: str, more: dict[str, Any]) -> None:
        suspects = self._node.members.suspects()
        self.tell(
            seat, Kind.NOTICE, meta={"text": text, "level": level, "suspects": suspects, "unread": self.unread, **more}
        )

    def has_unread(self, count: int) -> None:
        """So many messages wait in the mailbox of the shell: a mark at every prompt."""
        if self.count_unread(count):
            for seat in self.seats:
                self._note(seat, "", "info", {})

    def count_unread(self, count: int) -> bool:
        """The same, where the terminals hear of it by what follows; whether it is news."""
        before, self.unread = self.unread, max(0, min(count, MOST_UNREAD))
        return self.unread != before

    def tell(self, seat: Seat | None, kind: int, *, meta: Any = None, **fields: Any) -> None:
        if seat is not None:
            packed = meta if isinstance(meta, bytes) else pack(meta) if meta else b""
            dest = Pid(self._node.incarnation, seat.process)
            self._node.to_process(seat.process, Frame(kind, self._node.me, dest, meta=packed, **fields))

    def screen(self, data: bytes) -> None:
        """The evaluator wrote to its pty."""
        if not self.seats.typists:
            self.missed.add(data, own=True)
        for seat in self.seats.send(None, data, self._node.now):
            self.tell(seat, Kind.SCREEN, payload=data)
        if self.seats.full:
            self._node.actions.append(Pause(self._pty, on=True))
        self.look_soon()

    def shown(self, frame: Frame) -> bool:
        """A CREDIT passes: whether it was a terminal's, for what it has shown."""
        seat, kind = self.seats.get(frame.source.number), frame.options()
        if seat is None or frame.source.incarnation != self._node.incarnation or kind not in (Kind.SCREEN, Kind.OUTPUT):
            return False
        source: Source = None if kind == Kind.SCREEN else (frame.dest, frame.ref)
        if skipped := seat.shown(source, frame.credit, self._node.now):
            self._note(seat, f"… {skipped:,} bytes not shown: this terminal was too slow", "warn", {})
        if source is None:
            self._go_on()
        else:
            self._grant(*source, self.seats.due(source))
        return True

    def _go_on(self) -> None:
        if not self.seats.full:
            self._node.actions.append(Pause(self._pty, on=False))

    def left(self, seat: Seat) -> None:
        """The last who could type is gone: what he did not see the next one will."""
        rest = b"".join(unshown.rest() for source, unshown in seat.unshown.items() if source is None)
        self.missed.add(rest, own=True)
        for source, unshown in seat.unshown.items():
            if source is not None:
                self.miss(source[0], unshown.rest())

    def settle(self) -> None:
        """Nobody waits any more for a terminal that is gone or stuck."""
        for source, credit in self.seats.all_due().items():
            if source is not None:
                self._grant(*source, credit)
        self._go_on()

    def look_soon(self) -> None:
        """While several are there none may hold up the others for long."""
        if not self._looking and len(self.seats.typists) > 1:
            self._looking = True
            self._node.later(STUCK / 2, self._look)

    def _look(self) -> None:
        self._looking = False
        waited = self.seats.leave_behind(self._node.now)
        self.settle()
        if waited:
            self.look_soon()

    def output(self, link: Link | None, frame: Frame) -> None:
        owner = self._node.processes.get(frame.dest.number)
        role = owner.role if owner is not None else ""
        if owner is not None and role == "program":
            self._node.write(owner, self._labelled(frame))
        elif role == "evaluator":
            self._show(frame)
        elif frame.payload:
            self._grant(frame.source, frame.ref, len(frame.payload))

    def _show(self, frame: Frame) -> None:
        """What a task of the shell printed goes to all who are there."""
        source, data = (frame.source, frame.ref), bytes(frame.payload)
        if data and not self.seats.typists:
            self.miss(frame.source, data)
        to = self.seats.send(source, data, self._node.now) if data else []
        whole = self._labelled(frame)
        for seat in self.seats:
            self._node.to_process(seat.process, whole if seat in to else whole._replace(payload=b""))
        if data:
            self._grant(*source, self.seats.due(source))
        self.look_soon()

    def _labelled(self, frame: Frame) -> Frame:
        """An OUTPUT with the label of its node beside what it says: `end`, if nothing more comes."""
        label = self._node.members.label(frame.source.incarnation)
        return frame._replace(meta=pack({**frame.options(), "label": label}))

    def _grant(self, source: Pid, ref: int, size: int) -> None:
        if size > 0:
            self._node.post(source, Kind.CREDIT, ref=ref, meta=pack(Kind.OUTPUT), credit=size)

    def miss(self, source: Pid, data: bytes) -> None:
        """What a task printed while nobody looked, tagged as its node's."""
        label = self._node.members.label(source.incarnation).encode()
        self.missed.add(b"".join(b"%s | %s" % (label, line) for line in data.splitlines(keepends=True)))
