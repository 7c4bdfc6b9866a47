"""Messages that nobody was there for: their senders are told, folded, so that none is dropped silently."""

from functools import partial
from typing import TYPE_CHECKING, Any

from pysh.runtime.protocol.frames import Flag, Frame, Kind
from pysh.runtime.protocol.links import Link
from pysh.runtime.protocol.terms import Pid

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node

FOLD = 5.0
"""Seconds in which more messages from one shell to the same process are counted, and told in one line."""
MOST = 256
"""To how many processes, until they are counted as one."""


class Undelivered:
    """What became of messages for processes that `node` has not, and of those its own processes sent."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._more: dict[tuple[int, str, str], int] = {}

    def returned(self, frame: Frame, name: str = "", why: str = "") -> None:
        """`frame` is a message for a process that is not here, or `why` it cannot go there: tell its sender."""
        if not frame.flags & Flag.MORE:
            told = {key: value for key, value in (("to", name), ("why", why)) if value}
            self._node.post(frame.source, Kind.LOST, meta=told or None, source=frame.dest)

    def lost(self, link: Link | None, frame: Frame) -> None:
        """A message that a process here sent had nobody to go to; a job's owner is told for it."""
        number = frame.dest.number
        if (owner := self._node.work.owner(number)) is not None:
            self._node.post(owner, Kind.LOST, meta=frame.meta, source=frame.source)
            return
        told = frame.options()
        key = number, self._called(frame.source, told), str(told.get("why") or "there is no such process")
        if key not in self._more and len(self._more) >= MOST:
            key = number, "others", "there are no such processes"
        if key in self._more:
            self._more[key] += 1
        else:
            self._more[key] = 0
            self._node.tell(number, f"a message to {key[1]} was not delivered: {key[2]}")
            self._node.later(FOLD, partial(self._sum, key))

    def _sum(self, key: tuple[int, str, str]) -> None:
        if more := self._more.pop(key):
            self._more[key] = 0
            plural = "s were" if more > 1 else " was"
            self._node.tell(key[0], f"{more} more message{plural} not delivered to {key[1]}: {key[2]}")
            self._node.later(FOLD, partial(self._sum, key))

    def _called(self, pid: Pid, told: dict[str, Any]) -> str:
        label = self._node.members.label(pid.incarnation)
        return f"{told['to']!r} on {label}" if "to" in told else f"<{label}.{pid.number}>"
