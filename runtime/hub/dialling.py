"""From the text that a user wrote to a connection with the node it means."""

import asyncio
import socket
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from pysh.runtime.errors import STAGES
from pysh.runtime.hub import discovery, probe
from pysh.runtime.hub.carriers import Carriers
from pysh.runtime.hub.discovery import NoSuchNode
from pysh.runtime.hub.trace import Trace
from pysh.runtime.hub.trust import suite_over
from pysh.runtime.protocol.addresses import Here, Socket, There, Way
from pysh.runtime.protocol.connection import Connection
from pysh.runtime.protocol.handshake import HMAC, Handshake, HandshakeError
from pysh.runtime.protocol.terms import BadName
from pysh.transports import sshconfig, tunnels, unix
from pysh.transports.base import TransportError
from pysh.transports.destination import Destination
from pysh.transports.means import Passage

if TYPE_CHECKING:
    from pysh.runtime.hub.server import Peer, Server

SECONDS = 10.0
PARTING = 1.0
"""Seconds that what was written last has to leave this machine."""
REFUSALS = {
    "bad_cookie": "cookie",
    "version": "version",
    "name_taken": "name",
    "self_connect": "name",
    "not_pysh": "find",
}
"""Which stage of `ConnectError` a refusal of the handshake belongs to; any other is `ready`."""


class Attempt(NamedTuple):
    """One dialling of an address, from the core's wish to its outcome."""

    token: int
    address: str
    way: Way
    trace: Trace


class Tunnel(NamedTuple):
    """What a connection to a node of another machine goes through."""

    ssh: tunnels.Connection
    passage: Passage


