"""How the cookie is proved where the channel is not private: SPAKE2, which a carrier computes for the hub.

The arithmetic needs a library that a hub may not import, and takes longer than a hub may stand still.
What speaks to a carrier is imported when there first is something to compute.
"""

# Importing pathlib would cost every hub's start 16 ms.
# ruff: noqa: PTH118, PTH208

import asyncio
import hashlib
import os
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import TYPE_CHECKING

from pysh.runtime.places import state_dir
from pysh.runtime.protocol.handshake import HMAC, SPAKE2, Handshake, Work
from pysh.runtime.protocol.hello import Hello
from pysh.transports.base import TransportError

if TYPE_CHECKING:
    from pysh.runtime.hub.peer import Peer
    from pysh.transports.tunnels import Carrier

IDLE = 60.0
"""Seconds without anything to compute after which the carrier ends."""
CODES = {"hostkey": "no_spake2", "busy": "busy", "malformed": "malformed"}
"""What a handshake that cannot go on says, for each stage of the carrier's error."""


def dialling(hello: Hello, cookie: bytes, *, host_key: bytes = b"", node: str = "") -> Handshake:
    """The handshake of who dials; with SPAKE2 where `host_key`, the SHA-256 of the one that was seen, is given.

    It fails for a peer that is not called `node`, where that is told: what stands before the `@`.
    """

    def check(peer: Hello) -> str | None:
        right = not node or peer.name.partition("@")[0] == node
        return None if right else f"another_node: {peer.name} answers there, and no {node}"

    hello = hello._replace(suite=SPAKE2 if host_key else HMAC)
    entropy = os.urandom(32) if host_key else b""
    return Handshake(hello, cookie, dialling=True, now=time.monotonic(), binding=host_key, entropy=entropy, check=check)


def machine_keys() -> tuple[bytes, ...]:
    """The SHA-256 of each host key of this machine's SSH servers, whose public halves lie in `/etc/ssh`.

    `$PYSH_HOST_KEYS` names other files or directories, with `:` between them.
    """
    from base64 import b64decode

    found: dict[bytes, None] = {}
    for path in _key_files(os.environ.get("PYSH_HOST_KEYS", "/etc/ssh")):
        try:
            with open(path, encoding="utf-8") as file:
                found[hashlib.sha256(b64decode(file.read().split()[1])).digest()] = None
        except (OSError, ValueError, IndexError):
            continue  # one that cannot be read vouches for nobody
    return tuple(found)


def _key_files(places: str) -> Iterator[str]:
    for place in places.split(":"):
        try:
            names = [name for name in sorted(os.listdir(place)) if name.startswith("ssh_host_")]
            yield from (os.path.join(place, name) for name in names if name.endswith("_key.pub"))
        except NotADirectoryError:
            yield place
        except OSError:
            continue


class Prover:
    """Does what handshakes wait for, in the carrier that `lend` gives, else in one of its own."""

    def __init__(self, log: int, lend: "Callable[[], Awaitable[Carrier]] | None" = None) -> None:
        self._log = log
        self._lend = lend or self._start
        self._carrier: Carrier | None = None
        self._starting = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle: asyncio.TimerHandle | None = None

    def start(self, peer: "Peer", work: Work, source: str) -> None:
        """Compute `work` for the handshake of `peer`, and let it go on; `source` is who made us do so."""
        self._run(self._do(peer, work, source))

    async def close(self) -> None:
        """Give up what is under way, and end the carrier."""
        for task in self._tasks:
            task.cancel()
        await self._end()

    async def _do(self, peer: "Peer", work: Work, source: str) -> None:
        self._unrest()
        connection = peer.connection
        try:
            carrier = await self._lend()
            share, key = await carrier.spake2(work.side, work.secret, work.entropy, work.theirs, source=source)
        except (TransportError, OSError) as error:
            connection.work_failed(CODES.get(getattr(error, "stage", ""), "internal"), str(error))
        else:
            connection.work_done(share, key, time.monotonic())
        finally:
            self._rest()
        peer.go_on()

    async def _start(self) -> "Carrier":
        from pysh.transports.tunnels import Carrier

        async with self._starting:
            if self._carrier is None or self._carrier.gone:
                await self._end()
                self._carrier = await Carrier.start(os.path.join(state_dir(), "known_hosts"), log=self._log)
            return self._carrier

    async def _end(self) -> None:
        carrier, self._carrier = self._carrier, None
        if carrier is not None:
            await carrier.close()

    def _unrest(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _rest(self) -> None:
        """With nothing to compute the carrier is kept for a while."""
        self._unrest()
        if self._carrier is not None:
            self._idle = asyncio.get_running_loop().call_later(IDLE, lambda: self._run(self._end()))

    def _run(self, doing: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(doing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
