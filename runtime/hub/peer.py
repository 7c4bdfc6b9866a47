"""One connection of a hub: bytes on one side, frames on the other."""

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Any, cast

from pysh.runtime.hub.proving import Prover
from pysh.runtime.protocol.connection import Connection
from pysh.runtime.protocol.frames import FrameError, Kind, kind_of
from pysh.runtime.protocol.terms import Buffer
from pysh.transports import unix
from pysh.transports.base import TransportError
from pysh.transports.streams import unread

if TYPE_CHECKING:
    from pysh.runtime.hub.server import Server

ANSWERS = frozenset({Kind.RESULT, Kind.DONE, Kind.NOTICE, Kind.REPLY})
"""Before one of these is passed on, what its runner printed is."""
UNREAD = 64 * 1024 * 1024
"""Bytes that may wait for a terminal; what it shows is far less, as it says how much of it."""
LAST_WORDS = 5.0
"""Seconds that what was written to a connection has to leave once that is closed."""
SMALL = 16 * 1024


class Peer(asyncio.Protocol):
    """One connection: bytes to its `Connection`, frames to the core."""

    def __init__(
        self, server: "Server", connection: Connection, *, checked: bool = False, source: str = "",
        prover: Prover | None = None, vital: bool = False, **opening: Any,
    ) -> None:  # fmt: skip
        self.checked = checked
        self.vital = vital  # the node is for this peer alone: it ends if nothing comes of the connection
        self.prover = prover or server.prover
        self.source = source  # who made us accept it; empty for what we dialled
        self.number = next(server.link_numbers)
        self.connection = connection
        self.opening = opening
        self.transport: asyncio.Transport | None = None
        self._server = server
        self.spoiled = False  # what came last made no sense
        self._announced = False
        self._rtt: float | None = None
        self.worker: int | None = opening.get("worker")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are none by class
        if self.checked:
            try:
                unix.check_peer(transport.get_extra_info("socket"), self._server.claim.socket)
            except TransportError:
                cast(asyncio.Transport, transport).abort()
                return
        self._server.peers[self.number] = self
        self.go_on()

    def send(self, buffers: list[Any]) -> None:
        """Write `buffers` in order."""
        if buffers and self.transport is not None and not self.transport.is_closing():
            self.transport.writelines(buffers)
            if self.transport.get_write_buffer_size() > UNREAD and self._is_terminal():
                self.transport.abort()

    @property
    def is_node(self) -> bool:
        """Whether its other end is another node."""
        return self.connection.peer is not None and self.connection.peer.role == "node"

    def _is_terminal(self) -> bool:
        return self.connection.peer is not None and self.connection.peer.role == "terminal"

    def close(self) -> None:
        """End the connection, after what was written, if that leaves in time."""
        if self.transport is not None:
            self.transport.close()
            self._server.loop.call_later(LAST_WORDS, self.transport.abort)

    def data_received(self, data: bytes) -> None:
        server, now = self._server, time.monotonic()
        raws = self.connection.receive_data(data, now)
        if not self._announced:
            self._greeting(now)
        if self._rtt != self.connection.rtt and (link := server.core.links.get(self.number)) is not None:
            self._rtt = link.rtt = self.connection.rtt
        if raws:
            if self.worker is not None and any(kind_of(raw) in ANSWERS for raw in raws):
                server.drain(self.worker)
            try:
                server.core.received(self.number, raws, now)
            except Exception as error:
                if not isinstance(error, FrameError):
                    sys.excepthook(*sys.exc_info())  # nobody foresaw it; whoever sent it is not heard any more
                server.drop(self, str(error), fault=True)
        server.carry_out()
        self.send(self.connection.data_to_send())
        if self.connection.error is not None:
            server.drop(self, str(self.connection.error), fault=True)

    def _greeting(self, now: float) -> None:
        """The handshake has something to compute, or is over, or waits for more."""
        if (work := self.connection.take_work()) is not None:
            self.prover.start(self, work, self.source)
        elif self.connection.opened:
            self._announce(now)

    def go_on(self) -> None:
        """Send what the handshake has to say, and end where it failed."""
        self._greeting(time.monotonic())
        self.send(self.connection.data_to_send())
        if self.connection.error is not None:
            self._server.drop(self, str(self.connection.error))

    def _announce(self, now: float) -> None:
        """The handshake is over: the core learns of the link."""
        self._announced = True
        assert self.connection.peer is not None
        if not self._server.dialler.greeted(self):
            self._server.drop(self, "it is not the node that was meant")
            return
        self.send(self.connection.data_to_send())
        self._server.core.opened(self.number, self.connection.peer, now, **self.opening)
        self._server.went_up(self)

    def connection_lost(self, exc: Exception | None) -> None:
        try:
            if exc is not None:
                self._hear_out()
        finally:
            self._server.lost(self)

    def _hear_out(self) -> None:
        """Take what the other end said last."""
        assert self.transport is not None
        for data in unread(self.transport):
            if self.connection.error is not None:
                break
            self.data_received(data)


def joined(buffers: list[Buffer]) -> list[Buffer]:
    """The same bytes in fewer buffers: each costs a write about as much as copying `SMALL` bytes."""
    if len(buffers) < 2:
        return buffers
    out: list[Buffer] = []
    small: list[Buffer] = []
    for buffer in buffers:
        if len(buffer) < SMALL:
            small.append(buffer)
        elif buffer:
            if small:
                out.append(b"".join(small))
                small = []
            out.append(buffer)
    if small:
        out.append(b"".join(small))
    return out
