"""Nodes of other machines, as a hub reaches them: by SSH, through its carrier.

Imported with the first of them, for a hub that needs none starts without all of this.
"""

import asyncio
import socket
from collections.abc import Iterable
from typing import NamedTuple

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
        ssh, shared = await self._carriers.connect(there.destination, way)
        try:
            trace.connected(ssh.facts, shared=shared)
            suite = suite_over(ssh.facts, there.destination, address)
            machine = await probe.survey(ssh, there.destination)
            node = machine.find(there.node, there.destination)
            passage = await probe.stream(ssh, node.socket, there.destination)
        except BaseException:
            self._release(ssh)
            raise
        trace.lap("find", f"{node.name}, pid {node.pid}; Python {machine.python} answered")
        return Tunnel(passage.sock, suite, ssh, passage.ended)

    def release(self, tunnel: Tunnel) -> None:
        """It is over, and its socket is closed."""
        self._release(tunnel.ssh)

    async def close(self, tunnels: Iterable[Tunnel]) -> None:
        """Let what was written into the last `tunnels` leave, then end all of it."""
        if parting := [tunnel.ended for tunnel in tunnels]:
            await asyncio.wait(parting, timeout=PARTING)
        await self._carriers.close()

    def _release(self, ssh: Connection) -> None:
        task = asyncio.get_running_loop().create_task(self._carriers.release(ssh))
        self._releasing.add(task)
        task.add_done_callback(self._releasing.discard)


async def is_ssh_host(name: str) -> bool:
    """Whether the user's ssh configuration makes something of `name`."""
    try:
        return (await sshconfig.resolve(Destination(name))).host != name
    except TransportError:
        return False
