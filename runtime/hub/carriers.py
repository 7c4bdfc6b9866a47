"""SSH connections for a hub, from the carrier that it keeps."""

import asyncio
import random
import time

from pysh.runtime.hub.kept import KeptCarrier
from pysh.runtime.protocol.addresses import Way
from pysh.transports.asking import Ask
from pysh.transports.base import TransportError
from pysh.transports.means import DROPPED
from pysh.transports.tunnels import Connection

TRYING = 5.0
"""Seconds for which a server is asked again that lets nobody more in at the moment (MaxStartups)."""
PAUSE = 0.3
"""Seconds before the second try, at most; each further one waits up to that much longer."""


class Carriers:
    """Connects, and knows when nothing needs the carrier. What it prints goes to the file descriptor `log`.

    A node that listens by itself lets in who proves `cookie`.
    """

    def __init__(self, log: int, cookie: bytes) -> None:
        self._kept = KeptCarrier(log)
        self._cookie = cookie

    async def connect(self, destination: str, way: Way, ask: Ask | None = None) -> tuple[Connection, bool]:
        """An SSH connection to `destination`, and whether it was there before; `ask` asks a person.

        To be given back by `release`, once for each call. Raises `TransportError` with the stage that
        was not reached; nothing that failed to authenticate is tried again.
        """
        until, pause = time.monotonic() + TRYING, 0.0
        while True:
            try:
                connection = await self._connect(destination, way, ask)
            except TransportError as error:
                pause += PAUSE
                if error.what != DROPPED or time.monotonic() + pause > until:
                    raise
            else:
                return connection, connection.uses > 1
            await asyncio.sleep(random.uniform(pause / 4, pause))

    def release(self, connection: Connection) -> None:
        """One of those who asked for it needs it no more; it ends with the last."""
        connection.close()
        self._kept.rest()

    def give_up(self, connection: Connection) -> None:
        """End it, whoever needs it: it leads nowhere."""
        connection.end()
        self._kept.rest()

    async def close(self) -> None:
        """End the carrier, and every connection with it."""
        await self._kept.close()

    async def _connect(self, destination: str, way: Way, ask: Ask | None) -> Connection:
        async with self._kept.use() as carrier:
            return await carrier.connect(
                destination, via=way.via, hostkey=way.hostkey, transport=way.transport, ask=ask, secret=self._cookie
            )
