"""From the text that a user wrote to a connection with the node it means."""

import asyncio
import socket
import time
from contextlib import nullcontext, suppress
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from pysh.runtime.errors import STAGES
from pysh.runtime.hub import discovery
from pysh.runtime.hub.core_zip import running_from
from pysh.runtime.hub.discovery import NoSuchNode, SeveralNodes
from pysh.runtime.hub.peer import Peer
from pysh.runtime.hub.proving import dialling
from pysh.runtime.hub.trace import Trace
from pysh.runtime.protocol.addresses import Here, Socket, There, Way
from pysh.runtime.protocol.connection import Connection
from pysh.runtime.protocol.handshake import HandshakeError
from pysh.runtime.protocol.terms import BadName, printable
from pysh.transports import unix
from pysh.transports.base import TransportError
from pysh.transports.means import PASSING

if TYPE_CHECKING:
    from pysh.runtime.hub.far import Far, Tunnel
    from pysh.runtime.hub.server import Server
    from pysh.transports.asking import Ask, Question

SECONDS = 10.0
AT_ONCE = 32
"""Other machines that verbs are on their way to at the same time."""
LOG = 2
"""The file descriptor of what a hub and its children print of themselves."""
REFUSALS = {
    "bad_cookie": "cookie",
    "version": "version",
    "name_taken": "name",
    "self_connect": "name",
    "not_pysh": "find",
    "suite": "hostkey",
    "channel_binding": "hostkey",
    "no_spake2": "hostkey",
    "another_node": "find",
}
"""Which stage of `ConnectError` a refusal of the handshake belongs to; any other is `ready`."""


class Attempt(NamedTuple):
    """One dialling of an address, from the core's wish to its outcome."""

    token: int
    address: str
    way: Way
    trace: Trace
    ask: "Ask | None" = None  # for what a server on the way asks a person
    greeted: "asyncio.Future[bool] | None" = None  # for one who waits for the handshake: whether it ended well
    wanted: bool = True  # by a verb; else a connection broke, and is not to wait for others


