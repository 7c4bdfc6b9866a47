"""Nodes of other machines, as a hub reaches them: by SSH, through its carrier.

Imported with the first of them, for a hub that needs none starts without all of this.
"""

import asyncio
import socket
from collections.abc import Coroutine, Iterable
from typing import Any, NamedTuple

from pysh.runtime.hub import probe
from pysh.runtime.hub.carriers import Carriers
from pysh.runtime.hub.trace import Trace
from pysh.runtime.hub.trust import suite_over
from pysh.runtime.protocol.addresses import There, Way
from pysh.transports import sshconfig
from pysh.transports.base import TransportError
from pysh.transports.destination import Destination
from pysh.transports.means import Ended
from pysh.transports.tunnels import Connection

PARTING = 1.0
"""Seconds that what was written last has to leave this machine."""


class Tunnel(NamedTuple):
    """A socket that leads to a node, the suite to prove the cookie by there, and what it goes through."""

    sock: socket.socket
    suite: int
    ssh: Connection
    ended: "asyncio.Future[Ended]"


class Far:
    """Opens tunnels, and ends each SSH connection with the last of them."""

    def __init__(self, log: int) -> None:
        self._carriers = Carriers(log)
        self._releasing: set[asyncio.Task[None]] = set()

    async def open(self, there: There, way: Way, address: str, trace: Trace) -> Tunnel:
        """SSH to the machine, who runs there, and a stream to the node that is meant by `address`.

        Raises `TransportError` with the stage that was not reached, or `NoSuchNode`.
        """
        ssh, shared = await self.connect(there.destination, way)
        try:
            trace.connected(ssh.facts, shared=shared)
            suite = suite_over(ssh.facts, there.destination, address)
            machine = await probe.survey(ssh, there.destination)
            node = machine.find(there.node, there.destination)
            passage = await probe.stream(ssh, node.socket, there.destination)
        except BaseException:
            self.part(ssh)
            raise
        trace.lap("find", f"{node.name}, pid {node.pid}; Python {machine.python} answered")
        return Tunnel(passage.sock, suite, ssh, passage.ended)

    async def connect(self, destination: str, way: Way) -> tuple[Connection, bool]:
        """An SSH connection, and whether it was there before; `part` gives it back. Raises `TransportError`."""
        return await self._carriers.connect(destination, way)

    def release(self, tunnel: Tunnel) -> None:
        """It is over, and its socket is closed; what was written into it before still leaves."""
        self._later(self._parted(tunnel))

    async def close(self, tunnels: Iterable[Tunnel]) -> None:
        """Let what was written into the last `tunnels` leave, then end all of it."""
        for tunnel in tunnels:
            self.release(tunnel)
        if self._releasing:
            await asyncio.wait(self._releasing, timeout=2 * PARTING)
        await self._carriers.close()

    def part(self, ssh: Connection) -> None:
        """One of those who asked for a connection needs it no more."""
        self._later(self._carriers.release(ssh))

    async def _parted(self, tunnel: Tunnel) -> None:
        # A node that stops says so with its last bytes, and an SSH connection that is closed at once
        # would take them with it.
        await asyncio.wait([tunnel.ended], timeout=PARTING)
        await self._carriers.release(tunnel.ssh)

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
