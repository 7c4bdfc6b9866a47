"""How much waits in the mailboxes of this node's processes, and who has to wait until there is room.

A message that has come is never refused. Once a mailbox is full, whoever sends to it is told with the next
message and sends no more until there is room; what is on its way by then is taken as well, and bounded by
what the sessions and sockets hold. Who waits hears in between that the process goes on receiving. Exit
signals and the like are exempt.
"""

from functools import partial
from typing import TYPE_CHECKING

from pysh.runtime.protocol.frames import Flag, Frame, Kind
from pysh.runtime.protocol.terms import Pid

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node

MESSAGES, BYTES = 10_000, 64 * 1024 * 1024
"""Of either, so much may wait in one mailbox."""
EVERY = 1.0
"""Seconds after which those who wait hear that something was received, if it was."""
STALLED = 1000
"""How many senders of one mailbox are told; those that are dead by now, as tasks are soon, make room for others."""


class _Box:
    def __init__(self) -> None:
        self.messages = 0
        self.size = 0
        self.moved = False  # something was received since those who wait last heard of it
        self.stalled: dict[tuple[Pid, str], None] = {}

    @property
    def full(self) -> bool:
        return self.messages >= MESSAGES or self.size >= BYTES

    @property
    def has_room(self) -> bool:
        """Whether it is worth while to go on: half of it is free."""
        return self.messages <= MESSAGES // 2 and self.size <= BYTES // 2


class Mailboxes:
    """The mailboxes of the processes of `node`, as their hub counts them: by what was not received yet."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._boxes: dict[int, _Box] = {}

    def arrives(self, frame: Frame, name: str = "") -> None:
        """A SEND, or a piece of one, goes into a mailbox; `name` is what its sender calls the process."""
        number = frame.dest.number
        box = self._boxes.get(number)
        if box is None:
            box = self._boxes[number] = _Box()
        box.size += len(frame.payload)
        if not frame.flags & Flag.MORE:
            box.messages += 1
        if box.full and (frame.source, name) not in box.stalled:
            if not box.stalled:
                box.moved = False
                self._node.later(EVERY, partial(self._encourage, number))
            elif len(box.stalled) >= STALLED:
                del box.stalled[next(iter(box.stalled))]
            box.stalled[frame.source, name] = None
            self._tell(number, frame.source, name, full=True)

    def waiting(self, number: int) -> int:
        """How many messages wait there, as far as their hub has seen them."""
        box = self._boxes.get(number)
        return box.messages if box is not None else 0

    def received(self, number: int, messages: int, size: int) -> None:
        """A process has received so many messages of `size` bytes in all."""
        if (box := self._boxes.get(number)) is None:
            return
        box.messages -= messages
        box.size -= size
        box.moved = True
        if box.stalled and box.has_room:
            self._relieve(number, box)

    def _encourage(self, number: int) -> None:
        """Let those who wait go on waiting, if the process goes on receiving."""
        box = self._boxes.get(number)
        if box is None or not box.stalled:
            return
        if box.moved:
            box.moved = False
            for sender, name in box.stalled:
                self._tell(number, sender, name, full=True)
        self._node.later(EVERY, partial(self._encourage, number))

    def ended(self, number: int) -> None:
        """A process is gone: nobody waits for it any more."""
        if (box := self._boxes.pop(number, None)) is not None:
            self._relieve(number, box)

    def _relieve(self, number: int, box: _Box) -> None:
        stalled, box.stalled = box.stalled, {}
        for sender, name in stalled:
            self._tell(number, sender, name, full=False)

    def _tell(self, number: int, sender: Pid, name: str, *, full: bool) -> None:
        me = Pid(self._node.incarnation, number)
        self._node.post(sender, Kind.FULL, meta={"full": full, "to": name}, source=me)
