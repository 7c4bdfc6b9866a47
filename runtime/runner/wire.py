"""Frames in and out of a runner's socket: whole, in order, from any thread."""

import os
import sys
from collections import deque
from collections.abc import Callable
from socket import socket
from time import monotonic
from typing import TYPE_CHECKING, Any

from pysh.runtime.errors import NodeDown, NotSendable
from pysh.runtime.protocol.frames import LOCAL, MAX_META, Decoder, Frame, FrameError, Kind, Raw, pack, parse
from pysh.runtime.protocol.terms import Parts, Payload, Pid
from pysh.runtime.runner.chunks import Chunks
from pysh.runtime.runner.outbox import Outbox, Stream
from pysh.runtime.runner.reading import Reading
from pysh.runtime.runner.waiting import Waiter

if TYPE_CHECKING:
    import asyncio

PATIENCE = 0.002
"""Seconds that a worker's job waits before its hub is told, which may then start others in its place."""
SOON = 0.0002
ROW = 8
"""So many frames, each within `SOON` seconds of the last, show that their sender is not waiting for any; one pause
later is no sign that it does: others may have had its core."""

SLOWED = frozenset((Kind.SPAWN, Kind.SEND, Kind.CALL))
"""What waits while too much is on its way to a node. All else is little, or an answer that makes room."""

Handler = Callable[[Frame], object]
Meta = dict[str, Any] | bytes


