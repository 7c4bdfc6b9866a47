"""Who comes in: the handshakes that a hub accepts, of strangers, of other nodes and of its own runners."""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from pysh.runtime.hub.peer import Peer
from pysh.runtime.hub.proving import machine_keys
from pysh.runtime.protocol.connection import Connection
from pysh.runtime.protocol.handshake import HMAC, SPAKE2, Handshake
from pysh.runtime.protocol.hello import Hello

if TYPE_CHECKING:
    from pysh.runtime.hub.server import Server

HELD_UP = 1.0
"""Seconds that a timer is late when this process did not run for a while."""
UNPROVEN = 64
"""How many connections may be open whose peer has proved nothing yet."""


class Entrance:
    """The way into the node of `server`, for whoever proves `cookie` or is given a secret of its own."""

    def __init__(self, server: "Server", cookie: bytes) -> None:
        self._server = server
        self._cookie = cookie

    def accepting(
        self, secret: bytes, *, suites: Sequence[int] = (HMAC,),
        host_keys: Callable[[], Sequence[bytes]] = machine_keys, **opening: Any,
    ) -> Peer:  # fmt: skip
        """The protocol for a connection that the other end opens, and ends if that proves nothing in time."""
        now = time.monotonic()
        check = self._check if secret == self._cookie else None
        shake = Handshake(
            self._server.hello(), secret, dialling=False, now=now, check=check,
            suites=suites, entropy=os.urandom(32), host_keys=host_keys,
        )  # fmt: skip
        peer = Peer(self._server, Connection(shake, now=now, heartbeat=None), **opening)
        due = shake.deadline + 0.01
        self._server.loop.call_later(due - now, self._expire, peer, due)
        return peer

    def _check(self, hello: Hello) -> str | None:
        if hello.role not in ("node", "terminal"):
            return f"malformed: no {hello.role} comes in through the node's socket"
        return self._server.core.members.refuse(hello)

    def welcome(self) -> asyncio.Protocol:
        """For the listening socket: refuses before a byte is read while too many prove nothing.

        How private the channel is knows who dials: sshd leads strangers to nobody's socket.
        """
        return self.expecting(suites=(HMAC, SPAKE2), checked=True, source="the socket")

    def expecting(self, **options: Any) -> asyncio.Protocol:
        """The protocol for somebody who has to prove the cookie, in time, while not too many do."""
        unproven = sum(not peer.connection.opened for peer in self._server.peers.values())
        if unproven >= UNPROVEN:
            return _Refused()
        return self.accepting(self._cookie, **options)

    def _expire(self, peer: Peer, due: float, again: bool = False) -> None:
        now = time.monotonic()
        if now < due:  # a loop that was held up has timers come too early
            self._server.loop.call_later(due - now, self._expire, peer, due)
        elif now > due + HELD_UP and not again:  # we were stopped: what came meanwhile is read first
            self._server.loop.call_later(HELD_UP, self._expire, peer, due, True)
        elif not peer.connection.opened:
            peer.connection.tick(now)
            peer.send(peer.connection.data_to_send())
            self._server.drop(peer, "it did not prove the secret in time")
            if peer.worker:
                self._server.runners.workers.overdue(peer.worker)

    async def adopt(self, sock: socket.socket, secret: bytes, **opening: Any) -> Peer:
        """Serve a runner of our own on `sock`."""
        sock.setblocking(False)
        _, peer = await self._server.loop.connect_accepted_socket(lambda: self.accepting(secret, **opening), sock)
        return peer


class _Refused(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).close()
