"""The hub's one carrier, the process that speaks SSH for it: started when first needed, and anew if it died."""

import asyncio
import os
import random
import time
from collections import Counter

from pysh.runtime.places import state_dir
from pysh.runtime.protocol.addresses import Way
from pysh.transports.asking import Ask
from pysh.transports.base import TransportError
from pysh.transports.means import DROPPED
from pysh.transports.tunnels import Carrier, Connection

IDLE = 60.0
"""Seconds after which a carrier that holds no connection ends."""
TRYING = 5.0
"""Seconds for which a server is asked again that lets nobody more in at the moment (MaxStartups)."""
PAUSE = 0.3
"""Seconds before the second try, at most; each further one waits up to that much longer."""


class Carriers:
    """SSH connections for a hub. What its carrier prints goes to the file descriptor `log`.

    A node that listens by itself lets in who proves `cookie`.
    """

    def __init__(self, log: int, cookie: bytes) -> None:
        self._log = log
        self._cookie = cookie
        self._carrier: Carrier | None = None
        self._starting = asyncio.Lock()
        self._uses: Counter[Connection] = Counter()
        self._idle: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None

    async def connect(self, destination: str, way: Way, ask: Ask | None = None) -> tuple[Connection, bool]:
        """An SSH connection to `destination`, and whether it was there before; `ask` asks a person.

        To be given back by `release`, once for each call. Raises `TransportError` with the stage that
        was not reached; nothing that failed to authenticate is tried again.
        """
        self._unrest()
        try:
            connection = await self._let_in(destination, way, ask)
            self._uses[connection] += 1
            return connection, self._uses[connection] > 1
        finally:
            self._rest()

    async def release(self, connection: Connection) -> None:
        """One of those who asked for it needs it no more; it ends with the last."""
        if self._uses[connection] > 1:
            self._uses[connection] -= 1
        elif connection in self._uses:
            await self.give_up(connection)

    async def give_up(self, connection: Connection) -> None:
        """End it, whoever needs it: it leads nowhere."""
        self._uses.pop(connection, None)
        await connection.close()
        self._rest()

    async def close(self) -> None:
        """End the carrier, and every connection with it."""
        self._unrest()
        await self._stop()
        if self._ending is not None:
            await self._ending

    async def _let_in(self, destination: str, way: Way, ask: Ask | None) -> Connection:
        """Connect; where the server lets nobody more in at the moment, again a little later."""
        until, pause = time.monotonic() + TRYING, 0.0
        while True:
            try:
                return await self._connect(destination, way, ask)
            except TransportError as error:
                pause += PAUSE
                if error.what != DROPPED or time.monotonic() + pause > until:
                    raise
            await asyncio.sleep(random.uniform(pause / 4, pause))

    async def _connect(self, destination: str, way: Way, ask: Ask | None) -> Connection:
        async with self._starting:
            if self._carrier is None or self._carrier.gone:
                await self._stop()
                known_hosts = os.path.join(state_dir(), "known_hosts")  # noqa: PTH118
                self._carrier = await Carrier.start(known_hosts, log=self._log)
        return await self._carrier.connect(
            destination, via=way.via, hostkey=way.hostkey, transport=way.transport, ask=ask, secret=self._cookie
        )

    async def _stop(self) -> None:
        carrier, self._carrier = self._carrier, None
        if carrier is not None:
            await carrier.close()

    def _unrest(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _rest(self) -> None:
        """With no connection left the carrier is kept for a while."""
        self._unrest()
        if not self._uses:
            self._idle = asyncio.get_running_loop().call_later(IDLE, self._end)

    def _end(self) -> None:
        self._idle = None
        self._ending = asyncio.get_running_loop().create_task(self._stop())