class Wire:
    """A socket on which the handshake is done, and `rest` what came behind it.

    `handlers` are called in the thread that reads (see `Reading`), with payloads whole; they must be
    quick, and must not wait.
    """

    def __init__(self, sock: socket, rest: bytes, *, tells_blocked: bool) -> None:
        sock.setblocking(False)
        self.name = ""
        """The node's name, once the hub has told it."""
        self.lost = ""
        """Why nothing comes or goes any more; empty as long as it does."""
        self.handlers: dict[int, Handler] = {}
        self.on_lost: list[Callable[[], object]] = []
        self.on_blocked: list[Callable[[], object]] = []
        """Called in a worker when its job waits, after the hub was told so."""
        self._pid = LOCAL
        self._full: frozenset[bytes] = frozenset()
        """The incarnations to which nothing more can be sent for now."""
        self._process = os.getpid()
        self._tells_blocked = tells_blocked
        self._blocked = 0
        self._row = 0
        self._posted = 0.0
        self._decoder = Decoder()
        self._raws: deque[Raw] = deque(self._decoder.feed(rest))
        self._outbox = Outbox(sock)
        self._chunks = Chunks(self._outbox.put)
        self._reading = Reading(sock, self._outbox, self._received)

    @property
    def pid(self) -> Pid:
        """Whose frames these are, where nobody says otherwise."""
        return self._pid

    @property
    def shielded(self) -> bool:
        """Whether SIGINT must not raise now. A handler that finds it so sets `interrupt_pending` and
        returns; the signal is raised again as soon as may be."""
        return self._reading.shielded

    @property
    def blocked(self) -> bool:
        """Whether the hub was told that the job of this worker waits."""
        return bool(self._blocked)

    @property
    def sending(self) -> bool:
        """Whether some thread is in the middle of a write; a signal handler that waits for it may wait for ever."""
        return self._outbox.flushing

    @property
    def interrupt_pending(self) -> bool:
        """Whether a SIGINT was put off."""
        return self._reading.interrupt_pending

    @interrupt_pending.setter
    def interrupt_pending(self, pending: bool) -> None:
        self._reading.interrupt_pending = pending

    def shield(self) -> None:
        """The SIGINT handler of this process heeds `shielded` from now on."""
        self._reading.shields = True

    # sending

    def post(
        self, kind: int, dest: Pid, *, ref: int = 0, flags: int = 0, meta: Meta | None = None,
        payload: Payload = b"", credit: int = 0, source: Pid | None = None, in_a_row: bool = False,
    ) -> None:  # fmt: skip
        """Send a frame, from any thread; a Ctrl-C never leaves half of one.

        A payload of several chunks goes on as its receiver grants credit, and is waited for where no
        thread reads; so is room, where too much is on its way. Where many are posted `in_a_row` some go
        in one write, which the reading thread sees to. Raises `NodeDown` if the hub is gone, or the node that
        room was waited for, and `NotSendable` for a meta that would end the connection.
        """
        packed = meta if isinstance(meta, bytes) else pack(meta) if meta else b""
        if len(packed) > MAX_META:
            text = f"what is asked for takes {len(packed):,} bytes, arguments apart; the limit is {MAX_META:,}"
            raise NotSendable(size=len(packed), limit=MAX_META, text=text)
        if isinstance(payload, memoryview):
            payload = payload.cast("B")
        whole, parts = (b"", payload) if isinstance(payload, Parts) else (payload, None)
        frame = Frame(kind, source or self.pid, dest, ref, flags, packed, whole, credit)
        outbox, reading = self._outbox, self._reading
        if not outbox.has_room(frame, parts) and reading.may_wait:
            reading.ring()
            reading.drive(lambda: outbox.has_room(frame, parts), None)
        if self._full and dest.incarnation in self._full and kind in SLOWED and reading.may_wait:
            reading.drive(lambda: dest.incarnation not in self._full, None)
            self.check_known(dest.incarnation)
        if self.lost:
            raise self._down("no")
        try:
            hold = in_a_row and reading.threaded and self._is_pipelining()
            stream = outbox.put(frame, parts, hold=hold)
        except OSError:
            if reading.may_wait:
                reading.drive(lambda: bool(self.lost), 1.0)
            raise self._down("maybe") from None
        if stream is not None or hold or not outbox.empty:
            self._push(stream, held=hold)

    def _is_pipelining(self) -> bool:
        """Whether frame follows frame, as nobody does who waits for each."""
        now = monotonic()
        self._row = min(self._row + 1, 2 * ROW) if now - self._posted < SOON else self._row // 2
        self._posted = now
        return self._row >= ROW

    def _push(self, stream: Stream | None, *, held: bool = False) -> None:
        """See to what the socket did not take, or was held back: who reads writes it, else this thread does."""
        outbox, reading = self._outbox, self._reading
        if reading.busy and held and outbox.held:
            reading.linger()
        elif reading.busy:
            reading.ring()
        elif stream is None and outbox.empty:
            pass  # held back, until the thread that stands by looks
        elif reading.may_wait:
            reading.drive(lambda: outbox.empty and (stream is None or not outbox.is_open(stream)), None)
        else:
            reading.send_in_loop()

    # waiting

    def start_thread(self) -> None:
        """Read in a thread of its own from now on."""
        self._reading.start_thread()

    def pump(self, until: Waiter | None, timeout: float | None = None) -> bool:
        """Wait in this thread, reading if no other does; False if `timeout` seconds pass before.

        Without `until` it ends with the connection only.
        """
        if until is None:
            return self._reading.drive(lambda: bool(self.lost), timeout)
        return until.done or self._reading.drive(lambda: until.done, timeout, until)

    def look(self, waiter: Waiter) -> bool:
        """Whether `waiter` is done, with what has come already taken into account; never waits."""
        if not waiter.done and not self._reading.busy:
            self.pump(waiter, 0)
        return waiter.done

    def wait(self, waiter: Waiter, timeout: float | None = None) -> bool:
        """The same for code of the user's: a worker tells its hub if its job waits for long."""
        if not self._tells_blocked:
            return self.pump(waiter, timeout)
        if self.pump(waiter, PATIENCE if timeout is None else min(timeout, PATIENCE)):
            return True
        left = None if timeout is None else timeout - PATIENCE
        if left is not None and left <= 0:
            return False
        self._tell_blocked(1)
        try:
            return self.pump(waiter, left)
        finally:
            self._tell_blocked(-1)

    def wait_in_loop(self, loop: "asyncio.AbstractEventLoop") -> Callable[[], None]:
        """Somebody awaits something of ours in `loop`, which runs here; what to call when that ends."""
        self.join_loop(loop)
        if not self._tells_blocked:
            return lambda: self.leave_loop(loop)
        told: list[bool] = []

        def tell() -> None:
            told.append(True)
            self._tell_blocked(1)

        def left() -> None:
            self.leave_loop(loop)
            timer.cancel()
            if told:
                self._tell_blocked(-1)

        timer = loop.call_later(PATIENCE, tell)
        return left

    def flush(self, timeout: float) -> bool:
        """Wait until all that was sent is on its way; False if `timeout` seconds pass before."""
        self._reading.ring()
        return self._reading.drive(lambda: not self._outbox.size, timeout)

    def write_out(self, most: int) -> None:
        """Block, in the thread of a loop that reads, until at most `most` bytes wait to be sent."""
        self._reading.write_out(most)

    def join_loop(self, loop: "asyncio.AbstractEventLoop") -> None:
        """Read in `loop` too, which runs in this thread, until `leave_loop` was called as often."""
        self._reading.join_loop(loop)

    def leave_loop(self, loop: "asyncio.AbstractEventLoop") -> None:
        """The end of `join_loop`."""
        self._reading.leave_loop(loop)

    def _tell_blocked(self, change: int) -> None:
        before = self._blocked
        self._blocked = blocked = max(0, before + change)
        if bool(before) == bool(blocked) or self.lost:
            return
        self.post(Kind.BLOCKED if blocked else Kind.UNBLOCKED, LOCAL)
        if blocked:
            for tell in self.on_blocked:
                tell()

    # reading

    def _received(self, data: bytes | None) -> None:
        """Handle what was read, then send what that led to and what waits."""
        if data is not None:
            self._take(data)
        raws = self._raws
        while raws:
            try:
                self._receive(parse(raws.popleft()))
            except NodeDown:
                pass  # the hub is gone; what it sent before is still to be read, and then its end
            except Exception:
                sys.excepthook(*sys.exc_info())  # one mistake must not end the reading
        if self.lost:
            return
        try:
            self._turned()
            self._outbox.advance(hold=data is not None)
        except OSError:
            pass  # as above

    def _turned(self) -> None:
        """Send what all that was read in one go led to."""

    def _take(self, data: bytes) -> None:
        try:
            self._raws.extend(self._decoder.feed(data))
        except FrameError as error:
            self._lose(f"its hub sent what is no frame: {error}")
        if not data:
            self._lose("its hub is gone")

    def _receive(self, frame: Frame) -> None:
        whole = self._chunks.whole(frame)
        if whole is None:
            return
        handler = self.handlers.get(whole.kind)
        if handler is not None:
            handler(whole)

    def check_known(self, incarnation: bytes) -> None:
        """Raise `NodeDown` if nothing can be sent to that node."""

    # the end

    def _lose(self, reason: str) -> None:
        """Nothing more comes, and nothing more can be sent."""
        if not self.lost:
            self.lost = reason
            self._ended()
            self._reading.close()
            for tell in self.on_lost:
                tell()

    def close(self) -> None:
        """End the connection: whoever waits gets `NodeDown`. In a forked child the parent keeps its own."""
        if not self.lost:
            forked = os.getpid() != self._process
            self.lost = "this process is a fork of one with a hub" if forked else "it was left"
            self._ended()
            self._reading.close(forked=forked)

    def _ended(self) -> None:
        """Answer everybody who waits."""

    def _down(self, executed: str) -> NodeDown:
        return NodeDown(self.name, self.lost or "its hub is gone", executed=executed)