class Dialler:
    """Dials for the core, as often as it says, and tells it when that fails."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._carriers = Carriers(log=2)
        self._dialling: set[asyncio.Task[None]] = set()
        self._greeting: dict[int, Attempt] = {}
        self._tunnels: dict[int, Tunnel] = {}
        self._ways: dict[str, Way] = {}

    def start(self, token: int, address: str, way: Way | None) -> None:
        """Begin; the outcome reaches the core under `token`. Without a `way` it is the last one to there."""
        attempt = Attempt(token, address, way or self._ways.get(address) or Way(), Trace())
        task = self._server.loop.create_task(self._dial(attempt))
        self._dialling.add(task)
        task.add_done_callback(lambda done: self._report(done, attempt))

    async def close(self) -> None:
        """Give up what is under way, let what was written leave, and end the carrier."""
        for task in self._dialling:
            task.cancel()
        if parting := [tunnel.passage.ended for tunnel in self._tunnels.values()]:
            await asyncio.wait(parting, timeout=PARTING)
        await self._carriers.close()

    def _report(self, done: "asyncio.Task[None]", attempt: Attempt) -> None:
        self._dialling.discard(done)
        if done.cancelled() or (error := done.exception()) is None:
            return
        stage = "resolve" if isinstance(error, BadName) else getattr(error, "stage", "find")
        self._fail(attempt, stage if stage in STAGES else "find", str(error))

    def _fail(self, attempt: Attempt, stage: str, text: str) -> None:
        meta: dict[str, Any] = {
            "error": "ConnectError", "stage": stage, "address": attempt.address, "text": text, "executed": "no",
            "trace": attempt.trace.rows,
        }  # fmt: skip
        self._server.core.members.dial_failed(attempt.token, meta)
        self._server.carry_out()

    async def _dial(self, attempt: Attempt) -> None:
        if self._is_known(attempt):
            return
        address = discovery.meant(attempt.address)
        if isinstance(address, There):
            await self._dial_there(attempt, address)
        else:
            path = address.path if isinstance(address, Socket) else await _find_here(address)
            sock = unix.connected_socket(path, timeout=0)
            attempt.trace.lap("find", path)
            await self._greet(attempt, sock, HMAC)

    def _is_known(self, attempt: Attempt) -> bool:
        """Whether a node of that name is connected, so that whoever asks for it has it."""
        core, address = self._server.core, attempt.address
        known = next((p for p in core.peers.values() if address in (p.hello.name, *p.aliases)), None)
        if known is None or (asked := core.members.dialling.pop(attempt.token, None)) is None:
            return False
        core.reply(asked, {"ok": known.view()})
        self._server.carry_out()
        return True

    async def _dial_there(self, attempt: Attempt, there: There) -> None:
        """SSH to the machine, who runs there, a stream to the one that is meant, and the handshake."""
        ssh, shared = await self._carriers.connect(there.destination, attempt.way)
        try:
            attempt.trace.connected(ssh.facts, shared=shared)
            suite = suite_over(ssh.facts, there.destination, attempt.address)
            machine = await probe.survey(ssh)
            node = machine.find(there.node, there.destination)
            passage = await probe.stream(ssh, node.socket)
            attempt.trace.lap("find", f"{node.name}, pid {node.pid}; Python {machine.python} answered")
            peer = await self._greet(attempt, passage.sock, suite)
        except BaseException:
            await self._carriers.release(ssh)
            raise
        self._tunnels[peer.number] = Tunnel(ssh, passage)
        if peer.number not in self._server.peers:  # it ended while we looked away
            self.lost(peer)

    async def _greet(self, attempt: Attempt, sock: socket.socket, suite: int) -> "Peer":
        from pysh.runtime.hub.server import Peer

        server, now = self._server, time.monotonic()
        hello = server.hello()._replace(suite=suite)
        connection = Connection(Handshake(hello, server.cookie, dialling=True, now=now), now=now, heartbeat=None)
        sock.setblocking(False)
        alias = "" if attempt.address.startswith("unix:") else attempt.address
        told = {"trace": attempt.trace.rows}
        _, peer = await server.loop.create_unix_connection(
            lambda: Peer(server, connection, token=attempt.token, address=attempt.address, alias=alias, told=told),
            sock=sock,
        )
        self._greeting[peer.number] = attempt
        server.loop.call_later(SECONDS, self._too_late, peer)
        return peer

    def _too_late(self, peer: "Peer") -> None:
        if not peer.connection.opened and peer.transport is not None:
            peer.connection.tick(time.monotonic())
            peer.transport.abort()

    def greeted(self, peer: "Peer") -> None:
        """A handshake is over. If we dialled: the same way leads there from now on."""
        if attempt := self._greeting.pop(peer.number, None):
            self._ways[attempt.address] = attempt.way
            attempt.trace.lap("cookie", f"proved, wire version {peer.connection.version}")

    def lost(self, peer: "Peer") -> None:
        """A connection ended; if it was being dialled, say why."""
        if tunnel := self._tunnels.pop(peer.number, None):
            releasing = self._server.loop.create_task(self._carriers.release(tunnel.ssh))
            self._dialling.add(releasing)
            releasing.add_done_callback(self._dialling.discard)
        if (attempt := self._greeting.pop(peer.number, None)) is None:
            return
        error = peer.connection.error
        if isinstance(error, HandshakeError):
            self._fail(attempt, REFUSALS.get(error.code, "ready"), str(error))
        else:
            self._fail(attempt, "ready", "the other side closed the connection before it said who it is")


async def _find_here(address: Here) -> str:
    """The socket of a node of this machine. Raises `NoSuchNode` with those that run here."""
    try:
        return discovery.find(address.written).socket
    except NoSuchNode as error:
        if "@" in address.written or not await _is_ssh_host(address.node):
            raise
        hint = f"{address.node} is an ssh host; see who runs there: pysh ls {address.node}"
        raise NoSuchNode(error.stage, error.what, error.evidence, hint) from error


async def _is_ssh_host(name: str) -> bool:
    """Whether the user's ssh configuration makes something of `name`."""
    try:
        return (await sshconfig.resolve(Destination(name))).host != name
    except TransportError:
        return False
