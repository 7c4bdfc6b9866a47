"""How the cookie is proved where the channel is not private: SPAKE2, which a carrier computes for the hub.

The arithmetic needs a library that a hub may not import, and takes longer than a hub may stand still.
"""

# Importing pathlib would cost every hub's start 16 ms.
# ruff: noqa: PTH118, PTH208

import asyncio
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from pysh.runtime.protocol.handshake import HMAC, SPAKE2, Handshake, Work
from pysh.runtime.protocol.hello import Hello
from pysh.transports.base import TransportError

if TYPE_CHECKING:
    from pysh.runtime.hub.peer import Peer
    from pysh.transports.tunnels import Carrier

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
    """Does what handshakes wait for, in the carrier that `use` gives."""

    def __init__(self, use: "Callable[[], AbstractAsyncContextManager[Carrier]]") -> None:
        self._use = use
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, peer: "Peer", work: Work, source: str) -> None:
        """Compute `work` for the handshake of `peer`, and let it go on; `source` is who made us do so."""
        task = asyncio.get_running_loop().create_task(self._do(peer, work, source))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Give up what is under way."""
        for task in self._tasks:
            task.cancel()

    async def _do(self, peer: "Peer", work: Work, source: str) -> None:
        connection = peer.connection
        try:
            async with self._use() as carrier:
                share, key = await carrier.spake2(work.side, work.secret, work.entropy, work.theirs, source=source)
        except (TransportError, OSError) as error:
            connection.work_failed(CODES.get(getattr(error, "stage", ""), "internal"), str(error))
        else:
            connection.work_done(share, key, time.monotonic())
        peer.go_on()
