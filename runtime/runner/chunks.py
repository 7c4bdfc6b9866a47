"""Payloads that come in several frames, put together again; their senders are told to go on."""

from collections.abc import Callable

from pysh.runtime.protocol.flow import Inflow
from pysh.runtime.protocol.frames import Flag, Frame, Kind, pack
from pysh.runtime.protocol.terms import Pid

LARGEST = 2 << 30
"""How many bytes a value may take that comes in chunks."""
GRANTED = frozenset((Kind.RESULT, Kind.SEND, Kind.CALL, Kind.ANSWER))
"""The kinds whose senders wait for credit of ours; all else in chunks comes from the hub next door."""


class Chunks:
    """The payloads that have begun to come."""

    def __init__(self, put: Callable[[Frame], object]) -> None:
        self._put = put
        self._begun: dict[tuple[int, Pid, int], tuple[Frame, Inflow]] = {}

    def whole(self, frame: Frame) -> Frame | None:
        """`frame` itself, or with the last chunk all of its payload; None before that."""
        more = frame.flags & Flag.MORE
        if not more and not self._begun:
            return frame
        key = (frame.kind, frame.source, frame.ref)
        if not more and key not in self._begun:
            return frame
        if frame.kind in GRANTED:
            kind, size = pack(frame.kind), len(frame.payload)
            self._put(Frame(Kind.CREDIT, frame.dest, frame.source, frame.ref, meta=kind, credit=size))
        first, inflow = self._begun.setdefault(key, (frame, Inflow(LARGEST)))
        inflow.add(frame.payload)
        if more:
            return None
        del self._begun[key]
        return first._replace(payload=inflow.join(), flags=frame.flags)

    def forget(self, kind: int, dest: Pid) -> None:
        """Forget what came of a kind for a process that is not to have it any more."""
        for key, (first, _) in list(self._begun.items()):
            if key[0] == kind and first.dest == dest:
                del self._begun[key]

    def drop(self, gone: Callable[[bytes], bool]) -> None:
        """Forget what came from incarnations that are gone."""
        for key in [key for key in self._begun if gone(key[1].incarnation)]:
            del self._begun[key]
