"""Messages that nobody was there for, or had room for: their senders are told, folded, so that none is lost silently.

The hub of the sender folds them, and tells whoever sits there; where its owner is elsewhere, the hub of that,
which folds what it is told of. A message says which process it was for, and why it did not go there.
"""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from pysh.runtime.protocol.frames import LOCAL, Flag, Frame, Kind
from pysh.runtime.protocol.links import Link
from pysh.runtime.protocol.terms import Pid

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node

FOLD = 5.0
"""Seconds in which more messages from one shell to the same process are counted, and told in one line."""
LONGEST = 300
"""Characters of a name or a reason."""
ONCE = 10**9
"""So many at most does one frame tell of."""
MOST = 256
"""To how many processes, until they are counted as one."""


class Lost(NamedTuple):
    """What is counted as one: who is told, which process was meant (by which name), and why it was in vain."""

    whom: Pid
    dest: Pid
    to: str
    why: str


class Undelivered:
    """What became of messages for processes that `node` has not, and of those its own processes sent."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._more: dict[Lost, int] = {}

    def returned(self, frame: Frame, name: str = "", why: str = "") -> None:
        """`frame` is a message for a process that is not here, or `why` it cannot go there: tell its sender."""
        if not frame.flags & Flag.MORE:
            told = {key: value for key, value in (("to", name), ("why", why)) if value}
            self._node.post(frame.source, Kind.LOST, meta=told or None, source=frame.dest)

    def lost(self, link: Link | None, frame: Frame) -> None:
        """Messages that a process here sent had nobody to go to; a job's owner is told for it."""
        told = frame.options()
        whom = self._node.work.owner(frame.dest.number) or frame.dest
        to, why = (str(told.get(key, ""))[:LONGEST] for key in ("to", "why"))
        lost = Lost(whom, frame.source, to, why)
        if lost not in self._more and len(self._more) >= MOST:
            lost = Lost(whom, LOCAL, "", "")
        count = _counted(told)
        if lost in self._more:
            self._more[lost] += count
        else:
            self._more[lost] = 0
            self._tell(lost, count)
            self._node.later(FOLD, partial(self._sum, lost))

    def _sum(self, lost: Lost) -> None:
        if more := self._more.pop(lost):
            self._more[lost] = 0
            self._tell(lost, more, more=True)
            self._node.later(FOLD, partial(self._sum, lost))

    def settle(self, whom: Pid) -> None:
        """`whom` is about to end: what was counted is told now."""
        for lost, more in self._more.items():
            if lost.whom == whom and more:
                self._more[lost] = 0
                self._tell(lost, more, more=True)

    def _tell(self, lost: Lost, count: int, *, more: bool = False) -> None:
        if lost.whom.incarnation == self._node.incarnation:
            self._node.tell(lost.whom.number, in_words(self.called(lost.dest, lost.to), _why(lost), count, more=more))
        else:
            told: dict[str, Any] = {"to": lost.to, "why": lost.why, "count": count}
            meta = {key: value for key, value in told.items() if value not in ("", 1)}
            self._node.post(lost.whom, Kind.LOST, meta=meta, source=lost.dest)

    def called(self, dest: Pid, to: str) -> str:
        """Who was meant by a message to `dest`, or to the name `to` there."""
        if dest == LOCAL:
            return "others"
        label = self._node.members.label(dest.incarnation)
        return f"{to!r} on {label}" if to else f"<{label}.{dest.number}>"


def _counted(told: Mapping[str, Any]) -> int:
    """How many messages a frame tells of, whatever another node wrote there."""
    count = told.get("count", 1)
    return max(1, min(count, ONCE)) if isinstance(count, int) else 1


def _why(lost: Lost) -> str:
    return lost.why or ("there are no such processes" if lost.dest == LOCAL else "there is no such process")


def in_words(called: str, why: str, count: int, *, more: bool) -> str:
    """The line for so many messages to `called`, `more` of those that were told before."""
    if not more:
        subject = "a message to" if count == 1 else f"{count:,} messages to"
        return f"{subject} {called} {'was' if count == 1 else 'were'} not delivered: {why}"
    subject = f"{count:,} more message{' was' if count == 1 else 's were'}"
    return f"{subject} not delivered to {called}: {why}"
