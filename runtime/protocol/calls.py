"""The calls of actors that were not answered yet, so that each is, also when its actor ends."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from pysh.runtime.protocol.frames import Flag, Frame, Kind
from pysh.runtime.protocol.jobs import Job
from pysh.runtime.protocol.links import Link
from pysh.runtime.protocol.terms import Pid, Ref, shown

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node


class _Call:
    __slots__ = ("answering", "complete", "size")

    def __init__(self) -> None:
        self.size = 0
        self.complete = False  # all of its arguments has come
        self.answering = False  # some of its answer has come


class Calls:
    """What the actors of `node` were asked, each in the order it came.

    An actor answers one call before it begins with the next. So when it ends, the first that has no answer may
    have run, and those behind it have not.
    """

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._open: dict[int, dict[Ref, _Call]] = {}
        self.handlers: dict[int, Callable[[Link | None, Frame], None]] = {
            Kind.CALL: self._called, Kind.ANSWER: self._passed,
        }  # fmt: skip

    def _called(self, _link: Link | None, frame: Frame) -> None:
        number, last = frame.dest.number, not frame.flags & Flag.MORE
        if self._node.lives(number):
            call = self._open.setdefault(number, {}).setdefault(Ref(frame.source, frame.ref), _Call())
            call.size += len(frame.payload)
            call.complete = last
        elif last:
            self._refuse(frame.dest, Ref(frame.source, frame.ref), "", "no")
        self._node.to_process(number, frame)

    def _passed(self, _link: Link | None, frame: Frame) -> None:
        self.answered(frame)
        self._node.to_process(frame.dest.number, frame)

    def answered(self, frame: Frame) -> None:
        """An ANSWER passes, or a piece of one; of an actor elsewhere it is nothing to us."""
        me, ref = frame.source, Ref(frame.dest, frame.ref)
        calls = self._open.get(me.number, {}) if me.incarnation == self._node.incarnation else {}
        if (call := calls.get(ref)) is None:
            return
        call.answering = True
        if not frame.flags & Flag.MORE:
            del calls[ref]
            self._node.mailboxes.received(me.number, 1, call.size)

    def ended(self, number: int, reason: str | Job) -> None:
        """A process here is gone: whoever waits for an answer of its hears of that. A job knows the reason itself."""
        calls = self._open.pop(number, None)
        if not calls:
            return
        reason = reason if isinstance(reason, str) else reason.exit_reason
        me, executed = Pid(self._node.incarnation, number), "maybe"
        for ref, call in calls.items():
            self._refuse(me, ref, reason, "yes" if call.answering else executed if call.complete else "no")
            executed = "no"

    def _refuse(self, me: Pid, ref: Ref, reason: str, executed: str) -> None:
        pid = shown(self._node.name, me.number)
        told = {"error": "NoProcess", "pid": pid, "executed": executed}
        if reason:
            told["text"] = f"the actor {pid} ended: {reason}"
        self._node.post(ref.owner, Kind.ANSWER, ref=ref.number, flags=Flag.FAILED, meta=told, source=me)