class Dialler:
    """Dials for the core, as often as it says, and tells it when that fails."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._dialling: set[asyncio.Task[None]] = set()
        self._greeting: dict[int, Attempt] = {}
        self._tunnels: dict[int, Tunnel] = {}
        self._ways: dict[str, Way] = {}
        self._answers: dict[int, asyncio.Future[str | None]] = {}
        self._far: Far | None = None
        self._at_once = asyncio.Semaphore(AT_ONCE)

    def start(self, token: int, address: str, way: Way | None, asks: bool) -> None:
        """Begin; the outcome reaches the core under `token`. Without a `way` it is the last one to there."""
        ask = self.asking(token, address) if asks else None
        attempt = Attempt(token, address, way or self._ways.get(address) or Way(), Trace(), ask, wanted=way is not None)
        task = self._server.loop.create_task(self._dial(attempt))
        self._dialling.add(task)
        task.add_done_callback(lambda done: self._report(done, attempt))

    def asking(self, token: int, address: str) -> "Ask":
        """Asks the person who waits for what comes of `token`."""

        async def ask(question: "Question") -> str | None:
            dials = self._server.core.members.dials
            if not dials.question(token, f"{address}: {question.text}", question.wanted):
                return None
            answer: asyncio.Future[str | None] = self._server.loop.create_future()
            self._answers[token] = answer
            self._server.carry_out()
            return await answer

        return ask

    def answer(self, token: int, text: str | None) -> None:
        """A person answered."""
        answer = self._answers.pop(token, None)
        if answer is not None and not answer.done():
            answer.set_result(text)

    async def close(self) -> None:
        """Give up what is under way, and let what was written to other machines leave.

        To be called when every connection is closed.
        """
        for task in self._dialling:
            task.cancel()
        if self._far is not None:
            tunnels, self._tunnels = self._tunnels, {}
            for tunnel in tunnels.values():
                self._far.release(tunnel)
            await self._far.close()

    def _report(self, done: "asyncio.Task[None]", attempt: Attempt) -> None:
        self._dialling.discard(done)
        if done.cancelled() or (error := done.exception()) is None:
            return
        stage = "resolve" if isinstance(error, BadName) else getattr(error, "stage", "find")
        gone = isinstance(error, NoSuchNode) and not isinstance(error, SeveralNodes)
        passing = getattr(error, "what", "") in PASSING
        self._fail(attempt, stage if stage in STAGES else "find", str(error), gone=gone, passing=passing)

    def _fail(self, attempt: Attempt, stage: str, text: str, *, gone: bool = False, passing: bool = False) -> None:
        """Report it; `gone` if no such node runs on its machine any more, `passing` if it may go better later."""
        meta: dict[str, Any] = {
            "error": "ConnectError", "stage": stage, "address": attempt.address, "text": text, "executed": "no",
            "trace": attempt.trace.rows, "gone": gone, "passing": passing,
        }  # fmt: skip
        self._server.core.members.dial_failed(attempt.token, meta)
        self._server.carry_out()

    async def _dial(self, attempt: Attempt) -> None:
        address = discovery.meant(attempt.address)
        if isinstance(address, There):
            await self._dial_there(attempt, address)
        else:
            path = address.path if isinstance(address, Socket) else await _find_here(address)
            sock = unix.connected_socket(path, timeout=0)
            attempt.trace.lap("find", path)
            await self.greet(attempt, sock)

    async def _dial_there(self, attempt: Attempt, there: There) -> None:
        async with self._at_once if attempt.wanted else nullcontext():
            tunnel = await self.far().open(there, attempt)
        await self.greet(attempt, tunnel.sock, tunnel, there.node)

    def far(self) -> "Far":
        """What leads to other machines. Raises `TransportError` where nothing does."""
        if running_from():
            what = "this node was started where pysh is not installed, and cannot itself go on by SSH"
            hint = "go there from the node that started it, or install pysh here: pip install pysh-mesh"
            raise TransportError("launch", what, hint=hint)
        if self._far is None:
            from pysh.runtime.hub.far import Far

            self._far = Far(LOG, self._server.cookie)
        return self._far

    async def greet(
        self, attempt: Attempt, sock: socket.socket, tunnel: "Tunnel | None" = None, node: str = ""
    ) -> None:
        """Connect to the node behind `sock`, to be called `node`; its outcome is reported as that of a dialling is."""
        server, now = self._server, time.monotonic()
        shake = dialling(server.hello(), server.cookie, host_key=tunnel.host_key if tunnel else b"", node=node)
        connection = Connection(shake, now=now, heartbeat=None)
        alias = "" if attempt.address.startswith("unix:") else attempt.address
        told = {"trace": attempt.trace.rows}
        peer = Peer(server, connection, token=attempt.token, address=attempt.address, alias=alias, told=told)
        self._greeting[peer.number] = attempt
        if tunnel is not None:
            self._tunnels[peer.number] = tunnel
        await unix.carry(sock, peer)
        server.loop.call_later(SECONDS, self._too_late, peer)

    def _too_late(self, peer: "Peer") -> None:
        if not peer.connection.opened and peer.transport is not None:
            peer.connection.tick(inf)  # a timer may come a moment too early
            peer.transport.abort()

    def greeted(self, peer: "Peer") -> bool:
        """A handshake is over; whether it is with whom we dialled, if we did. The same way leads there from now on."""
        if (attempt := self._greeting.pop(peer.number, None)) is None:
            return True
        assert peer.connection.peer is not None
        name, tunnel = peer.connection.peer.name, self._tunnels.get(peer.number)
        attempt.trace.lap("cookie", f"proved, wire version {peer.connection.version}")
        meant = discovery.meant(attempt.address)
        if isinstance(meant, There) and name.partition("@")[0] != meant.node:
            self._fail(attempt, "find", f"{name} answers at {meant.destination}, and not {printable(meant.node)}")
            _tell(attempt, False)
            return False
        self._ways[attempt.address] = attempt.way
        if tunnel is not None and self._far is not None:
            self._far.trust(tunnel)
        _tell(attempt, True)
        return True

    def lost(self, peer: "Peer") -> None:
        """A connection ended; if it was being dialled, say why."""
        if (tunnel := self._tunnels.pop(peer.number, None)) and self._far is not None:
            self._far.release(tunnel)
        if (attempt := self._greeting.pop(peer.number, None)) is None:
            return
        _tell(attempt, False)
        error = peer.connection.error
        if isinstance(error, HandshakeError) and error.code == "timeout":
            self._fail(attempt, "ready", str(_silent(attempt.address, str(error))))
        elif isinstance(error, HandshakeError):
            self._fail(attempt, REFUSALS.get(error.code, "ready"), str(error))
        else:
            self._fail(attempt, "ready", "the other side closed the connection before it said who it is")


def _tell(attempt: Attempt, well: bool) -> None:
    if attempt.greeted is not None and not attempt.greeted.done():
        attempt.greeted.set_result(well)


def _silent(address: str, said: str) -> TransportError:
    """The error for a node that let us connect and then `said` nothing."""
    if isinstance(here := discovery.meant(address), Here):
        with suppress(NoSuchNode):
            entry = discovery.find(here.written)
            return discovery.silent(entry.name, said, entry.pid)
    return discovery.silent(printable(address), said)


async def _find_here(address: Here) -> str:
    """The socket of a node of this machine. Raises `NoSuchNode` with those that run here."""
    try:
        return discovery.find(address.written).socket
    except NoSuchNode as error:
        from pysh.runtime.hub.far import is_ssh_host

        if "@" in address.written or not await is_ssh_host(address.node):
            raise
        hint = f"{address.node} is an ssh host; see who runs there: pysh ls {address.node}"
        raise type(error)(error.stage, error.what, error.evidence, hint) from error
