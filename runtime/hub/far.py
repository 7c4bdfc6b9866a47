"""Nodes of other machines, as a hub reaches them: by SSH, through its carrier.

Imported with the first of them, for a hub that needs none starts without all of this.
"""

import asyncio
import socket
from collections.abc import Coroutine
from typing import Any, NamedTuple

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

PARTING = 1.5
"""Seconds that what was written last has to arrive, and the other end to hang up too."""


class Gone(Exception):
    """An SSH connection that was there leads nowhere any more; a new one may."""


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

    async def open(self, there: There, way: Way, address: str, trace: Trace) -> Tunnel:
        """SSH to the machine, who runs there, and a stream to the node that is meant by `address`.

        Raises `TransportError` with the stage that was not reached, or `NoSuchNode`.
        """
        try:
            return await self._through(*await self._carriers.connect(there.destination, way), there, address, trace)
        except Gone:
            return await self._through(*await self._carriers.connect(there.destination, way), there, address, trace)

    async def _through(
        self, ssh: Connection, shared: bool, there: There, address: str, trace: Trace
    ) -> Tunnel:  # fmt: skip
        """A tunnel through `ssh`. Raises `Gone` where that was `shared`, and turns out to be dead."""
        try:
            trace.connected(ssh.facts, shared=shared)
            if ssh.facts.server == EMBEDDED:
                found, passage = "a node that listens", await ssh.stream(path=SERVICE)
            else:
                machine = await probe.survey(ssh, there.destination)
                node = machine.find(there.node, there.destination)
                found = f"{node.name}, pid {node.pid}; Python {machine.python} answered"
                passage = await probe.stream(ssh, node.socket, there.destination)
        except BaseException as error:
            self.part(ssh)
            if shared and ssh.lost.done():
                raise Gone from error
            raise
        trace.lap("find", found)
        return Tunnel(passage.sock, host_key_to_bind(ssh.facts), ssh, passage.ended)

    async def connect(self, destination: str, way: Way) -> tuple[Connection, bool]:
        """An SSH connection, and whether it was there before; `part` gives it back. Raises `TransportError`."""
        return await self._carriers.connect(destination, way)

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
        self._later(self._carriers.release(ssh))

    async def _part(self, tunnel: Tunnel) -> None:
        ended, _ = await asyncio.wait([tunnel.ended], timeout=PARTING)
        if ended:
            await self._carriers.release(tunnel.ssh)
        else:  # a machine that does not even hang up is not there, and nobody else is to wait for it
            await self._carriers.give_up(tunnel.ssh)

    def _later(self, releasing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(releasing)
        self._releasing.add(task)
        task.add_done_callback(self._releasing.discard)


async def is_ssh_host(name: str) -> bool:
    """Whether the user's ssh configuration makes something of `name`."""
    try:
        return (await sshconfig.resolve(Destination(name))).host != name
    except TransportError:
        return False
