"""Nodes of other machines, as a hub reaches them: by SSH, through its carrier.

Imported with the first of them, for a hub that needs none starts without all of this.
"""

import asyncio
import socket
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, NamedTuple

from pysh.runtime.hub import probe
from pysh.runtime.hub.carriers import Carriers
from pysh.runtime.hub.trace import Trace
from pysh.runtime.hub.trust import host_key_to_bind
from pysh.runtime.protocol.addresses import There, Way
from pysh.transports import sshconfig
from pysh.transports.base import TransportError
from pysh.transports.destination import Destination
from pysh.transports.means import EMBEDDED, SERVICE, Ended
from pysh.transports.tunnels import Connection

if TYPE_CHECKING:
    from pysh.runtime.hub.dialling import Attempt
    from pysh.transports.asking import Ask

PARTING = 1.5
"""Seconds that what was written last has to arrive, and the other end to hang up too."""
ANSWER = 5.0
"""Seconds that a machine has to run nothing at all, when it is asked whether it is there."""


class Tunnel(NamedTuple):
    """A socket that leads to a node, what the proof of the cookie is bound to there, and what it goes through."""

    sock: socket.socket
    host_key: bytes
    ssh: Connection
    ended: "asyncio.Future[Ended]"


class Far:
    """Opens tunnels, and ends each SSH connection with the last of them."""

    def __init__(self, log: int, cookie: bytes) -> None:
        self._carriers = Carriers(log, cookie)
        self._releasing: set[asyncio.Task[None]] = set()

    async def open(self, there: There, attempt: "Attempt") -> Tunnel:
        """SSH to the machine, who runs there, and a stream to the node that `attempt` is for.

        Raises `TransportError` with the stage that was not reached, or `NoSuchNode`.
        """
        trace = attempt.trace
        ssh, shared = await self.connect(there.destination, attempt.way, attempt.ask)
        trace.connected(ssh.facts, shared=shared)
        try:
            return await self._through(ssh, there, trace)
        except TransportError:
            if not (shared and ssh.lost.done()):
                raise
        # What was there turned out to lead nowhere; a new one may.
        ssh, shared = await self.connect(there.destination, attempt.way, attempt.ask)
        trace.connected(ssh.facts, shared=shared)
        return await self._through(ssh, there, trace)

    async def _through(self, ssh: Connection, there: There, trace: Trace) -> Tunnel:
        try:
            if ssh.facts.server == EMBEDDED:
                found, passage = "a node that listens", await ssh.stream(path=SERVICE)
            else:
                machine = await probe.survey(ssh, there.destination)
                node = machine.find(there.node, there.destination)
                found = f"{node.name}, pid {node.pid}; Python {machine.python} answered"
                passage = await probe.stream(ssh, node.socket, there.destination)
        except BaseException:
            self.part(ssh)
            raise
        trace.lap("find", found)
        return Tunnel(passage.sock, host_key_to_bind(ssh.facts), ssh, passage.ended)

    async def connect(self, destination: str, way: Way, ask: "Ask | None" = None) -> tuple[Connection, bool]:
        """An SSH connection, and whether it was there before; `part` gives it back. Raises `TransportError`."""
        return await self._carriers.connect(destination, way, ask)

    def trust(self, tunnel: Tunnel) -> None:
        """Who proved the cookie over a host key that nobody vouched for has proved the key: it is written down."""
        if tunnel.ssh.facts.verified == "provisional":
            self._later(self._pin(tunnel.ssh))

    async def _pin(self, ssh: Connection) -> None:
        try:
            await ssh.accept()
        except TransportError:
            pass  # the key stays provisional, and the cookie will prove it again

    def release(self, tunnel: Tunnel) -> None:
        """Its socket is closed: once what was written there has left, the rest may go."""
        self._later(self._part(tunnel))

    async def close(self) -> None:
        """End all of it. To be called when every tunnel is released."""
        if self._releasing:
            await asyncio.wait(self._releasing, timeout=2 * PARTING)
        await self._carriers.close()

    def part(self, ssh: Connection) -> None:
        """One of those who asked for a connection needs it no more."""
        self._carriers.release(ssh)

    async def _part(self, tunnel: Tunnel) -> None:
        ended, _ = await asyncio.wait([tunnel.ended], timeout=PARTING)
        # Either the node hangs, which concerns nobody else on its machine, or the machine is not there.
        if ended or await _answers(tunnel.ssh):
            self._carriers.release(tunnel.ssh)
        else:
            self._carriers.give_up(tunnel.ssh)

    def _later(self, releasing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(releasing)
        self._releasing.add(task)
        task.add_done_callback(self._releasing.discard)


async def _answers(ssh: Connection) -> bool:
    """Whether there is a machine at the other end."""
    try:
        async with asyncio.timeout(ANSWER):
            await ssh.run(":")
    except (TransportError, TimeoutError):
        return False
    return True


async def is_ssh_host(name: str) -> bool:
    """Whether the user's ssh configuration makes something of `name`."""
    try:
        return (await sshconfig.resolve(Destination(name))).host != name
    except TransportError:
        return False
