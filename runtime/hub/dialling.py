"""From the text that a user wrote to a connection with the node it means."""

import asyncio
import os
import socket
import time
from typing import TYPE_CHECKING, Any

from pysh.runtime.hub import discovery
from pysh.runtime.protocol.connection import Connection
from pysh.runtime.protocol.handshake import Handshake, HandshakeError
from pysh.transports import unix
from pysh.transports.base import TransportError

if TYPE_CHECKING:
    from pysh.runtime.hub.server import Peer, Server

SECONDS = 10.0
STAGES = {
    "bad_cookie": "cookie",
    "version": "version",
    "name_taken": "name",
    "self_connect": "name",
    "not_pysh": "find",
}
"""Which stage of `ConnectError` a refusal of the handshake belongs to; any other is `ready`."""


class Dialler:
    """Dials for the core, and tells it when that fails."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._waiting: dict[int, tuple[int, str]] = {}

    def start(self, token: int, address: str) -> None:
        """Begin; the outcome reaches the core under `token`."""
        task = self._server.loop.create_task(self._dial(token, address))
        task.add_done_callback(lambda done: None if done.cancelled() else self._report(done, token, address))

    def _report(self, done: "asyncio.Task[None]", token: int, address: str) -> None:
        error = done.exception()
        if error is None:
            return
        stage = getattr(error, "stage", "find")
        self._fail(token, address, stage, str(error))

    def _fail(self, token: int, address: str, stage: str, text: str) -> None:
        meta: dict[str, Any] = {
            "error": "ConnectError",
            "stage": stage,
            "address": address,
            "text": text,
            "executed": "no",
        }
        self._server.core.members.dial_failed(token, meta)
        self._server.carry_out()

    async def _dial(self, token: int, address: str) -> None:
        sock = unix.connected_socket(locate(address), timeout=0)
        await self._greet(token, address, sock)

    async def _greet(self, token: int, address: str, sock: socket.socket) -> None:
        from pysh.runtime.hub.server import Peer

        server, now = self._server, time.monotonic()
        shake = Handshake(server.hello(), server.cookie, dialling=True, now=now)
        connection = Connection(shake, now=now, heartbeat=None)
        sock.setblocking(False)
        alias = "" if address.startswith("unix:") else address
        peer = Peer(server, connection, token=token, address=address, alias=alias)
        self._waiting[peer.number] = token, address  # before it can be lost
        await server.loop.create_unix_connection(lambda: peer, sock=sock)
        server.loop.call_later(SECONDS, self._too_late, peer)

    def _too_late(self, peer: "Peer") -> None:
        if not peer.connection.opened and peer.transport is not None:
            peer.connection.tick(time.monotonic())
            peer.transport.abort()

    def lost(self, peer: "Peer") -> None:
        """A connection ended; if it was being dialled, say why."""
        token, address = self._waiting.pop(peer.number, (0, ""))
        if not token or peer.connection.opened:
            return
        error = peer.connection.error
        if isinstance(error, HandshakeError):
            self._fail(token, address, STAGES.get(error.code, "ready"), str(error))
        else:
            self._fail(token, address, "ready", "the other side closed the connection before it said who it is")


def locate(address: str) -> str:
    """The path of the socket that `address` means on this machine.

    Raises `TransportError` (stage `find`) with those that run here, or `BadName`.
    """
    if address.startswith("unix:"):
        return os.fspath(address[5:])
    return str(discovery.find(address).socket)


__all__ = ["Dialler", "TransportError", "locate"]
