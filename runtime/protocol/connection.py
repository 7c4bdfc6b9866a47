"""One connection between two neighbours: the handshake, then frames, and whether the other end lives."""

from typing import NamedTuple

from pysh.runtime.protocol.frames import (
    LOCAL,
    Class,
    Decoder,
    Frame,
    FrameError,
    Kind,
    Raw,
    encode,
    kind_of,
    parse,
)  # fmt: skip
from pysh.runtime.protocol.handshake import Handshake, HandshakeError, Hello, Work
from pysh.runtime.protocol.heartbeat import Heartbeat, Ping, Recovered, Silent, Suspect
from pysh.runtime.protocol.terms import Buffer

__all__ = ["Connection", "ConnectionStatistics", "Event", "Recovered", "Silent", "Suspect"]

Event = Suspect | Recovered | Silent


class ConnectionStatistics(NamedTuple):
    """What came over a connection since it opened, and what it still has to hand out."""

    frames_received: int
    bytes_received: int
    buffers_waiting: int
    rtt: float | None


class Connection:
    """Bytes and `now` go in; frames, bytes to send and signs of life come out.

    After each call of `receive_data`, `receive_eof`, `send`, `tick`, `work_done` or `work_failed` write what
    `data_to_send` returns, then close the stream if `closed`, and do what `take_work` asks for. Call `tick`
    at `next_deadline()`, or more often. What is given to `send` waits until the peer is proven.
    """

    def __init__(self, handshake: Handshake, *, now: float, heartbeat: Heartbeat | None = None) -> None:
        self.heartbeat = heartbeat
        self.closed = False
        self.error: HandshakeError | FrameError | None = None
        self.rtt: float | None = None
        self._handshake = handshake
        self._decoder = Decoder()
        self._queue: list[Buffer] = []
        # Of each at most one waits to be sent, so a peer that asks without reading fills no memory.
        self._ping: int | None = None
        self._pong: int | None = None
        self._started_at = now
        self._frames_received = 0
        self._bytes_received = 0

    @property
    def peer(self) -> Hello | None:
        """Who is at the other end, once that is proven."""
        return self._handshake.peer

    @property
    def version(self) -> int:
        """The version of the wire that both ends speak."""
        return self._handshake.version

    @property
    def opened(self) -> bool:
        """Whether the handshake succeeded; this stays true after the end."""
        return self._handshake.done

    @property
    def torn(self) -> bool:
        """Whether what came last makes no sense, or not yet: if the stream ends here, some of it is lost."""
        return self.error is not None or self._decoder.within

    def receive_data(self, data: bytes, now: float) -> list[Raw]:
        """The frames that `data` completes, but for PING and PONG, which are dealt with here.

        Bytes that are no frame set `error`; the frames before them are still returned.
        """
        if self.closed:
            return []
        if not self.opened:
            self._handshake.receive_data(data, now)
            self._fail(self._handshake.error)
            if not self.opened:
                return []
            data, self._handshake.rest = self._handshake.rest, b""
        self._bytes_received += len(data)
        if self.heartbeat is not None:
            self.heartbeat.heard(now)
        return self._decode(data, now)

    def receive_eof(self) -> None:
        """Note that the peer closed the stream; before the handshake is over that is an error."""
        if not self.closed:
            self._handshake.receive_eof()
            self._fail(self._handshake.error)
            self.closed = True

    def take_work(self) -> Work | None:
        """What the handshake wants computed, handed out once; then call `work_done` or `work_failed`."""
        return self._handshake.take_work()

    def work_done(self, share: bytes, key: bytes, now: float) -> None:
        """Go on with what was computed. It never is the last step: the other end's proof follows."""
        self._handshake.work_done(share, key, now)
        self._fail(self._handshake.error)

    def work_failed(self, code: str, text: str) -> None:
        """Give up: what `take_work` asked for cannot be had."""
        self._handshake.work_failed(code, text)
        self._fail(self._handshake.error)

    def send(self, buffers: list[Buffer]) -> None:
        """Queue the buffers of one or more frames; nothing is sent any more after the end."""
        if not self.closed:
            self._queue += buffers

    def ping(self, now: float) -> None:
        """Ask the peer for a sign of life; its answer updates `rtt`."""
        self._ping = self._clock(now)

    def data_to_send(self) -> list[Buffer]:
        """The buffers to write now; they are handed out once."""
        greeting = self._handshake.data_to_send()
        out: list[Buffer] = [greeting] if greeting else []
        if not self.opened or self.closed:
            return out
        if self._pong is not None:
            out += encode(Frame(Kind.PONG, LOCAL, LOCAL, self._pong, cls=Class.CONTROL))
        if self._ping is not None:
            out += encode(Frame(Kind.PING, LOCAL, LOCAL, self._ping, cls=Class.CONTROL))
        self._ping = self._pong = None
        out += self._queue
        self._queue = []
        return out

    def tick(self, now: float) -> list[Event]:
        """What the passing of time shows of the peer. `Silent` is the last event and closes."""
        if self.closed:
            return []
        if not self.opened:
            self._handshake.tick(now)
            self._fail(self._handshake.error)
            return []
        events: list[Event] = []
        for event in self.heartbeat.tick(now) if self.heartbeat is not None else ():
            if isinstance(event, Ping):
                self.ping(now)
            else:
                events.append(event)
                self.closed = self.closed or isinstance(event, Silent)
        return events

    def next_deadline(self) -> float:
        """When `tick` is due."""
        if not self.closed and not self.opened:
            return self._handshake.deadline
        return float("inf") if self.closed or self.heartbeat is None else self.heartbeat.next_deadline()

    def statistics(self) -> ConnectionStatistics:
        """What went through so far."""
        return ConnectionStatistics(self._frames_received, self._bytes_received, len(self._queue), self.rtt)

    def __repr__(self) -> str:
        state = self.error or ("closed" if self.closed else "open" if self.opened else "greeting")
        return f"<Connection with {self.peer.name if self.peer else 'nobody yet'}: {state}>"

    def _decode(self, data: bytes, now: float) -> list[Raw]:
        frames: list[Raw] = []
        try:
            for raw in self._decoder.feed(data):
                self._frames_received += 1
                if kind_of(raw) in (Kind.PING, Kind.PONG):
                    self._answer(parse(raw), now)
                else:
                    frames.append(raw)
        except FrameError as error:
            self._fail(error)
        return frames

    def _answer(self, frame: Frame, now: float) -> None:
        if frame.kind == Kind.PING:
            self._pong = frame.ref
        elif frame.ref <= self._clock(now):
            self.rtt = (self._clock(now) - frame.ref) / 1e6

    def _clock(self, now: float) -> int:
        # The ref of a PING is when it was sent, so its PONG says how long both took and nothing is kept.
        return max(0, round((now - self._started_at) * 1e6))

    def _fail(self, error: HandshakeError | FrameError | None) -> None:
        if error is not None:
            self.error = error
            self.closed = True
