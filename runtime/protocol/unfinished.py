"""Payloads on their way in chunks to a process that ends meanwhile: who sends them is let go, not kept waiting."""

from typing import TYPE_CHECKING

from pysh.runtime.protocol.frames import Flag, Frame, Kind, pack
from pysh.runtime.protocol.terms import Pid

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node

GRANTED = frozenset((Kind.SEND, Kind.CALL, Kind.ANSWER))
"""What goes in chunks for which the process itself grants credit."""
ALL = 2 << 30
"""Bytes of credit: for all that a value may take."""


class Unfinished:
    """What has begun to come to the processes of `node`, and is not whole."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._begun: dict[int, dict[tuple[int, Pid, int], None]] = {}

    def arrives(self, frame: Frame) -> None:
        """A frame was handed to a process here."""
        if frame.kind not in GRANTED:
            return
        number, key = frame.dest.number, (frame.kind, frame.source, frame.ref)
        if frame.flags & Flag.MORE:
            self._begun.setdefault(number, {})[key] = None
        elif (begun := self._begun.get(number)) is not None:
            begun.pop(key, None)
            if not begun:
                del self._begun[number]

    def nobody(self, frame: Frame) -> None:
        """A frame is for a process that is not here: the rest of it may come, and be dropped as well."""
        if frame.kind in GRANTED and frame.flags & Flag.MORE:
            self._let_go(frame.dest, frame.kind, frame.source, frame.ref)

    def ended(self, number: int) -> None:
        """A process here is gone: it grants no more credit."""
        for kind, source, ref in self._begun.pop(number, {}):
            self._let_go(Pid(self._node.incarnation, number), kind, source, ref)

    def _let_go(self, me: Pid, kind: int, source: Pid, ref: int) -> None:
        self._node.post(source, Kind.CREDIT, ref=ref, meta=pack(kind), credit=ALL, source=me)
