"""The carrier process that a hub keeps: started when first needed, anew if it died, ended when long idle."""

# Importing pathlib would cost every hub's start 16 ms.
# ruff: noqa: PTH118

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from pysh.runtime.places import state_dir

if TYPE_CHECKING:
    from pysh.transports.tunnels import Carrier

IDLE = 60.0
"""Seconds after which a carrier that has nothing to do ends."""


class KeptCarrier:
    """A carrier when there is one to be asked. What it prints goes to the file descriptor `log`."""

    def __init__(self, log: int) -> None:
        self._log = log
        self._carrier: Carrier | None = None
        self._starting = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def use(self) -> "AsyncIterator[Carrier]":
        """The carrier, to ask something of it. Raises `OSError` where none can be started."""
        try:
            yield await self._there()
        finally:
            self.rest()

    def rest(self) -> None:
        """Something was given back: from now on it may be idle."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(IDLE, self._end_if_idle)

    async def close(self) -> None:
        """End the carrier, and all that goes through it."""
        if self._timer is not None:
            self._timer.cancel()
        await self._end()
        if self._ending is not None:
            await self._ending

    async def _there(self) -> "Carrier":
        from pysh.transports.tunnels import Carrier

        async with self._starting:
            if self._carrier is None or self._carrier.gone:
                await self._end()
                self._carrier = await Carrier.start(os.path.join(state_dir(), "known_hosts"), log=self._log)
            return self._carrier

    def _end_if_idle(self) -> None:
        if self._carrier is not None and self._carrier.idle:
            # From now on it is nobody's: who asks before it has ended is given another one.
            carrier, self._carrier = self._carrier, None
            self._ending = asyncio.get_running_loop().create_task(carrier.close())

    async def _end(self) -> None:
        carrier, self._carrier = self._carrier, None
        if carrier is not None:
            await carrier.close()
