"""The conversation of two nodes: numbered, acknowledged, and kept until the other side has it.

Every frame of a session carries its number and the number of the last one received, so a busy session
costs no frames of its own. A connection is reliable while it stands, so nothing is sent twice on it;
what was not acknowledged when it broke is what the next one has to carry again.

A large frame waits here while enough is under way, and takes its number when it goes.
"""

from collections import deque
from typing import NamedTuple

from pysh.runtime.protocol.flow import Backlog, Window
from pysh.runtime.protocol.frames import HEADER, FrameError, Raw, restamp

ACK_BYTES = 64 * 1024
ACK_SECONDS = 0.05
"""An ACK of its own is due after so much was received, or so long, with nothing sent to carry it."""
LARGE = ACK_BYTES
"""Bytes from which a frame waits for the window, so that those that are smaller find little before them."""


class SessionStatistics(NamedTuple):
    """What went through a session so far, in frames, and what it holds."""

    sent: int
    received: int
    duplicates: int
    unacked: int
    unacked_bytes: int


class Session:
    """One end of the conversation with the node whose incarnation is `peer`."""

    def __init__(self, peer: bytes) -> None:
        self.peer = peer
        self._sent = 0  # numbers start at 1
        self._received = 0
        self._duplicates = 0
        self._unacked: deque[Raw] = deque()  # those from `_sent` back, without a hole
        self._unacked_bytes = 0
        self._backlog = Backlog()
        self._window = Window()
        self._owed_bytes = 0  # received since an ack last went out
        self._owed_since = 0.0

    @property
    def kept(self) -> int:
        """Bytes that are kept for the peer: those that wait, and those it may not have."""
        return self._unacked_bytes + self._backlog.size

    def send(self, raw: Raw, now: float) -> Raw | None:
        """`raw` as the next frame to send, or None while it has to wait: then `release` hands it out.

        Once handed out it is held until it is acknowledged. Raises `FrameError` when it has no hop left; it
        has taken no number then.
        """
        large = len(raw.body) >= LARGE
        if (large and (self._backlog or not self._is_open)) or self._backlog.holds_back(raw):
            restamp(raw, seq=0, ack=0)  # raises for whoever sends it, and not for whoever releases it
            self._backlog.add(raw)
            return None
        return self._stamp(raw, now)

    def release(self, now: float) -> list[Raw]:
        """Those that waited and may go now, in order."""
        released = []
        while self._backlog and self._is_open:
            released.append(self._stamp(self._backlog.pop(), now))
        return released

    def flush(self, now: float) -> list[Raw]:
        """All that waits, whatever the window: the session ends."""
        return [self._stamp(self._backlog.pop(), now) for _ in range(len(self._backlog))]

    @property
    def _is_open(self) -> bool:
        """Whether less is under way than the window; the frame that fills it may be of any size."""
        return self._unacked_bytes < self._window.size

    def _stamp(self, raw: Raw, now: float) -> Raw:
        stamped = restamp(raw, seq=self._sent + 1, ack=self._received)
        self._sent += 1
        self._owed_bytes = 0
        self._unacked.append(stamped)
        self._unacked_bytes += _size(stamped)
        if len(raw.body) >= LARGE:
            self._window.sent(self._sent, now)
        return stamped

    def receive(self, seq: int, ack: int, size: int, now: float) -> str:
        """Note that frame `seq`, with a body of `size` bytes, came: `"new"`, or `"duplicate"`, to be dropped.

        Raises `FrameError` if one before it is missing, or if `ack` is of a frame that was never sent.
        """
        if not 0 < seq <= self._received + 1:
            raise FrameError(f"frame {seq} of a session came after {self._received}")
        self.acked(ack, now)
        if not self._owed_bytes:
            self._owed_since = now
        self._owed_bytes += HEADER.size + size
        if seq <= self._received:
            self._duplicates += 1
            return "duplicate"
        self._received = seq
        return "new"

    def lacks(self, mark: int) -> int:
        """How many of the frames up to number `mark` the peer may not have."""
        return max(0, len(self._unacked) - (self._sent - mark))

    def acked(self, ack: int, now: float) -> None:
        """Let go of the frames up to `ack`: the peer has them. Raises `FrameError` for one never sent."""
        if ack > self._sent:
            raise FrameError(f"frame {ack} of a session is acknowledged, {self._sent} were sent")
        new = ack - self._sent + len(self._unacked)
        if new > 0:
            size = sum(_size(self._unacked.popleft()) for _ in range(new))
            self._unacked_bytes -= size
            self._window.acked(ack, size, now)

    def resume(self, received: int, now: float) -> list[Raw]:
        """Another connection carries the session, whose peer has `received` frames: those to send again, in order."""
        self._window.reset()
        self.acked(received, now)
        return self.unacked()

    def ack_due(self, now: float) -> int | None:
        """What an ACK frame is to carry, if one is due at `now`; it then counts as sent."""
        if now < self.next_deadline():
            return None
        self._owed_bytes = 0
        return self._received

    def next_deadline(self) -> float:
        """When an ACK frame becomes due, if nothing is sent until then."""
        if not self._owed_bytes:
            return float("inf")
        return self._owed_since + ACK_SECONDS if self._owed_bytes < ACK_BYTES else self._owed_since

    def unacked(self) -> list[Raw]:
        """The frames that the peer may not have, in order, as they were stamped."""
        return list(self._unacked)

    def waiting(self) -> list[Raw]:
        """The frames that were not handed out yet, in order."""
        return list(self._backlog)

    def statistics(self) -> SessionStatistics:
        """What went through so far."""
        return SessionStatistics(self._sent, self._received, self._duplicates, len(self._unacked), self._unacked_bytes)

    def __repr__(self) -> str:
        return (
            f"<Session with {self.peer[:4].hex()}: {self._sent} sent, {len(self._unacked)} unacknowledged, "
            f"{self._received} received>"
        )


def _size(raw: Raw) -> int:
    return HEADER.size + len(raw.body)
